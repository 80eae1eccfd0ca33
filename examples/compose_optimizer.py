"""A new optimizer made of pieces, checked, and compared with Adam on handwritten digits, both at several rates.

`python -m examples.compose_optimizer [picture]`. It is Adam with the mean size of the gradient in place of the root of its mean square, and
with steps that are bounded smoothly: no parameter moves by more than the rate.
"""

import sys

from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import TRAIN, beginning, save
from gradtx.plotting import curves
from gradtx.testing import check_transformation
from gradtx.training import fit, minibatches

RATES = (0.001, 0.01, 0.1)


def bounded():
    """x / sqrt(1 + x²): nearly x where that is small, never over 1."""
    return gradtx.ratio(gradtx.identity(), gradtx.chain(gradtx.square(), gradtx.offset(1.0), gradtx.sqrt()))


@gradtx.optimizer
def steady(learning_rate, b1: gradtx.typing.Decay = 0.9, b2: gradtx.typing.Decay = 0.99, eps: gradtx.typing.NonNegative = 1e-8):
    direction = gradtx.chain(gradtx.ema(b1), gradtx.bias_correction(b1))
    size = gradtx.chain(gradtx.absolute(), gradtx.ema(b2), gradtx.bias_correction(b2))
    return gradtx.chain(gradtx.ratio(direction, size, eps), bounded(), gradtx.scale_by_learning_rate(learning_rate))


def main(path="runs/compose_optimizer.png", epochs=15):
    check_transformation(steady(0.01))
    data = minibatches(TRAIN, 32, last="drop")
    table = Table("optimizer", "training loss", "test loss", "test accuracy", title=f"digits, {epochs} epochs")
    runs = {}
    for tx in (make(rate) for make in (gradtx.adam, steady) for rate in RATES):
        start, rest = beginning()
        run = fit(*start, tx, data, epochs=epochs, steps_per_call=44, **rest)
        last = run.records[-1]
        table.add_row(str(tx), f"{last['loss']:.4f}", f"{last['val_loss']:.4f}", f"{last['val_accuracy']:.1%}")
        runs[str(tx)] = run
    Console().print(table)
    save(curves(runs), path)
    return runs


if __name__ == "__main__":
    main(*sys.argv[1:])
