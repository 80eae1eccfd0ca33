"""Sharpness-aware minimization: both modes against the paper's loop, and how the alternating one keeps time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.references import points as r
from tests.running import START, gradient, run, types, value

optax = pytest.importorskip("optax")
ASCENT = gradtx.chain(gradtx.normalize(), gradtx.sgd(0.2))


def opaque(tx, x, steps, **functions):
    state = tx.init(x)
    for t in range(steps):
        extra = {k: f(jnp.asarray(2 * t + 1)) for k, f in functions.items()}
        u, state = tx.update(gradient(x, jnp.asarray(2 * t)), state, x, **extra)
        x = x + u
    return x


def test_alternating_is_the_papers():
    with jax.enable_x64(True):
        got = run(gradtx.sam(gradtx.sgd(0.05), ASCENT), jnp.asarray(START), 60)
    np.testing.assert_allclose(got, r.sam_sgd(gradient, START, 30, 0.05, 0.2), rtol=1e-10)


def test_opaque_is_the_papers():
    tx = gradtx.sam(gradtx.sgd(0.05), ASCENT, opaque_mode=True)
    wanted = r.sam_sgd(gradient, START, 30, 0.05, 0.2)
    with jax.enable_x64(True):
        by_gradient = opaque(tx, jnp.asarray(START), 30, grad_fn=lambda t: lambda x, i: gradient(x, t))
        by_value = opaque(tx, jnp.asarray(START), 30, value_fn=lambda t: lambda x: value(x, t))
    np.testing.assert_allclose(by_gradient, wanted, rtol=1e-10)
    np.testing.assert_allclose(by_value, wanted, rtol=1e-10)


@pytest.mark.lenient
@pytest.mark.parametrize("period", [2, 3])  # at 1 Optax's steps are taken from stale parameters
@pytest.mark.parametrize("reset", [False, True])
def test_agrees_with_optax(period, reset):
    from optax.contrib import sam

    ascent = optax.chain(sam.__globals__["normalize"](), optax.sgd(0.2, momentum=0.5))
    ours = gradtx.chain(gradtx.normalize(), gradtx.sgd(0.2, momentum=0.5))
    with jax.enable_x64(True):
        theirs, x = optax.contrib.sam(optax.adam(0.05), ascent, period, reset), jnp.asarray(START)
        state = theirs.init(x)
        for t in range(6 * period):
            u, state = theirs.update(gradient(x, jnp.asarray(t)), state, x)
            x = x + u
        got = run(gradtx.sam(gradtx.adam(0.05), ours, period, reset), jnp.asarray(START), 6 * period)
    np.testing.assert_allclose(got, x, rtol=1e-9)


def test_without_ascents_it_is_the_optimizer():
    x = jnp.asarray(START, jnp.float32)
    np.testing.assert_allclose(run(gradtx.sam(gradtx.adam(0.05), ASCENT, 1), x, 9), run(gradtx.adam(0.05), x, 9), rtol=1e-5)


def test_parameters_rest_while_it_climbs_and_schedules_count_descents():
    tx = gradtx.sam(gradtx.sgd(gradtx.linear_schedule(1.0, 0.0, 4)), ASCENT)
    x = jnp.array([3.0, 4.0])
    state, moves = tx.init(x), []
    for _ in range(6):
        u, state = tx.update(jnp.array([3.0, 4.0]), state, x)
        moves.append(float(u[1]))
    np.testing.assert_allclose(moves, [0, -4, 0, -3, 0, -2], rtol=1e-6)


def test_point_passes_through_chain_and_partition():
    tx = gradtx.partition({"w": gradtx.chain(gradtx.clip(9.0), gradtx.sam(gradtx.sgd(0.1), ASCENT)), "b": gradtx.sgd(0.1)})
    params = {"w": jnp.array([3.0, 4.0]), "b": jnp.ones(1)}
    _, state = tx.update(params, tx.init(params), params)
    at = gradtx.gradient_params(tx, state, params)
    np.testing.assert_allclose(at["w"], [3.12, 4.16], rtol=1e-6)
    np.testing.assert_array_equal(at["b"], params["b"])
    assert gradtx.evaluation_params(tx, state, params)["w"].tolist() == [3.0, 4.0]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex64"])
@pytest.mark.parametrize("mode", [False, True])
def test_keeps_its_types(dtype, mode):
    tx = gradtx.sam(gradtx.adam(0.1), ASCENT, opaque_mode=mode)
    params = {"w": jnp.ones((2, 3), dtype), "e": jnp.ones((0, 2), dtype), "n": None}
    state = tx.init(params)
    grads = jax.tree.map(lambda p: 0.1 * p, params)

    def bowl(p):
        return sum(jnp.sum(jnp.abs(x) ** 2).astype(jnp.float32) for x in jax.tree.leaves(p))

    for _ in range(2):
        updates, after = jax.jit(lambda g, s: tx.update(g, s, params, value_fn=bowl))(grads, state)
        assert types(after) == types(state)
        assert types(updates) == types(params)
        state = after
    assert np.all(np.abs(updates["w"].astype("complex64")) > 0.09)


def test_zero_gradients_stay_zero():
    x = jnp.ones(3)
    grad = jax.grad(
        lambda rho: jnp.sum(
            run(
                gradtx.sam(gradtx.sgd(0.1), gradtx.chain(gradtx.normalize(), gradtx.sgd(rho))),
                x,
                4,
                lambda x, t: jnp.zeros_like(x),
            )
        )
    )
    assert float(grad(0.1)) == 0.0


def test_says_what_is_missing():
    tx = gradtx.sam(gradtx.sgd(0.1), ASCENT, opaque_mode=True)
    with pytest.raises(ValueError, match="sam needs the extra argument 'value_fn'"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)), jnp.ones(2))
    with pytest.raises(ValueError, match="sync_period = 0"):
        gradtx.sam(gradtx.sgd(0.1), ASCENT, 0)

    @gradtx.optimizer
    def inside(learning_rate):
        return gradtx.sam(gradtx.sgd(learning_rate), ASCENT)

    with pytest.raises(TypeError, match="can't stand inside a named rule"):
        inside(0.1)
