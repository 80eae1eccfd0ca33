"""Optimizers inside Flax and Optax, where these take one of Optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx

optax = pytest.importorskip("optax")
pytestmark = pytest.mark.lenient
PARAMS, GRADS = {"w": jnp.ones(3)}, {"w": jnp.array([0.1, -0.2, 0.3])}


def test_train_state():
    from flax.training.train_state import TrainState

    states = [TrainState.create(apply_fn=None, params=PARAMS, tx=tx) for tx in (gradtx.adamw(1e-2), optax.adamw(1e-2))]
    step = jax.jit(lambda s: s.apply_gradients(grads=GRADS))
    for _ in range(5):
        states = [step(s) for s in states]
    np.testing.assert_allclose(states[0].params["w"], states[1].params["w"], rtol=1e-6)


def test_nnx_optimizer():
    from flax import nnx

    weights = []
    for tx in (gradtx.adam(1e-2), optax.adam(1e-2)):
        model = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        for _ in range(3):
            optimizer.update(model, nnx.grad(lambda m: jnp.sum(m(jnp.ones((1, 2))) ** 2))(model))
        weights.append(np.asarray(model.kernel[...]))
    np.testing.assert_allclose(*weights, rtol=1e-6)


def test_optax_chain_and_multisteps():
    chained = optax.chain(optax.clip(0.15), gradtx.sgd(0.5))
    updates, _ = chained.update(GRADS, chained.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["w"], [-0.05, 0.075, -0.075], rtol=1e-6)
    every = optax.MultiSteps(gradtx.sgd(0.5), 2)
    state = every.init(PARAMS)
    first, state = every.update(GRADS, state, PARAMS)
    second, state = every.update(GRADS, state, PARAMS)
    np.testing.assert_allclose(first["w"], 0)
    np.testing.assert_allclose(second["w"], -0.5 * GRADS["w"], rtol=1e-6)
