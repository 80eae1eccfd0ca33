"""What the diagnostics read, against what was done."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.testing import check_transformation


def test_reads_what_was_done():
    params = {"w": jnp.array([[3.0, -4.0]]), "zero": jnp.zeros(2), "c": jnp.array([3 + 4j])}
    grads = {"w": jnp.array([[0.3, 0.0]]), "zero": jnp.array([1.0, 2.0]), "c": jnp.array([1j])}
    tx = gradtx.diagnostics(gradtx.adamw(0.1, weight_decay=0.01))
    updates, state = jax.jit(tx.update)(grads, tx.init(params), params)
    plain = gradtx.adamw(0.1, weight_decay=0.01)
    wanted = plain.update(grads, plain.init(params), params)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), updates, wanted)
    ratio, rate = (gradtx.state_get(state, name) for name in ("update_ratio", "effective_rate"))
    u = jax.tree.map(np.asarray, updates)
    np.testing.assert_allclose(ratio["w"], np.linalg.norm(u["w"]) / 5, rtol=1e-6)
    np.testing.assert_allclose(ratio["c"], np.abs(u["c"][0]) / 5, rtol=1e-6)
    assert ratio["zero"] == 0
    np.testing.assert_allclose(rate["w"], [[abs(u["w"][0, 0]) / 0.3, 0]], rtol=1e-6)
    np.testing.assert_allclose(rate["zero"], [0.1, 0.05], rtol=1e-5)
    np.testing.assert_allclose(gradtx.learning_rate(tx, state), 0.1)


def test_the_effective_rate_of_gradient_descent_is_its_learning_rate():
    tx, x = gradtx.diagnostics(gradtx.sgd(gradtx.linear_schedule(0.5, 0.0, 10))), jnp.array([1.0, -2.0])
    state = tx.init(x)
    for t in range(3):
        _, state = tx.update(x, state, x)
        np.testing.assert_allclose(gradtx.state_get(state, "effective_rate"), 0.5 - 0.05 * t, rtol=1e-6)


def test_needs_the_parameters():
    tx = gradtx.diagnostics(gradtx.sgd(0.1))
    with pytest.raises(ValueError, match="diagnostics needs the parameters"):
        tx.update(jnp.ones(1), tx.init(jnp.ones(1)))


def test_has_the_properties():
    check_transformation(gradtx.diagnostics(gradtx.adam(0.05)))
