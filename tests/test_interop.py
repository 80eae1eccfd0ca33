"""Optax both ways: transformations, and runs that change sides in the middle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.optimizers import TABLE
from tests.running import START, gradient, types, value

optax = pytest.importorskip("optax")
from gradtx.interop import as_optax, from_optax, state_from_optax, state_to_optax  # noqa: E402

pytestmark = pytest.mark.lenient
PARAMS = {"a": {"w": jnp.asarray(START[:4].reshape(2, 2), jnp.float32)}, "b": jnp.asarray(START[4:], jnp.float32)}
# What is kept differs: these runs can't change sides.
APART = {
    "multi_steps_of_one": "here no gradients are accumulated where one call makes a step",
    "prodigy": "its sums are kept without the factor that Optax puts into them",
    "sm3": "Optax also keeps what can be had from the memories of the axes",
    "sm3_vector": "as sm3",
    "galore_vector": "Optax keeps a projector for vectors too",
}
SHARED = [
    pytest.param(r, id=r.name, marks=[pytest.mark.skip(reason=APART[r.name])] if r.name in APART else [])
    for r in TABLE
    if r.optax
]
# What rounding makes of a step whose size is estimated from sums over the run.
LOOSE = {"dadapt_adamw": 5e-5}


def force(params, t):
    return jax.tree.map(lambda p: p + 0.3 * jnp.cos(t + p), params)


def loss(params):
    return sum(jnp.sum(p**2) / 2 for p in jax.tree.leaves(params))


def steps(tx, params, state, ts):
    """Also for Optax's optimizers, whose signs the table knows."""
    if isinstance(tx, optax.GradientTransformation):
        tx = optax.with_extra_args_support(tx)
    for t in ts:
        updates, state = tx.update(force(params, t), state, params, value=loss(params), value_fn=loss)
        params = jax.tree.map(jnp.add, params, updates)
    return params, state


def near(got, wanted, tolerance=2e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), got, wanted)


def theirs(row):
    tx = eval(f"optax.{row.optax}", {"optax": optax})
    return optax.chain(tx, optax.scale(row.optax_sign)) if row.optax_sign != 1.0 else tx


@pytest.mark.parametrize("row", SHARED)
def test_a_run_started_with_optax_goes_on(row):
    other = theirs(row)
    half, state = steps(other, PARAMS, other.init(PARAMS), range(7))
    wanted, _ = steps(other, half, state, range(7, 14))
    moved = state_from_optax(row.tx, state, PARAMS, step=7)
    assert types(moved) == types(row.tx.init(PARAMS))
    got, _ = steps(row.tx, half, moved, range(7, 14))
    near(got, wanted, LOOSE.get(row.name, 2e-6))


@pytest.mark.parametrize("row", SHARED)
def test_a_run_started_here_goes_on_in_optax(row):
    other = theirs(row)
    half, state = steps(row.tx, PARAMS, row.tx.init(PARAMS), range(7))
    wanted, _ = steps(row.tx, half, state, range(7, 14))
    like = other.init(PARAMS)
    moved = state_to_optax(row.tx, state, like, PARAMS)
    assert jax.tree.structure(moved) == jax.tree.structure(like)
    got, _ = steps(other, half, moved, range(7, 14))
    near(got, wanted, LOOSE.get(row.name, 2e-6))
    back = state_from_optax(row.tx, moved, PARAMS, step=7)
    near(back, state, 1e-6)


def test_scheduled_decays_and_rates_are_counted():
    rate = optax.cosine_decay_schedule(0.1, 20)
    other = optax.adamw(rate)
    tx = gradtx.adamw(gradtx.cosine_decay_schedule(0.1, 20))
    half, state = steps(other, PARAMS, other.init(PARAMS), range(6))
    moved = state_from_optax(tx, state, PARAMS)
    assert moved.step == 6
    got, _ = steps(tx, half, moved, range(6, 12))
    wanted, _ = steps(other, half, state, range(6, 12))
    near(got, wanted)
    # A decay on a schedule, which Optax corrects wrongly: the product that six steps of ours leave.
    moving = gradtx.adam(0.1, b1=gradtx.linear_schedule(0.5, 0.9, 10))
    product = state_from_optax(moving, state, PARAMS).inner[0].numerator[1].product
    np.testing.assert_allclose(product, np.prod(0.5 + 0.04 * np.arange(6)), rtol=1e-6)


