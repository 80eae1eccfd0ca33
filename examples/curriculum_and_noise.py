"""Two practices tried: easy examples first, against shuffling all; and noise on the gradient, against none, from a saddle.

`python -m examples.curriculum_and_noise [picture]`. An example is hard if it looks like another digit. On these digits, which
are all easy, no order helps: shuffling is ahead at first, and all end alike. With all its weights 0, a network is at a saddle: the gradient of
the hidden layer is exactly 0, whatever the data, and remains so without noise.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import TRAIN, beginning, save
from gradtx.plotting.style import panels, stroke, style
from gradtx.training import curriculum, fit, minibatches

SIZE, PER_RECORD = 32, 20


def difficulty():
    """How much farther an image is from the mean of its own digit than from the nearest mean of another."""
    images, labels = TRAIN
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    apart = np.linalg.norm(images[:, None] - means, axis=2)
    own = np.eye(10, dtype=bool)[labels]
    return apart[own] - np.where(own, np.inf, apart).min(axis=1)


def train(tx, data, steps, seed=0, zero=False):
    """What the records have of the test loss and accuracy, `[records]` each, and at which steps."""
    (loss, params), rest = beginning(seed)
    params = jax.tree.map(jnp.zeros_like, params) if zero else params
    run = fit(loss, params, tx, data, steps=steps, every=PER_RECORD, **rest)
    return run.history


def compare(steps, seeds):
    """Histories by name and seed: of the orders of the data, and of the noise."""
    tx, hard, pace = gradtx.sgd(0.1), difficulty(), gradtx.linear_schedule(0.2, 1.0, 10)
    orders = {
        "shuffled": lambda seed: minibatches(TRAIN, SIZE, seed=seed, last="drop"),
        "easy first": lambda seed: curriculum(TRAIN, SIZE, hard, pace, seed=seed),
        "hard first": lambda seed: curriculum(TRAIN, SIZE, -hard, pace, seed=seed),
    }
    noise = {"no noise": gradtx.sgd(0.3), "noise": gradtx.chain(gradtx.add_noise(1e-3, 0.55), gradtx.sgd(0.3))}
    by_order = {n: [train(tx, order(s), steps, s) for s in range(seeds)] for n, order in orders.items()}
    by_noise = {n: [train(x, orders["shuffled"](s), steps, s, zero=True) for s in range(seeds)] for n, x in noise.items()}
    return by_order, by_noise


def show(axis, title, methods, colour):
    """Means over the seeds, a band from the least to the most, and a table."""
    steps = next(iter(methods.values()))[0]["step"]
    shown = np.unique(len(steps) * np.array([1, 4, 8]) // 8 - 1)
    table = Table("test accuracy", *(f"step {steps[k]}" for k in shown), title=title)
    for i, (name, histories) in enumerate(methods.items(), start=colour):
        right = np.stack([h["val_accuracy"] for h in histories])
        table.add_row(name, *(f"{right[:, k].mean():.1%} ± {right[:, k].std():.1%}" for k in shown))
        axis.plot(steps, right.mean(axis=0), label=name, **stroke(i))
        axis.fill_between(steps, right.min(axis=0), right.max(axis=0), color=stroke(i)["color"], alpha=0.2, linewidth=0)
    axis.set(title=title, xlabel="step", ylabel="test accuracy", ylim=(0, 1.02))
    axis.legend(loc="center right")
    Console().print(table)


def main(path="runs/curriculum_and_noise.png", steps=800, seeds=3):
    by_order, by_noise = compare(steps, seeds)
    with style():
        figure, [axes] = panels(1, 2)
        show(axes[0], "which examples come first", by_order, 0)
        show(axes[1], "from weights that are all 0", by_noise, 3)
        save(figure, path)
    return by_order, by_noise


if __name__ == "__main__":
    main(*sys.argv[1:])
