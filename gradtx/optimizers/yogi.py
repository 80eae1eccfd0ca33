"""Yogi: Adam with a second moment that changes slowly when the gradients shrink."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema, sign_ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.pointwise import offset, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, NonNegative


@optimizer
def scale_by_yogi(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-3,
    eps_root: NonNegative = 0.0,
    initial_accumulator_value: NonNegative = 1e-6,
) -> Transform:
    """Yogi's direction: Adam's with $\\nu \\leftarrow \\nu - (1-\\beta_2)\\operatorname{sign}(\\nu - g^2)\\,g^2$.

    Args:
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: outside the root, not negative.
        eps_root: inside the root, not negative.
        initial_accumulator_value: where $\\mu$ and $\\nu$ start, not negative (both, as in Optax).

    Raises:
        ValueError: a number is outside its range.

    References:
        Zaheer, Reddi, Sachan, Kale, Kumar (2018), Adaptive Methods for Nonconvex Optimization, NeurIPS.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_yogi()
        scale_by_yogi()
    """
    first = chain(named("mu", ema(b1, initial_accumulator_value)), bias_correction(b1))
    nu = named("nu", sign_ema(b2, initial_accumulator_value))
    return ratio(first, chain(square(), nu, bias_correction(b2), offset(eps_root), sqrt()), eps)


@optimizer
def yogi(learning_rate: NonNegative, b1: Decay = 0.9, b2: Decay = 0.999, eps: NonNegative = 1e-3) -> Transform:
    """Yogi: $\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / (\\sqrt{\\hat\\nu} + \\varepsilon)$ with $\\nu \\leftarrow \\nu - (1-\\beta_2)\\operatorname{sign}(\\nu - g^2)\\,g^2$.

    Both moments start at 1e-6 and are corrected as Adam's, as in Optax. The paper's algorithm corrects neither:
    `chain(ratio(ema(b1), chain(square(), sign_ema(b2, initial), sqrt()), eps), scale_by_learning_rate(learning_rate))`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zaheer, Reddi, Sachan, Kale, Kumar (2018), Adaptive Methods for Nonconvex Optimization, NeurIPS.

    Example:
        >>> import gradtx
        >>> gradtx.yogi(1e-2)
        yogi(learning_rate=0.01)
    """
    return chain(scale_by_yogi(b1, b2, eps), scale_by_learning_rate(learning_rate))
