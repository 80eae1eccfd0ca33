"""The parameters as one vector, and what methods need that treat them so."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real_of, times, wide
from gradtx.core.trees import Tree


def inner_product(a: Tree, b: Tree) -> jax.Array:
    """The sum of all products, as if the trees were vectors of real numbers; 0 for empty trees."""
    dtype = real_of(a)

    def one(x: Any, y: Any) -> jax.Array:
        x, y = cast(x, wide(x.dtype)), cast(y, wide(x.dtype))
        return cast(jnp.sum(jnp.real(jnp.conj(x) * y) if jnp.iscomplexobj(x) else x * y), dtype)

    return sum(jax.tree.leaves(jax.tree.map(one, a, b)), start=jnp.zeros((), dtype))


def total(tree: Tree) -> jax.Array:
    """The sum of all numbers in a tree of real arrays; 0 for an empty tree."""
    dtype = real_of(tree)
    return sum((cast(jnp.sum(x), dtype) for x in jax.tree.leaves(tree)), start=jnp.zeros((), dtype))


def copied(params: Tree, dtype: Any = None) -> Tree:
    """A memory that starts at the parameters: in `dtype`, or in float32 or wider."""

    def one(p: Any) -> Any:
        return jnp.array(p, wide(p.dtype) if dtype is None or jnp.iscomplexobj(p) else jnp.dtype(dtype), copy=True)

    return jax.tree.map(one, params)


def moved(params: Tree, updates: Tree) -> Tree:
    """Where the parameters will be after the updates, as `apply_updates` rounds it, in float32 or wider."""
    return jax.tree.map(lambda p, u: cast(p + cast(u, p.dtype), u.dtype), params, updates)


def scalar(params: Tree, value: Any = 0.0) -> jax.Array:
    """A number about the whole tree, to begin with. Each call makes a buffer of its own, so that states can be donated."""
    return jnp.array(value, real_of(params))


def scaled(tree: Tree, factor: Any) -> Tree:
    """All arrays times one number, which is cast once a dtype."""
    by_dtype = {d: number(factor, d) for d in {x.dtype for x in jax.tree.leaves(tree)}}
    return jax.tree.map(lambda x: times(by_dtype[x.dtype], x), tree)


def mixed(memory: Tree, new: Tree, kept: Any, taken: Any) -> Tree:
    """So much of a memory, and so much of what is new."""
    return jax.tree.map(lambda m, x: number(kept, m.dtype) * m + number(taken, m.dtype) * cast(x, m.dtype), memory, new)


def quotient(a: jax.Array, b: jax.Array) -> jax.Array:
    """A quotient of scalars, 0 where there is nothing to divide by; so is its derivative."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)


def need_params(who: Any, params: Tree | None) -> Tree:
    """The parameters; raises if they weren't given."""
    if params is None:
        raise ValueError(f"{type(who).__name__} needs the parameters: call update(updates, state, params).")
    return params


def need(who: Any, extra: dict[str, Any], name: str) -> Any:
    """The extra argument of this name; raises if it wasn't given."""
    if extra.get(name) is None:
        raise ValueError(
            f"{type(who).__name__} needs the extra argument {name!r}: call update(updates, state, params, {name}=...)."
        )
    return extra[name]
