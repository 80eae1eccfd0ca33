"""Reading a state by name."""

from __future__ import annotations

from typing import Any

import jax

from gradtx.core.trees import path_string


def state_get(state: Any, name: str) -> Any:
    """The part of a state under a name, wherever it stands.

    Args:
        state: the state of any transformation.
        name: a field or key (`"mu"`, `"trace"`, `"step"`), or several joined by slashes, as at the end of its path.

    Returns:
        What is there: an array, or a tree of them.

    Raises:
        KeyError: nothing has that name, or more than one thing; lists the paths.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> state = gradtx.adam(1e-3).init({"w": jnp.ones(2)})
        >>> gradtx.state_get(state, "nu")
        {'w': Array([0., 0.], dtype=float32)}
    """
    found = dict(_named(state, (), tuple(name.split("/"))))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise KeyError(f"state_get: {name!r} stands for several: {sorted(found)}; give more of the path.")
    leaves = [path_string(p) for p, _ in jax.tree_util.tree_leaves_with_path(state)]
    raise KeyError(f"state_get: nothing is named {name!r} in this state; its leaves are {leaves}.")


def _named(x: Any, path: tuple[str, ...], name: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Every outermost place whose path ends with `name`."""
    if path[-len(name) :] == name:
        return [("/".join(path), unwrap(x))]
    if isinstance(x, dict):
        items = [(str(k), v) for k, v in x.items()]
    elif hasattr(x, "_fields"):
        items = list(zip(x._fields, x, strict=True))
    elif isinstance(x, tuple | list):
        items = [(str(i), v) for i, v in enumerate(x)]
    else:
        return []
    return [hit for k, v in items for hit in _named(v, (*path, k), name)]


def unwrap(x: Any) -> Any:
    """Past states with a single field: what a name stands for is the memory itself."""
    while hasattr(x, "_fields") and len(x) == 1:
        x = x[0]
    return x
