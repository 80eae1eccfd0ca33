"""A convolutional network with batch normalization on handwritten digits, in linen and in nnx; and what the normalization allows.

`python -m examples.digits_cnn_batchnorm [picture]`. Prints two tables and draws the second.
"""

import sys

import flax.linen as nn
import jax
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx
from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import TEST, TRAIN, save
from gradtx.plotting import style
from gradtx.sweep import accuracy, cross_entropy
from gradtx.training import fit, minibatches, refresh_statistics, supervised_loss

CHANNELS = (16, 16, 32, 32)
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 10.0)
CHANCE = float(np.log(10))


class Linen(nn.Module):
    """Four convolutions, each normalized or not, the mean over the places, and a layer of logits."""

    normalized: bool = True

    @nn.compact
    def __call__(self, x, train):
        for i, channels in enumerate(CHANNELS):
            x = nn.Conv(channels, (3, 3))(x)
            if self.normalized:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
            x = nn.relu(x)
            if i == 1:
                x = nn.max_pool(x, (2, 2), (2, 2))
        return nn.Dense(10)(x.mean((1, 2)))


class NNX(nnx.Module):
    """The same network in Flax's other library."""

    def __init__(self, rngs):
        ends = zip((1, *CHANNELS), CHANNELS, strict=False)
        self.convolutions = nnx.List([nnx.Conv(a, b, (3, 3), rngs=rngs) for a, b in ends])
        self.norms = nnx.List([nnx.BatchNorm(channels, momentum=0.9, rngs=rngs) for channels in CHANNELS])
        self.logits = nnx.Linear(CHANNELS[-1], 10, rngs=rngs)

    def __call__(self, x):
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = nnx.relu(norm(convolution(x)))
            if i == 1:
                x = nnx.max_pool(x, (2, 2), (2, 2))
        return self.logits(x.mean((1, 2)))


def images(examples):
    """Of one channel, with their labels."""
    return examples[0].reshape(-1, 8, 8, 1), examples[1]


DATA, HELD_OUT = images(TRAIN), images(TEST)


def train(loss, optimizer, batches, seed, **how):
    """`loss` brings the model. Another seed or another rate doesn't compile again."""
    params, statistics = loss.init(jax.random.key(seed), batches.data[0][:1])
    return fit(loss, params, optimizer, batches, model_state=statistics, key=jax.random.key(seed), **how)


def accuracies(model, seeds, epochs):
    """On the held-out fifth, a row a seed: the trained weights, their average, the average with batch statistics of its own."""
    loss = supervised_loss(model, cross_entropy, {"accuracy": accuracy})
    optimizer = gradtx.chain(gradtx.adamw(5e-3, weight_decay=1e-2), gradtx.ema_params(0.98))
    moved = lambda params, statistics, batch: loss.apply(params, statistics, batch[0], jax.random.key(0))[1]
    rows = []
    for seed in range(seeds):
        batches = minibatches(DATA, 64, seed=seed, last="drop")
        run = train(loss, optimizer, batches, seed, epochs=epochs)
        old, average = run.state.model_state, run.evaluation_params
        fresh = refresh_statistics(moved, average, old, batches.epoch(epochs))
        three = (run.params, old), (average, old), (average, fresh)
        rows.append([float(loss.evaluate(p, HELD_OUT, state=s)[1]["accuracy"]) for p, s in three])
    return np.array(rows)


def final_loss(loss, rate, epochs, seed):
    """The mean training loss of the last epoch of SGD; infinite if it left the finite numbers."""
    batches = minibatches(DATA, 64, seed=seed, last="drop")
    try:
        return train(loss, gradtx.sgd(rate), batches, seed, epochs=epochs).history["loss"][-1]
    except FloatingPointError:
        return np.inf


def losses_by_rate(normalized, rates=RATES, seeds=3, epochs=10):
    """Of the linen network, `[rates, seeds]`."""
    loss = supervised_loss(Linen(normalized), cross_entropy)
    return np.array([[final_loss(loss, rate, epochs, seed) for seed in range(seeds)] for rate in rates])


def draw(losses):
    """Final loss against the learning rate, with a band over the seeds; at the top edge it diverged."""
    with style():
        figure, axes = plt.subplots()
        for name, values in losses.items():
            values = np.minimum(values, 2 * CHANCE)
            axes.fill_between(RATES, values.min(axis=1), values.max(axis=1), alpha=0.2)
            axes.plot(RATES, np.median(values, axis=1), "o-", label=name)
        axes.axhline(CHANCE, color="0.6", linestyle=":", label="chance")
        axes.set(xscale="log", yscale="log", xlabel="learning rate of SGD", ylabel="training loss of the last epoch")
        axes.legend()
    return figure


def main(path="runs/digits_cnn_batchnorm.png", seeds=5, epochs=15):
    columns = "trained weights", "averaged weights", "averaged, statistics refreshed"
    table = Table("network", *columns, title=f"Held-out accuracy, {seeds} seeds of {epochs} epochs")
    for name, model in (("linen", Linen()), ("nnx", lambda rngs: NNX(rngs))):
        rows = accuracies(model, seeds, epochs)
        table.add_row(name, *(f"{x.mean():.2%} ± {x.std():.2%}" for x in rows.T))
    Console().print(table)

    losses = {("normalized" if n else "not normalized"): losses_by_rate(n) for n in (True, False)}
    table = Table("learning rate", *losses, title=f"Training loss, lowest to highest of the seeds (chance: {CHANCE:.2f})")
    for rate, *rows in zip(RATES, *losses.values(), strict=True):
        table.add_row(f"{rate:g}", *(f"{row.min():.4f} to {row.max():.4f}" for row in rows))
    Console().print(table)
    save(draw(losses), path)


if __name__ == "__main__":
    main(*sys.argv[1:])
