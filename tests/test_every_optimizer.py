"""What holds for every optimizer, over the one table: its equations, Optax's numbers, and every property of the conformance kit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradtx.testing import PROPERTIES
from tests.conftest import FULL
from tests.optimizers import TABLE, every_optimizer
from tests.running import STEPS, gradient, run, value

optax = pytest.importorskip("optax")


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_follows_its_equations(row, dtype):
    wanted = row.reference(gradient, row.start, STEPS, **row.settings)
    with jax.enable_x64(dtype == "float64"):
        got = np.asarray(jax.jit(lambda x: run(row.tx, x))(jnp.asarray(row.start, dtype)))
    assert got.dtype == dtype
    tolerance = row.tolerance if dtype == "float32" else 1e-10
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.lenient
@pytest.mark.parametrize("row", [r for r in TABLE if r.optax], ids=lambda row: row.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_agrees_with_optax(row, dtype):
    theirs = eval(f"optax.{row.optax}", {"optax": optax})
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(row.start, dtype)

        def step(carry, t):
            x, state = carry
            extra = {"value": value(x, t), "value_fn": lambda q: value(q, t)}
            u, state = optax.with_extra_args_support(theirs).update(gradient(x, t), state, x, **extra)
            return (x + row.optax_sign * u, state), None

        wanted = jax.lax.scan(step, (x, theirs.init(x)), jnp.arange(STEPS))[0][0]
        got = run(row.tx, x)
    tolerance = row.tolerance if dtype == "float32" else 1e-10
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


# By default one row of each kind; another setting of the same pieces has its properties tried in the full suite.
KINDS = TABLE if FULL else list({type(row.tx): row for row in reversed(TABLE)}.values())[::-1]


@pytest.mark.parametrize("row", KINDS, ids=lambda row: row.name)
@pytest.mark.parametrize("name", PROPERTIES)
def test_property(row, name):
    PROPERTIES[name](row.subject)
