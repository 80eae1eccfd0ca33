"""Sums of squares, which know what is squared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from gradtx.core.number import cast
from gradtx.core.trees import Tree
from gradtx.core.whole import need, need_params


@dataclasses.dataclass(frozen=True, eq=False)
class SumOfSquares:
    """The function $\\frac12 \\|r(\\theta)\\|^2$ of residuals $r$, for `minimize` with `gauss_newton` and `levenberg_marquardt`.

    Args:
        residuals: from the parameters to a tree of arrays.

    Returns:
        A function of the parameters, whose attribute `residuals` `minimize` hands on as `residual_fn`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> x, y = jnp.arange(5.0), 2 * jnp.exp(-0.3 * jnp.arange(5.0))
        >>> fit = gradtx.SumOfSquares(lambda p: p["a"] * jnp.exp(-p["b"] * x) - y)
        >>> result = gradtx.minimize(fit, {"a": 1.0, "b": 1.0}, gradtx.levenberg_marquardt())
        >>> {n: round(float(v), 3) for n, v in result.x.items()}
        {'a': 2.0, 'b': 0.3}
    """

    residuals: Callable[[Any], Any]

    def __call__(self, params: Any) -> jax.Array:
        return sum((jnp.sum(r * r) / 2 for r in jax.tree.leaves(self.residuals(params))), start=jnp.zeros(()))


def of_a_vector(who: Any, updates: Tree, params: Tree | None, extra: dict[str, Any]) -> tuple[Any, jax.Array, Any]:
    """The residuals, `[m]`, as a function of a vector, the vector, `[n]`, and the way back from one to the updates."""
    residual_fn = need(who, extra, "residual_fn")
    flat, there = ravel_pytree(need_params(who, params))
    if jnp.iscomplexobj(flat):
        raise TypeError(f"{type(who).__name__}: takes real parameters; split complex ones by split_real_and_imaginary.")
    wide, back = ravel_pytree(updates)
    function = lambda x: cast(ravel_pytree(residual_fn(there(cast(x, flat.dtype))))[0], wide.dtype)
    return function, cast(flat, wide.dtype), back


def linearized(
    who: Any, updates: Tree, params: Tree | None, extra: dict[str, Any]
) -> tuple[Any, jax.Array, jax.Array, jax.Array, Any]:
    """What `of_a_vector` gives, with the residuals there, `[m]`, and their Jacobian, `[m, n]`, before the way back."""
    function, x, back = of_a_vector(who, updates, params, extra)
    r, push = jax.linearize(function, x)
    return function, x, r, jax.vmap(push)(jnp.eye(x.size, dtype=x.dtype)).T, back
