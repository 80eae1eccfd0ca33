"""Directions divided by what was known before this step: ADOPT's and ACProp's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real, real_of, tiny
from gradtx.core.transform import ByDType, Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable, map_pairs, map_updates
from gradtx.transforms.limits import bounded
from gradtx.transforms.pointwise import floored, real_like, square
from gradtx.typing import Decay, NonNegative


def fourth_root(count: Any) -> Any:
    """ADOPT's limit at each step: $c_t = t^{1/4}$."""
    return count**0.25


class PastRootState(NamedTuple):
    """The steps taken, and the second moment before the next."""

    steps: jax.Array
    nu: Tree


class divide_by_past_root(Transform):
    """ADOPT's normalised gradient: $u = g_t / \\max(\\sqrt{\\nu_{t-1}}, \\varepsilon)$, clipped to $\\pm c_t$; then $\\nu_t = b\\,\\nu_{t-1} + (1-b)\\,g_t^2$.

    The first step only sets $\\nu_0 = g_0^2$ and emits zero. Since $\\nu$ doesn't contain the gradient that it divides, the method
    converges for any $b$.

    Args:
        decay: $b$ in [0, 1), a number or a schedule.
        eps: $\\varepsilon \\ge 0$.
        clip_value_fn: from the step, counted from 0, to $c_t$; no clipping if None. It is static: give it a name.

    Returns:
        A transformation with the state `PastRootState(steps, nu)`.

    Raises:
        ValueError: a number is outside its range.

    References:
        Taniguchi et al. (2024), ADOPT: Modified Adam Can Converge with Any β₂ with the Optimal Rate, arXiv:2411.02853.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.divide_by_past_root(0.99)
        >>> update, state = tx.update(jnp.array(4.0), tx.init(jnp.array(0.0)))
        >>> float(update), float(tx.update(jnp.array(2.0), state)[0])
        (0.0, 0.5)
    """

    decay: Decay = 0.9999
    eps: NonNegative = 1e-6
    clip_value_fn: Callable[[Any], Any] | None = fourth_root

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> PastRootState:
        check_trainable(self, params)
        return PastRootState(jnp.zeros((), jnp.int32), full_like(real_like(params), 0.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype, first = ByDType(self), state.steps == 0

        def one(g: Any, nu: Any) -> tuple[Any, Any]:
            own, seen = by_dtype[nu.dtype], cast(square().at(g), nu.dtype)
            u = g / cast(jnp.maximum(jnp.sqrt(floored(nu)), own.eps), g.dtype)
            if self.clip_value_fn is not None:
                u = bounded(u, jnp.asarray(self.clip_value_fn(state.steps.astype(nu.dtype)), g.dtype))
            # Not inside the first branch of the where alone: a gradient over eps may overflow there.
            return jnp.where(first, 0, u), jnp.where(first, seen, own.decay * nu + (1 - own.decay) * seen)

        out, nu = map_pairs(self, one, updates, state.nu)
        return out, PastRootState(saturating_increment(state.steps), nu)


class ScaleByAcpropState(NamedTuple):
    """The weight that the start still has in the second moment, and both moments."""

    product: jax.Array
    mu: Tree
    nu: Tree


class scale_by_acprop(Transform):
    """ACProp's direction: $u = g_t / (\\sqrt{\\hat\\nu_{t-1}} + \\varepsilon)$, then $\\mu_t = b_1\\mu_{t-1} + (1-b_1) g_t$, $\\nu_t = b_2 \\nu_{t-1} + (1-b_2)(g_t - \\mu_t)^2 + \\varepsilon_r$.

    Centred as AdaBelief's, and divided by what was known before this gradient; $\\hat\\nu_0 = 1$. As in the paper and its authors' code the
    residual is taken from the new mean; Optax's from the mean of before, which makes it larger by $1/b_1$ and all steps but the
    first as much shorter.

    Args:
        b1: $b_1$ in [0, 1), a number or a schedule.
        b2: $b_2$ in [0, 1), a number or a schedule.
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, added to $\\nu$ at every step.

    Returns:
        A transformation with the state `ScaleByAcpropState(product, mu, nu)`.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zhuang et al. (2021), Momentum Centering and Asynchronous Update for Adaptive Gradient Methods, arXiv:2110.05454.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_acprop()
        >>> float(tx.update(jnp.array(4.0), tx.init(jnp.array(0.0)))[0])
        4.0
    """

    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-16
    eps_root: NonNegative = 1e-16

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> ScaleByAcpropState:
        check_trainable(self, params)
        one = jnp.ones((), real_of(params))
        return ScaleByAcpropState(one, full_like(params, 0.0), full_like(real_like(params), 0.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype, product = ByDType(self), state.product
        seen = 1 - product
        first = seen <= 0
        weight = jnp.where(first, 1.0, jnp.maximum(seen, tiny(seen.dtype)))

        def direction(g: Any, nu: Any) -> Any:
            past = jnp.where(first, 1, nu / cast(weight, nu.dtype))
            return g / cast(jnp.sqrt(floored(past)) + by_dtype[nu.dtype].eps, g.dtype)

        def second(residual: Any, nu: Any) -> Any:
            own = by_dtype[nu.dtype]
            return own.b2 * nu + (1 - own.b2) * cast(square().at(residual), nu.dtype) + own.eps_root

        def averaged(g: Any, m: Any) -> Any:
            return m + (1 - by_dtype[real(m.dtype)].b1) * (cast(g, m.dtype) - m)

        out = map_updates(self, direction, updates, state.nu)
        mu = map_updates(self, averaged, updates, state.mu)
        residual = map_updates(self, lambda g, m: g - cast(m, g.dtype), updates, mu)
        nu = map_updates(self, second, residual, state.nu)
        return out, ScaleByAcpropState(product * number(self.b2, product.dtype), mu, nu)
