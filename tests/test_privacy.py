"""Gradients of single examples: clipping, noise, and how they get past the door."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.running import types

optax = pytest.importorskip("optax")

PARAMS = {"w": jnp.array([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0]]), "b": jnp.array(0.3)}


def examples(seed=0, count=5, dtype="float32"):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=(count, *p.shape)), dtype), PARAMS)


def clipped_sum(grads, limit):
    """In float64, one example at a time."""
    total, over = jax.tree.map(lambda g: np.zeros(g.shape[1:]), grads), 0
    for i in range(len(jax.tree.leaves(grads)[0])):
        one = jax.tree.map(lambda g, i=i: np.asarray(g[i], np.float64), grads)
        norm = np.sqrt(sum(np.sum(x**2) for x in jax.tree.leaves(one)))
        total = jax.tree.map(lambda a, x, n=norm: a + x * min(1.0, limit / n), total, one)
        over += norm > limit
    return total, over


@pytest.mark.parametrize("limit", [0.0, 1.0, 2.5, np.inf])
def test_clipping_by_the_norm_of_all(limit):
    total, over = gradtx.per_example_global_norm_clip(examples(), limit)
    wanted, wanted_over = clipped_sum(examples(), limit)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), total, wanted)
    assert int(over) == wanted_over
    zeros = jax.tree.map(jnp.zeros_like, examples())
    total, over = jax.jit(gradtx.per_example_global_norm_clip)(zeros, limit)
    assert int(over) == 0
    assert all((x == 0).all() for x in jax.tree.leaves(total))


@pytest.mark.lenient
@pytest.mark.parametrize("uniform", [True, False])
def test_clipping_by_layer_agrees_with_optax(uniform):
    for limit in (0.5, 2.0, jnp.inf):
        ours, counts = gradtx.per_example_layer_norm_clip(examples(), limit, uniform)
        theirs, their_counts = optax.per_example_layer_norm_clip(examples(), limit, uniform)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, theirs)
        assert jax.tree.map(int, counts) == jax.tree.map(int, their_counts)
    global_ours, global_theirs = (m.per_example_global_norm_clip(examples(), 1.0) for m in (gradtx, optax))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), global_ours, global_theirs)


def test_the_norm_of_the_whole_is_bounded():
    for uniform in (True, False):
        total, _ = gradtx.per_example_layer_norm_clip(jax.tree.map(lambda g: 100 * g, examples(count=1)), 1.0, uniform)
        np.testing.assert_allclose(gradtx.global_norm(total), 1.0, rtol=1e-5)


def test_derivatives_are_finite_at_zero_gradients():
    def loss(scale):
        total, _ = gradtx.per_example_global_norm_clip(jax.tree.map(lambda g: 0 * scale * g, examples()), 1.0)
        return gradtx.global_norm(jax.tree.map(lambda x: x + 1, total))

    assert np.isfinite(jax.grad(loss)(1.0))


@pytest.mark.lenient
def test_without_noise_it_follows_optax():
    ours = gradtx.dpsgd(0.1, 1.0, 0.0, seed=0, momentum=0.9, nesterov=True)
    with pytest.warns(DeprecationWarning, match="seed"):
        theirs = optax.contrib.dpsgd(0.1, 1.0, 0.0, seed=0, momentum=0.9, nesterov=True)
    state, other = ours.init(PARAMS), theirs.init(PARAMS)
    for t in range(4):
        a, state = jax.jit(ours.update)(examples(t), state, PARAMS)
        b, other = theirs.update(examples(t), other, PARAMS)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_the_noise_has_its_size_and_its_seeds(dtype):
    params = {"a": jnp.zeros(20000, dtype), "b": jnp.zeros(20000, dtype)}
    grads = jax.tree.map(lambda p: jnp.zeros((4, *p.shape), dtype), params)
    tx = gradtx.differentially_private_aggregate(2.0, 1.5, key=3)
    first, state = tx.update(grads, tx.init(params), params)
    second, _ = tx.update(grads, state, params)
    other, _ = tx.replace(key=4).update(grads, tx.replace(key=4).init(params), params)
    again, _ = tx.update(grads, tx.init(params), params)
    for part in (np.real, np.imag) if dtype == "complex64" else (np.real,):
        draws = [part(np.asarray(x)) for tree in (first, second, other) for x in jax.tree.leaves(tree)]
        for x in draws:
            np.testing.assert_allclose(x.std(), 2.0 * 1.5 / 4, rtol=0.03)
            assert abs(x.mean()) < 0.02
        assert np.abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.03
    np.testing.assert_array_equal(first["a"], again["a"])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "around",
    [
        lambda tx: tx,
        lambda tx: gradtx.chain(("private", tx), gradtx.clip(10.0)),
        lambda tx: gradtx.apply_if_finite(tx, 3),
        lambda tx: gradtx.dynamic_loss_scaling(tx, init_scale=1.0),
        lambda tx: gradtx.inject_hyperparams(tx),
        lambda tx: gradtx.MultiSteps(tx, 1, should_skip_update_fn=gradtx.skip_not_finite),
        lambda tx: gradtx.partition({"*": tx}),
    ],
)
def test_gets_past_the_door_of_what_is_around_it(around, dtype):
    tx = gradtx.dpsgd(gradtx.linear_schedule(0.1, 0.05, 10), 1.0, 0.0, seed=0)
    whole = around(tx)
    params = jax.tree.map(lambda p: p.astype(dtype), PARAMS)
    grads = examples(dtype=dtype)
    state = whole.init(params)
    wanted, _ = tx.update(grads, tx.init(params), params)
    update, after = jax.jit(whole.update)(grads, state, params)
    tolerance = 1e-6 if dtype == "float32" else 1e-2
    for a, b in zip(jax.tree.leaves(update), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a.astype("float32"), b.astype("float32"), rtol=tolerance)
    assert types(update) == types(params)
    assert types(after) == types(state)
    if isinstance(whole, gradtx.apply_if_finite | gradtx.MultiSteps):
        spoiled = jax.tree.map(lambda g: g.at[0].set(jnp.nan), grads)
        update, _ = whole.update(spoiled, state, params)
        assert types(update) == types(params)
        assert all((u == 0).all() for u in jax.tree.leaves(update))


def test_each_group_is_private_by_itself():
    tx = gradtx.partition({"w": gradtx.dpsgd(1.0, 1.0, 0.0, 0), "*": gradtx.dpsgd(1.0, 0.1, 0.0, 0)})
    update, _ = tx.update(examples(), tx.init(PARAMS), PARAMS)
    for name, limit in (("w", 1.0), ("b", 0.1)):
        wanted, _ = clipped_sum({name: examples()[name]}, limit)
        np.testing.assert_allclose(update[name], -wanted[name] / 5, rtol=1e-5, atol=1e-6)


def test_vmap_over_seeds_and_clips():
    params = jnp.zeros(3)
    grads = jnp.ones((2, 3))
    txs = jax.vmap(lambda c, s: gradtx.dpsgd(0.1, c, 1.0, s))(jnp.array([0.5, 1.0]), jnp.array([1, 2], jnp.int32))
    together = jax.vmap(lambda tx: tx.update(grads, tx.init(params), params)[0])(txs)
    for i, (c, s) in enumerate([(0.5, 1), (1.0, 2)]):
        tx = gradtx.dpsgd(0.1, c, 1.0, s)
        np.testing.assert_allclose(together[i], tx.update(grads, tx.init(params), params)[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: go(gradtx.dpsgd(0.1, 1.0, 0.0, 0), PARAMS), "takes one gradient per example, along a first axis"),
        (lambda: go(gradtx.adam(0.1), examples()), "at b the updates have"),
        (lambda: go(gradtx.chain(gradtx.clip(1.0), gradtx.dpsgd(0.1, 1.0, 0.0, 0)), examples()), "at b the updates have"),
        (lambda: go(gradtx.MultiSteps(gradtx.dpsgd(0.1, 1.0, 0.0, 0), 2), examples()), "the state has"),
        (lambda: go(gradtx.dpsgd(0.1, 1.0, 0.0, 0), examples(), None), "needs the parameters"),
        (lambda: gradtx.per_example_global_norm_clip({"a": jnp.ones(2), "b": jnp.ones(3)}, 1.0), "the same examples"),
        (lambda: gradtx.per_example_layer_norm_clip(jnp.ones(()), 1.0), "the same examples"),
        (lambda: gradtx.dpsgd(0.1, -1.0, 0.0, 0), "l2_norm_clip = -1"),
    ],
)
def test_says_what_is_wrong(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def go(tx, grads, params=PARAMS):
    return tx.update(grads, tx.init(PARAMS), params)
