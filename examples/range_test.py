"""A learning-rate range test on handwritten digits, and what happens at the rates that it suggests, below and above them.

`python -m examples.range_test [picture]`; the trainings go into a second picture beside it.
"""

import pathlib
import sys

import jax
from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import TRAIN, beginning, save
from gradtx import plotting
from gradtx.training import fit, minibatches, range_test


def main(path="runs/range_test.png", epochs=10, steps=200):
    data, tx = minibatches(TRAIN, 32, last="drop"), gradtx.sgd(0.1, momentum=0.9)
    (loss, params), rest = beginning()
    seen = range_test(loss, params, tx, data, lowest=1e-4, steps=steps, model_state=rest["model_state"], key=jax.random.key(1))
    save(plotting.range_test(seen), path)
    rates = {
        "a tenth of the steepest": seen.steepest / 10,
        "the steepest": seen.steepest,
        "the limit": seen.limit,
        "ten times the limit": 10 * seen.limit,
    }
    table = Table(
        "rate", "", "training loss", "test loss", "test accuracy", title=f"{epochs} epochs of momentum at a fixed rate"
    )
    runs = {}
    for name, rate in rates.items():
        run = runs[name] = fit(loss, params, tx.replace(learning_rate=rate), data, epochs=epochs, nonfinite="skip", **rest)
        last = run.records[-1]
        table.add_row(f"{rate:.2g}", name, f"{last['loss']:.4f}", f"{last['val_loss']:.4f}", f"{last['val_accuracy']:.1%}")
    Console().print(table)
    path = pathlib.Path(path)
    save(plotting.curves(runs, x="epoch"), path.with_name(f"{path.stem}_trained{path.suffix}"))
    return seen, runs


if __name__ == "__main__":
    main(*sys.argv[1:])
