"""AdaMax: Adam in the infinity norm."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema, running_max
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.limits import at_least
from gradtx.transforms.pointwise import absolute, offset, scale_by_learning_rate
from gradtx.typing import Decay, NonNegative


@optimizer
def scale_by_adamax(b1: Decay = 0.9, b2: Decay = 0.999, eps: NonNegative = 1e-8) -> Transform:
    """AdaMax's direction: $u = \\hat\\mu / \\nu$ with $\\nu \\leftarrow \\max(\\beta_2\\nu, |g| + \\varepsilon)$.

    Args:
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, added to $|g|$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Kingma, Ba (2014), Adam: A Method for Stochastic Optimization, arXiv:1412.6980, section 7.1.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_adamax()
        scale_by_adamax()
    """
    first = chain(named("mu", ema(b1)), bias_correction(b1))
    # The floor, the smallest normal number, is for eps = 0 where no gradient has come yet.
    return ratio(first, chain(absolute(), offset(eps), named("nu", running_max(b2)), at_least(2.0**-126)))


@optimizer
def adamax(learning_rate: NonNegative, b1: Decay = 0.9, b2: Decay = 0.999, eps: NonNegative = 1e-8) -> Transform:
    """AdaMax: $\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / \\nu$ with $\\nu \\leftarrow \\max(\\beta_2\\nu, |g| + \\varepsilon)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, added to $|g|$ as in Optax and PyTorch; the paper has none, and Keras adds it to $\\nu$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Kingma, Ba (2014), Adam: A Method for Stochastic Optimization, arXiv:1412.6980, section 7.1.

    Example:
        >>> import gradtx
        >>> gradtx.adamax(2e-3)
        adamax(learning_rate=0.002)
    """
    return chain(scale_by_adamax(b1, b2, eps), scale_by_learning_rate(learning_rate))


@optimizer
def adamaxw(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 1e-4,
    mask: Where | None = None,
) -> Transform:
    """AdaMax with decoupled weight decay: $\\theta \\leftarrow \\theta - \\eta\\,(\\hat\\mu / \\nu + \\lambda\\theta)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, added to $|g|$.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Kingma, Ba (2014), arXiv:1412.6980, section 7.1. Loshchilov, Hutter (2017), arXiv:1711.05101.

    Example:
        >>> import gradtx
        >>> gradtx.adamaxw(2e-3)
        adamaxw(learning_rate=0.002)
    """
    return chain(scale_by_adamax(b1, b2, eps), add_decayed_weights(weight_decay, mask), scale_by_learning_rate(learning_rate))
