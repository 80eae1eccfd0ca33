"""Gradient descent, SGD and Adam on handwritten digits: the loss against steps, against the examples seen, and against time.

`python -m examples.digits_gd_sgd_adam [picture]`. A step of gradient descent sees all examples and costs the most; which method is ahead
depends on what one counts. Each rate is, of five with a factor of about three between them, the one with which the test loss gets lowest.
"""

import sys

from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import TRAIN, beginning, save
from gradtx.plotting import curves
from gradtx.training import fit, full_batch, minibatches

SIZE = 32


def main(path="runs/digits_gd_sgd_adam.png", epochs=40):
    batches = minibatches(TRAIN, SIZE, last="drop")
    per_epoch = len(TRAIN[1]) // SIZE
    # All do as many steps: optimizer, data, examples a step.
    methods = {
        "gradient descent": (gradtx.sgd(1.0), full_batch(TRAIN), len(TRAIN[1])),
        "SGD": (gradtx.sgd(1.0), batches, SIZE),
        "Adam": (gradtx.adam(0.01), batches, SIZE),
    }
    table = Table("", "steps", "examples seen", "seconds", "test loss", "test accuracy")
    runs = {}
    for name, (tx, data, size) in methods.items():
        start, rest = beginning()

        def count(run, size=size):
            run.records[-1]["examples"] = run.step * size

        options = dict(rest, every=per_epoch // 4, steps_per_call=per_epoch // 4, callbacks=[count])
        fit(*start, tx, data, steps=per_epoch, **options)  # compiles, so that the clock doesn't count it
        run = runs[name] = fit(*start, tx, data, steps=epochs * per_epoch, **options)
        last = run.records[-1]
        table.add_row(
            name,
            str(run.step),
            f"{last['examples']:,}",
            f"{last['seconds']:.1f}",
            f"{last['val_loss']:.3f}",
            f"{last['val_accuracy']:.1%}",
        )
    Console().print(table)
    figure = curves(runs, "val_loss", ("step", "examples", "seconds"))
    for axes in figure.axes:
        axes.set(xscale="log", yscale="log")
    save(figure, path)
    return runs


if __name__ == "__main__":
    main(*sys.argv[1:])
