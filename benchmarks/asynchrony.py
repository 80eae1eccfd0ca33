"""Asynchronous training: what AdaptiveRevision gains under delay, what Hogwild! loses to races, and what staleness costs.

Every method is taken at the best of ten rates, by the mean over the seeds of the figure in question. Prints tables and writes
benchmarks/results/asynchrony.json. What is timed depends on what else the machine does; the load is written beside it.
"""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

import gradtx
from benchmarks.machine import RESULTS, machine
from gradtx.distributed import (
    adaptive_delay_compensation,
    adaptive_revision,
    asynchronous,
    delay_compensation,
    delayed,
    hogwild,
    lognormal_durations,
    scale_by_staleness,
    simulate_events,
)

SEEDS, RATES = 5, 10

# Delay-tolerant Adagrad: an online logistic regression on sparse rows, each seen once.
FEATURES, TOUCHED, ROUNDS = 4096, 20, 20_000
# Each feature is as frequent as its rank to this power.
POWER = -1.0


def rows(key, count):
    """The indices of the features that each row has, and its label, drawn from a logistic model."""
    where_key, weight_key, label_key = jax.random.split(key, 3)
    frequency = jnp.cumsum(jnp.arange(1.0, FEATURES + 1) ** POWER)
    where = jnp.searchsorted(frequency, frequency[-1] * jax.random.uniform(where_key, (count, TOUCHED)))
    truth = jax.random.normal(weight_key, (FEATURES,))
    return where, jax.random.bernoulli(label_key, jax.nn.sigmoid(truth[where].sum(1))) * 2.0 - 1.0


def row_loss(w, where, label):
    return jax.nn.softplus(-label * w[where].sum())


def online(tx, seen):
    """The mean loss of all rows, each at the weights with which it is first met: those of `delay` updates before."""

    def step(carry, row):
        w, state = carry
        value, gradient = jax.value_and_grad(row_loss)(gradtx.gradient_params(tx, state, w), *row)
        updates, state = tx.update(gradient, state, w)
        return (gradtx.apply_updates(w, updates), state), value

    w = jnp.zeros(FEATURES)
    return jax.lax.scan(step, (w, tx.init(w)), seen)[1].mean()


def over_rates(run, rates, seeds):
    """A figure for each rate and each seed, given by its key or its data; what diverged counts as infinite."""
    figures = np.asarray(jax.jit(jax.vmap(jax.vmap(run, (None, 0)), (0, None)))(jnp.asarray(rates, jnp.float32), seeds))
    return np.where(np.isfinite(figures), figures, np.inf)


def best(figures, rates):
    """The row of the best rate, and what to say about it."""
    i = int(np.argmin(figures.mean(axis=1)))
    return figures[i], {"mean": float(figures[i].mean()), "rate": float(rates[i]), "at the edge": i in (0, len(rates) - 1)}


def revision():
    seen = jax.vmap(lambda key: rows(key, ROUNDS))(jax.random.split(jax.random.key(0), SEEDS))
    rates, out = np.geomspace(0.005, 5.0, RATES), {}
    for delay in (0, 100, 1000):
        found = {}
        for name, make in {
            "adagrad": lambda rate: gradtx.adagrad(rate, 1.0, 0.0),
            "adaptive_revision": adaptive_revision,
        }.items():
            run = lambda rate, rows, make=make, delay=delay: online(delayed(make(rate), delay), rows)
            found[name] = best(over_rates(run, rates, seen), rates)
        ratios = found["adaptive_revision"][0] / found["adagrad"][0]
        out[f"delay {delay}"] = {
            **{name: words for name, (_, words) in found.items()},
            "ratio": float(found["adaptive_revision"][0].mean() / found["adagrad"][0].mean()),
            "ratio of each seed": ratios.tolist(),
        }
    return out


# Hogwild!: a logistic regression on sparse rows, and compiled gradients that take long enough for threads to overlap.
ROWS, COLUMNS, ROW_LENGTH, UPDATES = 4000, 2000, 10, 60_000


def sparse_problem(seed):
    rng = np.random.default_rng(seed)
    where = np.stack([rng.choice(COLUMNS, ROW_LENGTH, replace=False) for _ in range(ROWS)])
    values = rng.normal(size=where.shape)
    truth = rng.normal(size=COLUMNS)
    labels = np.sign(np.sum(values * truth[where], 1) + rng.logistic(size=ROWS))

    def gradient(x, rng):
        i = rng.integers(ROWS)
        touched, row, label = where[i], values[i], labels[i]
        return touched, (-label / (1 + np.exp(label * (row @ x[touched])))) * row

    def loss(x):
        return float(np.mean(np.logaddexp(0, -labels * np.sum(values * x[where], 1))))

    return gradient, loss


@jax.jit
def heavy(x):
    """A gradient of touched coordinates that keeps XLA busy for about a millisecond."""
    return jax.lax.fori_loop(0, 300, lambda i, y: y - 0.01 * jnp.tanh(y), x)


