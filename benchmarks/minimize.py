"""`minimize` beside SciPy and Optax: L-BFGS on logistic regressions, and a thousand BFGS runs at once.

Measured in turns, the quickest of each taken; compiling apart. Prints a table and writes benchmarks/results/minimize.json.
"""

import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.optimize
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

import gradtx
from benchmarks.machine import RESULTS, machine
from gradtx.problems import rosenbrock

ROUNDS = 5


def digits():
    images, labels = load_digits(return_X_y=True)
    return jnp.asarray(images / 16), jnp.asarray(labels), 10


def synthetic(examples=500, features=20_000):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, features)) * np.geomspace(1, 1e-3, features)
    return jnp.asarray(x), jnp.asarray((x @ rng.normal(size=features) > 0).astype(int)), 2


def logistic(x, y, classes):
    """The penalized negative log-likelihood of a linear classifier, of a vector of weights."""

    def f(w):
        logits = x @ w.reshape(x.shape[1], classes)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean() + 5e-4 * jnp.vdot(w, w)

    return f, jnp.zeros(x.shape[1] * classes)


def by_optax(f, start, steps, tol):
    tx = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(f)

    @jax.jit
    def solve(start):
        def step(carry):
            x, state, _, count = carry
            value, grad = value_and_grad(x, state=state)
            updates, state = tx.update(grad, state, x, value=value, grad=grad, value_fn=f)
            x = optax.apply_updates(x, updates)
            return x, state, jnp.max(jnp.abs(optax.tree.get(state, "grad"))), count + 1

        x, _, norm, count = jax.lax.while_loop(
            lambda c: (c[2] > tol) & (c[3] < steps), step, (start, tx.init(start), jnp.inf, 0)
        )
        return x, f(x), norm, count

    return lambda: solve(start)


def regression(data, tol=1e-5, steps=500):
    f, start = logistic(*data)
    value_and_grad = jax.jit(jax.value_and_grad(f))
    ours = jax.jit(lambda x: gradtx.minimize(f, x, gradtx.lbfgs(), grad_tol=tol, max_steps=steps))
    theirs = by_optax(f, start, steps, tol)

    def scipys():
        both = lambda x: tuple(np.asarray(v) for v in value_and_grad(x))
        options = {"gtol": tol, "ftol": 0, "maxiter": steps, "maxcor": 10}
        return scipy.optimize.minimize(both, np.asarray(start), jac=True, method="L-BFGS-B", options=options)

    runs = {"gradtx": lambda: ours(start), "SciPy": scipys, "Optax": theirs}
    seconds, results = timed(runs)
    ends = {"gradtx": float(results["gradtx"].fun), "SciPy": float(results["SciPy"].fun), "Optax": float(results["Optax"][1])}
    steps_taken = {"gradtx": int(results["gradtx"].steps), "SciPy": results["SciPy"].nit, "Optax": int(results["Optax"][3])}
    return {
        "seconds": seconds,
        "steps": steps_taken,
        "end over the lowest": {n: x - min(ends.values()) for n, x in ends.items()},
        "time over SciPy's": seconds["gradtx"] / seconds["SciPy"],
        "time over Optax's": seconds["gradtx"] / seconds["Optax"],
    }


def thousand(count=1000):
    rng = np.random.default_rng(0)
    starts = rng.uniform(-2, 2, (count, 2))
    ours = jax.jit(jax.vmap(lambda x: gradtx.minimize(rosenbrock, x, gradtx.bfgs())))
    value, gradient = scipy.optimize.rosen, scipy.optimize.rosen_der

    def loop():
        return [scipy.optimize.minimize(value, x, jac=gradient, method="BFGS") for x in starts]

    seconds, results = timed({"gradtx": lambda: ours(jnp.asarray(starts)), "SciPy": loop})
    near = lambda xs: int(np.sum(np.linalg.norm(np.asarray(xs) - 1, axis=1) < 1e-3))
    return {
        "runs": count,
        "seconds": seconds,
        "ended at the minimum": {"gradtx": near(results["gradtx"].x), "SciPy": near([r.x for r in results["SciPy"]])},
        "times faster": seconds["SciPy"] / seconds["gradtx"],
    }


def timed(runs):
    """The quickest of several rounds, and what each run gave."""
    results = {n: jax.block_until_ready(f()) for n, f in runs.items()}
    seconds = dict.fromkeys(runs, np.inf)
    for _ in range(ROUNDS):
        for name, f in runs.items():
            begin = time.perf_counter()
            jax.block_until_ready(f())
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return seconds, results


def main() -> None:
    with jax.enable_x64(True):
        data = {
            "logistic regression, digits (640 weights)": regression(digits()),
            "logistic regression, 500 examples of 20,000 features (40,000 weights)": regression(synthetic()),
            "BFGS on Rosenbrock's function": thousand(),
        }
    for title, part in data.items():
        table = Table("figure", "value", title=title)
        for name, value in part.items():
            table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
        Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "minimize.json").write_text(json.dumps({**machine(), **data}, indent=1) + "\n")


if __name__ == "__main__":
    main()
