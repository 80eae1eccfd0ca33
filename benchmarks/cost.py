"""What a compiled step costs beside Optax's: bytes accessed, fusions, equations, and the time to trace it, interleaved in one run."""

import time

import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.table import Table

import gradtx

SHARED = ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "amsgrad", "adamax", "nadam", "adabelief", "yogi", "lion"]
FEW = {f"w{i}": jnp.ones((256, 256)) for i in range(3)}
MANY = {f"w{i}": jnp.ones((8, 8)) for i in range(1000)}


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
    begin = time.perf_counter()
    jax.jit(step(tx)).trace(MANY, state, MANY)
    return time.perf_counter() - begin


def main() -> None:
    table = Table("optimizer", "bytes", "fusions", "tracing 1000 leaves", title="gradtx / Optax")
    for name in SHARED:
        args = (1e-3, 0.9) if name == "sgd" else (1e-3,)
        ours, theirs = getattr(gradtx, name)(*args), getattr(optax, name)(*args)
        a, b = compiled(ours), compiled(theirs)
        size = a.cost_analysis()["bytes accessed"] / b.cost_analysis()["bytes accessed"]
        fusions = f"{a.as_text().count('fusion(')}/{b.as_text().count('fusion(')}"
        times = [(trace_seconds(ours), trace_seconds(theirs)) for _ in range(3)]
        ratio = min(t for t, _ in times) / min(t for _, t in times)
        table.add_row(name, f"{size:.4f}", fusions, f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
