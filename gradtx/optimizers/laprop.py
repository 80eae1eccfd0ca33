"""LaProp: momentum after the division, not before."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.pointwise import identity, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, NonNegative


@optimizer
def scale_by_laprop(b1: Decay = 0.9, b2: Decay = 0.999, eps: NonNegative = 1e-15) -> Transform:
    """LaProp's direction: the corrected average of $g / (\\sqrt{\\hat\\nu} + \\varepsilon)$, with $\\hat\\nu$ Adam's second moment.

    Args:
        b1: the decay of the average, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.

    Raises:
        ValueError: a number is outside its range.

    References:
        Ziyin, Wang, Ueda (2020), LaProp: Separating Momentum and Adaptivity in Adam, arXiv:2002.04839.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_laprop()
        scale_by_laprop()
    """
    second = chain(square(), named("nu", ema(b2)), bias_correction(b2), sqrt())
    return chain(ratio(identity(), second, eps), named("mu", ema(b1)), bias_correction(b1))


@optimizer
def laprop(learning_rate: NonNegative, b1: Decay = 0.9, b2: Decay = 0.999, eps: NonNegative = 1e-15) -> Transform:
    """LaProp: $\\mu \\leftarrow \\beta_1\\mu + (1-\\beta_1)\\,g / (\\sqrt{\\hat\\nu} + \\varepsilon)$; $\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: $\\beta_1$ in [0, 1).
        b2: the decay of $\\nu$, in [0, 1); unlike Adam it stays stable for $\\beta_1 > \\sqrt{\\beta_2}$.
        eps: $\\varepsilon \\ge 0$, outside the root.

    Raises:
        ValueError: a number is outside its range.

    References:
        Ziyin, Wang, Ueda (2020), LaProp: Separating Momentum and Adaptivity in Adam, arXiv:2002.04839.

    Example:
        >>> import gradtx
        >>> gradtx.laprop(4e-4)
        laprop(learning_rate=0.0004)
    """
    return chain(scale_by_laprop(b1, b2, eps), scale_by_learning_rate(learning_rate))
