"""Adam with the second moment of before: ADOPT and ACProp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import blend
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.past import divide_by_past_root, fourth_root, scale_by_acprop
from gradtx.transforms.pointwise import identity, scale_by_learning_rate
from gradtx.typing import Decay, DType, NonNegative


@optimizer
def scale_by_adopt(
    b1: Decay = 0.9,
    b2: Decay = 0.9999,
    eps: NonNegative = 1e-6,
    mu_dtype: DType = None,
    *,
    nesterov: bool = False,
    use_clipping: bool = True,
    clip_value_fn: Callable[[Any], Any] | None = None,
) -> Transform:
    """ADOPT's direction: $\\mu \\leftarrow b_1\\mu + (1-b_1)\\operatorname{clip}\\left(\\frac{g_t}{\\max(\\sqrt{\\nu_{t-1}}, \\varepsilon)}, c_t\\right)$, $u = \\mu$; then $\\nu$ takes $g_t^2$ in.

    The first step sets $\\nu$ and moves nothing.

    Args:
        b1: $b_1$ in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: emit $b_1\\mu$ and $1 - b_1$ of the clipped gradient instead.
        use_clipping: False leaves out the clipping, as in the paper's first version.
        clip_value_fn: from the step, counted from 0, to $c_t$; the paper's $t^{1/4}$ if None. It is static: give it a name.

    Raises:
        ValueError: a number is outside its range.

    References:
        Taniguchi et al. (2024), ADOPT: Modified Adam Can Converge with Any β₂ with the Optimal Rate, arXiv:2411.02853.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_adopt()
        scale_by_adopt()
    """
    limit = (clip_value_fn or fourth_root) if use_clipping else None
    normalized = divide_by_past_root(b2, eps, limit)
    mu = named("mu", ema(b1, accumulator_dtype=mu_dtype))
    return chain(normalized, blend(b1, mu, identity()) if nesterov else mu)


@optimizer
def adopt(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.9999,
    eps: NonNegative = 1e-6,
    mu_dtype: DType = None,
    *,
    nesterov: bool = False,
    use_clipping: bool = True,
    clip_value_fn: Callable[[Any], Any] | None = None,
) -> Transform:
    """ADOPT: $\\theta \\leftarrow \\theta - \\eta\\mu$, with $\\mu \\leftarrow b_1\\mu + (1-b_1)\\operatorname{clip}\\left(\\frac{g_t}{\\max(\\sqrt{\\nu_{t-1}}, \\varepsilon)}, c_t\\right)$.

    The first step sets $\\nu$ and moves nothing.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: $b_1$ in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: Nesterov's momentum in place of $\\mu$.
        use_clipping: False leaves out the clipping.
        clip_value_fn: from the step, counted from 0, to $c_t$; the paper's $t^{1/4}$ if None. It is static: give it a name.

    Raises:
        ValueError: a number is outside its range.

    References:
        Taniguchi et al. (2024), ADOPT: Modified Adam Can Converge with Any β₂ with the Optimal Rate, arXiv:2411.02853.

    Example:
        >>> import gradtx
        >>> gradtx.adopt(1e-3)
        adopt(learning_rate=0.001)
    """
    direction = scale_by_adopt(b1, b2, eps, mu_dtype, nesterov=nesterov, use_clipping=use_clipping, clip_value_fn=clip_value_fn)
    return chain(direction, scale_by_learning_rate(learning_rate))


@optimizer
def acprop(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-16,
    eps_root: NonNegative = 1e-16,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """ACProp: $\\theta \\leftarrow \\theta - \\eta\\left(g_t / (\\sqrt{\\hat\\nu_{t-1}} + \\varepsilon) + \\lambda\\theta\\right)$, with $\\nu$ AdaBelief's average of $(g - \\mu)^2$ (see `scale_by_acprop`).

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: not negative, added to $\\nu$ at every step.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Zhuang et al. (2021), Momentum Centering and Asynchronous Update for Adaptive Gradient Methods, arXiv:2110.05454.

    Example:
        >>> import gradtx
        >>> gradtx.acprop(1e-3)
        acprop(learning_rate=0.001)
    """
    return chain(
        scale_by_acprop(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
