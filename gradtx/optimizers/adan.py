"""Adan: Nesterov's momentum from the differences of gradients."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import add, ratio
from gradtx.combinators.share import let, recall
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.difference import difference
from gradtx.transforms.pointwise import identity, offset, scale, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, Fraction, NonNegative


@optimizer
def scale_by_adan(
    b1: Decay = 0.98,
    b2: Decay = 0.92,
    b3: Decay = 0.99,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    *,
    look_ahead: Fraction | None = None,
) -> Transform:
    """Adan's direction: $u = (\\hat m + c\\,\\hat v) / (\\sqrt{\\hat n + \\varepsilon_r} + \\varepsilon)$, with the averages $m$ of $g$, $v$ of $\\Delta$, $n$ of $(g + c\\Delta)^2$; $\\Delta = g_t - g_{t-1}$.

    Args:
        b1: the decay of $m$, in [0, 1).
        b2: the decay of $v$, in [0, 1).
        b3: the decay of $n$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        look_ahead: $c$ in [0, 1]. None means $b_2$: the paper's $1 - \\beta_2$, since its $\\beta$ are one less our decays. Optax
            multiplies by $1 - b_2$: give 0.08 for its defaults.

    Raises:
        ValueError: a number is outside its range.

    References:
        Xie, Zhou, Li, Lin, Yan (2022), Adan: Adaptive Nesterov Momentum Algorithm, arXiv:2208.06677.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_adan()
        scale_by_adan()
    """
    c = b2 if look_ahead is None else look_ahead
    change = recall("change")
    first = chain(named("m", ema(b1)), bias_correction(b1))
    ahead = chain(change, named("v", ema(b2)), bias_correction(b2), scale(c))
    looked = add(identity(), chain(change, scale(c)))
    second = chain(looked, square(), named("n", ema(b3)), bias_correction(b3), offset(eps_root), sqrt())
    return let("change", named("g", difference()), ratio(add(first, ahead), second, eps))


@optimizer
def adan(
    learning_rate: NonNegative,
    b1: Decay = 0.98,
    b2: Decay = 0.92,
    b3: Decay = 0.99,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    look_ahead: Fraction | None = None,
) -> Transform:
    """Adan: $\\theta \\leftarrow \\theta - \\eta\\left((\\hat m + c\\,\\hat v) / (\\sqrt{\\hat n + \\varepsilon_r} + \\varepsilon) + \\lambda\\theta\\right)$ (see `scale_by_adan`).

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of the gradients' average, in [0, 1).
        b2: the decay of their differences' average, in [0, 1).
        b3: the decay of the squares' average, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it; none in the paper.
        weight_decay: $\\lambda \\ge 0$, subtracted; the paper divides by $1 + \\eta\\lambda$ instead, which differs by $(\\eta\\lambda)^2$:
            `chain(adan(lr), decoupled_weight_decay(lr * wd), scale(1 / (1 + lr * wd)))`.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        look_ahead: $c$ in [0, 1]; None means $b_2$, as in the paper and its code. Optax multiplies by $1 - b_2$.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Xie, Zhou, Li, Lin, Yan (2022), Adan: Adaptive Nesterov Momentum Algorithm, arXiv:2208.06677.

    Example:
        >>> import gradtx
        >>> gradtx.adan(1e-3)
        adan(learning_rate=0.001)
    """
    return chain(
        scale_by_adan(b1, b2, b3, eps, eps_root, look_ahead=look_ahead),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
