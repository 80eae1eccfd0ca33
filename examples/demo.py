"""The main job: all classical optimizers x 25 learning rates x 3 seeds on handwritten digits, one compiled program an optimizer.

Writes runs/demo/sweep.csv, runs/demo/sweep.png and runs/demo/results.npz, and prints a table.
"""

import functools
import operator
import pathlib

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table

import gradtx
from gradtx.sweep import log, on_digits, run, trials

mpl.use("Agg")
import matplotlib.pyplot as plt

STEPS, SEEDS = 200, 3
RATES = log(1e-5, 10.0, 25)
OPTIMIZERS = {
    "sgd": gradtx.sgd(1.0),
    "momentum": gradtx.sgd(1.0, momentum=0.9),
    "nesterov": gradtx.nesterov(1.0),
    "adagrad": gradtx.adagrad(1.0),
    "adadelta": gradtx.adadelta(1.0),
    "rmsprop": gradtx.rmsprop(1.0),
    "adam": gradtx.adam(1.0),
    "adamw": gradtx.adamw(1.0),
    "amsgrad": gradtx.amsgrad(1.0),
    "adamax": gradtx.adamax(1.0),
    "nadam": gradtx.nadam(1.0),
    "adabelief": gradtx.adabelief(1.0),
    "yogi": gradtx.yogi(1.0),
    "lion": gradtx.lion(1.0),
    "laprop": gradtx.laprop(1.0),
}


def main() -> None:
    everything = [trials(tx, learning_rate=RATES, seeds=SEEDS, label=name) for name, tx in OPTIMIZERS.items()]
    folder = pathlib.Path("runs/demo")
    folder.mkdir(parents=True, exist_ok=True)
    results = run(
        on_digits(),
        functools.reduce(operator.add, everything),
        STEPS,
        progress=True,
    )
    results.save(folder / "results.npz")
    results.to_csv(folder / "sweep.csv")
    show(results, folder / "sweep.png")
    print(
        f"Wrote {folder / 'sweep.csv'} ({len(results)} runs) and {folder / 'sweep.png'}; best of all: {results.best().optimizer}."
    )


def show(results, path) -> None:
    """The table, and the loss against the rate with a band over the seeds."""
    seconds = ", ".join(f"{s:.1f} s {doing}" for doing, s in results.seconds.items())
    table = Table(
        "optimizer",
        "best rate",
        "test accuracy",
        "diverged",
        title=f"{len(RATES.options)} rates x {SEEDS} seeds each; {seconds}",
    )
    figure, axes = plt.subplots(3, 5, figsize=(13, 7), sharex=True, sharey=True, layout="constrained")
    chance = float(np.log(10))
    for axis, name in zip(axes.flat, OPTIMIZERS, strict=True):
        mine = results.trials.columns["optimizer"] == name
        loss, right = (results.final(n)[mine].reshape(-1, SEEDS) for n in ("train", "accuracy"))
        lost = ~(loss < 2 * chance)  # NaN included
        best = int(np.argmin(np.where(lost.any(axis=1), np.inf, loss.mean(axis=1))))
        spread = f"{right[best].mean():.1%} ± {right[best].std():.1%}"
        table.add_row(name, f"{RATES.options[best]:.2g}", spread, f"{lost.sum()}/{lost.size}")
        shown = np.clip(np.nan_to_num(loss, nan=1e3, posinf=1e3), 1e-4, 10)
        axis.fill_between(RATES.options, shown.min(axis=1), shown.max(axis=1), alpha=0.3, color="C0")
        axis.plot(RATES.options, shown.mean(axis=1), color="C0")
        axis.axhline(chance, color="0.6", linewidth=0.8, linestyle=":")
        axis.set(title=name, xscale="log", yscale="log", ylim=(1e-2, 12))
    figure.supxlabel("learning rate (dotted: chance; top edge: diverged)")
    figure.supylabel(f"training loss over the last {STEPS // 10} of {STEPS} steps")
    figure.savefig(path, dpi=130)
    Console().print(table)


if __name__ == "__main__":
    main()
