"""States across the border: a run started with Optax goes on here, and the other way round.

Both sides call their memories by the same names (`mu`, `nu`, `trace`, `sum_of_squares`, ...). So a leaf is known by three things: the
labels of the groups it stands in, the name of its memory, and the path of its parameter; equal ones follow in the order of the chain.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.mirrors import Path, mirrors
from gradtx.core.schedule import Schedule
from gradtx.core.transform import OptState, Transform
from gradtx.core.trees import Tree

# Counters of the steps, and the flag that there were none yet.
COUNTS = ("count", "count_m2", "gradient_step", "step", "t")
UNUSED = ("is_initial_step", "is_init_step")


def state_from_optax(tx: Transform, state: Any, params: Tree, step: Any = None) -> OptState:
    """The state with which `tx` goes on where an Optax optimizer stopped.

    Memories are taken over by name. What depends on the number of steps alone (bias corrections under scheduled decays too) is
    what `tx` would have after as many steps.

    Args:
        tx: the optimizer that goes on, with the hyperparameters of the one that stopped.
        state: the Optax state.
        params: the parameters, or anything with their structure, shapes and dtypes.
        step: how many steps were taken; needed only where the Optax state doesn't count and `tx` has a schedule.

    Returns:
        A state of `tx`; memories in the dtypes that `tx` keeps them in.

    Raises:
        ValueError: a memory has no counterpart on the other side, or the steps are not known.

    Example:
        >>> import gradtx, optax, jax.numpy as jnp
        >>> from gradtx.interop import state_from_optax
        >>> params, theirs = jnp.ones(2), optax.adam(0.1)
        >>> _, old = theirs.update(params, theirs.init(params))
        >>> new = state_from_optax(gradtx.adam(0.1), old, params)
        >>> int(new.step), round(float(gradtx.state_get(new, "mu")[0]), 6)
        (1, 0.1)
    """
    params = jax.tree.map(lambda p: jax.ShapeDtypeStruct(jnp.shape(p), jnp.result_type(p)), params)
    known, found = _parameter_paths(params), defaultdict(list)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        scope, name, below = _place(path, known)
        found[scope, name, below].append(leaf)
    step = _steps(tx, found, step)
    where, counted = mirrors(tx, params), _after(tx, params, step)

    def fill(path: Path, mine: Any) -> Any:
        below = () if where[path] is None else where[path][0]  # type: ignore[index]
        head = path[: len(path) - len(below)]
        for name in _names(head):
            if hits := found.get((_scope(head), name, below)):
                return jnp.asarray(hits.pop(0), mine.dtype)
        if where[path] is None:
            return counted[path]
        raise ValueError(
            f"state_from_optax: {tx!r} remembers {_show(path)}, and the Optax state has nothing of these names; it has {_found(found)}."
        )

    filled = jax.tree_util.tree_map_with_path(fill, jax.eval_shape(tx.init, params))
    if left := sorted({name for (_, name, below), leaves in found.items() if leaves and below and name not in COUNTS}):
        raise ValueError(f"state_from_optax: the Optax state holds {left}, which {tx!r} doesn't remember.")
    return filled._replace(step=jnp.asarray(step, jnp.int32))


def state_to_optax(tx: Transform, state: OptState, like: Any, params: Tree) -> Any:
    """The state with which an Optax optimizer goes on where `tx` stopped.

    Args:
        tx: the optimizer that stopped.
        state: its state.
        like: a state of the Optax optimizer, such as `optax.adam(1e-3).init(params)`: its structure and dtypes are kept, and so is
            what has no counterpart, such as hyperparameters that Optax keeps in the state.
        params: the parameters, or anything with their structure, shapes and dtypes.

    Returns:
        The Optax state.

    Raises:
        ValueError: a memory of `like` has no counterpart in `state`.

    Example:
        >>> import gradtx, optax, jax.numpy as jnp
        >>> from gradtx.interop import state_to_optax
        >>> params, tx = jnp.ones(2), gradtx.adam(0.1)
        >>> _, ours = tx.update(params, tx.init(params))
        >>> theirs = state_to_optax(tx, ours, optax.adam(0.1).init(params), params)
        >>> int(theirs[0].count), round(float(theirs[0].mu[0]), 6)
        (1, 0.1)
    """
    known, found = _parameter_paths(params), defaultdict(list)
    where = mirrors(tx, params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        below = () if where[path] is None else where[path][0]  # type: ignore[index]
        head = path[: len(path) - len(below)]
        for name in _names(head):
            found[_scope(head), name, below].append(leaf)

    # Inside a gate the inner optimizer counts the steps that it took; that is what Optax counts too.
    step = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state) if _names(path)[-1:] == ["step"]][-1]

    def fill(path: Path, theirs: Any) -> Any:
        scope, name, below = _place(path, known)
        if name in UNUSED:
            return jnp.asarray(step == 0)
        if hits := found.get((scope, name, below)):
            return jnp.asarray(hits.pop(0), jnp.result_type(theirs))
        if name in COUNTS:
            return jnp.asarray(step, jnp.result_type(theirs))
        if below or (not known[0] and np.ndim(theirs)):
            raise ValueError(f"state_to_optax: the Optax state has {_show(path)}, which {tx!r} doesn't remember.")
        return theirs

    return jax.tree_util.tree_map_with_path(fill, like)


def _steps(tx: Transform, found: dict[Any, list[Any]], step: Any) -> Any:
    if step is not None:
        return step
    counts = [leaf for (_, name, _), leaves in found.items() if name in COUNTS for leaf in leaves]
    if counts:
        return counts[0]
    if any(isinstance(x, Schedule) for x in jax.tree.leaves(tx, is_leaf=lambda x: isinstance(x, Schedule))):
        raise ValueError(f"state_from_optax: the Optax state doesn't count its steps, and {tx!r} has a schedule: give step=.")
    return 0


def _after(tx: Transform, params: Tree, step: Any) -> dict[Path, jax.Array]:
    """What `tx` holds beside its memories after so many steps. These never see the updates, so zeros will do, and the compiler drops all else."""

    where = mirrors(tx, params)
    alone = [path for path, mirrored in where.items() if mirrored is None]

    @jax.jit
    def counted(step: Any) -> list[jax.Array]:
        zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), params)
        extra = {"value": jnp.zeros(()), "value_fn": lambda p: jnp.zeros(())}
        state = jax.lax.fori_loop(0, step, lambda _, s: tx.update(zeros, s, zeros, **extra)[1], tx.init(zeros))
        leaves = dict(jax.tree_util.tree_leaves_with_path(state))
        return [leaves[path] for path in alone]

    return dict(zip(alone, counted(jnp.asarray(step, jnp.int32)), strict=True))


def _parameter_paths(params: Tree) -> list[Path]:
    """Longest first, so that a path is not taken for one that it ends in."""
    return sorted((path for path, _ in jax.tree_util.tree_leaves_with_path(params)), key=len, reverse=True)


def _place(path: Path, known: list[Path]) -> tuple[tuple[Any, ...], str, Path]:
    """Of a leaf of an Optax state: the groups it stands in, the name of its memory, the path of its parameter."""
    below = next((k for k in known if k and path[len(path) - len(k) :] == k), ())
    head = path[: len(path) - len(below)]
    return _scope(head), next(reversed(_names(head)), ""), below


def _names(head: Path) -> list[str]:
    """Outermost first: the name that a stage was given comes before that of its class."""
    return [str(k.name if hasattr(k, "name") else k.key) for k in head if hasattr(k, "name") or hasattr(k, "key")]


def _scope(head: Path) -> tuple[Any, ...]:
    """The labels of the groups around a memory."""
    return tuple(b.key for a, b in itertools.pairwise(head) if getattr(a, "name", None) == "inner_states")


def _show(path: Path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _found(found: dict[Any, list[Any]]) -> list[str]:
    return sorted({name for _, name, _ in found})
