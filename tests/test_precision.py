"""Parameters of 16 bits that lose nothing, and memories in the dtype asked for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.combinators.rounding import landed as lands_at
from gradtx.combinators.rounding import low_half, step_to, ties_up, whole
from gradtx.testing import check_transformation
from tests.running import types


def steps(tx, params, grad, n):
    """The parameters after `n` steps with one gradient, or with a function of the parameters."""

    def step(carry, t):
        params, state = carry
        updates, state = tx.update(grad(params, t) if callable(grad) else grad, state, params)
        return (gradtx.apply_updates(params, updates), state), None

    return jax.jit(lambda p: jax.lax.scan(step, (p, tx.init(p)), jnp.arange(n))[0])(params)


ONE, DOWN = jnp.ones((), jnp.bfloat16), jnp.full((), -1e-3)


def test_a_thousand_thousandths():
    # 1.0 + 1000 * 1e-3 (Zamirai et al. 2020): naively nothing ever moves, for the spacing at 1 is 0.0078.
    ends = {
        tx: float(steps(tx, ONE, DOWN, 1000)[0])
        for tx in (gradtx.sgd(1.0), gradtx.kahan(gradtx.sgd(1.0)), gradtx.master_weights(gradtx.sgd(1.0)))
    }
    assert list(ends.values()) == [1.0, 2.0, 2.0]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("wrap", [gradtx.kahan, gradtx.master_weights, functools.partial(gradtx.master_weights, split=True)])
def test_follows_float32(dtype, wrap):
    # Adam at a learning rate of 1e-4 moves a bfloat16 parameter of 1 by nothing; here it moves as a float32 one.
    start = jnp.array([1.0, -2.0, 0.25, 3.0, 1e-3])

    def grad(p, t):
        return p.astype(jnp.float32) * (1 + 0.5 * jnp.cos(t.astype(jnp.float32)))

    wanted = steps(gradtx.adam(1e-4), start, grad, 800)[0]
    got, _ = steps(wrap(gradtx.adam(1e-4)), start.astype(dtype), grad, 800)
    assert got.dtype == dtype
    spacing = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(got.astype("float32"), wanted, rtol=spacing, atol=2e-5)
    naive = steps(gradtx.adam(1e-4), start.astype(dtype), grad, 800)[0].astype("float32")
    assert np.max(np.abs(naive - wanted)) > 10 * np.max(np.abs(got.astype("float32") - wanted))


def test_master_copy_is_the_float32_run():
    start, grad = jnp.array([1.0, -2.0, 0.5], jnp.bfloat16), jnp.array([0.3, -0.1, 1.0])
    tx = gradtx.master_weights(gradtx.adamw(1e-3, weight_decay=0.1))
    params, state = steps(tx, start, grad, 300)
    wanted = steps(gradtx.adamw(1e-3, weight_decay=0.1), start.astype("float32"), grad, 300)[0]
    np.testing.assert_array_equal(gradtx.state_get(state, "master"), wanted)
    np.testing.assert_array_equal(params, wanted.astype("bfloat16"))
    np.testing.assert_array_equal(gradtx.evaluation_params(tx, state, params), params)


def test_split_in_two_halves_is_the_float32_run_bit_for_bit():
    start = jnp.array([1.0, -2.0, 0.5, 3.0], jnp.bfloat16)
    split, copied = (gradtx.master_weights(gradtx.adamw(1e-3, weight_decay=0.1), split=s) for s in (True, False))

    def grad(p, t):
        return jnp.array([0.3, -0.1, 1.0, 0.0]) * jnp.cos(t.astype(jnp.float32))

    (params, state), (others, full) = (steps(tx, start, grad, 300) for tx in (split, copied))
    np.testing.assert_array_equal(params, others)
    assert state.inner.master.dtype == "int16"
    np.testing.assert_array_equal(whole(params, state.inner.master), full.inner.master)
    # A jump past zero drops the rest, and goes on from where the parameter is.
    update, state = split.update(jnp.full(4, 1e7), state, params)
    assert np.all(np.isfinite(update.astype("float32")))


def test_halves_make_the_whole():
    rng = np.random.default_rng(1)
    w = jnp.asarray(rng.standard_normal(50_000) * 10.0 ** rng.uniform(-20, 20, 50_000), "float32")
    ties = jax.lax.bitcast_convert_type((jax.lax.bitcast_convert_type(w, jnp.int32) & -65536) + 0x8000, jnp.float32)
    for x in (w, ties, jnp.array([0.0, -0.0, 3.4e38, jnp.inf])):
        upper = jax.jit(ties_up)(x).astype("bfloat16")
        if np.all(np.isfinite(upper.astype("float32"))):
            np.testing.assert_array_equal(jax.jit(whole)(upper, low_half(x, upper.astype("float32"))), x)
    assert np.isnan(whole(jnp.bfloat16(jnp.nan), low_half(jnp.float32(jnp.nan), jnp.float32(jnp.nan))))


def test_wide_parameters_need_no_copy():
    params = {"half": jnp.ones(2, jnp.bfloat16), "single": jnp.ones(2), "none": None}
    state = gradtx.master_weights(gradtx.sgd(0.1)).init(params)
    assert state.inner.master["single"] is None
    assert state.inner.master["half"].dtype == "float32"
    assert gradtx.master_weights(gradtx.nesterov(0.1)).init(params).inner.inner_state is not None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_lands_exactly_within_a_factor_of_two(dtype):
    rng = np.random.default_rng(0)
    p = jnp.asarray(rng.standard_normal(20_000) * 10.0 ** rng.uniform(-3, 3, 20_000), dtype)
    inside = p.astype("float32") * rng.uniform(0.5, 2.0, p.shape).astype("float32")
    zero = jnp.zeros_like(p)
    for before, target in ((p, inside), (zero, inside)):
        landed = jax.jit(lambda p, t: gradtx.apply_updates(p, step_to(p, t).astype(dtype)))(before, target)
        np.testing.assert_array_equal(landed, target.astype(dtype))
    # Elsewhere it lands within a spacing and a half of the larger number, and where it is said to.
    jump = jnp.asarray(rng.standard_normal(20_000), "float32")
    step = jax.jit(step_to)(p, jump)
    landed = gradtx.apply_updates(p, step.astype(dtype))
    np.testing.assert_array_equal(landed.astype("float32"), jax.jit(lands_at)(p, step))
    apart, size = np.abs(landed.astype("float32") - jump), np.abs(p.astype("float32")) + np.abs(jump)
    assert np.all(apart <= 1.5 * float(jnp.finfo(dtype).eps) * size + 1e-7)


def test_a_jump_is_mended_by_the_next_step():
    for tx in (gradtx.master_weights(gradtx.sgd(1.0)), gradtx.kahan(gradtx.sgd(1.0))):
        params, state = ONE, tx.init(ONE)
        for grad in (0.999, 0.0, 0.0):
            update, state = tx.update(jnp.float32(grad), state, params)
            params = gradtx.apply_updates(params, update)
        np.testing.assert_allclose(float(params), 1e-3, rtol=4e-3)


def test_kahan_sums_float32_too():
    tx = gradtx.kahan(gradtx.sgd(1.0))
    end = steps(tx, jnp.ones(()), jnp.float32(-1e-8), 100_000)[0]
    np.testing.assert_allclose(float(end), 1.001, rtol=1e-7)
    assert float(steps(gradtx.sgd(1.0), jnp.ones(()), jnp.float32(-1e-8), 1000)[0]) == 1.0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("target", [1.001, 0.9985, -3.3333, 1e-5, 250.37])
def test_stochastic_rounding_is_unbiased(dtype, target):
    n = 200_000
    params = jnp.zeros(n, dtype)
    tx = gradtx.stochastic_rounding(gradtx.sgd(1.0), key=5)
    grads = jnp.full(n, -target)
    landed = np.asarray(
        gradtx.apply_updates(params, tx.update(grads, tx.init(params), params)[0]).astype("float32"), np.float64
    )
    low, high = np.min(landed), np.max(landed)
    assert set(np.unique(landed)) == {low, high}
    assert low < target < high
    share = (np.float32(target) - low) / (high - low)
    assert abs(landed.mean() - np.float32(target)) < 5 * (high - low) * np.sqrt(share * (1 - share) / n)


def test_stochastic_rounding_reaches_two():
    # The published mean is 1.9992 and the standard deviation 0.085.
    tx, n = gradtx.stochastic_rounding(gradtx.sgd(1.0), key=2), 4000
    end = np.asarray(steps(tx, jnp.ones(n, jnp.bfloat16), jnp.full(n, -1e-3), 1000)[0].astype("float32"))
    assert abs(end.mean() - 2) < 5 * 0.085 / np.sqrt(n)
    assert abs(end.std() - 0.085) < 0.01


def test_stochastic_rounding_draws_anew_for_leaf_step_and_key():
    params = {"a": jnp.ones(1000, jnp.bfloat16), "b": jnp.ones(1000, jnp.bfloat16)}
    grads = jax.tree.map(lambda p: jnp.full(p.shape, 3e-3), params)

    def draw(key, state=None):
        tx = gradtx.stochastic_rounding(gradtx.sgd(1.0), key=key)
        updates, state = tx.update(grads, tx.init(params) if state is None else state, params)
        return updates, state

    (first, state), (again, _), (other, _) = draw(0), draw(0), draw(1)
    second, _ = draw(0, state)
    np.testing.assert_array_equal(first["a"], again["a"])
    for a, b in ((first["a"], first["b"]), (first["a"], second["a"]), (first["a"], other["a"])):
        assert np.mean(np.asarray(a) != np.asarray(b)) > 0.2


def test_stochastic_rounding_keeps_what_is_representable_or_not_finite():
    params = jnp.array([1.0, 2.0, 0.0, 3.0], jnp.bfloat16)
    tx = gradtx.stochastic_rounding(gradtx.sgd(1.0))
    updates, _ = tx.update(jnp.array([-1.0, 0.0, 0.0, jnp.nan]), tx.init(params), params)
    np.testing.assert_array_equal(gradtx.apply_updates(params, updates).astype("float32"), [2.0, 2.0, 0.0, jnp.nan])


@pytest.mark.parametrize("wrap", [gradtx.kahan, gradtx.master_weights, gradtx.stochastic_rounding])
def test_hypergradients_pass_through_sixteen_bits(wrap):
    def end(rate):
        return jnp.sum(steps(wrap(gradtx.sgd(rate)), jnp.ones(3, jnp.bfloat16), jnp.full(3, 0.5), 4)[0].astype("float32"))

    np.testing.assert_allclose(jax.grad(end)(0.01), -4 * 0.5 * 3, rtol=1e-2)


@pytest.mark.parametrize("wrap", [gradtx.kahan, gradtx.master_weights, gradtx.stochastic_rounding])
def test_needs_the_parameters(wrap):
    tx = wrap(gradtx.sgd(0.1))
    with pytest.raises(ValueError, match=f"{wrap.__name__} needs the parameters"):
        tx.update(ONE, tx.init(ONE))
    with pytest.raises(TypeError, match="is no transformation"):
        wrap(0.1)


def test_state_dtype_by_name():
    params = {"mu": jnp.ones((2, 3)), "b": jnp.ones(2)}
    tx = gradtx.state_dtype(gradtx.adamw(1e-3), {"mu": "bfloat16"})
    state = tx.init(params)
    assert {x.dtype.name for x in jax.tree.leaves(gradtx.state_get(state, "numerator/0/mu"))} == {"bfloat16"}
    assert {x.dtype.name for x in jax.tree.leaves(gradtx.state_get(state, "nu"))} == {
        "float32"
    }  # although a parameter is called mu
    assert types(tx.update(params, state, params)[1]) == types(state)


def test_state_dtype_is_the_argument_that_adam_has():
    x = jnp.linspace(-1, 1, 7)
    by_name, by_argument = gradtx.state_dtype(gradtx.adam(1e-2), {"mu": "bfloat16"}), gradtx.adam(1e-2, mu_dtype="bfloat16")
    grad = lambda p, t: p + jnp.cos(t.astype(jnp.float32))
    np.testing.assert_allclose(steps(by_name, x, grad, 50)[0], steps(by_argument, x, grad, 50)[0], rtol=1e-6)
    halved = steps(gradtx.state_dtype(gradtx.adam(1e-2), {"mu": "float16", "nu": "float16"}), x, grad, 50)[0]
    np.testing.assert_allclose(halved, steps(gradtx.adam(1e-2), x, grad, 50)[0], atol=1e-2)


def test_state_dtype_in_groups_and_gates():
    params = {"a": jnp.ones(3), "b": jnp.ones(3)}
    groups = gradtx.partition({"a": gradtx.adam(0.1), "*": gradtx.sgd(0.1, momentum=0.9)})
    state = gradtx.state_dtype(groups, {"mu": "bfloat16", "trace": "float16"}).init(params)
    assert gradtx.state_get(state, "mu")["a"].dtype == "bfloat16"
    assert gradtx.state_get(state, "trace")["b"].dtype == "float16"
    gate = gradtx.inject_hyperparams(gradtx.state_dtype(gradtx.adam(0.1), {"mu": "bfloat16"}))
    assert gradtx.state_get(gate.init(params), "mu")["b"].dtype == "bfloat16"


def test_state_dtype_refuses():
    with pytest.raises(KeyError, match=r"nothing is named 'momentum' .* there are \['0/numerator/0/mu/ema'"):
        gradtx.state_dtype(gradtx.adam(0.1), {"momentum": "bfloat16"}).init(ONE)
    with pytest.raises(TypeError, match="int8; a memory is kept in a floating dtype"):
        gradtx.state_dtype(gradtx.adam(0.1), {"mu": "int8"})


@pytest.mark.parametrize(
    ("tx", "exempt"),
    [
        (
            gradtx.state_dtype(gradtx.adam(0.05), {"mu": "bfloat16"}),
            {
                "state_is_kept_in_float32_or_wider": "that is what it is for",
                "hypergradients_agree_with_finite_differences": "rounded, the end is a step function of the numbers",
                "complex_parameters": "complex memories stay as they are",
            },
        ),
        (gradtx.master_weights(gradtx.nesterov(0.01), split=True), {}),
    ],
    ids=["state_dtype", "split"],
)
def test_has_the_properties(tx, exempt):
    check_transformation(tx, exempt=exempt)
