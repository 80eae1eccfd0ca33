"""Threads that end together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def together(who: str, work: Callable[[int, threading.Event], None], threads: int, timeout: float) -> None:
    """Runs `work(thread, stop)` in some threads until all are done. All are asked to stop when one raises or the time is over.

    Raises:
        TimeoutError: the time was over first; or what a thread raised. None is left running in either case.
    """
    if threads < 1:
        raise ValueError(f"{who}: threads = {threads}; there must be at least 1.")
    stop = threading.Event()
    with ThreadPoolExecutor(threads, thread_name_prefix=who) as pool:
        try:
            futures = [pool.submit(work, i, stop) for i in range(threads)]
            unfinished = wait(futures, timeout, FIRST_EXCEPTION).not_done
        finally:
            stop.set()
    for future in futures:
        future.result()
    if unfinished:
        raise TimeoutError(f"{who}: not done after {timeout:g} s. Give it more time (timeout=...) or fewer updates.")
