"""Several processes: started on this machine, or joined wherever they were started. JAX connects them; here is only how they find each other."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax

# What `launch` tells the processes that it starts, besides what JAX itself reads from its environment.
COUNT, OURS = "GRADTX_PROCESSES", "GRADTX_PROCESS"


def connect(**limits: Any) -> None:
    """Joins this process with the others, before anything else is asked of JAX: `jax.devices()` are those of all of them then.

    The same line serves everywhere: in a process of `launch` it joins those on this machine; on a cluster JAX finds the others itself
    (SLURM, Open MPI, Kubernetes, TPU pods).

    Args:
        limits: as `jax.distributed.initialize` takes them: `initialization_timeout` (seconds until all must have come),
            `heartbeat_timeout_seconds` (how long one may be silent before the others are stopped), `shutdown_timeout_seconds`; elsewhere also
            `coordinator_address`, `num_processes` and `process_id`.

    Raises:
        RuntimeError: JAX was used before, or not all processes came in time.
        ValueError: this process wasn't started by `launch`, and JAX knows of no cluster around it.

    Example:
        >>> from gradtx.distributed import connect, launch
        >>> program = "from gradtx.distributed import connect; connect(); import jax; print(jax.process_index(), jax.process_count())"
        >>> launch(["-c", program], 2, timeout=120)  # doctest: +SKIP
        ['0 2', '1 2']
    """
    if COUNT in os.environ:
        limits = {
            "num_processes": int(os.environ[COUNT]),
            "process_id": int(os.environ[OURS]),
            "cluster_detection_method": "deactivate",  # a cluster's scheduler may have started the launcher itself
            **limits,
        }
    try:
        jax.distributed.initialize(**limits)
    except ValueError as error:
        raise ValueError(
            f"connect: {error} This process was started neither by gradtx.distributed.launch nor by a scheduler that JAX knows; give "
            "coordinator_address, num_processes and process_id."
        ) from error


def launch(
    arguments: Sequence[str],
    processes: int,
    *,
    timeout: float,
    grace: float = 30.0,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Starts a Python program several times on this machine, the copies connected over loopback, and waits for all of them.

    None outlives the call: they are killed when the time is over, and some time after one of them has failed.

    Args:
        arguments: what follows `python`: `["train.py", "--steps", "100"]` or `["-m", "package.module"]`. The program calls `connect`.
        processes: how many, 1 or more.
        timeout: seconds for all of it.
        grace: seconds that the others have to end by themselves once one has failed.
        environment: variables to set or change, such as `{"JAX_NUM_CPU_DEVICES": "4"}` for four simulated devices a process.

    Returns:
        What each wrote, errors included, in the order of their numbers.

    Raises:
        ValueError: `processes` is no whole number or less than 1.
        RuntimeError: one ended with another status than 0; tells of each how it ended and the last lines that it wrote.
        TimeoutError: some were not done in time; tells the same.

    Example:
        >>> from gradtx.distributed import launch
        >>> launch(["-c", "import os; print('I am', os.environ['GRADTX_PROCESS'])"], 2, timeout=60)
        ['I am 0', 'I am 1']
    """
    if isinstance(processes, bool) or not isinstance(processes, int) or processes < 1:
        raise ValueError(f"launch: processes is {processes!r}; it must be a whole number, 1 or more.")
    address = f"127.0.0.1:{_free_port()}"
    shared = {"JAX_COORDINATOR_ADDRESS": address, "JAX_COORDINATOR_BIND_ADDRESS": address, COUNT: str(processes)}
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / str(i) for i in range(processes)]
        try:
            for i, file in enumerate(files):
                variables = {**os.environ, **(environment or {}), **shared, OURS: str(i)}
                with file.open("wb") as out:
                    running.append(
                        subprocess.Popen(
                            [sys.executable, *arguments],
                            env=variables,
                            stdin=subprocess.DEVNULL,
                            stdout=out,
                            stderr=subprocess.STDOUT,
                        )
                    )
            in_time = _wait(running, timeout, grace)
            ends = ["was killed: still running" if p.poll() is None else _end(p.returncode) for p in running]
        finally:
            for p in running:
                p.kill()
            for p in running:
                p.wait()
        written = [f.read_text(errors="replace").strip() for f in files]
    if all(p.returncode == 0 for p in running):
        return written
    told = "\n".join(f"Process {i} {end}:\n{_tail(text)}" for i, (end, text) in enumerate(zip(ends, written, strict=True)))
    if not in_time:
        raise TimeoutError(f"launch: not done within {timeout:g} seconds.\n{told}")
    raise RuntimeError(f"launch: a process failed.\n{told}")


def _wait(running: list[subprocess.Popen[bytes]], timeout: float, grace: float) -> bool:
    """Until all are done or, once one has failed, its time of grace is over; whether that was before the timeout."""
    last = time.monotonic() + timeout
    until = last
    while any(p.poll() is None for p in running):
        now = time.monotonic()
        if until == last and any(p.returncode for p in running):
            until = min(last, now + grace)
        if now > until:
            return until < last
        time.sleep(0.02)
    return True


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _end(status: int) -> str:
    return "ended well" if status == 0 else f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


def _tail(text: str, lines: int = 30) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])
