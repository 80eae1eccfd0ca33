"""Methods without a learning rate, and those that step by the value of the loss: what the table of optimizers can't ask of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.optimizers import TABLE
from tests.references import ratefree as free
from tests.running import START, gradient, run, types

by_value = pytest.mark.parametrize("row", [r for r in TABLE if "empty_tree" in r.exempt], ids=lambda row: row.name)


def bowl(params):
    return 0.5 * sum((jnp.sum(jnp.real(jnp.conj(x) * x)).astype(jnp.float32) for x in jax.tree.leaves(params)), jnp.zeros(()))


@by_value
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_state_and_updates_keep_their_types_given_the_value(row, dtype):
    params = {"w": jnp.ones((2, 3), dtype), "s": jnp.ones((), dtype), "e": jnp.ones((0, 2), dtype), "n": None}
    state = row.tx.init(params)
    updates, after = jax.jit(row.tx.update)(params, state, params, value=jnp.ones((), dtype))
    assert types(after) == types(state)
    assert types(updates) == types(params)
    assert {x.dtype for x in jax.tree.leaves(state)} <= {jnp.dtype("float32"), jnp.dtype("int32")}
    assert all(np.isfinite(u.astype("float32")).all() for u in jax.tree.leaves(updates))
    assert types(row.tx.update({}, row.tx.init({}), {}, value=1.0)) == types(({}, row.tx.init({})))


@by_value
def test_zero_gradients_are_safe(row):
    params = jnp.ones(3, jnp.float16)
    updates, _ = row.tx.update(jnp.zeros(3, jnp.float16), row.tx.init(params), params, value=2.0)
    assert np.isfinite(updates.astype("float32")).all()

    def end(tx):
        x = jnp.ones(3)
        state = tx.init(x)
        for _ in range(4):
            u, state = tx.update(jnp.zeros(3), state, x, value=jnp.array(2.0))
            x = x + u
        return jnp.sum(x)

    grad = jax.grad(end)(jax.tree.map(jnp.asarray, row.tx))
    assert all(np.isfinite(g) for g in jax.tree.leaves(grad)), grad


@by_value
def test_small_float16_gradients_count_given_the_value(row):
    half, single = (
        row.tx.update(jnp.full(2, 1e-4, d), row.tx.init(jnp.zeros(2, d)), jnp.zeros(2, d), value=jnp.asarray(1e-3, d))[0]
        for d in ("float16", "float32")
    )
    np.testing.assert_allclose(half.astype("float32"), single, rtol=2e-3, atol=1e-6)


@by_value
def test_complex_parameters_given_the_value(row):
    turn = np.exp(0.7j)

    def end(x):
        state = row.tx.init(x)
        for _ in range(20):
            u, state = row.tx.update(x, state, x, value=bowl(x) - 1.0)
            x = x + u
        return x

    real, embedded, turned = (
        end(jnp.asarray(START[:3] * z, d)) for z, d in ((1, "float32"), (1, "complex64"), (turn, "complex64"))
    )
    np.testing.assert_allclose(embedded, real, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(turned, np.asarray(real) * turn, rtol=1e-4, atol=1e-5)


@by_value
def test_hyperparameters_in_the_state_change_nothing_given_the_value(row):
    x = jnp.asarray(START, jnp.float32)
    np.testing.assert_allclose(run(gradtx.inject_hyperparams(row.tx), x, 20), run(row.tx, x, 20), rtol=1e-5, atol=1e-6)


@by_value
def test_beside_frozen_integers_and_in_cond(row):
    params = {"w": jnp.ones(2), "steps": jnp.array(3)}
    tx = gradtx.partition({"w": row.tx, "*": gradtx.set_to_zero()})
    grads = {"w": params["w"], "steps": np.zeros((), jax.dtypes.float0)}
    updates, after = tx.update(grads, tx.init(params), params, value=1.5)
    alone, _ = row.tx.update(params["w"], row.tx.init(params["w"]), params["w"], value=1.5)
    np.testing.assert_allclose(gradtx.apply_updates(params, updates)["w"], 1 + alone)
    assert types(after) == types(tx.init(params))
    state = row.tx.init(params["w"])
    step = jax.jit(lambda go: jax.lax.cond(go, lambda s: row.tx.update(alone, s, alone, value=1.0)[1], lambda s: s, state))
    assert (int(step(True).step), int(step(False).step)) == (1, 0)


@by_value
def test_says_that_the_value_is_missing(row):
    with pytest.raises(ValueError, match="needs the extra argument 'value'"):
        row.tx.update(jnp.ones(2), row.tx.init(jnp.ones(2)), jnp.ones(2))


def test_value_passes_through_wrappers():
    x = jnp.asarray(START, jnp.float32)
    wrapped = gradtx.lookahead(gradtx.chain(gradtx.clip(100.0), gradtx.masked(gradtx.polyak_sgd(0.2), True)), 5, 1.0)
    np.testing.assert_allclose(run(wrapped, x, 30), run(gradtx.polyak_sgd(0.2), x, 30), rtol=1e-5, atol=1e-6)


def test_polyak_halves_a_parabola():
    # 7x²/2 from 3.
    tx, x, seen = gradtx.polyak_sgd(), jnp.array(3.0), []
    state = tx.init(x)
    with jax.enable_x64(True):
        x = x.astype(jnp.float64)
        for _ in range(4):
            u, state = tx.update(7 * x, state, x, value=3.5 * x**2)
            x = x + u
            seen.append(float(x))
    np.testing.assert_allclose(seen, [1.5, 0.75, 0.375, 0.1875], rtol=1e-15)


def test_polyak_is_a_value():
    tx = gradtx.polyak_sgd(0.5, f_min=-1.0)
    assert eval(repr(tx), vars(gradtx)) == tx
    assert gradtx.from_dict(gradtx.to_dict(tx)) == tx
    assert gradtx.adjust(tx, max_learning_rate=0.1) != tx
    negative = gradtx.polyak_sgd(f_min=1.0)
    up, _ = negative.update(jnp.array(1.0), negative.init(jnp.array(0.0)), value=0.5)
    held, _ = gradtx.polyak_sgd(f_min=1.0, variant="sps+").update(jnp.array(1.0), negative.init(jnp.array(0.0)), value=0.5)
    assert (float(up), float(held)) == (0.5, 0.0)


@pytest.mark.parametrize("make", [gradtx.prodigy, gradtx.dadapt_adamw], ids=["prodigy", "dadapt_adamw"])
def test_betas_are_leaves_that_take_schedules(make):
    x = jnp.asarray(START, jnp.float32)
    plain = run(make(0.5, (0.9, 0.99), estim_lr0=0.05), x, 12)
    still = run(make(0.5, (gradtx.constant_schedule(0.9), 0.99), estim_lr0=0.05), x, 12)
    moving = run(make(0.5, (gradtx.linear_schedule(0.9, 0.5, 10), 0.99), estim_lr0=0.05), x, 12)
    np.testing.assert_allclose(still, plain, rtol=1e-5, atol=1e-6)
    assert not np.allclose(moving, plain, rtol=1e-3)
    swept = jax.vmap(lambda b: run(make(0.5, (b, 0.99), estim_lr0=0.05), x, 12))(jnp.array([0.9, 0.5]))
    np.testing.assert_allclose(swept[0], plain, rtol=1e-5, atol=1e-6)
    with jax.enable_x64(True):
        loss = jax.jit(lambda b: jnp.sum(run(make(0.5, (b, 0.99), estim_lr0=0.05), jnp.asarray(START), 12) ** 2))
        difference = (loss(0.9 + 1e-6) - loss(0.9 - 1e-6)) / 2e-6
        np.testing.assert_allclose(jax.grad(loss)(0.9), difference, rtol=1e-4)


def test_dogs_first_distance_is_a_leaf_of_its_piece():
    x = jnp.asarray(START, jnp.float32)

    def end(r):
        return run(gradtx.chain(gradtx.scale_by_dog(("distance", r)), gradtx.scale_by_learning_rate(0.8)), x, 20)

    together = jax.vmap(end)(jnp.array([0.1, 0.01]))
    for i, r in enumerate((0.1, 0.01)):
        np.testing.assert_allclose(together[i], run(gradtx.dog(0.8, ("distance", r)), x, 20), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mechanic_is_the_papers(dtype):
    wanted = free.mechanic_sgd(gradient, START, 200, 0.5, s_init=1e-2)
    with jax.enable_x64(dtype == "float64"):
        got = run(gradtx.mechanize(gradtx.sgd(0.5), s_init=1e-2), jnp.asarray(START, dtype))
    tolerance = 2e-5 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    assert np.max(np.abs(wanted - START)) > 0.5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex64"])
def test_mechanic_keeps_its_types(dtype):
    tx = gradtx.mechanize(gradtx.adamw(1.0))
    params = {"w": jnp.ones((2, 3), dtype), "e": jnp.ones((0, 2), dtype), "n": None}
    state = tx.init(params)
    updates, after = jax.jit(tx.update)(params, state, params)
    assert types(after) == types(state)
    assert types(updates) == types(params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    assert all(np.all(np.asarray(u, "complex64") == 0) for u in jax.tree.leaves(tx.update(zeros, state, zeros)[0]))
    names = gradtx.map_params(tx, lambda leaf, p: leaf.shape == p.shape, state, params, params)
    assert all(x is True or x.ndim < 2 for x in jax.tree.leaves(names))


def test_mechanic_sweeps_and_differentiates():
    with jax.enable_x64(True):
        x = jnp.asarray(START)
        loss = jax.jit(lambda s: jnp.sum(run(gradtx.mechanize(gradtx.sgd(0.5), s_init=s), x, 20) ** 2))
        difference = (loss(1e-2 + 1e-8) - loss(1e-2 - 1e-8)) / 2e-8
        np.testing.assert_allclose(jax.grad(loss)(1e-2), difference, rtol=1e-4)
        np.testing.assert_allclose(jax.vmap(loss)(jnp.array([1e-2, 1e-3])), [loss(1e-2), loss(1e-3)], rtol=1e-10)
    zero = jax.grad(lambda s: jnp.sum(run(gradtx.mechanize(gradtx.adam(0.5), s_init=s), jnp.ones(3), 4, lambda x, t: 0 * x)))(
        1e-2
    )
    assert np.isfinite(zero)


@pytest.mark.parametrize("name", ["dog", "dowg", "cocob", "dadapt_adamw", "prodigy", "momo", "momo_adam", "polyak_sgd"])
def test_states_can_be_donated(name):
    tx = getattr(gradtx, name)()

    def step(params, state):
        updates, state = tx.update(params, state, params, value=bowl(params))
        return gradtx.apply_updates(params, updates), state

    params = {"w": jnp.ones(3), "b": jnp.ones(())}
    params, state = jax.jit(step, donate_argnums=(0, 1))(params, tx.init(params))
    params, _ = jax.jit(step, donate_argnums=(0, 1))(params, state)
    assert np.all(np.isfinite(params["w"]))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", ["dog", "dowg", "cocob", "dadapt_adamw", "prodigy", "mechanic"])
def test_finds_its_rate_at_any_scale_of_the_problem(name, scale):
    """On a bowl, with default settings; but for the epsilon of DoWG, beside which gradients of 1e-3 vanish."""
    made = {
        "dog": gradtx.dog(),
        "dowg": gradtx.dowg(1.0, 1e-6, eps=1e-12),
        "cocob": gradtx.cocob(),
        "dadapt_adamw": gradtx.dadapt_adamw(),
        "prodigy": gradtx.prodigy(),
        "mechanic": gradtx.mechanize(gradtx.sgd(1.0)),
    }[name]
    at = jnp.array([1.0, -2.0, 0.5])

    def slope(x, t):
        return scale * (x - at)

    x = jnp.zeros(3)
    end = jax.jit(lambda x: run(made, x, 3000, slope))(x)
    assert float(jnp.linalg.norm(end - at)) < 0.05 * float(jnp.linalg.norm(at)), end


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: gradtx.polyak_sgd(variant="max"), "variant = 'max'"),
        (lambda: gradtx.dog(init_step=("guess", 1.0)), "init_step = .*'guess'"),
        (lambda: gradtx.prodigy(betas=(0.9, 1.0)), r"betas\[1\] = 1"),
        (lambda: gradtx.dadapt_adamw(estim_lr0=0.0), "estim_lr0 = 0"),
        (lambda: gradtx.mechanize(gradtx.sgd(1.0), num_betas=0), "num_betas = 0"),
    ],
)
def test_says_what_is_wrong(act, words):
    with pytest.raises(ValueError, match=words):
        act()
