"""What workers on a named axis do together, the same under `jax.vmap(axis_name=...)` and `jax.shard_map`."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, real
from gradtx.core.trees import Tree
from gradtx.core.whole import quotient

# The name of a mapped axis, or several that are taken together.
Axis = str | tuple[str, ...]

# What is written down while a step is traced: the bytes that a worker gives, and in every how many steps.
_ledger: contextvars.ContextVar[list[tuple[int, int]] | None] = contextvars.ContextVar("gradtx_ledger", default=None)


@contextlib.contextmanager
def recording() -> Iterator[list[tuple[int, int]]]:
    """Writes down what is sent by the steps traced inside: pairs of bytes and the steps between."""
    entries: list[tuple[int, int]] = []
    token = _ledger.set(entries)
    try:
        yield entries
    finally:
        _ledger.reset(token)


def _record(tree: Tree, every: int) -> None:
    entries = _ledger.get()
    if entries is not None:
        entries.append((sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree)), every))


def check_axis(who: Any, axis: Any) -> None:
    """Raises unless this can be the name of an axis."""
    names = axis if isinstance(axis, tuple) else (axis,)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"{type(who).__name__}: axis = {axis!r}; it is the name of a mapped axis, such as 'workers', or a tuple of names."
        )


def size_of(who: Any, axis: Axis) -> int:
    """How many workers there are; raises if nothing is mapped over the axis here."""
    try:
        return jax.lax.axis_size(axis)
    except NameError as error:
        raise ValueError(
            f"{type(who).__name__}: no axis is named {axis!r} here; call update inside jax.vmap(..., axis_name={axis!r}), or "
            "inside jax.shard_map over a mesh with that axis."
        ) from error


def mean_over(who: Any, axis: Axis, tree: Tree, weight: Any = None, every: int = 1) -> Tree:
    """The mean over the workers; with a `weight` a worker the weighted mean, zero if all weigh nothing."""
    size_of(who, axis)
    _record(tree, every)
    if weight is None:
        return jax.tree.map(lambda x: jax.lax.pmean(x, axis), tree)
    weight = jnp.asarray(weight)
    dtypes = {real(x.dtype) for x in jax.tree.leaves(tree)}
    shares = {d: quotient(cast(weight, d), jax.lax.psum(cast(weight, d), axis)) for d in dtypes}
    return jax.tree.map(lambda x: jax.lax.psum(_part(shares[real(x.dtype)], x), axis), tree)


def sum_over(who: Any, axis: Axis, tree: Tree, weight: Any = None, every: int = 1) -> Tree:
    """The sum over the workers; with a `weight` a worker, of so much of each."""
    size_of(who, axis)
    _record(tree, every)
    if weight is not None:
        weight = jnp.asarray(weight)
        tree = jax.tree.map(lambda x: _part(cast(weight, real(x.dtype)), x), tree)
    return jax.tree.map(lambda x: jax.lax.psum(x, axis), tree)


def _part(share: jax.Array, x: Any) -> Any:
    # A worker without weight may hold anything, infinities too.
    return jnp.where(share > 0, share * x, jnp.zeros((), x.dtype))


def gather_over(who: Any, axis: Axis, tree: Tree) -> Tree:
    """What every worker has, along a first axis more."""
    size_of(who, axis)
    _record(tree, 1)
    return jax.tree.map(lambda x: jax.lax.all_gather(x, axis), tree)


def from_neighbours(who: Any, axis: str, tree: Tree, every: int) -> tuple[Tree, Tree]:
    """What the worker before has, and the one after, the workers standing in a ring."""
    n = size_of(who, axis)
    _record(tree, every)
    _record(tree, every)

    def shifted(by: int) -> Tree:
        return jax.tree.map(lambda x: jax.lax.ppermute(x, axis, [(i, (i + by) % n) for i in range(n)]), tree)

    return shifted(1), shifted(-1)


def varying(x: Any) -> frozenset[str]:
    """The axes along which JAX knows a value to differ between workers: none but under `shard_map` with `check_vma`."""
    kind = jax.typeof(x)
    return kind.vma if hasattr(kind, "vma") else kind.mat.varying


def alike(tree: Tree, other: Tree) -> Tree:
    """The same numbers, said to vary over the axes over which `other` does: both branches of a condition must agree on it."""

    def one(x: Any, y: Any) -> Any:
        missing = tuple(sorted(varying(y) - varying(x)))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(one, tree, other)


def check_own(who: Any, axis: Axis, updates: Tree) -> None:
    """Raises if JAX has added up the gradients of all workers already, as it does for parameters that are equal on all."""
    size_of(who, axis)
    expected = varying(jax.lax.axis_index(axis))
    if not all(expected <= varying(u) for u in jax.tree.leaves(updates)):
        name = type(who).__name__
        raise ValueError(
            f"{name}: these updates are the same on all workers of {axis!r}: the gradient at parameters that are equal on all is the "
            f"sum over them already. Take it at a worker's own copy, jax.lax.pcast(params, {axis!r}, to='varying')."
        )
