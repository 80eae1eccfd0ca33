"""Sweeps beside what people write by hand: time, memory, how it grows, how equal rows are, what Hyperband saves.

Figures that are compared are measured in turns, and the quickest of each is taken. Prints tables and writes benchmarks/results/sweep.json.
`python -m benchmarks.sweep surface growth` measures these parts anew.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradtx
from benchmarks.machine import RESULTS, machine
from gradtx.problems import rosenbrock
from gradtx.sweep import (
    cross_entropy,
    hyperband,
    log,
    loguniform,
    minimizing,
    run,
    shuffled,
    supervised,
    trials,
    values,
)
from gradtx.training.digits import Classifier, digits

SETTINGS, STEPS, BATCH, ROUNDS = 64, 500, 64, 5
RATES = np.geomspace(1e-4, 1e-1, SETTINGS)


TRAIN, TEST = jax.tree.map(jnp.asarray, digits())
MODEL = Classifier(128)
BATCHES = shuffled(TRAIN, BATCH, epochs=-(-STEPS // (len(TRAIN[0]) // BATCH)))


def ours():
    """A new trainer, so that it compiles anew: seconds of compiling and of running."""
    results = run(
        supervised(MODEL, TRAIN, TEST, batch=BATCHES), trials(gradtx.adam, learning_rate=values(RATES)), STEPS, every=STEPS
    )
    return results.seconds["compiling"], results.seconds["running"], results.final()


def by_hand(mapped=True):
    """What one writes with Optax: a scan over the same batches, and vmap over the rate."""

    def train(rate, seed):
        tx = optax.adam(rate)
        params = MODEL.init(jax.random.key(seed), TRAIN[0][:1])["params"]

        def step(carry, t):
            params, state = carry
            x, y = BATCHES(t, None)
            loss, grads = jax.value_and_grad(lambda p: cross_entropy(MODEL.apply({"params": p}, x), y))(params)
            updates, state = tx.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), loss

        (params, _), losses = jax.lax.scan(step, (params, tx.init(params)), jnp.arange(STEPS))
        return cross_entropy(MODEL.apply({"params": params}, TEST[0]), TEST[1]), losses

    rates, seeds = jnp.asarray(RATES, jnp.float32), jnp.zeros(SETTINGS, jnp.int32)
    begin = time.perf_counter()
    if mapped:
        compiled = jax.jit(jax.vmap(train)).lower(rates, seeds).compile()
        middle = time.perf_counter()
        loss = np.asarray(jax.block_until_ready(compiled(rates, seeds))[0])
    else:
        compiled = jax.jit(train).lower(rates[0], seeds[0]).compile()
        middle = time.perf_counter()
        loss = np.array([float(compiled(r, s)[0]) for r, s in zip(rates, seeds, strict=True)])
    return middle - begin, time.perf_counter() - middle, loss


def python_loop(runs):
    """A jitted step called from Python; the seconds of so many runs."""
    tx = optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)

    @jax.jit
    def step(params, state, t):
        x, y = BATCHES(t, None)
        grads = jax.grad(lambda p: cross_entropy(MODEL.apply({"params": p}, x), y))(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    start = MODEL.init(jax.random.key(0), TRAIN[0][:1])["params"]
    jax.block_until_ready(step(start, tx.init(start), 0))
    begin = time.perf_counter()
    for rate in RATES[:runs]:
        params, state = start, tx.init(start)
        state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
        for t in range(STEPS):
            params, state = step(params, state, t)
        jax.block_until_ready(params)
    return time.perf_counter() - begin


def classification():
    rows = {"ours": [], "vmap of a scan": [], "sequential scans": []}
    loops, runs = [], 4
    for _ in track(range(ROUNDS), "digits"):
        rows["ours"].append(ours())
        rows["vmap of a scan"].append(by_hand())
        rows["sequential scans"].append(by_hand(mapped=False))
        loops.append(python_loop(runs) * SETTINGS / runs)
    best = {n: {"compiling": min(r[0] for r in v), "running": min(r[1] for r in v)} for n, v in rows.items()}
    best["Python loop"] = {"compiling": 0.0, "running": min(loops)}
    pairs = list(zip(rows["ours"], rows["vmap of a scan"], strict=True))
    return {
        "seconds": best,
        "ours over vmap, running": best["ours"]["running"] / best["vmap of a scan"]["running"],
        "ours over vmap, running, median of pairs": float(np.median([a[1] / b[1] for a, b in pairs])),
        "ours over vmap, compiling included": min(a[0] + a[1] for a, _ in pairs) / min(b[0] + b[1] for _, b in pairs),
        "sequential scans over ours": best["sequential scans"]["running"] / best["ours"]["running"],
        "Python loop over ours": best["Python loop"]["running"] / best["ours"]["running"],
        # Large rates are chaotic: there the last bit of a sum decides.
        "median relative difference of final losses from vmap's": float(
            np.median(np.abs(rows["ours"][0][2] / rows["vmap of a scan"][0][2] - 1))
        ),
        "note": f"the Python loop is timed on {runs} of {SETTINGS} settings and scaled",
    }


def surface(count=10_000, steps=1000, runs=10):
    """Rosenbrock's function by Adam against a NumPy loop a trajectory."""
    rates = np.geomspace(1e-4, 1e-1, count)
    trainer, t = minimizing(rosenbrock), trials(gradtx.adam, learning_rate=values(rates))
    run(trainer, t, steps, every=steps)

    def numpy_adam(rate):
        x, m, v = np.array(rosenbrock.start), np.zeros(2), np.zeros(2)
        for k in range(1, steps + 1):
            g = np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            x = x - rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    seconds, loops, worst = [], [], 0.0
    picked = np.linspace(0, count - 1, runs).astype(int)
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        results = run(trainer, t, steps, every=steps)
        seconds.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        wanted = np.array([numpy_adam(rates[i]) for i in picked])
        loops.append((time.perf_counter() - begin) * count / runs)
        worst = float(np.median(np.abs(results.final()[picked] - wanted) / wanted))
    return {
        "trajectories": count,
        "steps": steps,
        "seconds": min(seconds),
        "NumPy loop, scaled from 10": min(loops),
        "times faster": min(loops) / min(seconds),
        "median relative difference of the ends": worst,
    }


