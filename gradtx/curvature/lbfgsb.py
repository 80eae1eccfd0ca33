"""L-BFGS-B: L-BFGS between bounds."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from gradtx.core.matrices import check_whole
from gradtx.core.number import cast, number
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable, map_updates
from gradtx.core.whole import need_params, quotient
from gradtx.curvature.line import FOUND, NO_STEP, Line, LineSearchState, start_state
from gradtx.curvature.zoom import zoom
from gradtx.transforms.projections import Bound, check_bounds
from gradtx.typing import Fraction


class LBFGSBState(NamedTuple):
    """The steps taken; parameters and gradient of the last, as vectors; the last differences of both at unit length, `[memory_size, n]`, the newest in front; $s^\\top y / y^\\top y$ of each, 0 where there is none yet; the search."""

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    params: jax.Array
    updates: jax.Array
    diff_params_memory: jax.Array
    diff_updates_memory: jax.Array
    scales_memory: jax.Array
    search: LineSearchState


class lbfgsb_step(Transform):
    """A step of L-BFGS-B: to the generalized Cauchy point of the model with L-BFGS's matrix, on to its minimum over the parameters that are free there, and a search along the way to it.

    The gradient is to be taken at `gradient_params(tx, state, params)`, the nearest point between the bounds; gradtx's own loops do. What `minimize`
    compares with `grad_tol` is the projected gradient $P(\\theta - g) - \\theta$.

    Args:
        lower: the least that each parameter may be: a number, or a tree like the parameters with numbers or arrays; None for no bound.
        upper: the largest, likewise.
        memory_size: pairs that make the matrix, 1 or more.
        curv_rtol: $c_2$ of the strong Wolfe search.
        max_linesearch_steps: evaluations a search at most.

    Returns:
        A transformation with the state `LBFGSBState`. Its update takes `value_fn`, and `value` and `grad` at the parameters (which are computed if
        missing).

    Raises:
        ValueError: `lower` is over `upper`, or has other places than the parameters; an argument is out of range; `update` was called without the
            parameters or `value_fn`.
        TypeError: the parameters are complex.

    References:
        Byrd, Lu, Nocedal, Zhu (1995), A Limited Memory Algorithm for Bound Constrained Optimization: compact matrix, Cauchy point and direct primal
        method. Morales, Nocedal (2011), Remark on Algorithm 778: the minimum is projected where that descends.

    Example:
        >>> import gradtx
        >>> gradtx.lbfgsb_step(0.0, 1.0)
        lbfgsb_step(lower=0.0, upper=1.0)
    """

    sides: ClassVar[tuple[str, str]] = ("the parameters have", "a bound has")

    lower: Bound = None
    upper: Bound = None
    memory_size: int = 10
    curv_rtol: Fraction = 0.9
    max_linesearch_steps: int = 30

    def check(self) -> None:
        check_whole(self, "memory_size", "max_linesearch_steps")
        check_bounds(self, self.lower, self.upper)

    def start(self, params: Tree) -> LBFGSBState:
        check_trainable(self, params)
        if any(jnp.iscomplexobj(p) for p in jax.tree.leaves(params)):
            raise TypeError(f"{type(self).__name__}: takes real parameters; split complex ones by split_real_and_imaginary.")
        flat, _ = ravel_pytree(full_like(params, 0.0, None))
        memory = lambda: jnp.zeros((self.memory_size, flat.size), flat.dtype)
        self._box(params)  # raises if the bounds don't fit
        zero = jnp.zeros((), jnp.int32)
        scales, search = jnp.zeros(self.memory_size, flat.dtype), start_state(params)
        return LBFGSBState(zero, jnp.zeros_like(flat), jnp.zeros_like(flat), memory(), memory(), scales, search)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return jax.tree.map(jnp.clip, params, *self._box(params))

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return self.gradient_params(state, params)

    def residual(self, params: Tree, grad: Tree) -> Tree:
        """What is nothing where no step between the bounds descends: the projected gradient, upwards."""
        return jax.tree.map(lambda p, g, low, high: p - jnp.clip(p - g, low, high), params, grad, *self._box(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        given = need_params(self, params)
        box = self._box(given)
        onto = lambda there: jax.tree.map(jnp.clip, there, *box)
        wide = lambda tree: jax.tree.map(lambda p, u: cast(p, u.dtype), tree, updates)
        params = onto(given)
        x, g = ravel_pytree(wide(params))[0], ravel_pytree(updates)[0]
        low, high = (ravel_pytree(wide(bound))[0] for bound in box)
        pairs = self._remembered(state, x, g)
        there = _Model.of(*pairs).minimized(x, g, low, high)
        direction = ravel_pytree(updates)[1](there - x)

        line = Line(self, direction, params, extra, onto)
        gap = there - x
        room = jnp.where(gap > 0, high - x, jnp.where(gap < 0, low - x, jnp.inf)) / jnp.where(gap == 0, 1, gap)
        most = jnp.clip(jnp.min(room, initial=jnp.inf), 1, 1e10)
        # At first the step has no scale but the box, if that has one.
        boxed = jnp.all(jnp.isfinite(high - low))
        first = jnp.where((state.count > 0) | boxed, 1, jnp.minimum(1, quotient(jnp.ones_like(most), jnp.linalg.norm(gap))))
        status = line.status()
        tries = jnp.where(status == FOUND, self.max_linesearch_steps, 0)
        search = zoom(line, first, most, 1e-3, number(self.curv_rtol, line.dtype), 1e-10, tries)
        # At the edge of the box the slope may stay steep. And where there is no way to go, that is where to be.
        found = search.found | search.at_most | (jnp.all(gap == 0) & jnp.isfinite(line.start.value))
        status = jnp.where(found, FOUND, jnp.where(status == FOUND, NO_STEP, status))
        step, after = line.finished(search.point, search.tried, status)
        reached = wide(onto(jax.tree.map(lambda p, u: cast(cast(p, u.dtype) + u, p.dtype), params, step)))
        step = jax.tree.map(jnp.subtract, reached, wide(given))
        return step, LBFGSBState(saturating_increment(state.count), x, g, *pairs, after)

    def _box(self, params: Tree) -> tuple[Tree, Tree]:
        """The bounds, each an array like its parameter."""

        def one(p: Any, bound: Any) -> jax.Array:
            if jnp.shape(bound) not in ((), p.shape):
                raise ValueError("the shapes differ")
            return jnp.full_like(p, bound)

        def like(bound: Any) -> Tree:
            if jax.tree_util.all_leaves([bound]) and jnp.ndim(bound) == 0:
                return jax.tree.map(lambda p: one(p, bound), params)
            return map_updates(self, one, params, bound)

        return like(-jnp.inf if self.lower is None else self.lower), like(jnp.inf if self.upper is None else self.upper)

    def _remembered(self, state: Any, x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        s, y = x - state.params, g - state.updates
        curvature, squared = s @ y, y @ y
        new = (state.count > 0) & (curvature > jnp.finfo(x.dtype).eps * squared) & jnp.isfinite(curvature)
        push = lambda memory, v: jnp.where(new, jnp.concatenate([v[None], memory[:-1]]), memory)
        unit = lambda v: v / jnp.where(new, jnp.linalg.norm(v), 1)
        return (
            push(state.diff_params_memory, unit(s)),
            push(state.diff_updates_memory, unit(y)),
            push(state.scales_memory, curvature / jnp.where(new, squared, 1)),
        )


class _Model(NamedTuple):
    """L-BFGS's Hessian in its compact form $B = \\theta (I - W M W^\\top)$, with $W = [Y, S]$ of unit vectors, so that all but $\\theta$ is of size one."""

    theta: jax.Array
    ss: jax.Array
    ys: jax.Array
    curvatures: jax.Array  # of the pairs, against that of the newest; 1 where there is none
    absent: jax.Array

    @classmethod
    def of(cls, ss: jax.Array, ys: jax.Array, scales: jax.Array) -> _Model:
        absent = scales == 0
        theta = jnp.where(absent[0], 1, 1 / jnp.where(absent[0], 1, scales[0]))
        return cls(theta, ss, ys, jnp.where(absent, 1, theta * scales), absent)

    def solved(self, free: jax.Array, right: jax.Array) -> jax.Array:
        """$(M^{-1} - W^\\top Z Z^\\top W)^{-1}$ times `right`, `[2m]` or `[2m, k]`, where $Z$ picks the free parameters.

        What the free ones take away from $M^{-1} = [[-D, L^\\top], [L, S^\\top S]]$ is left out of its sums, not subtracted.
        """
        zs, zy = (jnp.where(free[None], v, 0) for v in (self.ss, self.ys))
        fixed = self.ss - zs
        # L: of each s with the y of older pairs, which come after it.
        across = jnp.triu(fixed @ self.ys.T, 1) - jnp.tril(zs @ zy.T)
        above = jnp.diag(self.curvatures) + zy @ zy.T
        below = fixed @ fixed.T + jnp.diag(self.absent.astype(zs.dtype))
        return jnp.linalg.solve(jnp.block([[-above, across.T], [across, below]]), right)

    def minimized(self, x: jax.Array, g: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
        """About where the model is least between the bounds."""
        w, none = jnp.concatenate([self.ys, self.ss]), jnp.zeros(x.shape, bool)
        cauchy = self._cauchy(x, g, low, high, w, none)
        free = (cauchy > low) & (cauchy < high)
        # Newton's step of the free parameters from there, by Sherman, Morrison and Woodbury's formula.
        moved = cauchy - x
        gradient = jnp.where(free, g / self.theta + moved - self.solved(none, w @ moved) @ w, 0)
        step = -jnp.where(free, gradient + self.solved(free, w @ gradient) @ w, 0)
        projected = jnp.clip(cauchy + step, low, high)
        room = jnp.where(step > 0, high - cauchy, low - cauchy) / jnp.where(step == 0, 1, step)
        shorter = cauchy + jnp.min(jnp.where(step == 0, 1, jnp.minimum(room, 1)), initial=1) * step
        return jnp.where((projected - x) @ g < 0, projected, jnp.clip(shorter, low, high))

    def _cauchy(self, x: jax.Array, g: jax.Array, low: jax.Array, high: jax.Array, w: jax.Array, none: jax.Array) -> jax.Array:
        """The first minimum of the model on the path $P(x - t g)$, along which one parameter after the other comes to its bound."""
        bound = jnp.where(g < 0, high, low)
        ends = jnp.where(g == 0, jnp.inf, (x - bound) / jnp.where(g == 0, 1, g))
        order = jnp.argsort(ends)
        t, squares, gw = ends[order], g[order] ** 2, (g[None] * w)[:, order]
        begins, lengths = jnp.append(0, t), jnp.diff(t, prepend=0, append=jnp.inf)
        until = jnp.where(jnp.isfinite(begins), begins, 0)
        # At the begin of each piece: the square of what still moves, the products with W of where it goes and of the way to there, and the
        # model's derivatives.
        ended = lambda v: jnp.concatenate([jnp.zeros_like(v[:, :1]), jnp.cumsum(v, axis=1)], axis=1)
        moving = jnp.append(jnp.cumsum(squares[::-1])[::-1], 0)
        p = ended(gw) - jnp.sum(gw, axis=1, keepdims=True)
        c = until[None] * p - ended(until[None, 1:] * gw)
        mp = self.solved(none, p)
        slope = -moving + self.theta * (until * moving - jnp.sum(mp * c, axis=0))
        curvature = self.theta * (moving - jnp.sum(mp * p, axis=0))
        curvature = jnp.maximum(curvature, jnp.finfo(x.dtype).eps * curvature[0])
        ahead = jnp.where(slope < 0, -slope / jnp.where(curvature > 0, curvature, 1), 0)
        k = jnp.argmax((ahead <= lengths) & jnp.isfinite(begins))
        end = begins[k] + ahead[k]
        return jnp.where(ends <= end, bound, jnp.clip(x - end * g, low, high))
