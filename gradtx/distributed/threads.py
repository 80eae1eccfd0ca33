"""Asynchronous methods run by real threads around a server with a lock."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.trees import Tree
from gradtx.distributed.events import Arrivals, check_method, check_run, gradient_key, gradient_of, meet
from gradtx.distributed.server import ServerMethod
from gradtx.distributed.together import together


def run_threads(
    problem: Callable[..., jax.Array],
    method: ServerMethod,
    start: Tree,
    threads: int,
    events: int,
    *,
    key: jax.Array,
    every: int = 1,
    timeout: float = 60.0,
) -> Arrivals:
    """Runs an asynchronous method with real threads: each takes its gradients by itself, and comes to the server one at a time.

    A reference that `simulate_events` is checked against, on one machine: XLA releases Python's lock while it computes a gradient, so
    that gradients overlap; a lock of the server's own orders the meetings. A worker's gradients are drawn as in the simulation, but the
    order in which they come is that of the moment. One thread does what the simulation does with one worker.

    Args:
        problem: as in `simulate_events`.
        method: as there.
        start: the first parameters.
        threads: how many workers, at least 1.
        events: how many gradients arrive in all.
        key: what all draws come from.
        every: keep the centre after each so manieth event only; it must divide `events`.
        timeout: the longest that it may take, in seconds, compiling apart.

    Returns:
        An `Arrivals`, its times in seconds.

    Raises:
        ValueError, TypeError: as in `simulate_events`.
        TimeoutError: the time was over. What a thread raises stops all, and is raised here. No thread is left running.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.distributed import downpour, run_threads
        >>> from gradtx.problems import beale, noisy
        >>> method = downpour(gradtx.adagrad(0.1), gradtx.sgd(0.01), push_period=2, fetch_period=2)
        >>> run = run_threads(noisy(beale, 0.1), method, jnp.array(beale.start), 2, 100, key=jax.random.key(0), every=50)
        >>> run.centres.shape, sorted(set(run.workers.tolist())) in ([0], [1], [0, 1])
        ((2, 2), True)
    """
    check_method("run_threads", method)
    check_run("run_threads", problem, threads, every, events=events)
    server, worker = method.init(jax.tree.map(jnp.asarray, start))
    data_key, _ = jax.random.split(key)
    # Compiled here: what is set for one thread only (double precision, say) the others don't know.
    zero = jnp.zeros((), jnp.int32)
    numbered = jax.jit(lambda worker, i, count: gradient_of(problem, method, worker, gradient_key(data_key, i, count)))
    take = numbered.lower(worker, zero, zero).compile()
    value, gradient = jax.eval_shape(numbered, worker, zero, zero)
    bring = jax.jit(lambda *states: meet(method, *states)).lower(gradient, value, worker, server).compile()
    centre = jax.jit(method.centre).lower(server).compile()

    lock, tickets = threading.Lock(), itertools.count()
    centres: list[Tree] = []
    seen: list[tuple[Any, ...]] = []
    begin = time.perf_counter()

    def work(i: int, stop: threading.Event) -> None:
        nonlocal server
        own, count = worker, 0
        while not stop.is_set() and next(tickets) < events:
            value, gradient = jax.block_until_ready(take(own, np.int32(i), np.int32(count)))
            count += 1
            with lock:
                (own, server), (staleness, sent) = jax.block_until_ready(bring(gradient, value, own, server))
                seen.append((value, time.perf_counter() - begin, staleness, i, sent))
                if len(seen) % every == 0:
                    centres.append(centre(server))

    together("run_threads", work, threads, timeout)
    values, times, staleness, workers, sent = zip(*seen, strict=True)
    return Arrivals(
        jax.tree.map(lambda *xs: jnp.stack(xs), *centres),
        jnp.stack(values),
        jnp.asarray(times),
        jnp.stack(staleness),
        jnp.asarray(workers, jnp.int32),
        jnp.stack(sent),
    )
