"""DiLoCo beside synchronous training on the character transformer: held-out loss, and the bytes sent.

Four workers, mapped over one axis, with the same batches and the same number of steps; AdamW with clipping, warm-up and cosine decay in
both. Prints a table and writes benchmarks/results/diloco.json.
"""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradtx
from benchmarks.machine import RESULTS, machine
from examples.char_transformer import Transformer, corpus, optimizer
from gradtx.distributed import average_gradients, bytes_sent, diloco, streaming_updates
from gradtx.sweep import cross_entropy

WORKERS, BATCH, STEPS, PERIOD, PEAK = 4, 8, 1500, 50, 3e-3
OUTER = gradtx.sgd(0.7, 0.9, nesterov=True)

METHODS = {
    "synchronous": gradtx.chain(average_gradients("workers"), optimizer(STEPS, PEAK)),
    "DiLoCo, every 50": diloco(optimizer(STEPS, PEAK), "workers", PERIOD),
    "streaming, 4 fragments, delay 5": streaming_updates(
        optimizer(STEPS, PEAK), OUTER, "workers", PERIOD, fragments=4, delay=5
    ),
    "one worker alone": optimizer(STEPS, PEAK),
}


def train(tx, model, params, text, workers):
    """The parameters to evaluate, after so many steps of each worker."""

    def loss(params, key):
        rows = jax.random.randint(key, (BATCH,), 0, len(text[0]))
        return cross_entropy(model.apply({"params": params}, text[0][rows]), text[1][rows])

    def worker(me, params, state, first):
        def step(carry, t):
            params, state = carry
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(1), me), t)
            updates, state = tx.update(jax.grad(loss)(params, key), state, params)
            return (gradtx.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), first + jnp.arange(PERIOD))[0]

    everyone = jnp.arange(workers)
    params, state = jax.vmap(lambda _: (params, tx.init(params)))(everyone)
    steps = jax.jit(jax.vmap(worker, in_axes=(0, 0, 0, None), axis_name="workers"), donate_argnums=(1, 2))
    for first in track(range(0, STEPS, PERIOD), "steps", transient=True):
        params, state = steps(everyone, params, state, first)
    return jax.tree.map(lambda x: x.mean(0), jax.vmap(functools.partial(gradtx.evaluation_params, tx))(state, params))


def main():
    text, held_out = (tuple(map(jnp.asarray, part)) for part in corpus())
    model = Transformer(width=64)
    params = model.init(jax.random.key(0), text[0][:1])["params"]
    evaluate = jax.jit(lambda p, x, y: cross_entropy(model.apply({"params": p}, x), y))
    results = {}
    for name, tx in METHODS.items():
        workers = 1 if name == "one worker alone" else WORKERS
        end = train(tx, model, params, text, workers)
        losses = [evaluate(end, held_out[0][i : i + 60], held_out[1][i : i + 60]) for i in range(0, 360, 60)]
        results[name] = {"loss": float(np.mean(losses)), "bytes_a_step": bytes_sent(tx, params, workers=workers)}
    best, most = results["synchronous"]["loss"], results["synchronous"]["bytes_a_step"]
    table = Table("method", "held-out loss", "bits a character", "over synchronous", "of its bytes")
    for name, row in results.items():
        row |= {"loss_over_synchronous": row["loss"] / best, "share_of_bytes": row["bytes_a_step"] / most}
        shares = f"{row['loss_over_synchronous']:.4f}", f"{row['share_of_bytes']:.4f}"
        table.add_row(name, f"{row['loss']:.4f}", f"{row['loss'] / np.log(2):.3f}", *shares)
    Console().print(table)
    settings = {"workers": WORKERS, "batch": BATCH, "steps": STEPS, "period": PERIOD, "peak_rate": PEAK, "width": 64}
    (RESULTS / "diloco.json").write_text(json.dumps(machine() | settings | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
