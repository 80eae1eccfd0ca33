"""Many asynchronous workers simulated: one event after another, as one compiled program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.trees import Tree
from gradtx.distributed.durations import Durations, equal_durations
from gradtx.distributed.server import ServerMethod

TURNS = equal_durations()


class Arrivals(NamedTuple):
    """An asynchronous run: what came to the server, one event after another.

    Args:
        centres: the parameters to evaluate, after each `every` events, along a leading axis.
        values: the loss that came with each gradient, of its own draw, where it was taken.
        times: when each event was: simulated, the mean of a gradient being 1; or in seconds since the start.
        staleness: how often the server had changed since the worker last saw it.
        workers: whose gradient it was; -1 if there was none, all workers having failed. Nothing changes then: the value is NaN.
        sent: the bytes that went between this worker and the server.
    """

    centres: Tree
    values: jax.Array
    times: jax.Array
    staleness: jax.Array
    workers: jax.Array
    sent: jax.Array


@functools.partial(jax.jit, static_argnames=("problem", "workers", "events", "every"))
def simulate_events(
    problem: Callable[..., jax.Array],
    method: ServerMethod,
    start: Tree,
    workers: int,
    events: int,
    *,
    key: jax.Array,
    durations: Durations = TURNS,
    every: int = 1,
) -> Arrivals:
    """Runs an asynchronous method with simulated workers: the one that is ready first takes its turn, and begins anew.

    The workers' states are stacked, so that thousands fit; an event costs one gradient and one search for the next. The method, the
    durations, the start and the key are arguments of the compiled program: `jax.vmap` over any of them runs many at once.

    Args:
        problem: a function of the parameters and a `key`, which draws the batch or the noise: `problem(params, key=...)` gives a scalar.
            `gradtx.problems.noisy` and `mini_batch` make such.
        method: what workers and server do, such as `asynchronous(sgd(0.1))`.
        start: the first parameters, which all workers know at time 0.
        workers: how many, at least 1.
        events: how many gradients arrive.
        key: what all draws come from; those of a worker's gradients don't depend on the order of events.
        durations: how long a gradient takes; equal ones make the workers take turns.
        every: keep the centre after each so manieth event only; it must divide `events`.

    Returns:
        An `Arrivals`, with a leading axis of `events`, that of the centres of `events / every`.

    Raises:
        ValueError: `workers`, `events` or `every` is below 1, or `every` doesn't divide `events`; the problem takes no key.
        TypeError: `method` or `durations` is none.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.distributed import asynchronous, lognormal_durations, simulate_events
        >>> from gradtx.problems import beale, noisy
        >>> rates, start = jnp.array([0.001, 0.01]), jnp.array(beale.start)
        >>> run = jax.vmap(lambda rate: simulate_events(
        ...     noisy(beale, 0.1), asynchronous(gradtx.sgd(rate)), start, workers=64, events=1000, key=jax.random.key(0),
        ...     durations=lognormal_durations(0.5), every=500))(rates)
        >>> run.centres.shape, float(run.staleness[0, 500:].mean().round())
        ((2, 2, 2), 63.0)
    """
    check_method("simulate_events", method)
    check_run("simulate_events", problem, workers, every, durations, events=events)
    server, worker = method.init(jax.tree.map(jnp.asarray, start))
    everyone = jax.tree.map(lambda x: jnp.broadcast_to(x, (workers, *x.shape)), worker)
    data_key, time_key = jax.random.split(key)

    def duration(worker: jax.Array, count: jax.Array, begin: jax.Array) -> jax.Array:
        own = jax.random.fold_in(time_key, worker)
        return durations.draw(own, gradient_key(time_key, worker, count), begin).astype(begin.dtype)

    def next_of(everyone: Any, ready: jax.Array) -> tuple[jax.Array, Any]:
        """Whose turn it is, and its state."""
        i = jnp.argmin(ready).astype(jnp.int32)
        return i, jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), everyone)

    def event(carry: Any, _: None) -> tuple[Any, Any]:
        server, everyone, counts, ready, (i, worker) = carry
        now, old = ready[i], (worker, server)
        alive = jnp.isfinite(now)
        value, gradient = gradient_of(problem, method, worker, gradient_key(data_key, i, counts[i]))
        new, (staleness, sent) = meet(method, gradient, value, worker, server)
        worker, server = jax.tree.map(lambda x, y: jnp.where(alive, x, y), new, old)
        # The next is read when this one is written: read in the next event, before that one's is written, it would cost a copy of all.
        everyone = jax.tree.map(lambda x, one: jax.lax.dynamic_update_index_in_dim(x, one, i, 0), everyone, worker)
        counts = counts.at[i].add(1)
        ready = ready.at[i].set(now + duration(i, counts[i], now))
        seen = (
            jnp.where(alive, value, jnp.nan),
            now,
            jnp.where(alive, staleness, 0),
            jnp.where(alive, i, -1),
            jnp.where(alive, sent, 0),
        )
        return (server, everyone, counts, ready, next_of(everyone, ready)), seen

    def some_events(carry: Any, _: None) -> tuple[Any, Any]:
        carry, seen = jax.lax.scan(event, carry, None, every)
        return carry, (method.centre(carry[0]), seen)

    who = jnp.arange(workers)
    counts, begin = jnp.zeros(workers, jnp.int32), jnp.zeros(workers, jnp.result_type(float))
    ready = jax.vmap(duration)(who, counts, begin)
    carry = (server, everyone, counts, ready, next_of(everyone, ready))
    _, (centres, seen) = jax.lax.scan(some_events, carry, None, events // every)
    return Arrivals(centres, *(x.reshape(events) for x in seen))


def check_method(who: str, method: Any) -> None:
    """Raises unless this is what workers and a server do."""
    if not isinstance(method, ServerMethod):
        raise TypeError(f"{who}: method = {method!r}; it must be a ServerMethod, such as asynchronous(sgd(0.1)).")


def check_run(who: str, problem: Any, workers: int, every: int, durations: Any = TURNS, **length: int) -> None:
    """Raises unless a run of this length can start; its name is what the caller calls it."""
    ((name, count),) = length.items()
    if workers < 1:
        raise ValueError(f"{who}: {workers} workers; there must be at least 1.")
    if count < 1 or every < 1 or count % every:
        raise ValueError(f"{who}: {name} = {count} and every = {every}; both must be at least 1, and every divide {name}.")
    if not isinstance(durations, Durations):
        raise TypeError(f"{who}: durations = {durations!r}; it must be a Durations, such as lognormal_durations(0.5).")
    if "key" not in inspect.signature(problem).parameters:
        raise ValueError(f"{who}: the problem takes no key; gradtx.problems.noisy and mini_batch make some that do.")


def gradient_key(key: jax.Array, worker: Any, count: Any) -> jax.Array:
    """The key of a worker's gradient, by its number."""
    return jax.random.fold_in(jax.random.fold_in(key, worker), count)


def gradient_of(problem: Callable[..., jax.Array], method: ServerMethod, worker: Any, key: jax.Array) -> tuple[jax.Array, Tree]:
    """What a worker works out by itself: the loss and its gradient, where the method wants it."""
    return jax.value_and_grad(functools.partial(problem, key=key))(method.point(worker))


def meet(method: ServerMethod, gradient: Tree, value: jax.Array, worker: Any, server: Any) -> tuple[Any, Any]:
    """What happens when it comes to the server: the new states of both, and the staleness and the bytes of it."""
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(gradient))
    sent = method.messages(worker).astype(jnp.result_type(float)) * size
    return method.step(gradient, worker, server, value=value), (server.step - worker.step, sent)
