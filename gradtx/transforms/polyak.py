"""Step sizes from the value of the loss: Polyak's, and MoMo's for momentum."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import inner_product, mixed, need, need_params, quotient, scalar, scaled
from gradtx.transforms.pointwise import floored, real_like, square
from gradtx.typing import Decay, Hyper, NonNegative


class scale_by_polyak(Transform):
    """Polyak's step size: $u \\leftarrow \\min\\left(\\frac{f(\\theta) - f^*}{\\|u\\|^2 + \\varepsilon}, \\gamma\\right) u$; zero where $u$ is.

    Args:
        f_min: $f^*$, the least value of the loss or a guess of it, a number or a schedule.
        max_learning_rate: $\\gamma \\ge 0$.
        eps: $\\varepsilon \\ge 0$.
        variant: `"sps"`, or `"sps+"`, which takes no step where the loss is below $f^*$ instead of one backwards.

    Returns:
        A stateless transformation. Its update takes the extra argument `value`, the loss $f(\\theta)$.

    Raises:
        ValueError: a number is outside its range, `variant` is another, or `update` was called without `value`.

    References:
        Polyak (1987), Introduction to Optimization. Loizou, Vaswani, Laradji, Lacoste-Julien (2020), Stochastic Polyak Step-size for
        SGD, arXiv:2002.10542. Garrigos, Gower, Schaipp (2023), Function Value Learning, arXiv:2307.14528 (sps+).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_polyak()
        >>> float(tx.update(jnp.array(4.0), tx.init(jnp.array(2.0)), value=4.0)[0])  # x² at 2: halfway to 0 when subtracted
        1.0
    """

    f_min: Hyper = 0.0
    max_learning_rate: NonNegative = 1.0
    eps: NonNegative = 0.0
    variant: str = "sps"

    def check(self) -> None:
        if self.variant not in ("sps", "sps+"):
            raise ValueError(f"scale_by_polyak: variant = {self.variant!r}; it must be 'sps' or 'sps+'.")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        squared = inner_product(updates, updates)
        dtype = squared.dtype
        gap = _value(self, extra, dtype) - number(self.f_min, dtype)
        if self.variant == "sps+":
            gap = jnp.maximum(gap, 0.0)
        step = jnp.minimum(quotient(gap, squared + number(self.eps, dtype)), number(self.max_learning_rate, dtype))
        return scaled(updates, step), ()


class MomoState(NamedTuple):
    """The averages of the gradient, of the loss and of the gradient times the parameters, the lower bound, and the steps taken."""

    exp_avg: Tree
    barf: jax.Array
    gamma: jax.Array
    lb: jax.Array
    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]


class scale_by_momo(Transform):
    """Momentum with a model-based step: $u = \\tau d$ with $\\tau = \\min\\left(\\eta, \\frac{(\\bar f + \\langle d, \\theta\\rangle - \\gamma - f^*)_+}{\\|d\\|^2}\\right)$, rate included; see `momo`.

    Args:
        learning_rate: $\\eta \\ge 0$, the largest step, a number or a schedule.
        beta: the decay of all averages, in [0, 1); they start at the first step.
        lower_bound: $f^*$.
        weight_decay: $\\lambda \\ge 0$.
        adapt_lower_bound: estimate $f^*$ on the way, beginning at, and never below, `lower_bound`.

    Returns:
        A transformation with the state `MomoState(exp_avg, barf, gamma, lb, count)`. Its update takes the extra argument `value`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters or without `value`.

    References:
        Schaipp, Ohana, Eickenberg, Defazio, Gower (2023), MoMo: Momentum Models for Adaptive Learning Rates, arXiv:2305.07583.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_momo(0.5), gradtx.scale_by_learning_rate(1.0))[0]
        scale_by_momo(learning_rate=0.5)
    """

    learning_rate: NonNegative = 1.0
    beta: Decay = 0.9
    lower_bound: Hyper = 0.0
    weight_decay: NonNegative = 0.0
    adapt_lower_bound: bool = False

    def start(self, params: Tree) -> MomoState:
        check_trainable(self, params)
        bound = scalar(params, self.lower_bound)
        return MomoState(full_like(params, 0.0), scalar(params), scalar(params), bound, jnp.zeros((), jnp.int32))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.barf.dtype
        need_params(self, params)
        count = saturating_increment(state.count)
        beta = jnp.where(state.count == 0, 0.0, number(self.beta, dtype))
        exp_avg = mixed(state.exp_avg, updates, beta, 1 - beta)
        barf = beta * state.barf + (1 - beta) * _value(self, extra, dtype)
        gamma = beta * state.gamma + (1 - beta) * inner_product(updates, params)
        squared, rho = inner_product(exp_avg, exp_avg), jnp.ones((), dtype)
        tau, shrink, lb = _model_step(self, barf - gamma, inner_product(exp_avg, params), squared, rho, state.lb)
        return _shrunk(scaled(exp_avg, tau), params, shrink), MomoState(exp_avg, barf, gamma, lb, count)


class MomoAdamState(NamedTuple):
    """As in `MomoState`, with the average of the squared gradient, and the products of all decays so far."""

    exp_avg: Tree
    exp_avg_sq: Tree
    barf: jax.Array
    gamma: jax.Array
    lb: jax.Array
    b1_product: jax.Array
    b2_product: jax.Array


class scale_by_momo_adam(Transform):
    """MoMo's step in Adam's norm: $u = \\tau D^{-1} d$ with $D = \\operatorname{diag}(\\varepsilon + \\sqrt{\\hat\\nu})$, rate included; see `momo_adam`.

    Args:
        learning_rate: $\\eta \\ge 0$, the largest step, a number or a schedule.
        b1: the decay of the averages of gradient, loss and product, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$.
        lower_bound: $f^*$.
        weight_decay: $\\lambda \\ge 0$.
        adapt_lower_bound: estimate $f^*$ on the way, beginning at, and never below, `lower_bound`.

    Returns:
        A transformation with the state `MomoAdamState`. Its update takes the extra argument `value`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters or without `value`.

    References:
        Schaipp, Ohana, Eickenberg, Defazio, Gower (2023), MoMo: Momentum Models for Adaptive Learning Rates, arXiv:2305.07583.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_momo_adam(), gradtx.scale_by_learning_rate(1.0))[0]
        scale_by_momo_adam()
    """

    learning_rate: NonNegative = 1e-2
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    lower_bound: Hyper = 0.0
    weight_decay: NonNegative = 0.0
    adapt_lower_bound: bool = False

    def start(self, params: Tree) -> MomoAdamState:
        check_trainable(self, params)
        averages = full_like(params, 0.0), full_like(real_like(params), 0.0)
        bound = scalar(params, self.lower_bound)
        return MomoAdamState(*averages, scalar(params), scalar(params), bound, scalar(params, 1.0), scalar(params, 1.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.b2_product.dtype
        need_params(self, params)
        b1, b2 = number(self.b1, dtype), number(self.b2, dtype)
        b1_product, b2_product = b1 * state.b1_product, b2 * state.b2_product
        exp_avg = mixed(state.exp_avg, updates, b1, 1 - b1)
        exp_avg_sq = mixed(state.exp_avg_sq, jax.tree.map(square().at, updates), b2, 1 - b2)
        barf = b1 * state.barf + (1 - b1) * _value(self, extra, dtype)
        gamma = b1 * state.gamma + (1 - b1) * inner_product(updates, params)

        def over(m: Any, v: Any) -> Any:
            root = jnp.sqrt(floored(v / number(1 - b2_product, v.dtype)))
            return m / cast(number(self.eps, v.dtype) + root, m.dtype)

        direction = jax.tree.map(over, exp_avg, exp_avg_sq)
        squared, rho = inner_product(exp_avg, direction), 1 - b1_product
        tau, shrink, lb = _model_step(self, barf - gamma, inner_product(exp_avg, params), squared, rho, state.lb)
        after = MomoAdamState(exp_avg, exp_avg_sq, barf, gamma, lb, b1_product, b2_product)
        return _shrunk(scaled(direction, tau), params, shrink), after


def _model_step(self: Any, offset: Any, product: Any, squared: Any, rho: Any, lb: Any) -> tuple[Any, Any, Any]:
    """The step, the factor 1 + ηλ of the decay, and the lower bound: the minimum of the model max(f̄ + <d, y> - γ, ρ f*) near θ."""
    dtype = rho.dtype
    rate, floor = number(self.learning_rate, dtype), number(self.lower_bound, dtype)
    shrink = 1 + rate * number(self.weight_decay, dtype)
    lb = lb if self.adapt_lower_bound else floor + jnp.zeros_like(lb)
    if self.adapt_lower_bound:
        cap = shrink * offset + product
        lb = jnp.where(cap < shrink * rho * lb, jnp.maximum(cap / (2 * rho * shrink), floor), lb)
    gap = jnp.maximum(shrink * (offset - rho * lb) + product, 0.0)
    tau = jnp.minimum(rate / rho, quotient(gap, squared))
    if self.adapt_lower_bound:
        lb = jnp.maximum((offset + product - 0.5 * tau * squared) / rho, floor)
    return tau, shrink, lb


def _shrunk(step: Tree, params: Tree, shrink: Any) -> Tree:
    """What to subtract so that θ becomes (θ - step) / shrink."""

    def one(u: Any, p: Any) -> Any:
        s = number(shrink, u.dtype)
        return u / s + (1 - 1 / s) * cast(p, u.dtype)

    return jax.tree.map(one, step, params)


def _value(who: Any, extra: dict[str, Any], dtype: Any) -> jax.Array:
    return jnp.asarray(need(who, extra, "value")).astype(dtype)
