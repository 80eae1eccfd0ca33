"""NIST's certified nonlinear regressions: Levenberg and Marquardt from both starts, in float64."""

import os
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.conftest import FULL

FOLDER = Path(os.environ.get("GRADTX_NIST", Path(__file__).parents[2] / "shared" / "data" / "nist"))

e = jnp.exp
MODELS = {
    "BoxBOD": lambda b, x: b[0] * (1 - e(-b[1] * x)),
    "Chwirut2": lambda b, x: e(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "Eckerle4": lambda b, x: b[0] / b[1] * e(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": lambda b, x: b[0] * e(-b[1] * x) + b[2] * e(-(((x - b[3]) / b[4]) ** 2)) + b[5] * e(-(((x - b[6]) / b[7]) ** 2)),
    "Hahn1": lambda b, x: (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3),
    "Kirby2": lambda b, x: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos3": lambda b, x: b[0] * e(-b[1] * x) + b[2] * e(-b[3] * x) + b[4] * e(-b[5] * x),
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH17": lambda b, x: b[0] + b[1] * e(-x * b[3]) + b[2] * e(-x * b[4]),
    "Misra1a": lambda b, x: b[0] * (1 - e(-b[1] * x)),
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Rat43": lambda b, x: b[0] / (1 + e(b[1] - b[2] * x)) ** (1 / b[3]),
    "Thurber": lambda b, x: (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3),
}


def read(name):
    """Starts, `[2, n]`, certified parameters, `[n]`, and the data y, x."""
    text = (FOLDER / f"{name}.dat").read_text()
    rows = np.array(re.findall(r"^ *b\d+ = +(\S+) +(\S+) +(\S+)", text, re.MULTILINE), float)
    data = [line.split() for line in text[text.rindex("Data:") :].splitlines()[1:] if line.strip()]
    return rows[:, :2].T, rows[:, 2], np.array(data, float).T


def regression(name, start):
    """The sum of squares, where to begin, and the certified parameters."""
    starts, certified, (y, x) = read(name)
    fit = gradtx.SumOfSquares(lambda b: MODELS[name](b, jnp.asarray(x)) - jnp.asarray(y))
    return fit, jnp.asarray(starts[start]), certified


def digits(x, certified):
    """How many certified digits the worst parameter has; none where it isn't a number."""
    error = np.max(np.abs(np.asarray(x) / certified - 1))
    return -np.log10(np.clip(np.nan_to_num(error, nan=1.0), 1e-11, 1.0))


def solved(name, start):
    """Where Levenberg and Marquardt's method ends, and the certified parameters."""
    fit, first, certified = regression(name, start)
    tx = gradtx.levenberg_marquardt()
    return gradtx.minimize(fit, first, tx, grad_tol=0.0, step_tol=1e-13, max_steps=2000).x, certified


needs_data = pytest.mark.skipif(not FOLDER.exists(), reason="NIST's data sets aren't here; GRADTX_NIST says where they are")


@needs_data
def test_certified_digits_of_nonlinear_regressions():
    names = MODELS if FULL else ("DanWood", "Misra1a", "Thurber")
    with jax.enable_x64(True):
        found = {name: [digits(*solved(name, start)) for start in (0, 1)] for name in names}
    assert not {n: d for n, d in found.items() if d[1] < 6}
    assert len({n: d for n, d in found.items() if d[0] < 6}) <= 2, found
