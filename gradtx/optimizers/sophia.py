"""Sophia: a momentum over a clipped diagonal of the Hessian."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.combinators.timing import refreshed
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.hessian import hutchinson_estimator_diag_hessian
from gradtx.transforms.limits import at_least, clip_modulus
from gradtx.transforms.pointwise import identity, scale, scale_by_learning_rate
from gradtx.typing import Decay, DType, NonNegative, Positive


@optimizer
def scale_by_sophia(
    b1: Decay = 0.965,
    b2: Decay = 0.99,
    eps: Positive = 1e-8,
    gamma: NonNegative = 0.01,
    clip_threshold: NonNegative | None = 1.0,
    update_interval: int = 10,
    hessian_diagonal_fn: Transform = hutchinson_estimator_diag_hessian(),  # noqa: B008
    mu_dtype: DType = None,
) -> Transform:
    """Sophia's direction: $u = \\operatorname{clip}(\\mu / \\max(\\gamma h, \\varepsilon), c)$, with the average $\\mu$ of $g$, and $h$ of estimates of the Hessian's diagonal.

    As in the paper $\\mu$ is not corrected for its start and an estimate counts at the step at which it is made; Optax
    corrects, and uses it from the next step on.

    Args:
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $h$, in [0, 1).
        eps: $\\varepsilon > 0$.
        gamma: $\\gamma \\ge 0$.
        clip_threshold: $c \\ge 0$; no clipping if None.
        update_interval: $h$ takes in an estimate every so many steps.
        hessian_diagonal_fn: what estimates: `hutchinson_estimator_diag_hessian()`, `gauss_newton_bartlett_diag_hessian(batch_size)`, or any
            transformation, such as `square()`, the empirical Fisher information.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without what the estimator needs.

    References:
        Liu et al. (2023), Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training, arXiv:2305.14342.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_sophia(gamma=0.05)
        scale_by_sophia(gamma=0.05)
    """
    curvature = named("nu", refreshed(hessian_diagonal_fn, ema(b2), update_interval))
    newton = ratio(named("mu", ema(b1, accumulator_dtype=mu_dtype)), chain(curvature, scale(gamma), at_least(eps)))
    return chain(newton, identity() if clip_threshold is None else clip_modulus(clip_threshold))


@optimizer
def sophia(
    learning_rate: NonNegative,
    b1: Decay = 0.965,
    b2: Decay = 0.99,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 1e-4,
    weight_decay_mask: Where | None = None,
    gamma: NonNegative = 0.01,
    clip_threshold: NonNegative | None = 1.0,
    update_interval: int = 10,
    hessian_diagonal_fn: Transform = hutchinson_estimator_diag_hessian(),  # noqa: B008
    mu_dtype: DType = None,
) -> Transform:
    """Sophia: $\\theta \\leftarrow \\theta - \\eta\\,(\\operatorname{clip}(\\mu / \\max(\\gamma h, \\varepsilon), c) + \\lambda\\theta)$ (see `scale_by_sophia`).

    With the default estimator give the function: `tx.update(grads, state, params, obj_fn=loss)`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $h$, in [0, 1).
        eps: $\\varepsilon > 0$.
        weight_decay: $\\lambda \\ge 0$.
        weight_decay_mask: which parameters decay (see `add_decayed_weights`); all if None.
        gamma: $\\gamma \\ge 0$. The paper chooses it such that a tenth to half of the numbers are not clipped: 0.01 for Hutchinson's
            estimator, 0.05 for Gauss-Newton-Bartlett's.
        clip_threshold: $c \\ge 0$; no clipping if None.
        update_interval: $h$ takes in an estimate every so many steps.
        hessian_diagonal_fn: what estimates the diagonal (see `scale_by_sophia`).
        mu_dtype: dtype of $\\mu$; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters or what the estimator needs.

    References:
        Liu et al. (2023), Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training, arXiv:2305.14342.

    Example:
        >>> import gradtx
        >>> gradtx.sophia(1e-3, hessian_diagonal_fn=gradtx.gauss_newton_bartlett_diag_hessian(256))
        sophia(learning_rate=0.001, hessian_diagonal_fn=gauss_newton_bartlett_diag_hessian(batch_size=256.0))
    """
    return chain(
        scale_by_sophia(b1, b2, eps, gamma, clip_threshold, update_interval, hessian_diagonal_fn, mu_dtype),
        add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_learning_rate(learning_rate),
    )
