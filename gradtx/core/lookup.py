"""Reading a state by name, and the two things that everybody logs."""

from __future__ import annotations

from typing import Any

import jax

from gradtx.core.injection import hyperparams
from gradtx.core.transform import OptState, Transform
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


def learning_rate(tx: Transform, state: OptState) -> jax.Array:
    """The learning rate in force at the next step, wherever in the composition it stands.

    Args:
        tx: any transformation with one hyperparameter called `learning_rate`, in a chain, a group or a wrapper.
        state: its state.

    Returns:
        A scalar; a schedule is evaluated, one kept in the state by `inject_hyperparams` is read from there.

    Raises:
        KeyError: there is none, or more than one; lists the paths under which `hyperparams` gives them.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adam(gradtx.linear_schedule(0.5, 0.0, 10)))
        >>> float(gradtx.learning_rate(tx, tx.init(jnp.ones(2))))
        0.5
    """
    there = hyperparams(tx, state)
    found = {path: value for path, value in there.items() if path.split("/")[-1] == "learning_rate"}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise KeyError(f"learning_rate: there are several, at {sorted(found)}; take one from hyperparams(tx, state).")
    raise KeyError(f"learning_rate: no hyperparameter of {tx!r} has that name; there are {sorted(there)}.")


def steps(state: Any) -> jax.Array:
    """How many steps an optimizer has taken.

    Args:
        state: its state, also inside the state of another library's wrapper. Of a wrapper that doesn't step its optimizer every
            time, the steps of the wrapper.

    Returns:
        A scalar of int32.

    Raises:
        KeyError: it is not the state of one optimizer.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sgd(0.1)
        >>> int(gradtx.steps(tx.update(jnp.ones(2), tx.init(jnp.ones(2)))[1]))
        1
    """
    whole = [x for x in jax.tree.leaves(state, is_leaf=_is_whole) if _is_whole(x)]
    if len(whole) != 1:
        raise KeyError(f"steps: there are {len(whole)} states of whole optimizers in it, not one.")
    return whole[0].step


def _is_whole(x: Any) -> bool:
    return isinstance(x, OptState)
