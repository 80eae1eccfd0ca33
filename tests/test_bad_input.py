"""Bad input gets a clear error at the earliest point."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.testing.numbers import hyperparameters, put
from tests.optimizers import every_optimizer

ONES = jnp.ones((4, 6))
NAN = float("nan")


def update(tx, params, grads):
    return tx.update(grads, tx.init(params), params)


def without_params(tx, params, grads):
    return tx.update(grads, tx.init(params))


def with_state_of(tx, other, params=ONES):
    return tx.update(ONES, other.init(params), ONES)


def complex_schedule(step):
    return 1j * step.astype(jnp.complex64)


def wide_schedule(step):
    return jnp.ones(3) * step.astype(jnp.float32)


def branching_schedule(step):
    return 0.1 if step < 3 else 0.2


ADAM, SGD, EMA = gradtx.adam(1e-3), gradtx.sgd(1e-3), gradtx.ema(0.9)
STAGES = gradtx.chain(("clip", gradtx.clip(1.0)), ("mu", EMA))
INTEGERS = ONES.astype(jnp.int32)

HYPERPARAMETERS = [
    (lambda: gradtx.adam(-1.0), ValueError, "adam: learning_rate = -1; it must be finite and >= 0"),
    (lambda: gradtx.adam(NAN), ValueError, "adam: learning_rate = nan; it must be finite and >= 0"),
    (lambda: gradtx.sgd(float("inf")), ValueError, "sgd: learning_rate = inf; it must be finite and >= 0"),
    (lambda: gradtx.adam(jnp.array([0.1, -0.2])), ValueError, r"learning_rate = -0.2 at \(1,\)"),
    (lambda: gradtx.adam(np.array([0.1, NAN])), ValueError, r"learning_rate = nan at \(1,\)"),
    (lambda: gradtx.adam(1e-3, b1=1.5), ValueError, r"adam: b1 = 1.5; it must be in \[0, 1\)"),
    (lambda: gradtx.adam(1e-3, b1=-0.1), ValueError, r"adam: b1 = -0.1; it must be in \[0, 1\)"),
    (lambda: gradtx.adam(1e-3, b2=1.0), ValueError, r"adam: b2 = 1; it must be in \[0, 1\)"),
    (lambda: gradtx.adam(1e-3, eps=-1e-8), ValueError, "adam: eps = -1e-08; it must be finite and >= 0"),
    (lambda: gradtx.sgd(0.1, momentum=1.1), ValueError, r"sgd: momentum = 1.1; it must be in \[0, 1\]"),
    (lambda: gradtx.adamw(0.1, weight_decay=-0.1), ValueError, "adamw: weight_decay = -0.1; it must be finite and >= 0"),
    (lambda: gradtx.ema(1.0), ValueError, r"ema: decay = 1; it must be in \[0, 1\)"),
    (lambda: gradtx.clip_by_global_norm(0.0), ValueError, "clip_by_global_norm: max_norm = 0; it must be finite and > 0"),
    (lambda: gradtx.scale(NAN), ValueError, "scale: step_size = nan; it must be finite"),
    (lambda: gradtx.adam("fast"), TypeError, "adam: learning_rate = 'fast' is not a number"),
    (lambda: gradtx.sgd(True), TypeError, "sgd: learning_rate = True is not a number"),
    (lambda: gradtx.sgd(None), TypeError, "sgd: learning_rate = None is not a number"),
    (lambda: gradtx.sgd(1j), TypeError, "sgd: learning_rate = 1j is not a number"),
    (lambda: gradtx.adam(1e-3, mu_dtype="int8"), TypeError, "adam: mu_dtype = int8; a memory is kept in a floating dtype"),
    (lambda: gradtx.adam(1e-3, mu_dtype="fast"), TypeError, "adam: mu_dtype = 'fast' is not a dtype"),
    (lambda: ADAM.replace(b1=2.0), ValueError, "adam: b1 = 2; it must be in"),
    (lambda: ADAM.replace(beta1=0.9), ValueError, "adam has no field 'beta1'; it has .*'b1'"),
    (lambda: gradtx.adjust(gradtx.chain(EMA, ADAM), learning_rate=-1), ValueError, "adam: learning_rate = -1"),
    (lambda: gradtx.adjust(ADAM, rate=1.0), ValueError, "no field is named 'rate' in adam.*'learning_rate'"),
    (lambda: gradtx.adam(), TypeError, "adam: missing a required argument: 'learning_rate'; its arguments are"),
    (lambda: gradtx.adam(1e-3, beta1=0.9), TypeError, "unexpected keyword argument 'beta1'"),
]

SCHEDULES = [
    (lambda: gradtx.sgd(wide_schedule), ValueError, r"the schedule wide_schedule gives an array of shape \(3,\)"),
    (lambda: gradtx.sgd(complex_schedule), TypeError, "learning_rate must be real, but the schedule complex_schedule"),
    (lambda: gradtx.sgd(branching_schedule), TypeError, "branching_schedule can't be called with a traced step"),
    (lambda: gradtx.adam(jnp.ones(3)).init(ONES), ValueError, r"shape \(3,\). .*map over the optimizer with jax.vmap"),
    (lambda: gradtx.adam(gradtx.linear_schedule(jnp.ones(3), 0.0, 5)).init(ONES), ValueError, "map over the optimizer"),
    (lambda: gradtx.ema(gradtx.linear_schedule(0.5, 0.9, jnp.ones(3))).init(ONES), ValueError, "ema: decay must be one number"),
]

GRADIENTS = [
    (lambda: update(ADAM, {"w": ONES}, {"w": jnp.ones((6, 4))}), ValueError, r"^adam.*: at w the updates have f32\[6,4\]"),
    (
        lambda: update(SGD, {"w": ONES}, {"w": jnp.ones((1, 6))}),
        ValueError,
        r"at w .* f32\[1,6\], the parameters .* f32\[4,6\]",
    ),
    (lambda: update(SGD, {"w": ONES}, {"w": jnp.ones(())}), ValueError, "at w the updates have .*, the parameters have"),
    (lambda: update(SGD, {"w": jnp.ones(6)}, {"w": ONES}), ValueError, r"at w .* f32\[4,6\], the parameters have f32\[6\]"),
    (lambda: update(SGD, ONES, ONES[0]), ValueError, "at the root the updates have"),
    (lambda: update(ADAM, {"w": ONES}, {"v": ONES}), ValueError, "at v the updates have .*, the parameters have nothing"),
    (lambda: update(ADAM, {"w": ONES}, {"w": ONES, "v": ONES}), ValueError, "at v the updates have .*nothing"),
    (lambda: update(ADAM, {"a": ONES, "b": ONES}, {"a": ONES}), ValueError, "at b the updates have nothing"),
    (lambda: update(ADAM, {"a": ONES, "b": ONES}, {"a": ONES, "b": None}), ValueError, "at b .* None is a frozen or filtered"),
    (lambda: update(ADAM, (ONES,), [ONES]), ValueError, "the updates have the structure"),
    (lambda: update(ADAM, ONES, ONES.astype(jnp.complex64)), TypeError, "at the root the update is c64|the update is c64"),
    (lambda: update(SGD, {"w": ONES}, {"w": INTEGERS}), TypeError, r"^sgd.*: at w the update is i32\[4,6\], the parameter f32"),
    (
        lambda: without_params(ADAM, {"w": ONES}, {"w": jnp.ones((1, 6))}),
        ValueError,
        r"^ema.*: at w the updates have f32\[1,6\]",
    ),
    (lambda: without_params(ADAM, {"w": ONES}, {"v": ONES}), ValueError, "at v the updates have .*the state has nothing"),
    (lambda: without_params(ADAM, {"w": ONES}, {"w": None}), ValueError, "at w the updates have nothing"),
    (lambda: without_params(ADAM, {"w": ONES}, {"w": INTEGERS}), TypeError, r"^adam.*: at w .* i32\[4,6\], which has no"),
    (lambda: without_params(gradtx.adamw(0.1), ONES, ONES), ValueError, "add_decayed_weights needs the parameters"),
    (lambda: without_params(gradtx.lion(0.1), ONES, ONES), ValueError, "add_decayed_weights needs the parameters"),
    (
        lambda: gradtx.apply_updates({"w": ONES}, {"w": ONES[0]}),
        ValueError,
        r"^apply_updates: at w .* the updates have f32\[6\]",
    ),
    (lambda: gradtx.apply_updates({"w": ONES}, {"v": ONES}), ValueError, "at w .* the updates have nothing"),
]

PARAMETERS = [
    (lambda: ADAM.init({"a": {"n": jnp.ones(2, jnp.int32)}}), TypeError, r"parameter at a/n is i32\[2\].*masked or partition"),
    (lambda: SGD.init({"n": jnp.ones(2, bool)}), TypeError, r"at n is bool\[2\], which has no gradient"),
    (lambda: EMA.init(3), TypeError, r"^ema\(decay=0.9\): the parameter at the root is i32"),
]

STATES = [
    (lambda: with_state_of(ADAM, gradtx.yogi(1e-3)), TypeError, "that of another optimizer. They differ at .*nu/ema"),
    (lambda: with_state_of(ADAM, gradtx.sgd(1e-3, 0.9)), (TypeError, ValueError), "another optimizer"),
    (lambda: with_state_of(ADAM, SGD), (TypeError, ValueError), "another optimizer"),
    (lambda: with_state_of(STAGES, EMA), (TypeError, ValueError), "chain has 2 stages, but its state|another optimizer"),
    (lambda: with_state_of(ADAM, ADAM, jnp.ones((6, 4))), ValueError, r"^ema.*: at the root .*the state has f32\[6,4\]"),
    (lambda: with_state_of(ADAM, ADAM, {"w": ONES}), (TypeError, ValueError), "ema.*the state has|another optimizer"),
    (lambda: EMA.update(ONES, (), ONES), TypeError, "the state is a tuple; it must come from this transformation's init"),
    (lambda: ADAM.update(ONES, None, ONES), TypeError, "the state is a NoneType"),
    (lambda: gradtx.state_get(ADAM.init(ONES), "v"), KeyError, "nothing is named 'v'"),
    (lambda: gradtx.state_get(ADAM.init(ONES), "product"), KeyError, "'product' stands for several"),
]

# Pieces name themselves and the place, in whatever they stand.
PIECES = [
    (
        lambda: without_params(EMA, {"w": ONES}, {"w": ONES.T}),
        ValueError,
        r"^ema\(decay=0.9\): at w .*f32\[6,4\], .*f32\[4,6\]",
    ),
    (lambda: without_params(STAGES, {"w": ONES}, {"w": ONES.T}), ValueError, r"^ema\(decay=0.9\): at w the updates"),
    (lambda: without_params(gradtx.lagged(EMA), [ONES], [ONES.T]), ValueError, r"^ema\(decay=0.9\): at 0 the updates"),
    (lambda: update(gradtx.surprise(), ONES, ONES), ValueError, "put it into the denominator of a ratio"),
]

WIRING = [
    (lambda: gradtx.chain(gradtx.square, gradtx.sqrt()), TypeError, r"call it: square\(...\)"),
    (lambda: gradtx.chain(gradtx.adam), TypeError, r"call it: adam\(...\)"),
    (lambda: gradtx.chain(wide_schedule), TypeError, "is no transformation. A function becomes one by stateless"),
    (lambda: gradtx.chain(("a", EMA), ("a", EMA)), ValueError, "the names .* are not all different"),
    (lambda: gradtx.named(3, EMA), TypeError, "name = 3 must be a string"),
    (lambda: gradtx.ratio(EMA, 2.0), TypeError, "ratio: 2.0 is no transformation"),
    (lambda: gradtx.lagged(gradtx.sign()), TypeError, r"lagged: of = sign\(\) is no accumulator"),
    (lambda: gradtx.feedback(gradtx.square(), gradtx.sign(), gradtx.sqrt()), TypeError, "memory = sign.* is no accumulator"),
    (lambda: gradtx.bias_correction(0.9, ahead=-1), ValueError, "ahead = -1"),
    (lambda: gradtx.inject_hyperparams(gradtx.adam), TypeError, "is not a transformation; give one made, such as adam"),
    (lambda: gradtx.inject_hyperparams(lambda lr: gradtx.adam(lr)), TypeError, "is not a transformation; give one made"),
    (lambda: gradtx.masked(SGD, {"x": True}).init({"w": ONES}), ValueError, "are no prefix of the parameters"),
    (lambda: gradtx.masked(SGD, {"w": 1.0}).init({"w": ONES}), TypeError, "a mask holds True and False, got 1.0"),
    (lambda: gradtx.partition({}), ValueError, "transforms is empty"),
    (lambda: gradtx.partition({"a": SGD}).init({"b": ONES}), ValueError, r"no pattern of \['a'\] matches the parameter at 'b'"),
    (lambda: gradtx.partition({"a": SGD}, {"w": "b"}).init({"w": ONES}), ValueError, "'w' has the label 'b'"),
    (lambda: jax.jit(lambda lr: hash(gradtx.sgd(lr)))(0.1), TypeError, "holds traced values has no value to compare or hash"),
]


@pytest.mark.parametrize(
    ("act", "error", "words"), [*HYPERPARAMETERS, *SCHEDULES, *GRADIENTS, *PARAMETERS, *STATES, *PIECES, *WIRING]
)
def test_says_what_is_wrong(act, error, words):
    with pytest.raises(error, match=words):
        act()


@every_optimizer
def test_no_optimizer_takes_nan_or_a_negative_rate(row):
    for place in hyperparameters(row.tx):
        with pytest.raises(ValueError, match="= nan"):
            put(row.tx, place, NAN)
    if "learning_rate" in getattr(row.tx, "_kinds", {}):
        with pytest.raises(ValueError, match="learning_rate = -1; it must be finite and >= 0"):
            gradtx.adjust(row.tx, learning_rate=-1.0)


@every_optimizer
def test_no_optimizer_takes_gradients_that_broadcast(row):
    params = {"w": ONES}
    for shape in ((1, 6), (6,), (), (4, 1)):
        with pytest.raises(ValueError, match="at w the updates have"):
            update(row.tx, params, {"w": jnp.ones(shape)})
    with pytest.raises(TypeError, match="at n is i32"):
        row.tx.init({"n": jnp.ones(2, jnp.int32)})


@pytest.mark.lenient  # where JAX would not stop whole numbers from becoming fractions by itself
@pytest.mark.parametrize("tx", [SGD, gradtx.sgd(1e-3, 0.9), gradtx.scale(0.5), ADAM], ids=repr)
def test_whole_gradients_do_not_round_to_nothing(tx):
    with jax.numpy_dtype_promotion("standard"), pytest.raises(TypeError, match=r"at w .* i32\[4,6\], which has no gradient"):
        without_params(tx, {"w": ONES}, {"w": INTEGERS})


def test_what_optax_made_is_told_from_a_named_stage():
    optax = pytest.importorskip("optax")
    with pytest.raises(TypeError, match="Wrap Optax's with gradtx"):
        gradtx.chain(optax.adam(1e-3), gradtx.sgd(0.1))


@every_optimizer
def test_masked_leaves_whole_numbers_beside_the_trained(row):
    params = {"w": jnp.ones(2), "steps": jnp.array(3), "on": jnp.array(True)}
    grads = jax.grad(lambda p: jnp.sum(p["w"] ** 2), allow_int=True)(params)
    tx, extra = gradtx.masked(row.tx, "w"), {"value": jnp.array(0.5), "value_fn": lambda p: jnp.sum(p["w"] ** 2)}
    updates, _ = tx.update(grads, tx.init(params), params, **extra)
    moved = gradtx.apply_updates(params, updates)
    assert jax.tree.map(lambda x: x.dtype, moved) == jax.tree.map(lambda x: x.dtype, params)
    assert (moved["steps"], moved["on"]) == (3, True)
    alone, _ = row.tx.update({"w": grads["w"]}, row.tx.init({"w": params["w"]}), {"w": params["w"]}, **extra)
    np.testing.assert_array_equal(updates["w"], alone["w"])


def test_traced_values_are_not_validated():
    assert jax.jit(lambda lr: gradtx.sgd(lr).learning_rate)(-1.0) == -1.0
    assert repr(jax.tree.map(lambda _: None, gradtx.adam(1e-3))).startswith("adam(")
