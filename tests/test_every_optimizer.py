"""The properties that hold for every optimizer, over the one table."""

import json
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.optimizers import TABLE, every_optimizer
from tests.running import START, STEPS, gradient, hyper_leaves, run, types, value

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


@every_optimizer
def test_is_a_value(row):
    copies = [
        row.tx.replace(),
        pickle.loads(pickle.dumps(row.tx)),
        gradtx.from_dict(json.loads(json.dumps(gradtx.to_dict(row.tx)))),
        eval(repr(row.tx), vars(gradtx)),
    ]
    for copy in copies:
        assert copy == row.tx
        assert hash(copy) == hash(row.tx)
        assert repr(copy) == repr(row.tx)
    other = gradtx.adjust(row.tx, learning_rate=0.123)
    assert other != row.tx
    assert gradtx.adjust(other, learning_rate=row.tx.learning_rate) == row.tx


@every_optimizer
def test_compiles_once_for_two_learning_rates(row):
    traces = []

    @jax.jit
    def once(tx, x):
        traces.append(tx)
        return run(tx, x, 3)

    x = jnp.asarray(row.start, jnp.float32)
    a, b = once(row.tx, x), once(gradtx.adjust(row.tx, learning_rate=0.02), x)
    assert len(traces) == 1
    assert not np.allclose(a, b)

    @jax.jit
    def closed(tx, x):
        traces.append(tx)
        return x

    closed(row.tx.replace(), x), closed(row.tx.replace(), x)
    assert len(traces) == 2


@every_optimizer
def test_vmap_equals_one_at_a_time(row):
    factors = jnp.array([1.0, 0.5, 0.25])
    stacked = jax.tree.map(lambda h: h * factors, row.tx)
    x = jnp.asarray(row.start, jnp.float32)
    together = jax.jit(jax.vmap(lambda tx: run(tx, x, 50)))(stacked)
    for i, f in enumerate(factors):
        alone = run(jax.tree.map(lambda h, f=f: h * float(f), row.tx), x, 50)
        np.testing.assert_allclose(together[i], alone, rtol=2e-5, atol=2e-6)


@every_optimizer
def test_hypergradients_agree_with_finite_differences(row):
    with jax.enable_x64(True):
        x = jnp.asarray(row.start)
        loss = jax.jit(lambda tx: jnp.sum(run(tx, x, 20) ** 2))
        grad = jax.grad(loss)(jax.tree.map(jnp.asarray, row.tx))
        assert type(grad) is type(row.tx)
        for name in hyper_leaves(row.tx):
            value = getattr(row.tx, name)
            assert np.isfinite(getattr(grad, name)), name
            if value < 1e-5:  # a difference quotient in an epsilon of 1e-8 is rounding
                continue
            h = 1e-6 * value
            up, down = (loss(row.tx._rebuilt({name: value + d})) for d in (h, -h))
            np.testing.assert_allclose(getattr(grad, name), (up - down) / (2 * h), rtol=1e-4, atol=1e-5, err_msg=name)


@every_optimizer
def test_hypergradients_are_finite_at_zero_gradients(row):
    grad = jax.grad(lambda tx: jnp.sum(run(tx, jnp.ones(3), 5, lambda x, t: jnp.zeros_like(x))))(
        jax.tree.map(jnp.asarray, row.tx)
    )
    assert all(np.isfinite(g) for g in jax.tree.leaves(grad)), grad


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_state_and_updates_keep_their_types(row, dtype):
    params = {"w": jnp.ones((2, 3), dtype), "s": jnp.ones((), dtype), "e": jnp.ones((0, 2), dtype), "n": None}
    grads = jax.tree.map(lambda p: 0.1 * p, params)
    state = row.tx.init(params)
    updates, after = jax.jit(row.tx.update)(grads, state, params)
    eager, _ = row.tx.update(grads, state, params)
    assert types(after) == types(state)
    assert types(updates) == types(params)
    chex.assert_trees_all_close(updates, eager, rtol=1e-2)
    assert {x.dtype for x in jax.tree.leaves(state)} <= {jnp.dtype("float32"), jnp.dtype("int32")}
    assert all(np.isfinite(u.astype("float32")).all() for u in jax.tree.leaves(updates))


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_zero_gradients_give_no_nan(row, dtype):
    params = jnp.zeros(3, dtype)
    updates, _ = row.tx.update(jnp.zeros(3, dtype), row.tx.init(params), params)
    # Yogi's momentum starts at 1e-6 and so moves by itself.
    np.testing.assert_allclose(updates.astype("float32"), 0, atol=2e-4 if row.name == "yogi" else 0)


@every_optimizer
def test_small_float16_gradients_count(row):
    half, single = (
        row.tx.update(jnp.full(2, 1e-4, d), row.tx.init(jnp.zeros(2, d)), jnp.zeros(2, d))[0] for d in ("float16", "float32")
    )
    np.testing.assert_allclose(half.astype("float32"), single, rtol=2e-3, atol=1e-6)


@every_optimizer
def test_complex_parameters(row):
    turn = np.exp(0.7j)

    def bowl(x, t):
        return x * (1 + 0.1 * t.astype(x.dtype))

    real, embedded, turned = (
        run(row.tx, jnp.asarray(START[:3] * z, d), 30, bowl) for z, d in ((1, "float32"), (1, "complex64"), (turn, "complex64"))
    )
    assert embedded.dtype == "complex64"
    np.testing.assert_allclose(embedded, real, rtol=1e-4, atol=1e-5)
    # What a method does to a number doesn't depend on its phase; Yogi starts from a real momentum of 1e-6.
    np.testing.assert_allclose(turned, np.asarray(real) * turn, rtol=1e-4, atol=1e-3 if row.name == "yogi" else 1e-5)