def heavy_gradient(x, rng):
    first = rng.integers(len(x) - 2000)
    some = np.arange(first, first + 2000)
    return some, np.asarray(heavy(x[some]))


def counting(touched, coordinates):
    """Adds one to some coordinates: what is missing at the end was lost."""

    def gradient(x, rng):
        first = rng.integers(coordinates - touched + 1)
        return np.arange(first, first + touched), np.full(touched, -1.0)

    return gradient


def speed(gradient, start, updates, rounds=15):
    """Updates a second of one thread and of two, in turns: the quartiles."""
    seen = {1: [], 2: []}
    for _ in range(rounds):
        for n, speeds in seen.items():
            speeds.append(updates / hogwild(gradient, start, n, updates, rate=0.01).seconds)
    return {f"{n} threads": np.quantile(speeds, (0.25, 0.5, 0.75)).round().tolist() for n, speeds in seen.items()}


def threads():
    losses = {1: [], 2: []}
    for seed in range(SEEDS):
        gradient, loss = sparse_problem(seed)
        for n in losses:
            losses[n].append(loss(hogwild(gradient, np.zeros(COLUMNS), n, UPDATES, rate=0.02, seed=seed).x))
    heavy_gradient(np.zeros(3000, np.float32), np.random.default_rng(0))  # compiles
    ratios = np.array(losses[2]) / np.array(losses[1])
    lost = {}
    for touched, coordinates in ((ROW_LENGTH, COLUMNS), (ROW_LENGTH, ROW_LENGTH), (5000, 100_000), (5000, 5000)):
        run = hogwild(counting(touched, coordinates), np.zeros(coordinates), 2, UPDATES, rate=1.0)
        lost[f"{touched} of {coordinates} coordinates"] = 1 - run.x.sum() / (UPDATES * touched)
    return {
        "updates": UPDATES,
        "loss of one thread": losses[1],
        "loss of two": losses[2],
        "ratio": ratios.tolist(),
        "furthest from one, in percent": float(100 * np.abs(ratios - 1).max()),
        "updates a second, NumPy rows, quartiles": speed(sparse_problem(0)[0], np.zeros(COLUMNS), 20_000),
        "updates a second, compiled, 2000 coordinates, quartiles": speed(heavy_gradient, np.zeros(100_000, np.float32), 600),
        "share of the increments lost by two threads": lost,
        "load while timed": os.getloadavg()[0],
    }


# Staleness: softmax regression with a small penalty on handwritten digits (without one they are separable), the same number of gradients however many workers take them.
EVENTS, BATCH, WORKERS = 8000, 16, (1, 4, 16, 64, 256, 1024)


def digits():
    images, labels = load_digits(return_X_y=True)
    return jnp.asarray(images / 16, jnp.float32), jnp.asarray(labels)


def staleness():
    x, y = digits()

    def objective(params, x, y):
        scores = jax.nn.log_softmax(x @ params["w"] + params["b"])
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], axis=1)) + 0.5e-3 * jnp.sum(params["w"] ** 2)

    def batch_loss(params, key):
        some = jax.random.randint(key, (BATCH,), 0, len(y))
        return objective(params, x[some], y[some])

    start = {"w": jnp.zeros((64, 10)), "b": jnp.zeros(10)}
    keys, rates = jax.random.split(jax.random.key(1), SEEDS), np.geomspace(0.001, 5.0, RATES)
    methods = {
        "plain": gradtx.sgd,
        "staleness-scaled": lambda rate: gradtx.chain(scale_by_staleness(), gradtx.sgd(rate)),
        "delay-compensated": lambda rate: gradtx.chain(delay_compensation(), gradtx.sgd(rate)),
        "delay-compensated, adaptive": lambda rate: gradtx.chain(adaptive_delay_compensation(), gradtx.sgd(rate)),
    }
    out = {}
    for workers in WORKERS:
        out[f"{workers} workers"] = row = {}
        for name, make in methods.items():
            # What is divided by 1 + staleness gets rates as much larger.
            tried = rates * workers if name == "staleness-scaled" else rates

            def run(rate, key, make=make, workers=workers):
                method, tails = asynchronous(make(rate)), lognormal_durations(0.5)
                run = simulate_events(batch_loss, method, start, workers, EVENTS, key=key, durations=tails, every=EVENTS)
                return objective(jax.tree.map(lambda p: p[-1], run.centres), x, y)

            row[name] = best(over_rates(run, tried, keys), tried)[1]
    return out


def show(title, part):
    table = Table("figure", "value", title=title)
    for name, value in part.items():
        table.add_row(name, json.dumps(value, default=float))
    Console(width=200).print(table)


def main() -> None:
    parts = {
        "delay-tolerant Adagrad, sparse online logistic regression, mean loss": revision(),
        "Hogwild!, sparse logistic regression": threads(),
        "staleness, digits, objective after 8000 gradients": staleness(),
    }
    for title, part in parts.items():
        show(title, part)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "asynchrony.json").write_text(json.dumps({**machine(), **parts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
