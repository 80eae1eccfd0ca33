"""Which leaves of a state belong to which parameter: found by running `init` on a mark instead of the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree

Path = tuple[Any, ...]
_with_path = jax.tree_util.tree_leaves_with_path


@jax.tree_util.register_static
class Mark:
    """A tree without leaves: tree maps hand it on unchanged, and so it ends up wherever `init` keeps a copy of the parameters."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Mark

    def __hash__(self) -> int:
        return hash(Mark)


def mirrors(tx: Transform, params: Tree) -> dict[Path, tuple[Path, Path] | None]:
    """For each leaf of the state the path of the parameter that it belongs to, and the rest of its path; None if to none.

    Holds for every transformation whose `start` reaches the parameters through tree maps only.
    """
    heads = [path for path, x in _with_path(tx.init(Mark()), is_leaf=_is_mark) if _is_mark(x)]
    names = sorted((path for path, _ in _with_path(params)), key=len, reverse=True)
    found: dict[Path, tuple[Path, Path] | None] = {}
    for path, _ in _with_path(jax.eval_shape(tx.init, params)):
        found[path] = None
        for head in heads:
            below = path[len(head) :]
            name = next((n for n in names if path[: len(head)] == head and below[: len(n)] == n), None)
            if name is not None:
                found[path] = (name, below[len(name) :])
    return found


def map_params(tx: Transform, f: Callable[..., Any], state: Any, params: Tree, *rest: Tree) -> Any:
    """Applies a function to those leaves of a state that mirror a parameter; the others stay.

    Args:
        tx: the transformation whose state it is.
        f: called with the leaf of the state and the leaf of each tree in `rest` that belongs to the same parameter.
        state: a state of `tx`, or anything of its structure.
        params: the parameters, or their shapes.
        rest: trees like the parameters: shardings, names, learning-rate factors, ….

    Returns:
        The new state.

    Raises:
        ValueError: a leaf of the state has no counterpart in `tx.init(params)`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> params = {"w": jnp.ones(2), "b": jnp.ones(1)}
        >>> tx = gradtx.sgd(0.1, momentum=0.9)
        >>> names = gradtx.map_params(tx, lambda m, name: name, tx.init(params), params, {"w": "first", "b": "second"})
        >>> gradtx.state_get(names, "trace")
        {'b': 'second', 'w': 'first'}
    """
    where = mirrors(tx, params)
    sides = [dict(_with_path(tree, is_leaf=lambda x: x is None)) for tree in rest]

    def one(path: Path, leaf: Any) -> Any:
        if path not in where:
            raise ValueError(
                f"map_params: {jax.tree_util.keystr(path)} is not in the state that {tx!r} makes for these parameters."
            )
        mirrored = where[path]
        return leaf if mirrored is None else f(leaf, *(side[mirrored[0]] for side in sides))

    return jax.tree_util.tree_map_with_path(one, state)


def _is_mark(x: Any) -> bool:
    return type(x) is Mark
