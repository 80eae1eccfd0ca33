"""A straight line through 18 points by gradient descent, until the gradient is nearly zero; and how much sooner others are there.

`python -m examples.linear_fit [picture]`. Rate, start and points of gradient descent are those of a published demonstration. The rates of
momentum follow from the curvature: Polyak (1964), Some methods of speeding up the convergence of iteration methods.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import save
from gradtx.plotting import curves
from gradtx.training import fit, full_batch, gradient_below

Y = np.array([2, 3, 3, 5, 8, 10, 10, 13, 15, 15, 16, 19, 19, 20, 22, 22, 25, 28.0])
X = np.arange(1.0, 19)


def half_mean_square(params, batch):
    x, y = batch
    return jnp.mean((params["intercept"] + params["slope"] * x - y) ** 2) / 2


def optimizers():
    """The classical step and momentum for a quadratic, from the least and the greatest curvature."""
    design = np.stack([np.ones_like(X), X], axis=1)
    least, greatest = np.linalg.eigvalsh(design.T @ design / len(X))
    low, high = np.sqrt(least), np.sqrt(greatest)
    return {
        "gradient descent": gradtx.sgd(0.01),
        "heavy ball": gradtx.sgd(4 / (low + high) ** 2, momentum=((high - low) / (high + low)) ** 2),
        "Nesterov": gradtx.nesterov(1 / greatest, (high - low) / (high + low)),
        "Adam": gradtx.adam(0.1),
    }


def main(path="runs/linear_fit.png", tolerance=1e-5):
    (intercept, slope), *_ = np.linalg.lstsq(np.stack([np.ones_like(X), X], axis=1), Y)
    table = Table(
        "optimizer", "steps", "intercept", "slope", "from least squares", title=f"until the gradient is below {tolerance:g}"
    )
    runs = {}
    with jax.enable_x64(True):
        start = {"intercept": 1.0, "slope": 1.0}
        for name, tx in optimizers().items():
            stop = [gradient_below(tolerance)]
            run = fit(half_mean_square, start, tx, full_batch((X, Y)), steps=20_000, every=1, stop=stop)
            a, b = float(run.params["intercept"]), float(run.params["slope"])
            table.add_row(name, str(run.step), f"{a:.7f}", f"{b:.7f}", f"{np.hypot(a - intercept, b - slope):.1e}")
            runs[name] = run
    table.add_row("numpy.linalg.lstsq", "", f"{intercept:.7f}", f"{slope:.7f}", "")
    Console().print(table)
    figure = curves(runs, "grad_norm")
    figure.axes[0].set_xscale("log")
    save(figure, path)
    return runs


if __name__ == "__main__":
    main(*sys.argv[1:])
