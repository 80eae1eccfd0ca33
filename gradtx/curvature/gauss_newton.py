"""Gauss and Newton's method, and Levenberg and Marquardt's, for sums of squares."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from gradtx.core.matrices import check_whole
from gradtx.core.number import cast, number, tiny
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import need
from gradtx.curvature.line import FOUND, NO_STEP, NOT_FINITE, LineSearchState, start_state
from gradtx.curvature.residuals import linearized
from gradtx.typing import NonNegative, Positive


def damped(jacobian: jax.Array, residuals: jax.Array, damping: jax.Array, scales: jax.Array) -> jax.Array:
    """The $p$ that minimizes $\\|J p + r\\|^2 + \\lambda \\|D p\\|^2$, by a QR decomposition: $J^\\top J$ would square the condition."""
    n = jacobian.shape[1]
    below = jnp.sqrt(damping) * jnp.diag(scales)
    q, r = jnp.linalg.qr(jnp.concatenate([jacobian, below]))
    right = -(q.T @ jnp.concatenate([residuals, jnp.zeros(n, residuals.dtype)]))
    diagonal = jnp.diagonal(r)
    # Where a column is nothing, nothing is moved.
    nothing = jnp.abs(diagonal) <= 1e2 * tiny(r.dtype)
    r = r + jnp.diag(jnp.where(nothing, 1, 0).astype(r.dtype))
    return solve_triangular(r, jnp.where(nothing, 0, right))


class scale_by_gauss_newton(Transform):
    """Gauss and Newton's direction $(J^\\top J + \\lambda I)^{-1} J^\\top r$, to be subtracted.

    Args:
        damping: $\\lambda \\ge 0$, a number or a schedule.

    Returns:
        A stateless transformation. Its update takes `residual_fn`; what comes in as updates isn't looked at.

    Raises:
        ValueError: `update` was called without the parameters or `residual_fn`.
        TypeError: the parameters are complex.

    References:
        Nocedal, Wright (2006), Numerical Optimization, section 10.3.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, r, x = gradtx.scale_by_gauss_newton(), lambda x: 2 * x - 6.0, jnp.array([1.0])
        >>> (x - tx.update(x, tx.init(x), x, residual_fn=r)[0]).tolist()
        [3.0]
    """

    damping: NonNegative = 0.0

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        _, x, r, jacobian, back = linearized(self, updates, params, extra)
        return back(-damped(jacobian, r, number(self.damping, x.dtype) * jnp.ones((), x.dtype), jnp.ones_like(x))), ()


class LevenbergMarquardtState(NamedTuple):
    """The damping for the next step, the factor by which it rises, the scales of the parameters, and the search."""

    damping: jax.Array
    rise: jax.Array
    scales: Tree
    search: LineSearchState


class levenberg_marquardt_step(Transform):
    """Levenberg and Marquardt's step: $p = -(J^\\top J + \\lambda D^2)^{-1} J^\\top r$, with $\\lambda$ raised until the sum of squares falls.

    $D$ holds the largest norms that the columns of $J$ have had; $\\lambda$ falls by Nielsen's rule where the fall was as foretold.

    Args:
        initial_damping: the first $\\lambda$, over 0, relative to $D^2$.
        max_trials: evaluations of the residuals a step at most; 1 or more.

    Returns:
        A transformation with the state `LevenbergMarquardtState`. Its update takes `residual_fn` and `value_fn`; what comes in as updates isn't looked at.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters, `residual_fn` or `value_fn`.
        TypeError: the parameters are complex.

    References:
        Levenberg (1944). Marquardt (1963). Moré (1978), The Levenberg–Marquardt Algorithm: Implementation and Theory. Nielsen (1999), Damping
        Parameter in Marquardt's Method.

    Example:
        >>> import gradtx
        >>> gradtx.levenberg_marquardt_step()
        levenberg_marquardt_step()
    """

    initial_damping: Positive = 1e-3
    max_trials: int = 40

    def check(self) -> None:
        check_whole(self, "max_trials")

    def start(self, params: Tree) -> LevenbergMarquardtState:
        check_trainable(self, params)
        search = start_state(params)
        damping = number(self.initial_damping, search.value.dtype) * jnp.ones_like(search.value)
        return LevenbergMarquardtState(damping, 2 * jnp.ones_like(damping), full_like(params, 0.0, None), search)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        function, x, r, jacobian, back = linearized(self, updates, params, extra)
        scales = jnp.maximum(_flat(state.scales), jnp.linalg.norm(jacobian, axis=0))
        value = r @ r / 2
        safe = jnp.where(scales > 0, scales, 1)

        def going(c: Any) -> jax.Array:
            _, _, _, _, count, done = c
            return ~done & (count < self.max_trials)

        def trial(c: Any) -> Any:
            _, _, damping, rise, count, _ = c
            p = damped(jacobian, r, damping, safe)
            new = function(x + p)
            after = new @ new / 2
            along = jacobian @ p
            foretold = along @ along / 2 + damping * ((safe * p) @ (safe * p))
            # The difference of the sums as a product, which does not cancel.
            fell = (r - new) @ (r + new) / 2
            gain = fell / jnp.where(foretold > 0, foretold, 1)
            # Where rounding is larger than the step has to give, it is taken if it does no harm.
            still = foretold <= 4 * jnp.finfo(x.dtype).eps * value
            good = jnp.isfinite(after) & ((gain > 1e-4) | (still & (after <= value)) | (value == 0))
            lower = damping * jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
            damping = jnp.where(good, jnp.maximum(lower, tiny(x.dtype)), damping * rise)
            return p, after, damping, jnp.where(good, 2, 2 * rise), count + 1, good | (still & ~good)

        begin = (jnp.zeros_like(x), value, state.damping, state.rise, jnp.zeros((), jnp.int32), jnp.asarray(False))
        p, after, damping, rise, count, done = jax.lax.while_loop(lambda c: going(c) & jnp.isfinite(value), trial, begin)
        moved = done & (after <= value)
        p = jnp.where(moved, p, 0)
        # Value and gradient in the caller's own scale, who may leave out the half.
        value_fn = need(self, extra, "value_fn")
        there = jax.tree.map(lambda q, u: cast(cast(q, u.dtype) + u, q.dtype), params, back(p))
        new_value, grad = jax.value_and_grad(value_fn)(there)
        grad = jax.tree.map(lambda g, u: cast(g, u.dtype), grad, updates)
        status = jnp.where(jnp.isfinite(value), jnp.where(done, FOUND, NO_STEP), NOT_FINITE).astype(jnp.int32)
        step = jnp.where(moved, 1, 0).astype(x.dtype)
        search = LineSearchState(step, cast(new_value, x.dtype), grad, state.search.value, count, status)
        # A damping that has run away begins anew.
        damping = jnp.where(damping < 1e12, damping, state.damping)
        return back(p), LevenbergMarquardtState(damping, jnp.where(rise < 1e6, rise, 2), back(scales), search)


def _flat(tree: Tree) -> jax.Array:
    return jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(tree)])
