"""Asynchronous elastic averaging: workers that are tied to a centre by springs."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.fields import Interval
from gradtx.core.number import cast, number, wide
from gradtx.core.points import gradient_params
from gradtx.core.transform import OptState, Transform, check_stage
from gradtx.core.trees import Tree, as_arrays
from gradtx.core.updates import apply_updates
from gradtx.distributed.downpour import Period, every
from gradtx.distributed.server import ServerMethod

Share = Annotated[Any, Interval(0, schedulable=False)]


class Centre(NamedTuple):
    """The centre variable, and how often a worker pulled at it."""

    params: Tree
    step: jax.Array


class ElasticWorker(NamedTuple):
    """A worker: its parameters, its optimizer's state, its clock, and the count of the centre when they last met."""

    params: Tree
    optimizer_state: OptState
    clock: jax.Array
    step: jax.Array


class asynchronous_easgd(ServerMethod):
    """Asynchronous EASGD: when $\\tau$ divides the worker's clock, $d = x^i - \\tilde x$, $x^i \\leftarrow x^i - \\alpha d$, $\\tilde x \\leftarrow \\tilde x + \\alpha d$; always $x^i \\leftarrow x^i + u^i(x^i)$.

    The gradient is the one at $x^i$ before the elastic step. With `nesterov(0.01, 0.99)` as the optimizer it is EAMSGD: $v \\leftarrow \\delta v - \\eta\\nabla
    f(x^i + \\delta v)$, $x^i \\leftarrow x^i + v$. The worker sees $\\tilde x$ as it is when its gradient is ready, so that one event is one turn of the paper's
    round robin.

    Args:
        optimizer: what each worker steps with, such as `sgd(0.01)`; each keeps a state of its own.
        moving_rate: $\\alpha \\ge 0$ (published: $0.9 / p$ for $p$ workers). On $x^2/2$ in turns it is stable up to $(4 - 2\\eta)/(4 - \\eta)$.
        period: $\\tau \\ge 1$, the steps between meetings. Mapped over like any number.

    Returns:
        A `ServerMethod`. The state of the server is a `Centre`, that of a worker an `ElasticWorker`.

    Raises:
        ValueError: a number is outside its range.
        TypeError: `optimizer` is no transformation.

    References:
        Zhang, Choromanska, LeCun (2015), Deep learning with Elastic Averaging SGD, NeurIPS, arXiv:1412.6651, Algorithms 1 and 2.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.distributed import asynchronous_easgd
        >>> method = asynchronous_easgd(gradtx.sgd(0.5), moving_rate=0.25, period=2)
        >>> server, worker = method.init(jnp.array(4.0))
        >>> for _ in range(3):
        ...     worker, server = method.step(method.point(worker), worker, server)
        ...     print(float(method.point(worker)), float(method.centre(server)))
        2.0 4.0
        1.0 4.0
        1.25 3.25
    """

    optimizer: Transform
    moving_rate: Share
    period: Period = 100.0

    def check(self) -> None:
        check_stage(self, self.optimizer)

    def init(self, params: Tree) -> tuple[Centre, ElasticWorker]:
        params, zero = as_arrays(params), jnp.zeros((), jnp.int32)
        centre = jax.tree.map(jnp.copy, params)
        return Centre(centre, zero), ElasticWorker(params, self.optimizer.init(params), zero, zero)

    def point(self, worker: ElasticWorker) -> Tree:
        return gradient_params(self.optimizer, worker.optimizer_state, worker.params)

    def step(self, gradient: Tree, worker: ElasticWorker, server: Centre, **extra: Any) -> tuple[ElasticWorker, Centre]:
        updates, optimizer_state = self.optimizer.update(gradient, worker.optimizer_state, worker.params, **extra)
        meets = every(self.period, worker.clock)

        def pull(x: Any, centre: Any) -> Any:
            """How far the spring moves the centre; the worker goes as far the other way."""
            d = wide(x.dtype)
            return jnp.where(meets, number(self.moving_rate, d) * (cast(x, d) - cast(centre, d)), 0)

        pulls = jax.tree.map(pull, worker.params, server.params)
        drawn = apply_updates(worker.params, jax.tree.map(jnp.negative, pulls))
        count = server.step + meets.astype(jnp.int32)
        seen = jnp.where(meets, count, worker.step)
        new = ElasticWorker(apply_updates(drawn, updates), optimizer_state, worker.clock + 1, seen)
        return new, Centre(apply_updates(server.params, pulls), count)

    def centre(self, server: Centre) -> Tree:
        return server.params

    def messages(self, worker: ElasticWorker) -> jax.Array:
        return 2 * every(self.period, worker.clock).astype(jnp.int32)  # the centre here, the difference back
