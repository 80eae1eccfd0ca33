"""Truncated Newton: conjugate gradients on the Hessian's products, inside a region of trust."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.number import cast, number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import inner_product, scaled
from gradtx.curvature.line import FOUND, NO_STEP, Line, LineSearchState, start_state
from gradtx.typing import Positive


class TruncatedNewtonState(NamedTuple):
    """The radius of the region, the products with the Hessian so far, and how the last step ended, as after a search."""

    radius: jax.Array
    products: jax.Array
    search: LineSearchState


class _Inner(NamedTuple):
    """Conjugate gradients under way on the model $g^\\top p + p^\\top H p / 2$."""

    p: Tree
    residual: Tree  # g + H p
    direction: Tree
    used: jax.Array
    done: jax.Array


class truncated_newton_step(Transform):
    """The step $p$ that minimizes $g^\\top p + \\frac12 p^\\top H p$ over $\\|p\\| \\le \\Delta$, about, by Steihaug's conjugate gradients; no Hessian is made.

    The inner iteration ends at the residual $\\min(\\frac12, \\sqrt{\\|g\\|})\\,\\|g\\|$, at the region's edge, or there too where the curvature is
    negative. $\\Delta$ falls until the function does, and rises where the model was right.

    Args:
        initial_radius: the first $\\Delta$, over 0.
        max_radius: the largest, over 0.
        max_products: with the Hessian, an inner iteration; 1 or more.
        max_trials: radii tried a step; 1 or more.

    Returns:
        A transformation with the state `TruncatedNewtonState`. Its update takes `value_fn`, and `value` and `grad` at the parameters (which are
        computed if missing).

    Raises:
        ValueError: an argument is out of range, or `update` was called without the parameters or `value_fn`.

    References:
        Steihaug (1983), The Conjugate Gradient Method and Trust Regions in Large Scale Optimization. Nocedal, Wright (2006), Numerical Optimization,
        sections 4.1 and 7.1.

    Example:
        >>> import gradtx
        >>> gradtx.truncated_newton_step()
        truncated_newton_step()
    """

    initial_radius: Positive = 1.0
    max_radius: Positive = 1e10
    max_products: int = 200
    max_trials: int = 20

    def check(self) -> None:
        check_whole(self, "max_products", "max_trials")

    def start(self, params: Tree) -> TruncatedNewtonState:
        check_trainable(self, params)
        search = start_state(params)
        radius = number(self.initial_radius, search.value.dtype) * jnp.ones_like(search.value)
        return TruncatedNewtonState(radius, jnp.zeros((), jnp.int32), search)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        # Along the negative gradient, which descends wherever it isn't zero; steps are added to what `Line` knows.
        line = Line(self, jax.tree.map(jnp.negative, updates), params, extra)
        value_fn, grad = extra["value_fn"], line.start.grad
        most = number(self.max_radius, line.dtype)
        eps = jnp.finfo(line.dtype).eps

        def product(v: Tree) -> Tree:
            v = jax.tree.map(lambda x, p: cast(x, p.dtype), v, line.params)
            out = jax.jvp(jax.grad(value_fn), (line.params,), (v,))[1]
            return jax.tree.map(lambda x, u: cast(x, u.dtype), out, updates)

        def trial(carry: Any) -> Any:
            radius, products, _, _, count, _ = carry
            p, residual, used = self._inside(product, grad, radius)
            there = line.moved(p)
            foretold = -(inner_product(grad, p) + inner_product(residual, p)) / 2
            fell = line.start.value - there.value
            ratio = fell / jnp.where(foretold > 0, foretold, 1)
            size = jnp.sqrt(inner_product(p, p))
            # Where rounding is larger than the step has to give, it is taken if it does no harm.
            still = foretold <= 10 * eps * jnp.abs(line.start.value)
            good = jnp.isfinite(there.value) & jnp.isfinite(there.slope) & ((ratio > 1e-4) | (still & (fell >= 0)))
            smaller = size / 4
            larger = jnp.where((ratio > 0.75) & (size > 0.99 * radius), jnp.minimum(2 * radius, most), radius)
            radius = jnp.where(good & (ratio >= 0.25), larger, smaller)
            return radius, products + used, p, there, count + 1, good | still

        def going(carry: Any) -> jax.Array:
            return ~carry[-1] & (carry[-2] < self.max_trials) & (status == FOUND)

        status = line.status()
        zero = jax.tree.map(jnp.zeros_like, updates)
        begin = (state.radius, state.products, zero, line.start, jnp.zeros((), jnp.int32), jnp.asarray(False))
        radius, products, p, there, count, done = jax.lax.while_loop(going, trial, begin)
        good = done & (there.value <= line.start.value)
        status = jnp.where((status == FOUND) & ~good, NO_STEP, status)
        _, search = line.finished(there, count, status)
        p = jax.tree.map(lambda x: jnp.where(status == FOUND, x, 0), p)
        radius = jnp.where(radius > 1e-12, radius, state.radius)
        return p, TruncatedNewtonState(radius, products, search)

    def _inside(self, product: Any, grad: Tree, radius: jax.Array) -> tuple[Tree, Tree, jax.Array]:
        """The step, the residual there, and how many products it took."""
        norm = jnp.sqrt(inner_product(grad, grad))
        enough = jnp.minimum(0.5, jnp.sqrt(norm)) * norm
        add = lambda a, x, y: jax.tree.map(lambda u, v: u + v, x, scaled(y, a))

        def step(c: _Inner) -> _Inner:
            pushed = product(c.direction)
            curvature, squared = inner_product(c.direction, pushed), inner_product(c.residual, c.residual)
            length = squared / jnp.where(curvature > 0, curvature, 1)
            # How far the edge is along the direction.
            dd, pd, pp = inner_product(c.direction, c.direction), inner_product(c.p, c.direction), inner_product(c.p, c.p)
            edge = (jnp.sqrt(jnp.maximum(0, pd**2 + dd * (radius**2 - pp))) - pd) / jnp.where(dd > 0, dd, 1)
            out = (curvature <= 0) | (length >= edge)
            length = jnp.where(out, edge, length)
            p, residual = add(length, c.p, c.direction), add(length, c.residual, pushed)
            new = inner_product(residual, residual)
            direction = add(new / jnp.where(squared > 0, squared, 1), jax.tree.map(jnp.negative, residual), c.direction)
            return _Inner(p, residual, direction, c.used + 1, out | (jnp.sqrt(new) <= enough))

        begin = _Inner(
            jax.tree.map(jnp.zeros_like, grad), grad, jax.tree.map(jnp.negative, grad), jnp.zeros((), jnp.int32), norm == 0
        )
        end = jax.lax.while_loop(lambda c: ~c.done & (c.used < self.max_products), step, begin)
        return end.p, end.residual, end.used
