"""AdEMAMix: Adam with a second, very long memory of the gradients."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import add, ratio
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.momentum import scale_by_momentum
from gradtx.transforms.pointwise import offset, scale, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, DType, Hyper, NonNegative


@optimizer
def scale_by_ademamix(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    b3: Decay = 0.9999,
    alpha: Hyper = 6.0,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
) -> Transform:
    """AdEMAMix' direction: $u = (\\hat m_1 + \\alpha m_2) / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$, with a fast average $m_1$ and a slow one $m_2$ (not corrected) of $g$.

    Args:
        b1: the decay of $m_1$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        b3: the decay of $m_2$, in [0, 1); the paper lets it rise.
        alpha: $\\alpha$, any finite number; the paper lets it rise from 0, so give a schedule.
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of both first moments; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Pagliardini, Ablin, Grangier (2024), The AdEMAMix Optimizer: Better, Faster, Older, arXiv:2409.03137.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_ademamix()
        scale_by_ademamix()
    """
    slow = chain(named("m2", ema(b3, accumulator_dtype=mu_dtype)), scale(alpha))
    second = chain(square(), named("nu", ema(b2)), bias_correction(b2), offset(eps_root), sqrt())
    fast = chain(named("m1", ema(b1, accumulator_dtype=mu_dtype)), bias_correction(b1))
    return ratio(add(fast, slow), second, eps)


@optimizer
def ademamix(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    b3: Decay = 0.9999,
    alpha: Hyper = 5.0,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """AdEMAMix: $\\theta \\leftarrow \\theta - \\eta\\left((\\hat m_1 + \\alpha m_2) / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon) + \\lambda\\theta\\right)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of the fast average $m_1$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        b3: the decay of the slow average $m_2$, in [0, 1). The paper lets it rise from $b_1$, and `alpha` from 0, over the run.
        alpha: $\\alpha$, any finite number, such as `linear_schedule(0.0, 5.0, steps)`. 5 as in Optax and the paper's
            advice of 4 to 10 (`scale_by_ademamix` has Optax's 6).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of both first moments; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Pagliardini, Ablin, Grangier (2024), The AdEMAMix Optimizer: Better, Faster, Older, arXiv:2409.03137.

    Example:
        >>> import gradtx
        >>> gradtx.ademamix(1e-3, alpha=gradtx.linear_schedule(0.0, 5.0, 10_000))
        ademamix(learning_rate=0.001, alpha=linear_schedule(init_value=0.0, end_value=5.0, transition_steps=10000.0))
    """
    return chain(
        scale_by_ademamix(b1, b2, b3, alpha, eps, eps_root, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def scale_by_simplified_ademamix(
    b1: Decay = 0.99,
    b2: Decay = 0.95,
    alpha: Hyper = 0.0,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
) -> Transform:
    """Simplified AdEMAMix' direction: $u = (m + \\alpha g) / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$ with the momentum $m \\leftarrow b_1 m + g$.

    Args:
        b1: $b_1$ in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        alpha: $\\alpha$, any finite number or a schedule.
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.

    Raises:
        ValueError: a number is outside its range.

    References:
        Morwani, Vyas, Zhang, Kakade (2025), Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD Variants,
        arXiv:2502.02431.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_simplified_ademamix()
        scale_by_simplified_ademamix()
    """
    second = chain(square(), named("n", ema(b2)), bias_correction(b2), offset(eps_root), sqrt())
    return ratio(add(named("m", scale_by_momentum(b1)), scale(alpha)), second, eps)


@optimizer
def simplified_ademamix(
    learning_rate: NonNegative,
    b1: Decay = 0.99,
    b2: Decay = 0.95,
    alpha: Hyper = 0.0,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """Simplified AdEMAMix: $\\theta \\leftarrow \\theta - \\eta\\left((m + \\alpha g) / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon) + \\lambda\\theta\\right)$, $m \\leftarrow b_1 m + g$.

    The momentum is a sum, not an average: rates are smaller than Adam's by $1 - b_1$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: $b_1$ in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        alpha: $\\alpha$, any finite number or a schedule.
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Morwani, Vyas, Zhang, Kakade (2025), Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD Variants,
        arXiv:2502.02431.

    Example:
        >>> import gradtx
        >>> gradtx.simplified_ademamix(1e-5)
        simplified_ademamix(learning_rate=1e-05)
    """
    return chain(
        scale_by_simplified_ademamix(b1, b2, alpha, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