def growth(steps=100):
    trainer = supervised(MODEL, TRAIN, TEST, batch=BATCHES)
    out = {}
    for count in track([1, 4, 16, 64, 256, 1024], "growth"):
        t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, count) if count > 1 else [1e-3])
        run(trainer, t, steps, every=steps)
        out[str(count)] = min(run(trainer, t, steps, every=steps).seconds["running"] for _ in range(3))
    return out


def memory():
    """Bytes a trial by the compiled program's own account: the slope between 64 and 128."""
    from gradtx.sweep.engine import _Sweep
    from gradtx.sweep.policies import full

    def needed(count):
        t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, count))
        sweep = _Sweep(supervised(MODEL, TRAIN, TEST, batch=BATCHES), t, STEPS, None, full(), None, "min", None, None, None)
        return sweep._bytes(sweep.lanes[0], count)

    parameters = 64 * 128 + 128 + 128 * 10 + 10
    each = (needed(128) - needed(64)) / 64
    return {"bytes a trial": each, "of which parameters and both moments": 3 * 4 * parameters}


def equality(steps=100):
    """The largest relative difference of a row's final loss from the same row in a batch of 256."""
    trainer = supervised(MODEL, TRAIN, TEST, batch=BATCHES)
    rates = np.geomspace(1e-4, 1e-2, 256)
    whole = run(trainer, trials(gradtx.adam, learning_rate=values(rates)), steps).final()
    difference = lambda a, b: float(np.max(np.abs(a - b) / np.abs(b)))
    alone = np.array([run(trainer, trials(gradtx.adam, learning_rate=[r]), steps).final()[0] for r in rates[::32]])
    eight = run(trainer, trials(gradtx.adam, learning_rate=values(rates[::32])), steps).final()
    chunked = run(trainer, trials(gradtx.adam, learning_rate=values(rates)), steps, chunk=96).final()
    return {
        "alone": difference(alone, whole[::32]),
        "in a batch of 8": difference(eight, whole[::32]),
        "in chunks of 96": difference(chunked, whole),
        "the same sweep again": difference(
            run(trainer, trials(gradtx.adam, learning_rate=values(rates)), steps).final(), whole
        ),
    }


def selection():
    """Hyperband and halving against the full sweep: five draws of 64 rates, each setting judged by the mean over five seeds."""
    trainer = supervised(MODEL, TRAIN, TEST, batch=BATCHES)
    policies = {"hyperband(31, 4)": hyperband(STEPS // 16, 4), "hyperband(50, 4)": hyperband(STEPS // 10, 4)}
    out = {n: {"score over the best full one's": [], "steps over all": []} for n in policies}
    for seed in track(range(5), "selection"):
        t = trials(gradtx.adam, learning_rate=loguniform(1e-4, 1e-1), samples=SETTINGS, seed=seed, seeds=5)
        everything = run(trainer, t, STEPS).best().score
        for name, policy in policies.items():
            results = run(trainer, t, STEPS, policy=policy)
            out[name]["score over the best full one's"].append(round(results.best().score / everything, 4))
            out[name]["steps over all"].append(round(results.steps_run / (len(t) * STEPS), 4))
    return out


PARTS = {f.__name__: f for f in (memory, surface, classification, equality, growth, selection)}


def main() -> None:
    file = RESULTS / "sweep.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    data |= {**machine(), "note": "measured in turns, the quickest taken"}
    for name in sys.argv[1:] or PARTS:
        data[name] = PARTS[name]()
        table = Table("figure", "value", title=name)
        for key, value in data[name].items():
            table.add_row(
                key,
                json.dumps(value) if isinstance(value, dict) else f"{value:.4g}" if isinstance(value, float) else str(value),
            )
        Console().print(table)
        RESULTS.mkdir(exist_ok=True)
        file.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
