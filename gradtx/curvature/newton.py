"""Newton's method and its relatives, with the Hessian as a matrix."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from gradtx.core.number import cast, number, tiny
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import need, need_params
from gradtx.typing import NonNegative


def hessian(who: Any, updates: Tree, params: Tree | None, extra: dict[str, Any]) -> tuple[jax.Array, jax.Array, Any]:
    """The Hessian of `value_fn` at the parameters, `[n, n]`, the updates as a vector, and the way back from one."""
    value_fn = need(who, extra, "value_fn")
    flat, back = ravel_pytree(need_params(who, params))
    wide, out = ravel_pytree(updates)
    if jnp.iscomplexobj(flat):
        raise TypeError(f"{type(who).__name__}: takes real parameters; split complex ones by split_real_and_imaginary.")
    # One product with each unit vector, forwards over backwards.
    matrix = jax.vmap(lambda e: jax.jvp(jax.grad(lambda x: value_fn(back(x))), (flat,), (e,))[1])(
        jnp.eye(flat.size, dtype=flat.dtype)
    )
    matrix = cast(matrix, wide.dtype)
    return (matrix + matrix.T) / 2, wide, out


class scale_by_newton(Transform):
    """Newton's direction $(H + \\alpha I)^{-1} g$, to be subtracted, with $\\alpha$ raised until the matrix is positive definite.

    With `shift_to_definite=False` it is Newton's method pure, which is drawn into saddles as into minima. The matrix has $n^2$ numbers, and
    its decomposition costs $n^3$.

    Args:
        regularization: the least $\\alpha \\ge 0$, a number or a schedule.
        shift_to_definite: where the least eigenvalue isn't positive, raise $\\alpha$ until it has its own size above zero, and at least a
            thousandth of the largest size of one: a step along it is then no longer than a saddle-free one.

    Returns:
        A stateless transformation. Its update takes `value_fn`.

    Raises:
        ValueError: `update` was called without the parameters or `value_fn`.

    References:
        Nocedal, Wright (2006), Numerical Optimization, section 3.4.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> f = lambda x: x[0] ** 2 + 50 * (x[1] - 1) ** 2
        >>> x, tx = jnp.array([3.0, 3.0]), gradtx.newton(1.0)
        >>> (x + tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)[0]).tolist()
        [0.0, 1.0]
    """

    regularization: NonNegative = 0.0
    shift_to_definite: bool = True

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        matrix, grad, back = hessian(self, updates, params, extra)
        w, v = jnp.linalg.eigh(matrix)
        w = w + number(self.regularization, w.dtype)
        if self.shift_to_definite:
            least = jnp.min(w, initial=jnp.inf)
            target = jnp.maximum(1e-3 * jnp.max(jnp.abs(w), initial=0), -least)
            w = w + jnp.where(least <= 0, target - least, 0)
        return back(v @ (v.T @ grad / jnp.where(w == 0, tiny(w.dtype), w))), ()


class scale_by_saddle_free_newton(Transform):
    """The saddle-free direction $|H|^{-1} g$, to be subtracted: the eigenvalues' absolute values, so that it leaves saddles.

    Args:
        damping: added to the absolute values, at least 0, a number or a schedule.

    Returns:
        A stateless transformation. Its update takes `value_fn`.

    Raises:
        ValueError: `update` was called without the parameters or `value_fn`.

    References:
        Dauphin, Pascanu, Gulcehre, Cho, Ganguli, Bengio (2014), Identifying and attacking the saddle point problem in high-dimensional non-convex
        optimization, arXiv:1406.2572.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> f = lambda x: x[0] ** 2 - x[1] ** 2
        >>> x, tx = jnp.array([1.0, 0.5]), gradtx.saddle_free_newton(1.0)
        >>> (x + tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)[0]).tolist()
        [0.0, 1.0]
    """

    damping: NonNegative = 0.0

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        matrix, grad, back = hessian(self, updates, params, extra)
        w, v = jnp.linalg.eigh(matrix)
        w = jnp.abs(w) + number(self.damping, w.dtype)
        return back(v @ (v.T @ grad / jnp.maximum(w, tiny(w.dtype)))), ()
