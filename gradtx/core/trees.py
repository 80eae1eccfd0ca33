"""Trees of arrays, their paths, and errors that name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, is_inexact, wide
from gradtx.core.show import show_array

Tree = Any
FLOAT0 = jax.dtypes.float0


def path_string(path: tuple[Any, ...]) -> str:
    """`dense/kernel`. The `value` that flax.nnx puts behind each parameter is left out."""
    if len(path) > 1 and path[-1] == jax.tree_util.GetAttrKey("value"):
        path = path[:-1]
    return "/".join(str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path)


def paths(tree: Tree) -> list[str]:
    return [path_string(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def map_updates(who: Any, f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """`jax.tree.map`, but where the trees don't fit the error says who, where and both sides."""
    try:
        return jax.tree.map(f, tree, *rest)
    except (ValueError, TypeError, AttributeError) as error:
        for other in rest:
            explain(who, tree, other, error)
        raise


def map_pairs(who: Any, f: Callable[..., tuple[Any, Any]], tree: Tree, other: Tree) -> tuple[Tree, Tree]:
    """Maps a function that gives two arrays, into two trees."""
    leaves, structure = jax.tree.flatten(tree)
    try:
        pairs = [f(x, y) for x, y in zip(leaves, structure.flatten_up_to(other), strict=True)]
    except (ValueError, TypeError, AttributeError) as error:
        explain(who, tree, other, error)
        raise
    return structure.unflatten([a for a, _ in pairs]), structure.unflatten([b for _, b in pairs])


def explain(who: Any, ours: Tree, theirs: Tree, cause: Exception | None = None) -> None:
    """Raises if two trees differ in structure, in a shape, or as fractions and whole numbers do, naming the first path."""
    sides = getattr(who, "sides", ("the updates have", "the other tree has"))
    a, b = _by_path(ours), _by_path(theirs)
    for path in [*a, *(p for p in b if p not in a)]:
        x, y = a.get(path), b.get(path)
        if x is None or y is None:
            hint = (
                " A gradient that is None is a frozen or filtered parameter: leave it out of the parameters too."
                if x is None
                else ""
            )
            raise ValueError(f"{who!r}: at {path or 'the root'} {sides[0]} {_say(x)}, {sides[1]} {_say(y)}.{hint}") from cause
        if np.shape(x) != np.shape(y):
            raise ValueError(f"{who!r}: at {path or 'the root'} {sides[0]} {_say(x)}, {sides[1]} {_say(y)}.") from cause
    if jax.tree.structure(ours) != jax.tree.structure(theirs):
        raise ValueError(
            f"{who!r}: {sides[0]} the structure {jax.tree.structure(ours)}, {sides[1]} {jax.tree.structure(theirs)}."
        ) from cause
    for path, x in a.items():
        if is_inexact(x.dtype) and not is_inexact(b[path].dtype):
            raise TypeError(
                f"{who!r}: at {path or 'the root'} {sides[0]} {_say(x)}, {sides[1]} {_say(b[path])}, which has no gradient."
            ) from cause


def _by_path(tree: Tree) -> dict[str, Any]:
    return {path_string(path): x for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def _say(x: Any) -> str:
    return "nothing" if x is None else show_array(x) if hasattr(x, "dtype") else repr(x)


class _Gradients:
    """Says who speaks when the gradients don't fit the parameters."""

    sides = ("the updates have", "the parameters have")

    def __init__(self, tx: Any) -> None:
        self.tx = tx

    def __repr__(self) -> str:
        return repr(self.tx)


def as_arrays(tree: Tree) -> Tree:
    """Python numbers become arrays; all else stays."""
    return jax.tree.map(lambda x: x if hasattr(x, "dtype") else jnp.asarray(x), tree)


def enter(tx: Any, updates: Tree, params: Tree | None) -> Tree:
    """The updates as the pieces see them: checked against the parameters (but for the axis of examples) and in float32 or wider."""
    updates = as_arrays(updates)
    if params is None:
        return jax.tree.map(lambda u: cast(u, wide(u.dtype)) if is_inexact(u.dtype) else u, updates)
    ours, structure = jax.tree.flatten(updates)
    theirs, wanted = jax.tree.flatten(params)
    if structure != wanted:
        explain(_Gradients(tx), updates, params)
    out = []
    for i, (u, p) in enumerate(zip(ours, theirs, strict=True)):
        if u.dtype == FLOAT0 or not (is_inexact(u.dtype) or is_inexact(p.dtype)):
            out.append(u)
            continue
        if u.shape != p.shape and not (u.shape[1:] == p.shape and tx.per_example):
            explain(_Gradients(tx), updates, params)
        if not (is_inexact(u.dtype) and is_inexact(p.dtype)) or jnp.iscomplexobj(u) > jnp.iscomplexobj(p):
            raise TypeError(f"{tx!r}: at {paths(updates)[i]} the update is {show_array(u)}, the parameter {show_array(p)}.")
        out.append(cast(u, wide(p.dtype)))
    return jax.tree.unflatten(structure, out)


def leave(tx: Any, out: Tree, like: Tree) -> Tree:
    """The updates as the user sees them: in the dtype of the parameters."""

    def narrow(u: Any, p: Any) -> Any:
        if u.shape != p.shape:
            raise ValueError("the shapes differ")
        if is_inexact(u.dtype) and not is_inexact(p.dtype):
            raise TypeError("whole numbers became fractions")
        return u if u.dtype == FLOAT0 else cast(u, p.dtype)

    return map_updates(_Gradients(tx), narrow, out, like)


def check_trainable(who: Any, params: Tree) -> None:
    """Raises unless every leaf is a float or complex array."""
    for path, p in jax.tree_util.tree_leaves_with_path(params):
        if not is_inexact(p.dtype):
            raise TypeError(
                f"{who!r}: the parameter at {path_string(path) or 'the root'} is {show_array(p)}, which has no gradient. "
                "Leave it out with masked or partition, for example by putting it in a group under set_to_zero()."
            )
