"""Downpour: local steps, accumulated pushes, periodic fetches."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.fields import Interval
from gradtx.core.number import cast
from gradtx.core.points import gradient_params
from gradtx.core.transform import OptState, Transform, check_stage, full_like
from gradtx.core.trees import Tree
from gradtx.core.updates import apply_updates
from gradtx.distributed.readings import Reading
from gradtx.distributed.server import ServerMethod, ServerState, deployed, fetch, open_server, push

Period = Annotated[Any, Interval(1, schedulable=False)]


class DownpourWorker(NamedTuple):
    """A replica: its parameters, its optimizer's state, the gradients since its last push, its clock, and what it last fetched."""

    params: Tree
    optimizer_state: OptState
    accrued: Tree
    clock: jax.Array
    fetched: Reading

    @property
    def step(self) -> jax.Array:
        return self.fetched.step


class downpour(ServerMethod):
    """Downpour SGD: a worker steps by itself, $x^i \\leftarrow x^i - \\eta g^i$, adds up its gradients, and brings the sum to the server now and then.

    After every `push_period` gradients the server gets the sum as one gradient, $\\tilde x \\leftarrow \\tilde x - \\eta_s \\odot \\sum g^i$; after
    every `fetch_period` the worker takes $x^i \\leftarrow \\tilde x$. Counted from 1, a push before a fetch (the paper, which counts from 0,
    pushes its first gradient alone).

    Args:
        server: the server's optimizer; in the paper `adagrad`. It gets the extra arguments that `asynchronous` gives, with what was last
            fetched as the point where all of the sum was taken.
        worker: the worker's, such as `sgd(0.01)`.
        push_period: gradients between pushes, at least 1 (published: 1). Mapped over like any number.
        fetch_period: gradients between fetches, at least 1 (published: 1).

    Returns:
        A `ServerMethod`. The state of the server is a `ServerState`, that of a worker a `DownpourWorker`.

    Raises:
        ValueError: a period is below 1.
        TypeError: an optimizer is no transformation.

    References:
        Dean et al. (2012), Large Scale Distributed Deep Networks, NeurIPS, Algorithm 1.1 of the supplement.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.distributed import downpour
        >>> method = downpour(gradtx.sgd(0.5), gradtx.sgd(0.25), push_period=2, fetch_period=2)
        >>> server, worker = method.init(jnp.array(4.0))
        >>> for _ in range(2):
        ...     worker, server = method.step(jnp.array(1.0), worker, server)
        ...     print(float(method.point(worker)), float(method.centre(server)))
        3.75 4.0
        3.0 3.0
    """

    server: Transform
    worker: Transform
    push_period: Period = 1.0
    fetch_period: Period = 1.0

    def check(self) -> None:
        check_stage(self, self.server)
        check_stage(self, self.worker)

    def init(self, params: Tree) -> tuple[ServerState, DownpourWorker]:
        server = open_server(self.server, params)
        own = server.params
        worker = DownpourWorker(
            own, self.worker.init(own), full_like(own, 0.0), jnp.zeros((), jnp.int32), fetch(self.server, server)
        )
        return server, worker

    def point(self, worker: DownpourWorker) -> Tree:
        return gradient_params(self.worker, worker.optimizer_state, worker.params)

    def step(
        self, gradient: Tree, worker: DownpourWorker, server: ServerState, **extra: Any
    ) -> tuple[DownpourWorker, ServerState]:
        updates, optimizer_state = self.worker.update(gradient, worker.optimizer_state, worker.params, **extra)
        params = apply_updates(worker.params, updates)
        accrued = jax.tree.map(lambda s, g: s + cast(g, s.dtype), worker.accrued, gradient)
        pushes, fetches = self._due(worker)
        server, accrued = jax.lax.cond(
            pushes,
            lambda: (push(self.server, accrued, worker.fetched, server, **extra), jax.tree.map(jnp.zeros_like, accrued)),
            lambda: (server, accrued),
        )
        fetched, params = jax.lax.cond(
            fetches, lambda: (fetch(self.server, server), server.params), lambda: (worker.fetched, params)
        )
        return DownpourWorker(params, optimizer_state, accrued, worker.clock + 1, fetched), server

    def centre(self, server: ServerState) -> Tree:
        return deployed(self.server, server)

    def messages(self, worker: DownpourWorker) -> jax.Array:
        pushes, fetches = self._due(worker)
        return pushes.astype(jnp.int32) + fetches.astype(jnp.int32)

    def _due(self, worker: DownpourWorker) -> tuple[jax.Array, jax.Array]:
        """Whether a push and a fetch follow the gradient that is under way."""
        return every(self.push_period, worker.clock + 1), every(self.fetch_period, worker.clock + 1)


def every(period: Any, clock: jax.Array) -> jax.Array:
    """Whether a period divides a clock."""
    return jnp.mod(clock, jnp.asarray(period).astype(clock.dtype)) == 0
