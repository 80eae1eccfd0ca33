"""Where the state of an optimizer lives on a mesh of devices.

Two functions say where, a third puts it there. XLA's partitioner does the rest: a step compiled with these shardings for its results averages
the gradients, updates each slice where it lies, and gathers the parameters or the updates, never the state.
"""

from __future__ import annotations

import math
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gradtx.core.mirrors import mirrors
from gradtx.core.transform import OptState, Transform
from gradtx.core.trees import Tree, path_string
from gradtx.distributed.axis import Axis


def split_shardings(params: Tree, mesh: Mesh, axis: Axis, shardings: Tree | None = None) -> Tree:
    """A sharding a parameter that splits it along an axis of the mesh, in the first dimension that the axis divides.

    Give them to `init_sharded` alone, and the state is split while the parameters stay as they are (ZeRO-1); give them to the parameters too,
    and both are split (ZeRO-3, FSDP).

    Args:
        params: any tree of arrays, or of their shapes.
        mesh: the devices. Its axes are to be automatic for optimizers that multiply matrices, such as Muon.
        axis: the name of an axis of the mesh, or several names.
        shardings: a tree like `params` of the `NamedSharding`s that they have already, over other axes of the mesh; whole arrays if None.

    Returns:
        A tree like `params` of `NamedSharding`s. What no dimension of divides evenly isn't split along the axis: nothing is padded. An array that
        is split along it already stays so.

    Raises:
        ValueError: the mesh has no such axis.
        TypeError: a sharding is no `NamedSharding`.

    References:
        Rajbhandari, Rasley, Ruwase, He (2020), ZeRO: Memory Optimizations Toward Training Trillion Parameter Models, arXiv:1910.02054.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from gradtx.distributed import split_shardings
        >>> mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        >>> split_shardings({"w": jnp.ones((3, 8)), "s": jnp.ones(())}, mesh, "data")["w"].spec
        P('data', None)
    """
    axes = (axis,) if isinstance(axis, str) else tuple(axis)
    if missing := [a for a in axes if a not in mesh.axis_names]:
        raise ValueError(f"split_shardings: axis is {axis!r}; the mesh has no {missing[0]!r}, it has {list(mesh.axis_names)}.")
    if shardings is None:
        shardings = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec()), params)

    def one(path: Any, p: Any, sharding: Any) -> NamedSharding:
        _check_named("split_shardings", path, sharding)
        spec = _spec(sharding, len(p.shape))
        taken = [() if s is None else (s,) if isinstance(s, str) else s for s in spec]
        if any(a in t for t in taken for a in axes):
            return sharding
        for i, (length, old) in enumerate(zip(p.shape, taken, strict=True)):
            if length and length % math.prod(mesh.shape[a] for a in old + axes) == 0:
                new = old + axes
                return _like(sharding, (*spec[:i], new[0] if len(new) == 1 else new, *spec[i + 1 :]))
        return sharding

    return jax.tree_util.tree_map_with_path(one, params, shardings)


