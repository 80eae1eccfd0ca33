"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import first_moment
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.pointwise import offset, scale_by_learning_rate, sqrt, square
from gradtx.transforms.rectify import rectify
from gradtx.typing import Decay, NonNegative


@optimizer
def scale_by_radam(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    threshold: NonNegative = 5.0,
    *,
    nesterov: bool = False,
) -> Transform:
    """RAdam's direction: $u = r_t\\,\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$ once $\\rho_t$ has reached the threshold, until then $u = \\hat\\mu$.

    Args:
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        threshold: 5 as in the authors' code, Optax and PyTorch; 4 as in the paper, the least there can be (see `rectify`).
        nesterov: Nadam's first moment.

    Raises:
        ValueError: a number is outside its range.

    References:
        Liu et al. (2019), On the Variance of the Adaptive Learning Rate and Beyond, arXiv:1908.03265.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_radam()
        scale_by_radam()
    """
    second = chain(square(), named("nu", ema(b2)), bias_correction(b2), offset(eps_root), sqrt(), offset(eps))
    return ratio(first_moment(b1, nesterov=nesterov), chain(second, rectify(b2, threshold)))


@optimizer
def radam(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    threshold: NonNegative = 5.0,
    *,
    nesterov: bool = False,
) -> Transform:
    """Rectified Adam: $\\theta \\leftarrow \\theta - \\eta\\,r_t\\,\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$, and $\\theta - \\eta\\,\\hat\\mu$ while $\\rho_t$ is below the threshold.

    It needs no warm-up: the first steps are those of momentum, and $r_t$ rises to 1.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root and after the correction, as in Optax; PyTorch and the authors' code add it before.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        threshold: 5 as in the authors' code, Optax and PyTorch; 4 as in the paper.
        nesterov: Nadam's first moment.

    Raises:
        ValueError: a number is outside its range.

    References:
        Liu et al. (2019), On the Variance of the Adaptive Learning Rate and Beyond, arXiv:1908.03265.

    Example:
        >>> import gradtx
        >>> gradtx.radam(1e-3)
        radam(learning_rate=0.001)
    """
    return chain(scale_by_radam(b1, b2, eps, eps_root, threshold, nesterov=nesterov), scale_by_learning_rate(learning_rate))
