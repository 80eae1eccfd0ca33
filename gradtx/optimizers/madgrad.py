"""MADGRAD: dual averaging with a cube root."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.madgrad import scale_by_madgrad
from gradtx.typing import Fraction, NonNegative


@optimizer
def madgrad(
    learning_rate: NonNegative, momentum: Fraction = 0.9, weight_decay: NonNegative = 0.0, eps: NonNegative = 1e-6
) -> Transform:
    """MADGRAD: $\\theta \\leftarrow \\beta\\,\\theta + (1-\\beta)\\left(\\theta_0 - s / (\\sqrt[3]{\\nu} + \\varepsilon)\\right)$, with sums $s$ of $\\lambda_t g$ and $\\nu$ of $\\lambda_t g^2$, $\\lambda_t = (\\eta + \\varepsilon)\\sqrt t$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        momentum: $\\beta$ in [0, 1].
        weight_decay: not negative, added to the gradient (L2, not decoupled), as in the authors' code.
        eps: $\\varepsilon \\ge 0$.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Defazio, Jelassi (2021), Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged Gradient Method for
        Stochastic Optimization, arXiv:2101.11075.

    Example:
        >>> import gradtx
        >>> gradtx.madgrad(0.01)
        madgrad(learning_rate=0.01)
    """
    return chain(add_decayed_weights(weight_decay), scale_by_madgrad(learning_rate, momentum, eps))
