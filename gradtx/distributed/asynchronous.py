"""Asynchronous gradient descent: every gradient is applied when it comes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree
from gradtx.distributed.readings import Reading
from gradtx.distributed.server import ServerMethod, ServerState, deployed, fetch, open_server, push


class asynchronous(ServerMethod):
    """Workers that take a gradient at what they read, bring it to the server, which applies it at once, and read again.

    With $n$ workers that take turns it is `delayed(optimizer, n - 1)`. The optimizer gets `stale_params`, `missed`, `staleness` and the
    loss as `value`; so `adaptive_revision()`, or any optimizer behind `scale_by_staleness()` or `delay_compensation()`, knows what is late.

    Args:
        optimizer: what the server runs, any.

    Returns:
        A `ServerMethod`. The state of the server is a `ServerState`, that of a worker a `Reading`.

    Raises:
        TypeError: `optimizer` is no transformation.

    References:
        Agarwal, Duchi (2011), Distributed Delayed Stochastic Optimization, NeurIPS.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.distributed import asynchronous
        >>> method = asynchronous(gradtx.sgd(0.25))
        >>> server, worker = method.init(jnp.array(4.0))
        >>> worker, server = method.step(2 * method.point(worker), worker, server)
        >>> float(method.centre(server)), float(method.point(worker))
        (2.0, 2.0)
    """

    optimizer: Transform

    def check(self) -> None:
        check_stage(self, self.optimizer)

    def init(self, params: Tree) -> tuple[ServerState, Reading]:
        server = open_server(self.optimizer, params)
        return server, fetch(self.optimizer, server)

    def point(self, worker: Reading) -> Tree:
        return worker.params

    def step(self, gradient: Tree, worker: Reading, server: ServerState, **extra: Any) -> tuple[Reading, ServerState]:
        server = push(self.optimizer, gradient, worker, server, **extra)
        return fetch(self.optimizer, server), server

    def centre(self, server: ServerState) -> Tree:
        return deployed(self.optimizer, server)

    def messages(self, worker: Reading) -> jax.Array:
        return jnp.array(2, jnp.int32)  # a gradient there, parameters back
