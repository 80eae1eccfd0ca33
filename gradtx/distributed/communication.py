"""What a distributed optimizer sends."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, as_arrays
from gradtx.distributed.axis import recording


def bytes_sent(tx: Transform, params: Tree, axis: str = "workers", workers: int = 8, **extra: Any) -> float:
    """The bytes that one worker gives to the others a step, in the mean over a long run.

    Counted is what each piece of `gradtx.distributed` hands to a collective operation. How often it then crosses a wire is the
    network's affair: an all-reduce in a ring sends $2(n-1)/n$ times as much, a gathering $n - 1$ times. Nothing is computed.

    Args:
        tx: a transformation over one named axis.
        params: the parameters of one worker, or their shapes.
        axis: the name of that axis.
        workers: how many there are.
        extra: what pieces ask for by name, as in `update`.

    Returns:
        The number of bytes, a float.

    Raises:
        ValueError: `tx` works over another axis.

    Example:
        >>> import gradtx.distributed, jax.numpy as jnp
        >>> params = {"w": jnp.zeros((100, 10))}
        >>> synchronous = gradtx.chain(gradtx.distributed.average_gradients("workers"), gradtx.adamw(1e-3))
        >>> gradtx.distributed.bytes_sent(synchronous, params)
        4000.0
        >>> gradtx.distributed.bytes_sent(gradtx.distributed.diloco(gradtx.adamw(1e-3), "workers", period=50), params)
        80.0
    """
    return sum(size / every for size, every in exchanges(tx, params, axis, workers, **extra))


def exchanges(tx: Transform, params: Tree, axis: str, workers: int, **extra: Any) -> list[tuple[int, int]]:
    """All that a worker gives: pairs of bytes and in every how many steps."""
    params = jax.eval_shape(as_arrays, params)

    def step(_: jax.Array, params: Tree) -> Tree:
        return tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params, **extra)[0]

    with recording() as entries:
        jax.eval_shape(jax.vmap(step, in_axes=(0, None), axis_name=axis), jax.ShapeDtypeStruct((workers,), jnp.float32), params)
    return entries
