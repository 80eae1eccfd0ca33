"""L-BFGS: the inverse Hessian from the last few steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.number import cast
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import copied, inner_product, need_params, quotient, scaled


class ScaleByLBFGSState(NamedTuple):
    """The steps taken; parameters and gradient of the last; the last differences of both, `[memory_size, ...]`, the newest in front; $1 / s^\\top y$ of each, 0 where there is none yet."""

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    params: Tree
    updates: Tree
    diff_params_memory: Tree
    diff_updates_memory: Tree
    weights_memory: jax.Array


class scale_by_lbfgs(Transform):
    """L-BFGS's direction $H g$ by the two-loop recursion over the last $m$ pairs $s = \\Delta\\theta$, $y = \\Delta g$ with $s^\\top y > 0$.

    All of it is sums over trees: no array is reshaped or gathered, so that parameters may be sharded as they like.

    Args:
        memory_size: $m$, 1 or more.
        scale_init_precond: begin with $\\frac{s^\\top y}{y^\\top y} I$ of the newest pair instead of $I$.

    Returns:
        A transformation with the state `ScaleByLBFGSState`; `chain(scale_by_lbfgs(), scale_by_learning_rate(1.0), scale_by_zoom_linesearch())` is `lbfgs()`.

    Raises:
        ValueError: `memory_size` is no whole number over 0, or `update` was called without the parameters.

    References:
        Nocedal (1980), Updating Quasi-Newton Matrices with Limited Storage. Liu, Nocedal (1989), On the Limited Memory BFGS Method for
        Large Scale Optimization.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_lbfgs()
        >>> x = jnp.array([1.0, 1.0])
        >>> first, state = tx.update(x, tx.init(x), x)  # f = |x|²/2
        >>> second, state = tx.update(x / 2, state, x / 2)
        >>> second.tolist()  # one pair tells the Hessian
        [0.5, 0.5]
    """

    memory_size: int = 10
    scale_init_precond: bool = True

    def check(self) -> None:
        check_whole(self, "memory_size")

    def start(self, params: Tree) -> ScaleByLBFGSState:
        check_trainable(self, params)
        zero = full_like(params, 0.0, None)
        # Broadcast from what is sharded, so that the history is too from the first.
        stacked = lambda: jax.tree.map(lambda x: jnp.broadcast_to(x, (self.memory_size, *x.shape)), zero)
        weights = jnp.zeros(self.memory_size, inner_product(zero, zero).dtype)
        return ScaleByLBFGSState(jnp.zeros((), jnp.int32), copied(params), zero, stacked(), stacked(), weights)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        now = jax.tree.map(lambda p, u: cast(p, u.dtype), params, updates)
        s = jax.tree.map(jnp.subtract, now, state.params)
        y = jax.tree.map(jnp.subtract, updates, state.updates)
        curvature = inner_product(s, y)
        weight = quotient(jnp.ones_like(curvature), curvature)
        # A pair without positive curvature would spoil the matrix: it isn't taken in.
        new = (state.count > 0) & (weight > 0) & jnp.isfinite(weight)
        push = lambda memory, x: jnp.where(new, jnp.concatenate([x[None], memory[:-1]]), memory)
        ss, ys = jax.tree.map(push, state.diff_params_memory, s), jax.tree.map(push, state.diff_updates_memory, y)
        weights = push(state.weights_memory, weight)
        direction = self._two_loops(updates, ss, ys, weights)
        return direction, ScaleByLBFGSState(saturating_increment(state.count), now, updates, ss, ys, weights)

    def _two_loops(self, grad: Tree, ss: Tree, ys: Tree, weights: jax.Array) -> Tree:
        minus = lambda a, x, t: jax.tree.map(lambda u, v: u - cast(a, v.dtype) * v, x, t)

        def down(q: Tree, pair: Any) -> tuple[Tree, jax.Array]:
            s, y, weight = pair
            a = weight * inner_product(s, q)
            return minus(a, q, y), a

        def up(r: Tree, pair: Any) -> tuple[Tree, None]:
            s, y, weight, a = pair
            return minus(weight * inner_product(y, r) - a, r, s), None

        q, a = jax.lax.scan(down, grad, (ss, ys, weights))
        if self.scale_init_precond:
            y = jax.tree.map(lambda x: x[0], ys)
            squared = inner_product(y, y) * weights[0]
            q = scaled(q, jnp.where(squared > 0, 1 / jnp.where(squared > 0, squared, 1), 1))
        return jax.lax.scan(up, q, (ss, ys, weights, a), reverse=True)[0]
