"""10,000 starts x 1000 steps of Adam on Beale's function in one program, beside NumPy: a loop over starts, and a loop over steps alone.

Measured in turns, the quickest of each taken. Prints a table and writes benchmarks/results/trajectories.json.
"""

import json
import time

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradtx
from benchmarks.machine import RESULTS, machine
from gradtx.problems import beale
from gradtx.solve import trajectories

COUNT, STEPS, RATE, ROUNDS, PICKED = 10_000, 1000, 0.01, 5, 10


def gradient(a, b):
    """Of the sum over p = 1, 2, 3 of (c_p - a + a bᵖ)²; numbers or arrays."""
    g, h = 0.0, 0.0
    for p, c in enumerate((1.5, 2.25, 2.625), 1):
        r = c - a + a * b**p
        g, h = g + 2 * r * (b**p - 1), h + 2 * r * a * p * b ** (p - 1)
    return np.array([g, h])


def numpy_adam(x):
    """The ends of starts `[2]` or `[2, n]`."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, STEPS + 1):
        g = gradient(*x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - RATE * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x


def seconds(make):
    begin = time.perf_counter()
    value = make()
    return time.perf_counter() - begin, value


def main() -> None:
    starts = np.random.default_rng(0).uniform(-1, 1, size=(COUNT, 2)).astype(np.float32)
    ours = lambda: jax.block_until_ready(trajectories(beale, gradtx.adam(RATE), jnp.asarray(starts), STEPS, every=STEPS).points)
    first, _ = seconds(ours)
    times = {"one program": [], "NumPy, a loop over starts and steps": [], "NumPy, a loop over steps": []}
    for _ in track(range(ROUNDS), "Beale"):
        taken, points = seconds(ours)
        times["one program"].append(taken)
        taken, _ = seconds(lambda: [numpy_adam(x) for x in starts[:PICKED].astype(float)])
        times["NumPy, a loop over starts and steps"].append(taken * COUNT / PICKED)
        taken, wanted = seconds(lambda: numpy_adam(starts.T))
        times["NumPy, a loop over steps"].append(taken)
    best = {n: min(t) for n, t in times.items()}
    data = {
        **machine(),
        "note": f"the loop over starts is timed on {PICKED} of {COUNT} and scaled; other work ran on the machine",
        "starts": COUNT,
        "steps": STEPS,
        "seconds": best,
        "seconds of the first call, compiling included": first,
        "times faster than the loop over starts and steps": best["NumPy, a loop over starts and steps"] / best["one program"],
        "times faster than the loop over steps": best["NumPy, a loop over steps"] / best["one program"],
        "median distance of the ends from NumPy's": float(
            np.median(np.linalg.norm(np.asarray(points)[:, -1] - wanted.T, axis=1))
        ),
    }
    table = Table("", "seconds", title=f"{COUNT} starts x {STEPS} steps")
    for name, taken in best.items():
        table.add_row(name, f"{taken:.3g}")
    Console().print(table)
    (RESULTS / "trajectories.json").write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