@every_optimizer
def test_empty_tree(row):
    state = row.tx.init({})
    updates, after = row.tx.update({}, state, {})
    assert updates == {}
    assert types(after) == types(state)


@every_optimizer
def test_frozen_integers_beside_trained_floats(row):
    params = {"w": jnp.ones(2), "steps": jnp.array(3), "on": jnp.array(True)}
    tx = gradtx.partition({"w": row.tx, "*": gradtx.set_to_zero()})
    grads = jax.grad(lambda p: jnp.sum(p["w"] ** 2), allow_int=True)(params)
    state = tx.init(params)
    updates, after = tx.update(grads, state, params)
    assert types(after) == types(state)
    moved = gradtx.apply_updates(params, updates)
    assert types(moved) == types(params)
    assert moved["steps"] == 3
    assert moved["on"]
    alone, _ = row.tx.update({"w": grads["w"]}, row.tx.init({"w": params["w"]}), {"w": params["w"]})
    np.testing.assert_allclose(moved["w"], params["w"] + alone["w"])


@every_optimizer
def test_carried_by_cond(row):
    params = jnp.ones(3, jnp.bfloat16)
    state = row.tx.init(params)

    @jax.jit
    def maybe(go, state):
        return jax.lax.cond(go, lambda s: row.tx.update(params, s, params), lambda s: (jnp.zeros_like(params), s), state)

    assert int(maybe(True, state)[1].step) == 1
    assert int(maybe(False, state)[1].step) == 0


@every_optimizer
def test_shapes_alone_give_the_state(row):
    shapes = {"w": jax.ShapeDtypeStruct((2, 3), jnp.bfloat16)}
    abstract = jax.eval_shape(row.tx.init, shapes)
    concrete = row.tx.init({"w": jnp.zeros((2, 3), jnp.bfloat16)})
    assert jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), abstract, concrete)
    chex.assert_trees_all_equal_shapes_and_dtypes(abstract, concrete)


@every_optimizer
def test_every_hyperparameter_takes_a_schedule(row):
    x = jnp.asarray(row.start, jnp.float32)
    for name in hyper_leaves(row.tx):
        value = getattr(row.tx, name)
        moving = gradtx.linear_schedule(value, 0.5 * value, 10)
        scheduled = row.tx.replace(**{name: moving})
        plain = run(row.tx, x, 12)
        still = run(row.tx.replace(**{name: gradtx.constant_schedule(value)}), x, 12)
        np.testing.assert_allclose(still, plain, rtol=1e-5, atol=1e-6, err_msg=name)
        lengths = jnp.array([5.0, 20.0])
        swept = jax.vmap(lambda n, s=scheduled, k=name: run(gradtx.adjust(s, transition_steps=n), x, 12))(lengths)
        for i, n in enumerate([5.0, 20.0]):
            alone = run(gradtx.adjust(scheduled, transition_steps=n), x, 12)
            np.testing.assert_allclose(swept[i], alone, rtol=2e-5, atol=2e-6, err_msg=name)
        state = row.tx.init(x)._replace(step=jnp.array(10))
        scheduled_state = scheduled.init(x)._replace(step=jnp.array(10))
        assert types(state) == types(scheduled_state)
        np.testing.assert_allclose(gradtx.hyperparams(scheduled, scheduled_state)[name], 0.5 * value, rtol=1e-6)


@every_optimizer
def test_hyperparameters_in_the_state_change_nothing(row):
    x = jnp.asarray(row.start, jnp.float32)
    tx = gradtx.inject_hyperparams(row.tx)
    np.testing.assert_allclose(run(tx, x, 20), run(row.tx, x, 20), rtol=1e-5, atol=1e-6)
    state = tx.init(x.astype(jnp.bfloat16))
    assert types(tx.update(x.astype(jnp.bfloat16), state, x.astype(jnp.bfloat16))[1]) == types(state)
    assert all(h.dtype == jnp.float32 for h in state.inner.hyperparams.values())
    np.testing.assert_allclose(gradtx.hyperparams(tx, state)["learning_rate"], row.tx.learning_rate, rtol=1e-6)


@every_optimizer
def test_map_params_finds_what_mirrors_the_parameters(row):
    params = {"a": {"w": jnp.ones((2, 3))}, "b": jnp.ones(4)}
    state = row.tx.init(params)
    names = gradtx.map_params(row.tx, lambda leaf, name: name, state, params, {"a": {"w": "a/w"}, "b": "b"})
    for leaf, name in zip(jax.tree.leaves(state), jax.tree.leaves(names), strict=True):
        assert name == {(2, 3): "a/w", (4,): "b"}[leaf.shape] if leaf.ndim else name is leaf


@every_optimizer
def test_refuses_the_state_of_another(row):
    x = jnp.ones(3)
    for other in TABLE:
        foreign = other.tx.init(x)
        if types(foreign) == types(row.tx.init(x)):
            continue
        with pytest.raises((TypeError, ValueError), match=r"another optimizer|the state has nothing"):
            row.tx.update(x, foreign, x)
