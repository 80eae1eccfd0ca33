"""`minimize` beside SciPy, Optax and, where it is installed, jaxopt: L-BFGS on logistic regressions, and a thousand BFGS runs at once; and
what a step costs with more and more parameters, of Newton's method, L-BFGS and truncated Newton.

Measured in turns, the quickest of each taken; compiling apart. Prints tables and writes benchmarks/results/minimize.json. `--cost` measures only
the cost of a step, and keeps the rest of the file.
"""

import importlib.metadata
import importlib.util
import json
import sys
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


def by_jaxopt(f, start, steps, tol):
    import jaxopt

    solver = jaxopt.LBFGS(f, maxiter=steps, history_size=10, linesearch="zoom")

    @jax.jit
    def solve(start):
        def going(carry):
            _, state = carry
            return (jnp.max(jnp.abs(state.grad)) > tol) & (state.iter_num < steps)

        x, state = jax.lax.while_loop(going, lambda carry: tuple(solver.update(*carry)), (start, solver.init_state(start)))
        return x, f(x), jnp.max(jnp.abs(state.grad)), state.iter_num

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
    if importlib.util.find_spec("jaxopt"):
        runs["jaxopt"] = by_jaxopt(f, start, steps, tol)
    seconds, results = timed(runs)
    ends = {n: float(r.fun if n in ("gradtx", "SciPy") else r[1]) for n, r in results.items()}
    steps_taken = {n: int(r.steps if n == "gradtx" else r.nit if n == "SciPy" else r[3]) for n, r in results.items()}
    return {
        "seconds": seconds,
        "steps": steps_taken,
        "end over the lowest": {n: x - min(ends.values()) for n, x in ends.items()},
        **{f"time over {n}'s": seconds["gradtx"] / seconds[n] for n in runs if n != "gradtx"},
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


SIZES, LARGER = (10, 30, 100, 300, 1000, 2000), (20_000, 200_000, 2_000_000)
# Each with the sizes that it is tried at, and the steps that are timed together.
METHODS = {
    "Newton": (gradtx.newton(), SIZES, 1),
    "L-BFGS": (gradtx.lbfgs(), SIZES + LARGER, 10),
    "truncated Newton": (gradtx.truncated_newton(), SIZES + LARGER[:-1], 2),
}


def chained_rosenbrock(x):
    """Rosenbrock's function of each two neighbours: a value costs as much as there are parameters."""
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def cost_of_a_step():
    """Seconds a step by the number of parameters, and the exponents of their growth over the three largest numbers."""
    table = {}
    for name, (tx, sizes, steps) in METHODS.items():
        run = jax.jit(lambda x, tx=tx, steps=steps: gradtx.minimize(chained_rosenbrock, x, tx, grad_tol=0.0, max_steps=steps))
        starts = {k: jnp.linspace(-1.2, 1.0, k) for k in sizes}
        seconds, results = timed({k: lambda x=x, run=run: run(x) for k, x in starts.items()}, rounds=3)
        table[name] = {str(k): seconds[k] / int(results[k].steps) for k in sizes}
    last = lambda costs: np.array([(float(k), t) for k, t in costs.items()][-3:])
    exponents = {n: float(np.polyfit(*np.log(last(costs)).T, 1)[0]) for n, costs in table.items()}
    return {"seconds a step": table, "exponent over the three largest": exponents}


def timed(runs, rounds=ROUNDS):
    """The quickest of several rounds, and what each run gave."""
    results = {n: jax.block_until_ready(f()) for n, f in runs.items()}
    seconds = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for name, f in runs.items():
            begin = time.perf_counter()
            jax.block_until_ready(f())
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return seconds, results


def show(title, part):
    if "seconds a step" in part:
        methods = part["seconds a step"]
        table = Table("parameters", *methods, title=title)
        for k in map(str, SIZES + LARGER):
            table.add_row(k, *(f"{costs[k]:.3g}" if k in costs else "" for costs in methods.values()))
        table.add_row("exponent", *(f"{x:.2f}" for x in part["exponent over the three largest"].values()))
    else:
        table = Table("figure", "value", title=title)
        for name, value in part.items():
            table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)


def main() -> None:
    file = RESULTS / "minimize.json"
    cost = "seconds a step on the chained Rosenbrock function"
    with jax.enable_x64(True):
        if sys.argv[1:] == ["--cost"]:
            data = {**json.loads(file.read_text()), cost: cost_of_a_step()}
        else:
            data = {
                **machine(),
                "logistic regression, digits (640 weights)": regression(digits()),
                "logistic regression, 500 examples of 20,000 features (40,000 weights)": regression(synthetic()),
                "BFGS on Rosenbrock's function": thousand(),
                cost: cost_of_a_step(),
            }
            if importlib.util.find_spec("jaxopt"):
                data["versions"]["jaxopt"] = importlib.metadata.version("jaxopt")
    for title, part in data.items():
        if isinstance(part, dict) and title != "versions":
            show(title, part)
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
