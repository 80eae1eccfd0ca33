"""`fit` beside the loop that one writes by hand with Optax: time a step, in turns; and what a scan over the steps saves.

Both train by Adam on the same batches, and end at the same loss but for rounding. Prints a table and writes benchmarks/results/training.json.
"""

import json
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradtx
from benchmarks.machine import RESULTS, machine
from gradtx.training import fit, minibatches
from gradtx.training.digits import Classifier, digits

ROUNDS = 15


class Job:
    """A network, its data and the order of the batches, and the ways to train it."""

    def __init__(self, model, data, size, steps):
        self.model, self.data, self.steps = model, data, steps
        self.params = self.model.init(jax.random.key(0), data[0][:1])["params"]
        self.batches = minibatches(data, size, last="drop")
        self.adam = optax.adam(1e-3)
        self.one, self.many = jax.jit(self.step, donate_argnums=0), jax.jit(self.scan, donate_argnums=0)

    def loss(self, params, batch):
        logits = self.model.apply({"params": params}, batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    def step(self, carry, arrays, rows):
        params, state = carry
        loss, grads = jax.value_and_grad(self.loss)(params, jax.tree.map(lambda x: x[rows], arrays))
        updates, state = self.adam.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), loss

    def scan(self, carry, arrays, rows):
        return jax.lax.scan(lambda carry, rows: self.step(carry, arrays, rows), carry, rows)

    def by_fit(self, steps_per_call=1):
        optimizer, per_call = gradtx.adam(1e-3), steps_per_call
        return fit(self.loss, self.params, optimizer, self.batches, steps=self.steps, steps_per_call=per_call).params

    def by_hand(self, scanned=False):
        """The losses stay on the device until an epoch is over, and are then fetched, as `fit` does for its records."""
        params = jax.tree.map(jnp.copy, self.params)
        arrays, carry = jax.tree.map(jnp.asarray, self.data), (params, self.adam.init(params))
        step, epoch, history = 0, 0, []
        while step < self.steps:
            order, losses = self.batches.rows(epoch)[: self.steps - step], []
            if scanned:
                carry, losses = self.many(carry, arrays, np.stack(order))
            else:
                for rows in order:
                    carry, loss = self.one(carry, arrays, rows)
                    losses.append(loss)
            step, epoch = step + len(order), epoch + 1
            history.append(float(np.mean(jax.device_get(losses))))
        return carry[0]


class Network(nn.Module):
    """784-1024-1024-10."""

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.relu(nn.Dense(1024)(x))
        return nn.Dense(10)(x)


def noise(count):
    random = np.random.default_rng(0)
    return random.standard_normal((count, 784), np.float32), random.integers(0, 10, count).astype(np.int32)


JOBS = {
    "64-128-10, batch 64": lambda: Job(Classifier(128), digits()[0], 64, 1000),
    "64-32-10, batch 16": lambda: Job(Classifier(32), digits()[0], 16, 2000),
    "784-1024-1024-10, batch 256": lambda: Job(Network(), noise(2560), 256, 30),
}


def seconds(train):
    begin = time.perf_counter()
    jax.block_until_ready(train())
    return time.perf_counter() - begin


def measured(job, ways):
    """Microseconds a step of each way: the quickest of the rounds, which other work on the machine disturbs least."""
    ends = [float(job.loss(way(), job.data)) for way in ways.values()]  # compiles, too
    np.testing.assert_allclose(ends, ends[0], rtol=0.01)
    rounds = [{name: seconds(way) for name, way in ways.items()} for _ in track(range(ROUNDS), "measuring")]
    return {name: 1e6 * min(r[name] for r in rounds) / job.steps for name in ways}


def main() -> None:
    rows, ratios = {}, {}
    for name, make in JOBS.items():
        job = make()
        ways = {
            "loop by hand": job.by_hand,
            "fit": job.by_fit,
            "scan by hand, a call an epoch": lambda job=job: job.by_hand(scanned=True),
            "fit, 100 steps a call": lambda job=job: job.by_fit(100),
        }
        rows[name] = measured(job, ways)
        loop, ours, scan, ours_scanned = rows[name].values()
        ratios[name] = {
            "fit over the loop": ours / loop,
            "fit over the scan, 100 steps a call": ours_scanned / scan,
            "times faster by 100 steps a call": ours / ours_scanned,
        }
    for name, ways in rows.items():
        table = Table("way", "microseconds a step", title=name)
        for way, microseconds in ways.items():
            table.add_row(way, f"{microseconds:.1f}")
        Console().print(table)
        print(", ".join(f"{n}: {x:.2f}" for n, x in ratios[name].items()))
    RESULTS.mkdir(exist_ok=True)
    note = "the quickest of rounds in turns; a call of fit ends with the epoch (22, 89 and 10 batches); orders of the data are in all figures"
    results = {**machine(), "note": note, "microseconds a step": rows, "ratios": ratios}
    (RESULTS / "training.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
