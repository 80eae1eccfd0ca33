"""Hogwild!: threads that write into one array without a lock."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradtx.distributed.together import together


class Hogwild(NamedTuple):
    """A run: the array at its end, the updates that each thread made, and the seconds that all took."""

    x: np.ndarray
    updates: tuple[int, ...]
    seconds: float


def hogwild(
    gradient: Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    threads: int,
    updates: int,
    *,
    rate: float,
    seed: int = 0,
    timeout: float = 60.0,
) -> Hogwild:
    """Hogwild!: each thread reads the shared $x$, draws an example, and writes the coordinates that it touches, $x_v \\leftarrow x_v - \\gamma g_v$.

    No lock is held: what one thread writes may be overwritten by another that had read before. Where examples touch few
    coordinates that is rare. Real threads on shared memory, a reference for what `delayed` simulates. Python itself runs one of them at
    a time but where NumPy and XLA release its lock: inside a compiled gradient, and on arrays of more than some hundred numbers.
    Smaller updates are never lost therefore, nor do they gain from threads.

    Args:
        gradient: `gradient(x, rng)` draws an example by the thread's own generator and gives the indices that it touches, all
            different, and the gradient there. It may call a jitted function on `x[indices]`, best compiled by a call before; it must not
            write to `x`.
        start: the first $x$, a float vector; it is copied.
        threads: how many.
        updates: how many in all, which the threads share as they come.
        rate: $\\gamma > 0$.
        seed: from which each thread's generator is made.
        timeout: the longest that it may take, in seconds.

    Returns:
        A `Hogwild(x, updates, seconds)`.

    Raises:
        ValueError: `threads` is below 1, `updates` below 0, or `rate` not above 0; `start` is no float vector.
        TimeoutError: the time was over. What a thread raises stops all, and is raised here. No thread is left running.

    References:
        Niu, Recht, Ré, Wright (2011), Hogwild!: A Lock-Free Approach to Parallelizing Stochastic Gradient Descent, NeurIPS, arXiv:1106.5730.

    Example:
        >>> import numpy as np
        >>> from gradtx.distributed import hogwild
        >>> targets = np.arange(100.0)
        >>> def gradient(x, rng):
        ...     some = rng.choice(100, 3, replace=False)
        ...     return some, x[some] - targets[some]
        >>> run = hogwild(gradient, np.zeros(100), threads=2, updates=2000, rate=0.5)
        >>> bool(np.abs(run.x - targets).max() < 0.1), sum(run.updates)
        (True, 2000)
    """
    x = np.array(start)
    if x.ndim != 1 or x.dtype.kind != "f":
        raise ValueError(f"hogwild: start is {x.dtype}{list(x.shape)}; it must be a float vector.")
    if updates < 0 or not rate > 0:
        raise ValueError(f"hogwild: updates = {updates} and rate = {rate:g}; they must be at least 0 and above 0.")
    tickets, made = itertools.count(), [0] * threads

    def work(i: int, stop: threading.Event) -> None:
        rng = np.random.default_rng([seed, i])
        while not stop.is_set() and next(tickets) < updates:
            indices, values = gradient(x, rng)
            x[indices] -= rate * values
            made[i] += 1

    begin = time.perf_counter()
    together("hogwild", work, threads, timeout)
    return Hogwild(x, tuple(made), time.perf_counter() - begin)
