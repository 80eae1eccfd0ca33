"""The main job: all classical optimizers x 24 learning rates x 3 seeds on handwritten digits, one compiled program an optimizer.

Writes runs/demo/sweep.csv and runs/demo/sweep.png and prints a table.
"""

import csv
import pathlib
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import gradtx

mpl.use("Agg")
import matplotlib.pyplot as plt

STEPS, BATCH, SEEDS = 200, 64, 3
RATES = jnp.logspace(-5, 1, 25)
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


class Classifier(nn.Module):
    """A hidden layer of 32."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(nn.relu(nn.Dense(32)(x)))


def digits():
    """Images and labels to train on, and those held out: a stratified fifth."""
    images, labels = load_digits(return_X_y=True)
    data = train_test_split(images / 16.0, labels, test_size=0.2, stratify=labels, random_state=0)
    return tuple(jnp.asarray(a, d) for a, d in zip(data, ("float32", "float32", "int32", "int32"), strict=True))


def trainer(data, steps):
    """A function from an optimizer and a seed to the final training loss and the test accuracy of one run."""
    x, x_test, y, y_test = data
    model = Classifier()

    def cross_entropy(params, x, y):
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(model.apply(params, x)), y[:, None], axis=1))

    def train(tx, seed):
        key = jax.random.key(seed)
        params = model.init(key, x[:1])

        def step(carry, key):
            params, state = carry
            rows = jax.random.randint(key, (BATCH,), 0, len(x))
            loss = lambda p: cross_entropy(p, x[rows], y[rows])
            value, grads = jax.value_and_grad(loss)(gradtx.gradient_params(tx, state, params))
            updates, state = tx.update(grads, state, params, value=value, value_fn=loss)
            return (gradtx.apply_updates(params, updates), state), None

        (params, state), _ = jax.lax.scan(step, (params, tx.init(params)), jax.random.split(key, steps))
        judged = gradtx.evaluation_params(tx, state, params)
        return cross_entropy(judged, x, y), jnp.mean(jnp.argmax(model.apply(judged, x_test), axis=1) == y_test)

    return train


def main() -> None:
    train = trainer(digits(), STEPS)
    over_seeds = jax.vmap(train, in_axes=(None, 0))
    over_rates = jax.jit(
        jax.vmap(lambda tx, rate, seeds: over_seeds(gradtx.adjust(tx, learning_rate=rate), seeds), (None, 0, None))
    )

    folder = pathlib.Path("runs/demo")
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(
        "optimizer", "best rate", "test accuracy", "diverged", "seconds", title=f"{len(RATES)} rates x {SEEDS} seeds each"
    )
    figure, axes = plt.subplots(3, 5, figsize=(13, 7), sharex=True, sharey=True, layout="constrained")
    chance = float(np.log(10))
    rows = []
    for axis, (name, tx) in zip(axes.flat, track(list(OPTIMIZERS.items()), "sweeping"), strict=True):
        begin = time.perf_counter()
        loss, accuracy = (np.asarray(a) for a in over_rates(tx, RATES, jnp.arange(SEEDS)))
        seconds = time.perf_counter() - begin
        diverged = ~(loss < 2 * chance)  # NaN included
        mean = np.where(diverged.any(axis=1), np.inf, loss.mean(axis=1))
        best = int(np.argmin(mean))
        spread = f"{accuracy[best].mean():.1%} ± {accuracy[best].std():.1%}"
        table.add_row(name, f"{RATES[best]:.2g}", spread, f"{diverged.sum()}/{loss.size}", f"{seconds:.1f}")
        for i, rate in enumerate(RATES):
            rows += [
                (name, float(rate), s, float(loss[i, s]), float(accuracy[i, s]), bool(diverged[i, s])) for s in range(SEEDS)
            ]
        shown = np.clip(np.nan_to_num(loss, nan=1e3, posinf=1e3), 1e-4, 10)
        axis.fill_between(RATES, shown.min(axis=1), shown.max(axis=1), alpha=0.3, color="C0")
        axis.plot(RATES, shown.mean(axis=1), color="C0")
        axis.axhline(chance, color="0.6", linewidth=0.8, linestyle=":")
        axis.set(title=name, xscale="log", yscale="log", ylim=(1e-3, 12))
    figure.supxlabel("learning rate")
    figure.supylabel(f"training loss after {STEPS} steps (dotted: chance; top edge: diverged)")
    figure.savefig(folder / "sweep.png", dpi=130)
    with open(folder / "sweep.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("optimizer", "learning_rate", "seed", "loss", "test_accuracy", "diverged"))
        writer.writerows(rows)
    Console().print(table)
    print(f"Wrote {folder / 'sweep.csv'} ({len(rows)} runs) and {folder / 'sweep.png'}.")


if __name__ == "__main__":
    main()
