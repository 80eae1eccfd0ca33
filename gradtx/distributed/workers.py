"""Many workers in step with each other simulated, some of them slow, some failing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, real_of
from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, as_arrays
from gradtx.core.updates import apply_updates
from gradtx.distributed.communication import exchanges
from gradtx.distributed.durations import Durations
from gradtx.distributed.events import TURNS, check_run, gradient_key


class Rounds(NamedTuple):
    """A run of workers in step with each other.

    Args:
        points: the mean of the workers' parameters to evaluate, after each `every` steps, along a leading axis.
        spread: how far the workers' parameters are from their mean then: the root of the mean square distance.
        values: the mean loss of the workers that took part in each step, each of its own draw, where its gradient was taken.
        times: when the last of them was done with it: the mean time of a gradient is 1.
        present: the share of the workers that took part.
        sent: the bytes that a worker gave to the others by then.
    """

    points: Tree
    spread: jax.Array
    values: jax.Array
    times: jax.Array
    present: jax.Array
    sent: jax.Array


def simulate_workers(
    problem: Callable[..., jax.Array],
    tx: Transform,
    start: Tree,
    workers: int,
    steps: int,
    *,
    key: jax.Array,
    durations: Durations = TURNS,
    quorum: float | jax.Array = 1.0,
    latency: float | jax.Array = 0.0,
    bandwidth: float | jax.Array = float("inf"),
    every: int = 1,
    axis: str = "workers",
) -> Rounds:
    """Runs an optimizer over a named axis with simulated workers, and tells what the time and the bytes would have been.

    All workers step together in the program. The simulated clock lets each run by itself between meetings, which come as
    often as the piece of `tx` that sends most often. Who has failed, or is later than the quorum, isn't waited
    for: its `weight` is 0. For workers without meetings see `simulate_events`.

    Args:
        problem: a function of the parameters and a `key`, which draws the batch or the noise: `problem(params, key=...)` gives a scalar.
            `gradtx.problems.noisy` and `mini_batch` make such.
        tx: the optimizer of a worker, with pieces over `axis`.
        start: the first parameters of all.
        workers: how many, at least 1.
        steps: of each, at least 1.
        key: what all draws come from.
        durations: how long a gradient takes; with `dropouts` workers fail for good.
        quorum: the share of the living workers that a meeting waits for, in (0, 1].
        latency: what a meeting costs, in units of the mean time of a gradient, at least 0.
        bandwidth: the bytes that a worker can give in that unit, above 0.
        every: keep the point and the spread after each so manieth step only; it must divide `steps`.
        axis: the name of the axis.

    Returns:
        A `Rounds`, with a leading axis of `steps`, that of the points and the spread of `steps / every`.

    Raises:
        ValueError: `workers`, `steps` or `every` is below 1, or `every` doesn't divide `steps`; the problem takes no key.
        TypeError: `tx` is no transformation, `durations` none.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.distributed import diloco, simulate_workers
        >>> def problem(x, key):
        ...     return 0.5 * jnp.sum((x - jax.random.normal(key, x.shape)) ** 2)
        >>> rounds = simulate_workers(
        ...     problem, diloco(gradtx.sgd(0.01), "workers", period=50), jnp.ones(3), workers=64, steps=1000, key=jax.random.key(0),
        ...     every=1000)
        >>> bool(jnp.all(jnp.abs(rounds.points[-1]) < 0.05)), float(rounds.times[-1]), float(rounds.sent[-1])
        (True, 1000.0, 240.0)
    """
    if not isinstance(tx, Transform):
        raise TypeError(f"simulate_workers: tx = {tx!r} is no transformation.")
    check_run("simulate_workers", problem, workers, every, durations, steps=steps)
    network = (quorum, latency, bandwidth)
    return _run(problem, tx, as_arrays(start), workers, steps, key, durations, network, every, axis)


@functools.partial(jax.jit, static_argnames=("problem", "workers", "steps", "every", "axis"))
def _run(
    problem: Callable[..., jax.Array],
    tx: Transform,
    start: Tree,
    workers: int,
    steps: int,
    key: jax.Array,
    durations: Durations,
    network: tuple[Any, Any, Any],
    every: int,
    axis: str,
) -> Rounds:
    quorum, latency, bandwidth = network
    sends = exchanges(tx, start, axis, workers)
    period = min((each for _, each in sends), default=1)
    per_step = sum(size / each for size, each in sends)
    data_key, time_key = jax.random.split(key)
    clock = jnp.result_type(float)
    pause = jnp.asarray(latency, clock) + per_step * period / jnp.asarray(bandwidth, clock)

    def worker(me: jax.Array) -> tuple[Any, ...]:
        own = jax.random.fold_in(time_key, me)

        def step(carry: Any, t: jax.Array) -> tuple[Any, Any]:
            params, state, now = carry
            ready = now + durations.draw(own, gradient_key(time_key, me, t), now).astype(clock)
            waited = _waited_for(jax.lax.all_gather(ready, axis), quorum)
            takes_part = jnp.isfinite(ready) & (ready <= waited)
            loss = functools.partial(problem, key=gradient_key(data_key, me, t))
            value, gradient = jax.value_and_grad(loss)(gradient_params(tx, state, params))
            weight = takes_part.astype(clock)
            updates, state = tx.update(gradient, state, params, value=value, weight=weight)
            params = apply_updates(params, updates)
            # Who is late goes on with the others; who has failed stays so.
            now = jnp.where((t + 1) % period == 0, jnp.where(jnp.isfinite(ready), waited + pause, ready), ready)
            present = jax.lax.pmean(weight, axis)
            mean = jax.lax.pmean(jnp.where(takes_part, value, 0), axis) / present.astype(value.dtype)
            return (params, state, now), (mean, waited, present)

        def some_steps(carry: Any, ts: jax.Array) -> tuple[Any, Any]:
            carry, seen = jax.lax.scan(step, carry, ts)
            params, state, _ = carry
            point = jax.tree.map(lambda x: jax.lax.pmean(x, axis), evaluation_params(tx, state, params))
            return carry, (point, _distance(params, axis), seen)

        first = (start, tx.init(start), jnp.zeros((), clock))
        _, (points, spread, seen) = jax.lax.scan(some_steps, first, jnp.arange(steps).reshape(-1, every))
        return points, spread, *(x.reshape(steps) for x in seen)

    points, spread, values, times, present = jax.vmap(worker, axis_name=axis, out_axes=None)(jnp.arange(workers))
    return Rounds(points, spread, values, times, present, per_step * jnp.arange(1, steps + 1, dtype=clock))


def _waited_for(ready: jax.Array, quorum: Any) -> jax.Array:
    """When so large a share of the living is ready."""
    alive = jnp.sum(jnp.isfinite(ready))
    last = jnp.ceil(jnp.asarray(quorum, ready.dtype) * alive.astype(ready.dtype)).astype(jnp.int32) - 1
    return jnp.sort(ready)[jnp.maximum(last, 0)]


def _distance(params: Tree, axis: str) -> jax.Array:
    dtype = real_of(params)
    squares = [cast(jnp.sum(jnp.abs(x - jax.lax.pmean(x, axis)) ** 2), dtype) for x in jax.tree.leaves(params)]
    return jnp.sqrt(jax.lax.pmean(sum(squares, start=jnp.zeros((), dtype)), axis))