def test_groups_masks_and_repeated_names():
    ours = gradtx.chain(
        gradtx.scale_by_momentum(0.9),
        gradtx.partition({"w": gradtx.adam(0.1), "b": gradtx.sgd(0.1, momentum=0.5)}, {"a": {"w": "w"}, "b": "b"}),
        gradtx.masked(gradtx.scale_by_momentum(0.3), {"a": {"w": True}, "b": False}),
    )
    other = optax.chain(
        optax.trace(0.9),
        optax.partition({"w": optax.adam(0.1), "b": optax.sgd(0.1, momentum=0.5)}, {"a": {"w": "w"}, "b": "b"}),
        optax.masked(optax.trace(0.3), {"a": {"w": True}, "b": False}),
    )
    half, state = steps(other, PARAMS, other.init(PARAMS), range(5))
    moved = state_from_optax(ours, state, PARAMS)
    got, _ = steps(ours, half, moved, range(5, 9))
    wanted, _ = steps(other, half, state, range(5, 9))
    near(got, wanted)
    back = state_to_optax(ours, moved, other.init(PARAMS), PARAMS)
    near(back, state, 1e-6)


def test_memories_without_a_counterpart_are_refused():
    adam, momentum = optax.adam(0.1).init(PARAMS), optax.sgd(0.1, 0.9).init(PARAMS)
    with pytest.raises(ValueError, match=r"the Optax state has nothing of these names; it has \['trace'\]"):
        state_from_optax(gradtx.adam(0.1), momentum, PARAMS)
    with pytest.raises(ValueError, match=r"the Optax state holds \['mu', 'nu'\], which sgd"):
        state_from_optax(gradtx.sgd(0.1), adam, PARAMS)
    with pytest.raises(ValueError, match="has a schedule: give step="):
        state_from_optax(gradtx.sgd(gradtx.linear_schedule(1.0, 0.0, 10), 0.9), momentum, PARAMS)
    with pytest.raises(ValueError, match=r"the Optax state has 0/mu/a/w, which sgd"):
        state_to_optax(gradtx.sgd(0.1), gradtx.sgd(0.1).init(PARAMS), adam, PARAMS)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_optax_inside(dtype):
    params = jax.tree.map(lambda p: p.astype(dtype), PARAMS)
    ours = gradtx.chain(from_optax(optax.clip_by_global_norm(1.0)), from_optax(optax.scale_by_adam()), gradtx.sgd(0.1))
    plain = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adam(0.1))
    states = [tx.init(params) for tx in (ours, plain)]
    moved = [params, params]
    for t in range(4):
        for i, tx in enumerate((ours, plain)):
            updates, after = jax.jit(tx.update)(force(moved[i], t), states[i], moved[i])
            assert types(after) == types(states[i])
            states[i], moved[i] = after, gradtx.apply_updates(moved[i], updates)
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(*(x.astype("f4") for x in (a, b)), rtol=tolerance, atol=tolerance), *moved
    )
    assert repr(ours).startswith("chain(from_optax(clip_by_global_norm), from_optax(scale_by_adam)")
    assert {x.dtype for x in jax.tree.leaves(states[0])} <= {jnp.dtype("float32"), jnp.dtype("int32")}


def test_optax_inside_what_is_around_it():
    tx = gradtx.partition({"a/*": from_optax(optax.adam(0.1)), "*": gradtx.set_to_zero()})
    state = tx.init(PARAMS)
    updates, after = tx.update(PARAMS, state, PARAMS)
    assert types(after) == types(state)
    np.testing.assert_allclose(updates["a"]["w"], -0.1 * np.sign(PARAMS["a"]["w"]), rtol=1e-5)
    seen = gradtx.map_params(tx, lambda leaf, name: name, state, PARAMS, {"a": {"w": "a/w"}, "b": "b"})
    assert set(filter(lambda x: isinstance(x, str), jax.tree.leaves(seen))) == {"a/w"}
    with pytest.raises(TypeError, match="it has no init and update"):
        from_optax(3)


def test_extra_arguments_get_through_both_ways():
    x = jnp.asarray(START, jnp.float32)
    polyak = gradtx.chain(gradtx.identity(), from_optax(optax.polyak_sgd(max_learning_rate=1.0)))
    wanted, _ = optax.polyak_sgd(1.0).update(gradient(x, 0), optax.polyak_sgd(1.0).init(x), x, value=value(x, 0))
    got, _ = polyak.update(gradient(x, 0), polyak.init(x), x, value=value(x, 0))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)

    def halved(updates, state, params, value, **extra):
        return jax.tree.map(lambda u: u * value, updates), state

    ours = gradtx.from_functions(lambda params: (), halved)
    chained = optax.chain(optax.identity(), as_optax(ours))
    np.testing.assert_allclose(chained.update(x, chained.init(x), x, value=jnp.float32(0.5))[0], 0.5 * x)
    with pytest.raises(TypeError, match="is no transformation of gradtx"):
        as_optax(optax.adam(0.1))
