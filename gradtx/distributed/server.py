"""What an asynchronous method is: workers that come to a server one at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.node import Node
from gradtx.core.number import cast
from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.transform import OptState, Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, as_arrays
from gradtx.core.updates import apply_updates
from gradtx.distributed.readings import Reading, late


class ServerMethod(Node):
    """An asynchronous method as a value: what a worker and the server do when they meet.

    `simulate_events` runs it with simulated workers, `run_threads` with real ones. The states of the server and of a worker are
    NamedTuples with a field `step`: how often the server was changed, and how often it had been when the worker last saw it.
    """

    def init(self, params: Tree) -> tuple[Any, Any]:
        """The state of the server and that of each worker before the first gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define init(params).")

    def point(self, worker: Any) -> Tree:
        """Where the worker takes its next gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define point(worker).")

    def step(self, gradient: Tree, worker: Any, server: Any, **extra: Any) -> tuple[Any, Any]:
        """A worker has its gradient and comes to the server: the new states of both, the worker's first."""
        raise NotImplementedError(f"{type(self).__name__} must define step(gradient, worker, server, **extra).")

    def centre(self, server: Any) -> Tree:
        """The parameters to evaluate or deploy."""
        raise NotImplementedError(f"{type(self).__name__} must define centre(server).")

    def messages(self, worker: Any) -> jax.Array:
        """How many trees like the parameters go between the two when this worker comes next."""
        raise NotImplementedError(f"{type(self).__name__} must define messages(worker).")


class ServerState(NamedTuple):
    """A server that runs an optimizer: the parameters, the sum and the number of the gradients that arrived, and the optimizer's state."""

    params: Tree
    gradients: Tree
    step: jax.Array
    optimizer_state: OptState


def open_server(tx: Transform, params: Tree) -> ServerState:
    """A server before the first gradient."""
    params = jax.tree.map(jnp.copy, as_arrays(params))
    return ServerState(params, full_like(params, 0.0), jnp.zeros((), jnp.int32), tx.init(params))


def fetch(tx: Transform, server: ServerState) -> Reading:
    """What a worker takes from the server."""
    return Reading(gradient_params(tx, server.optimizer_state, server.params), server.gradients, server.step)


def push(tx: Transform, gradient: Tree, reading: Reading, server: ServerState, **extra: Any) -> ServerState:
    """The server applies a gradient that was taken at a reading."""
    extra = {**extra, **late(reading, server.gradients, server.step)}
    updates, state = tx.update(gradient, server.optimizer_state, server.params, **extra)
    gradients = jax.tree.map(lambda s, g: s + cast(g, s.dtype), server.gradients, gradient)
    return ServerState(apply_updates(server.params, updates), gradients, saturating_increment(server.step), state)


def deployed(tx: Transform, server: ServerState) -> Tree:
    """What the server's optimizer wants to be judged by."""
    return evaluation_params(tx, server.optimizer_state, server.params)
