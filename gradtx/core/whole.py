"""The parameters as one vector, and what methods need that treat them so."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, real, wide
from gradtx.core.trees import Tree


def scalar_dtype(tree: Tree) -> np.dtype:
    """The dtype for numbers about the whole tree: float32, or the widest real one in it."""
    return max((real(x.dtype) for x in jax.tree.leaves(tree)), key=lambda d: d.itemsize, default=np.dtype(np.float32))


def inner_product(a: Tree, b: Tree) -> jax.Array:
    """The sum of all products, as if the trees were vectors of real numbers; 0 for empty trees."""
    dtype = scalar_dtype(a)

    def one(x: Any, y: Any) -> jax.Array:
        x, y = cast(x, wide(x.dtype)), cast(y, wide(x.dtype))
        return cast(jnp.sum(jnp.real(jnp.conj(x) * y) if jnp.iscomplexobj(x) else x * y), dtype)

    return sum(jax.tree.leaves(jax.tree.map(one, a, b)), start=jnp.zeros((), dtype))


def total(tree: Tree) -> jax.Array:
    """The sum of all numbers in a tree of real arrays; 0 for an empty tree."""
    dtype = scalar_dtype(tree)
    return sum((cast(jnp.sum(x), dtype) for x in jax.tree.leaves(tree)), start=jnp.zeros((), dtype))


def copied(params: Tree, dtype: Any = None) -> Tree:
    """A memory that starts at the parameters: in `dtype`, or in float32 or wider."""

    def one(p: Any) -> Any:
        return jnp.array(p, wide(p.dtype) if dtype is None or jnp.iscomplexobj(p) else jnp.dtype(dtype), copy=True)

    return jax.tree.map(one, params)


def moved(params: Tree, updates: Tree) -> Tree:
    """Where the parameters will be after the updates, as `apply_updates` rounds it, in float32 or wider."""
    return jax.tree.map(lambda p, u: cast(p + cast(u, p.dtype), u.dtype), params, updates)


def needed(who: Any, params: Tree | None, extra: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """The extra arguments of these names; raises unless the parameters and all of them were given."""
    missing = ["params"] if params is None else [name for name in names if extra.get(name) is None]
    if missing:
        call = ", ".join(["updates", "state", "params", *(f"{n}=..." for n in names)])
        what = "the parameters" if params is None else f"the extra argument {missing[0]!r}"
        raise ValueError(f"{type(who).__name__} needs {what}: call update({call}).")
    return tuple(extra[name] for name in names)
