"""L-BFGS over many devices, and a block at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx

SPEC = jax.sharding.PartitionSpec


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def problem(n=64, m=16):
    """A convex function of a tree: two blocks that know of each other."""
    rng = np.random.default_rng(0)
    scales = jnp.asarray(np.geomspace(1, 30, n))
    mix = jnp.asarray(rng.normal(size=(n, m)) / np.sqrt(n))
    target = jnp.asarray(rng.normal(size=m))

    def f(p):
        gap = p["w"].T @ mix - target[None]
        return (
            jnp.sum(scales[:, None] * (p["w"] - 0.3) ** 2) / 2
            + jnp.sum(jnp.cosh(p["b"] - 1))
            + jnp.sum(gap**2) * jnp.mean(p["b"] ** 2)
        )

    return f, {"w": jnp.zeros((n, 4)), "b": jnp.zeros(n)}


def over_devices(tree):
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("x",))
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, SPEC("x")))


@pytest.mark.usefixtures("x64")
@pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")
def test_sharded_lbfgs_walks_as_on_one_device_and_keeps_an_eighth_of_the_history_on_each():
    f, start = problem()
    tx = gradtx.lbfgs(memory_size=5)

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(f)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=f)
        return gradtx.apply_updates(params, updates), state

    ends = []
    for params in (start, over_devices(start)):
        state = first = tx.init(params)
        values = []
        for _ in range(15):
            params, state = step(params, state)
            values.append(float(f(params)))
        ends.append((params, values, first, state))
    (one, values, *_), (many, many_values, *states) = ends
    assert values[-1] < values[0]
    np.testing.assert_allclose(many_values, values, rtol=1e-10)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), many, one)
    for name in ("diff_params_memory", "diff_updates_memory"):
        for memory in (leaf for state in states for leaf in jax.tree.leaves(gradtx.state_get(state, name))):
            assert len(memory.addressable_shards) == 8
            assert {s.data.nbytes for s in memory.addressable_shards} == {memory.nbytes // 8}
    assert {len(p.sharding.device_set) for p in jax.tree.leaves(many)} == {8}


@pytest.mark.usefixtures("x64")
def test_blocks_have_an_lbfgs_of_their_own_and_one_search_for_all():
    # Each block's direction is that of L-BFGS on the block alone: what the blocks know of each other is left to the search.
    f, start = problem(8, 3)
    alone = {"w": gradtx.scale_by_lbfgs(), "b": gradtx.scale_by_lbfgs(3)}
    blocks = gradtx.partition(alone)
    tx = gradtx.chain(blocks, gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_zoom_linesearch())
    params, state, states = start, blocks.init(start), {name: alone[name].init(start[name]) for name in alone}
    for _ in range(6):
        grad = jax.grad(f)(params)
        together, state = blocks.update(grad, state, params)
        for name, own in alone.items():
            direction, states[name] = own.update(grad[name], states[name], params[name])
            np.testing.assert_allclose(together[name], direction, rtol=1e-12)
        params = jax.tree.map(lambda p, u: p - 0.02 * u, params, together)
    by_blocks = gradtx.minimize(f, start, tx, grad_tol=1e-6)
    whole = gradtx.minimize(f, start, gradtx.lbfgs(), grad_tol=1e-6)
    assert by_blocks.success
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), by_blocks.x, whole.x)
