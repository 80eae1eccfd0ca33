"""AMSGrad: Adam with a denominator that never shrinks."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import amsgrad_max, ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.pointwise import identity, offset, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, DType, NonNegative


@optimizer
def scale_by_amsgrad(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> Transform:
    """AMSGrad's direction: $u = \\hat\\mu / (\\sqrt{\\max_{s \\le t}\\hat\\nu_s + \\varepsilon_r} + \\varepsilon)$.

    Args:
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        bias_correction_mu: correct $\\mu$ for its start.
        bias_correction_nu: correct $\\nu$ for its start, before the maximum is taken.

    Raises:
        ValueError: a number is outside its range.

    References:
        Reddi, Kale, Kumar (2018), On the Convergence of Adam and Beyond, arXiv:1904.09237.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_amsgrad(b2=0.99)
        scale_by_amsgrad(b2=0.99)
    """
    mu, nu = named("mu", ema(b1, accumulator_dtype=mu_dtype)), named("nu", ema(b2))
    first = chain(mu, bias_correction(b1) if bias_correction_mu else identity())
    corrected = bias_correction(b2) if bias_correction_nu else identity()
    second = chain(square(), nu, corrected, named("nu_max", amsgrad_max()), offset(eps_root), sqrt())
    return ratio(first, second, eps)


@optimizer
def amsgrad(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> Transform:
    """AMSGrad: $\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / (\\sqrt{\\max_{s \\le t}\\hat\\nu_s + \\varepsilon_r} + \\varepsilon)$.

    The maximum is taken after the bias correction, as in Optax; PyTorch and Keras take it before: put `amsgrad_max()` in front of the
    second moment's `bias_correction` (`docs/conventions.md` has the composition). Without either correction it is the paper's algorithm.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        bias_correction_mu: correct $\\mu$ for its start.
        bias_correction_nu: correct $\\nu$ for its start.

    Raises:
        ValueError: a number is outside its range.

    References:
        Reddi, Kale, Kumar (2018), On the Convergence of Adam and Beyond, arXiv:1904.09237.

    Example:
        >>> import gradtx
        >>> gradtx.amsgrad(1e-3, bias_correction_mu=False, bias_correction_nu=False)
        amsgrad(learning_rate=0.001, bias_correction_mu=False, bias_correction_nu=False)
    """
    return chain(
        scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu),
        scale_by_learning_rate(learning_rate),
    )