def state_shardings(tx: Transform, params: Tree, shardings: Tree | None = None) -> OptState:
    """The sharding of every array in an optimizer's state, from those of the parameters.

    A memory of its parameter's shape is sharded like it. Rows and columns of factored memories, whose other axes have length 1, are sharded along
    the axes that they have; a history is whole along its leading axis. Everything else is replicated: counters, keys, norms, and matrices whose
    axes aren't their parameter's (statistics of Shampoo, bases of SOAP), all of which a step needs.

    Args:
        tx: any transformation.
        params: its parameters, or their shapes.
        shardings: a tree like `params` of `NamedSharding`s; those that the parameters have if None.

    Returns:
        A tree like `tx.init(params)`: for `out_shardings` of `jax.jit`, `jax.device_put`, or as the template of a checkpoint.

    Raises:
        TypeError: a sharding is no `NamedSharding`; parameters on a single device have none.
        ValueError: there are no parameters.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.distributed import split_shardings, state_shardings
        >>> mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        >>> params = {"w": jnp.ones((8, 2))}
        >>> where = state_shardings(gradtx.adam(1e-3), params, split_shardings(params, mesh, "data"))
        >>> gradtx.state_get(where, "mu")["w"].spec, where.step.spec
        (P('data', None), P())
    """
    if shardings is None:
        shardings = jax.tree.map(lambda p: getattr(p, "sharding", None), params)
    ours: dict[Any, tuple[Any, NamedSharding]] = {}

    def note(path: Any, p: Any, sharding: Any) -> None:
        _check_named("state_shardings", path, sharding)
        ours[path] = p, sharding

    jax.tree_util.tree_map_with_path(note, params, shardings)
    if not ours:
        raise ValueError("state_shardings: there are no parameters.")
    whole = _like(next(iter(ours.values()))[1], ())
    owners = mirrors(tx, params)

    def one(path: Any, leaf: Any) -> NamedSharding:
        if (owner := owners[path]) is None:
            return whole
        p, sharding = ours[owner[0]]
        if leaf.shape == p.shape and not owner[1]:
            return sharding
        more = len(leaf.shape) - len(p.shape)
        lengths = list(zip(leaf.shape[more:], p.shape, strict=True)) if more >= 0 else []
        # Of several memories of one parameter those that are square may only happen to have its shape.
        several = bool(owner[1]) and sum(a > 1 for a, _ in lengths) > 1
        if several or not all(a in (1, b) for a, b in lengths):
            return whole
        spec = (s if a == b else None for s, (a, b) in zip(_spec(sharding, len(p.shape)), lengths, strict=False))
        return _like(sharding, (*[None] * more, *spec))

    return jax.tree_util.tree_map_with_path(one, jax.eval_shape(tx.init, params))


def init_sharded(tx: Transform, params: Tree, shardings: Tree | None = None) -> OptState:
    """The state before the first step, each device making its own part: nothing is made whole first and moved then.

    Args:
        tx: any transformation.
        params: its parameters, on the mesh or not yet on any device.
        shardings: a tree like `params` of the `NamedSharding`s that their memories are to have; those of the parameters if None.

    Returns:
        `tx.init(params)`, sharded as `state_shardings` says.

    Raises:
        TypeError: a sharding is no `NamedSharding`; parameters on a single device have none.
        ValueError: there are no parameters.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.distributed import init_sharded, split_shardings, state_shardings
        >>> mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
        >>> whole = jax.NamedSharding(mesh, jax.P())
        >>> tx, params = gradtx.adam(0.1), jax.device_put({"w": jnp.ones((8, 2))}, whole)
        >>> slices = split_shardings(params, mesh, "data")
        >>> state = init_sharded(tx, params, slices)
        >>> def step(params, state, x):
        ...     grads = jax.grad(lambda p: jnp.mean((x @ p["w"]) ** 2))(params)
        ...     updates, state = tx.update(grads, state, params)
        ...     return gradtx.apply_updates(params, updates), state
        >>> step = jax.jit(step, out_shardings=(whole, state_shardings(tx, params, slices)), donate_argnums=(0, 1))
        >>> params, state = step(params, state, jnp.ones((4, 8)))
        >>> round(float(params["w"][0, 0]), 3), gradtx.state_get(state, "nu")["w"].sharding.spec
        (0.9, P('data', None))
    """
    return jax.jit(tx.init, out_shardings=state_shardings(tx, params, shardings))(params)


def _spec(sharding: NamedSharding, axes: int) -> tuple[Any, ...]:
    """One entry an axis; a spec may leave the last ones out."""
    spec = tuple(sharding.spec)
    return (*spec, *[None] * (axes - len(spec)))


def _like(sharding: NamedSharding, spec: tuple[Any, ...]) -> NamedSharding:
    """Another spec on the same mesh, in the same kind of memory."""
    return NamedSharding(sharding.mesh, PartitionSpec(*spec), memory_kind=sharding.memory_kind)


def _check_named(who: str, path: Any, sharding: Any) -> None:
    if not isinstance(sharding, NamedSharding):
        raise TypeError(
            f"{who}: the sharding at {path_string(path) or 'the root'} is {sharding!r}; it must be a jax.sharding.NamedSharding. Put the "
            "parameters on a mesh, or give shardings such as those of split_shardings(params, mesh, axis)."
        )
