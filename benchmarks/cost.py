"""What an optimizer costs beside Optax's: bytes accessed, fusions, tracing time, and what the import takes.

Every figure is a ratio of two measured in turns in one run. Prints a table and writes benchmarks/results/cost.json.
"""

import json
import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradtx
from benchmarks.machine import RESULTS, machine

SHARED = ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "amsgrad", "adamax", "nadam", "adabelief", "yogi", "lion"]
FEW = {f"w{i}": jnp.ones((256, 256)) for i in range(3)}
MANY = {f"w{i}": jnp.ones((8, 8)) for i in range(1000)}
ROUNDS = 5


def step(tx):
    def update(grads, state, params):
        updates, state = tx.update(grads, state, params)
        return jax.tree.map(lambda p, u: p + u, params, updates), state

    return update


def compiled(tx):
    state = tx.init(FEW)
    return jax.jit(step(tx), donate_argnums=(1, 2)).lower(FEW, state, FEW).compile()


def trace_seconds(tx):
    state = tx.init(MANY)
    begin = time.process_time()
    jax.jit(step(tx)).trace(MANY, state, MANY)
    return time.process_time() - begin


def import_seconds(module):
    code = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    cached = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=cached).stdout)


def in_turns(measure, ours, theirs):
    """The quickest of each, which other work on the machine disturbs least."""
    pairs = [(measure(ours), measure(theirs)) for _ in range(ROUNDS)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def main() -> None:
    rows = {}
    for name in track(SHARED, "measuring"):
        args = (1e-3, 0.9) if name == "sgd" else (1e-3,)
        ours, theirs = getattr(gradtx, name)(*args), getattr(optax, name)(*args)
        a, b = compiled(ours), compiled(theirs)
        mine, other = in_turns(trace_seconds, ours, theirs)
        rows[name] = {
            "bytes": a.cost_analysis()["bytes accessed"] / b.cost_analysis()["bytes accessed"],
            "fusions": [x.as_text().count("fusion(") for x in (a, b)],
            "tracing": mine / other,
        }
    mine, other = in_turns(import_seconds, "gradtx", "optax")
    imports = {"gradtx": mine, "optax": other, "jax": min(import_seconds("jax") for _ in range(ROUNDS))}

    table = Table("optimizer", "bytes", "fusions", "tracing 1000 leaves", title="gradtx / Optax")
    for name, row in rows.items():
        table.add_row(name, f"{row['bytes']:.4f}", "/".join(map(str, row["fusions"])), f"{row['tracing']:.2f}")
    Console().print(table)
    print("import: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in imports.items()))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cost.json").write_text(json.dumps({**machine(), "optimizers": rows, "import": imports}, indent=1) + "\n")


if __name__ == "__main__":
    main()
