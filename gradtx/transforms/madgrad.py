"""MADGRAD: dual averaging with a cube root."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real, wide
from gradtx.core.transform import ByDType, Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable, map_updates
from gradtx.core.whole import need_params
from gradtx.transforms.pointwise import floored, real_like, square
from gradtx.typing import Fraction, NonNegative


class MadgradState(NamedTuple):
    """The steps taken, the weighted sums of squares and of gradients, and where the parameters started."""

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    grad_sum_sq: Tree
    s: Tree
    x0: Tree


class scale_by_madgrad(Transform):
    """MADGRAD, a whole step: $\\theta \\leftarrow \\beta\\,\\theta + (1-\\beta) z$ with $z = \\theta_0 - s / (\\sqrt[3]{\\nu} + \\varepsilon)$.

    $\\lambda = (\\eta + \\varepsilon)\\sqrt{t}$ at step $t = 1, 2, \\dots$; $s \\leftarrow s + \\lambda g$, $\\nu \\leftarrow \\nu + \\lambda g^2$. No learning rate comes behind it, and
    nothing that changes the updates: it counts on where they lead.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        momentum: $\\beta$ in [0, 1].
        eps: $\\varepsilon \\ge 0$.

    Returns:
        A transformation with the state `MadgradState(count, grad_sum_sq, s, x0)`; it needs the parameters.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Defazio, Jelassi (2021), Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged Gradient Method for
        Stochastic Optimization, arXiv:2101.11075.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_madgrad(0.001, momentum=0.0, eps=0.0)
        >>> params = jnp.array(1.0)
        >>> round(float(tx.update(jnp.array(1.0), tx.init(params), params)[0]), 6)
        -0.01
    """

    learning_rate: NonNegative
    momentum: Fraction = 0.9
    eps: NonNegative = 1e-6

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> MadgradState:
        check_trainable(self, params)
        x0 = jax.tree.map(lambda p: jnp.array(p, wide(p.dtype)), params)
        return MadgradState(jnp.zeros((), jnp.int32), full_like(real_like(params), 0.0), full_like(params, 0.0), x0)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)

        def weight(dtype: Any) -> Any:
            own = by_dtype[real(dtype)]
            return number((own.learning_rate + own.eps) * jnp.sqrt(state.count.astype(real(dtype)) + 1), dtype)

        weights = {u.dtype: weight(u.dtype) for u in jax.tree.leaves(updates)}

        def step(p: Any, x0: Any, s: Any, nu: Any) -> Any:
            own = by_dtype[real(s.dtype)]
            z = x0 - s / cast(jnp.cbrt(floored(nu)) + own.eps, s.dtype)
            return number(1 - own.momentum, s.dtype) * (z - cast(p, s.dtype))

        s = map_updates(self, lambda g, s: s + weights[g.dtype] * g, updates, state.s)
        squares = map_updates(self, lambda g, v: v + jnp.real(weights[g.dtype]) * square().at(g), updates, state.grad_sum_sq)
        out = map_updates(self, step, need_params(self, params), state.x0, s, squares)
        return out, MadgradState(saturating_increment(state.count), squares, s, state.x0)
