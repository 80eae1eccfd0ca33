"""Adam at a rate that is a growing lower bound on the distance to the solution: D-Adaptation and Prodigy."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import copied, inner_product, mixed, need_params, quotient, scalar, total
from gradtx.transforms.pointwise import floored, real_like, square
from gradtx.typing import Decay, NonNegative, Positive


class DAdaptAdamWState(NamedTuple):
    """Adam's averages, the average of the gradients taken at the estimate's rate, the estimate, its numerator, and the products of the decays."""

    exp_avg: Tree
    exp_avg_sq: Tree
    grad_sum: Tree
    estim_lr: jax.Array
    numerator_weighted: jax.Array
    b1_product: jax.Array
    b2_product: jax.Array


class scale_by_dadapt_adam(Transform):
    """D-Adaptation's Adam, rates and decay included; see `dadapt_adamw`.

    Args:
        learning_rate: $\\gamma \\ge 0$, a factor of the estimated rate, a number or a schedule.
        betas: $\\beta_1$ and $\\beta_2$ in [0, 1), numbers or schedules.
        eps: $\\varepsilon \\ge 0$.
        estim_lr0: $d_0 > 0$, the first estimate.
        weight_decay: $\\lambda \\ge 0$, times the rate.

    Returns:
        A transformation with the state `DAdaptAdamWState`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Defazio, Mishchenko (2023), Learning-Rate-Free Learning by D-Adaptation, arXiv:2301.07733.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_dadapt_adam(), gradtx.scale_by_learning_rate(1.0))[0]
        scale_by_dadapt_adam()
    """

    learning_rate: NonNegative = 1.0
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    eps: NonNegative = 1e-8
    estim_lr0: Positive = 1e-6
    weight_decay: NonNegative = 0.0

    def start(self, params: Tree) -> DAdaptAdamWState:
        check_trainable(self, params)
        averages = full_like(params, 0.0), full_like(real_like(params), 0.0), full_like(params, 0.0)
        estimate, products = scalar(params, self.estim_lr0), (scalar(params, 1.0), scalar(params, 1.0))
        return DAdaptAdamWState(*averages, estimate, scalar(params), *products)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        d, dtype = state.estim_lr, state.estim_lr.dtype
        need_params(self, params)
        b1, b2, rate, b1_product, b2_product = _rate(self, state, dtype)
        b3 = jnp.sqrt(jnp.asarray(b2, dtype))
        before = jax.tree.map(lambda s, v: _over_root(s, v, number(self.eps, v.dtype)), state.grad_sum, state.exp_avg_sq)
        numerator = b3 * state.numerator_weighted + (1 - b3) * rate * inner_product(updates, before)
        exp_avg = mixed(state.exp_avg, updates, b1, (1 - b1) * rate)
        exp_avg_sq = mixed(state.exp_avg_sq, jax.tree.map(square().at, updates), b2, 1 - b2)
        grad_sum = mixed(state.grad_sum, updates, b3, (1 - b3) * rate)
        estimate = jnp.maximum(d, quotient(numerator, (1 - b3) * total(jax.tree.map(jnp.abs, grad_sum))))
        decay = number(self.weight_decay, dtype) * rate

        def step(m: Any, v: Any, p: Any) -> Any:
            return _over_root(m, v, number(self.eps, v.dtype)) + number(decay, m.dtype) * cast(p, m.dtype)

        out = jax.tree.map(step, exp_avg, exp_avg_sq, params)
        return out, DAdaptAdamWState(exp_avg, exp_avg_sq, grad_sum, estimate, numerator, b1_product, b2_product)


class ProdigyState(NamedTuple):
    """Adam's averages, the average of the gradients taken at the estimate's rate, the first parameters, the estimate, its numerator, the products of the decays."""

    exp_avg: Tree
    exp_avg_sq: Tree
    grad_sum: Tree
    params0: Tree
    estim_lr: jax.Array
    numerator_weighted: jax.Array
    b1_product: jax.Array
    b2_product: jax.Array


class scale_by_prodigy(Transform):
    """Prodigy's Adam, rates and decay included; see `prodigy`.

    Args:
        learning_rate: $\\gamma \\ge 0$, a factor of the estimated rate, a number or a schedule.
        betas: $\\beta_1$ and $\\beta_2$ in [0, 1), numbers or schedules.
        beta3: the decay of the estimate's sums, in [0, 1); $\\sqrt{\\beta_2}$ if None.
        eps: $\\varepsilon \\ge 0$.
        estim_lr0: $d_0 > 0$, the first estimate.
        estim_lr_coef: a factor of the estimate.
        weight_decay: $\\lambda \\ge 0$, times the rate.
        safeguard_warmup: leave $\\gamma$ and the bias correction out of the estimate's denominator, which keeps it small during a warm-up.

    Returns:
        A transformation with the state `ProdigyState`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Mishchenko, Defazio (2023), Prodigy: An Expeditiously Adaptive Parameter-Free Learner, arXiv:2306.06101.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_prodigy(), gradtx.scale_by_learning_rate(1.0))[0]
        scale_by_prodigy()
    """

    learning_rate: NonNegative = 1.0
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    beta3: Decay | None = None
    eps: NonNegative = 1e-8
    estim_lr0: Positive = 1e-6
    estim_lr_coef: NonNegative = 1.0
    weight_decay: NonNegative = 0.0
    safeguard_warmup: bool = False

    def start(self, params: Tree) -> ProdigyState:
        check_trainable(self, params)
        averages = full_like(params, 0.0), full_like(real_like(params), 0.0), full_like(params, 0.0)
        estimate, products = scalar(params, self.estim_lr0), (scalar(params, 1.0), scalar(params, 1.0))
        return ProdigyState(*averages, copied(params), estimate, scalar(params), *products)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        d, first, dtype = state.estim_lr, state.params0, state.estim_lr.dtype
        need_params(self, params)
        b1, b2, rate, b1_product, b2_product = _rate(self, state, dtype)
        b3 = jnp.sqrt(jnp.asarray(b2, dtype)) if self.beta3 is None else number(self.beta3, dtype)
        back = jax.tree.map(lambda a, p: a - cast(p, a.dtype), first, params)
        numerator = b3 * state.numerator_weighted + d * rate * inner_product(updates, back)
        exp_avg = mixed(state.exp_avg, updates, b1, (1 - b1) * d)
        exp_avg_sq = mixed(state.exp_avg_sq, jax.tree.map(square().at, updates), b2, (1 - b2) * d**2)
        grad_sum = mixed(state.grad_sum, updates, b3, d * (d if self.safeguard_warmup else rate))
        guess = quotient(numerator, total(jax.tree.map(jnp.abs, grad_sum)))
        estimate = jnp.maximum(d, number(self.estim_lr_coef, dtype) * guess)
        eps, decay = estimate * number(self.eps, dtype), number(self.weight_decay, dtype)

        def step(m: Any, v: Any, p: Any) -> Any:
            direction = _over_root(m, v, number(eps, v.dtype)) + number(decay, m.dtype) * cast(p, m.dtype)
            return number(rate, m.dtype) * direction

        out = jax.tree.map(step, exp_avg, exp_avg_sq, params)
        return out, ProdigyState(exp_avg, exp_avg_sq, grad_sum, first, estimate, numerator, b1_product, b2_product)


def _rate(self: Any, state: Any, dtype: Any) -> tuple[Any, Any, jax.Array, jax.Array, jax.Array]:
    """Both decays, the estimate times the learning rate with Adam's bias correction in it, and the products of the decays."""
    b1, b2 = (number(b, dtype) for b in self.betas)
    b1_product, b2_product = b1 * state.b1_product, b2 * state.b2_product
    correction = jnp.sqrt(1 - b2_product) / (1 - b1_product)
    return b1, b2, state.estim_lr * number(self.learning_rate, dtype) * correction, b1_product, b2_product


def _over_root(x: Any, v: Any, eps: Any) -> Any:
    return x / cast(jnp.sqrt(floored(v)) + eps, x.dtype)
