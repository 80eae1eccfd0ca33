"""The problems of Moré, Garbow and Hillstrom (1981) against the values that the paper and later lists give, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from gradtx.problems import (
    all_problems,
    chebyquad,
    freudenstein_roth,
    more_garbow_hillstrom,
    penalty_1,
    penalty_2,
    watson,
)

# The value at the standard start, where later collections print it, and the least value that a descent from there gets to.
STARTS = {
    "Rosenbrock": 24.2,
    "Freudenstein–Roth": 400.5,
    "Powell badly scaled": 1.13526,
    "Brown badly scaled": 9.99998e11,
    "Beale from (1, 1)": 14.2031,
    "Jennrich–Sampson": 4171.31,
    "helical valley": 2500.0,
    "Bard": 41.6817,
    "Gaussian": 3.88811e-6,
    "Meyer": 1.69361e9,
    "Gulf research and development": 12.1107,
    "Box three-dimensional": 1031.15,
    "Powell singular": 215.0,
    "Wood": 19192.0,
    "Kowalik–Osborne": 5.31317e-3,
    "Brown–Dennis": 7926693.336997,
    "Osborne 1": 0.879026,
    "Biggs EXP6": 0.779070,
    "Osborne 2": 2.09342,
    "Watson, n = 6": 30.0,
}
ENDS = {
    "Freudenstein–Roth": 48.98425,
    "Jennrich–Sampson": 124.36218,
    "Bard": 8.214877e-3,
    "Gaussian": 1.127933e-8,
    "Meyer": 87.945855,
    "Kowalik–Osborne": 3.0750560e-4,
    "Brown–Dennis": 85822.20163,
    "Osborne 1": 5.464895e-5,
    "Osborne 2": 4.01377e-2,
    "Watson, n = 6": 2.287670e-3,
    "penalty I, n = 4": 2.249978e-5,
    "penalty II, n = 4": 9.376293e-6,
    "linear of full rank, n = 5, m = 10": 5.0,
    "linear of rank one, n = 5, m = 10": 15 / 7,
    "linear of rank one with zeros, n = 5, m = 10": 62 / 17,
    "Chebyquad, n = 8": 3.516874e-3,
}
# Larger dimensions with published minima of their own.
LARGER = {
    "Watson, n = 9": (watson(9), 1.399760e-6),
    "Watson, n = 12": (watson(12), 4.72238e-10),
    "penalty I, n = 10": (penalty_1(10), 7.087651e-5),
    "penalty II, n = 10": (penalty_2(10), 2.93660e-4),
    "Chebyquad, n = 9": (chebyquad(9), 0.0),
    "Chebyquad, n = 10": (chebyquad(10), 6.50395e-3),
}
PROBLEMS = {p.name: p for p in more_garbow_hillstrom()}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def descend(problem):
    """Where MINPACK gets to from the standard start."""
    residuals, jacobian = jax.jit(problem.residuals), jax.jit(jax.jacfwd(problem.residuals))
    found = scipy.optimize.least_squares(
        lambda x: np.asarray(residuals(x)),
        np.array(problem.start),
        lambda x: np.asarray(jacobian(x)),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=5000,
    )
    return 2 * found.cost


def test_all_of_the_paper_are_there():
    assert len(PROBLEMS) == 35
    assert {p.name for p in all_problems()} >= set(PROBLEMS)


@pytest.mark.parametrize("name", STARTS)
def test_value_at_the_standard_start(name):
    problem = PROBLEMS[name]
    np.testing.assert_allclose(problem(jnp.array(problem.start)), STARTS[name], rtol=5e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_descent_from_the_standard_start_gets_to_the_published_minimum(name):
    got = descend(PROBLEMS[name])
    np.testing.assert_allclose(got, ENDS.get(name, 0.0), rtol=1e-6, atol=1e-12)
    if name != freudenstein_roth.name:  # from whose start one gets to the other minimum
        np.testing.assert_allclose(got, PROBLEMS[name].minimum, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", LARGER)
def test_larger_dimensions(name):
    problem, least = LARGER[name]
    np.testing.assert_allclose(descend(problem), least, rtol=2e-5, atol=1e-15)
    np.testing.assert_allclose(problem.minimum, least, rtol=2e-6)


def test_published_points():
    assert PROBLEMS["Freudenstein–Roth"](jnp.array([11.412779, -0.896805])) == pytest.approx(48.98425, rel=1e-6)
    np.testing.assert_allclose(PROBLEMS["Jennrich–Sampson"].at[0], [0.257825, 0.257825], atol=5e-7)
    np.testing.assert_allclose(PROBLEMS["Powell badly scaled"].at[0], [1.098159e-5, 9.106147], rtol=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_single_precision_too(name):
    problem = PROBLEMS[name]
    everything = jax.jit(jax.value_and_grad(problem.function))
    value, gradient = everything(jnp.array(problem.start, jnp.float32))
    assert value.dtype == gradient.dtype == jnp.float32
    np.testing.assert_allclose(value, everything(jnp.array(problem.start))[0], rtol=1e-3, atol=1e-6)
