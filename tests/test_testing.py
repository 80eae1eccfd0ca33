"""The conformance kit catches what is broken, each fault by the property meant for it, and passes what is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.testing import PROPERTIES, Subject, check_transformation
from gradtx.typing import Hyper, NonNegative


class Broken(gradtx.Transform):
    """Its subclasses do one thing wrong."""

    rate: NonNegative = 0.1

    def memory(self, params):
        return super().start(params)

    def start(self, params):
        return self.memory(params)

    def each(self, u):
        return -self.rate * u

    def apply(self, updates, state, params=None, **extra):
        return jax.tree.map(self.each, updates), state if state != () else ()


class drifting(Broken):
    def start(self, params):
        return jnp.zeros((), jnp.int32)

    def apply(self, updates, state, params=None, **extra):
        return updates, state.astype(jnp.float32)


class weak(Broken):
    def start(self, params):
        return jnp.asarray(0.0)

    def apply(self, updates, state, params=None, **extra):
        return updates, jnp.zeros(())


class narrow_memory(Broken):
    def start(self, params):
        return jax.tree.map(jnp.zeros_like, params)

    def apply(self, updates, state, params=None, **extra):
        return updates, state


class nan_at_zero(Broken):
    def each(self, u):
        return u / jnp.abs(u)


class nan_derivative(Broken):
    def each(self, u):
        return -jnp.sqrt(self.rate * jnp.abs(u)) * u


class squares_in_half(Broken):
    def apply(self, updates, state, params=None, **extra):
        size = jax.tree.map(lambda u, p: (u.astype(p.dtype) ** 2).astype(u.dtype), updates, params)
        return jax.tree.map(lambda u, s: -self.rate * u / jnp.sqrt(s + 1e-12), updates, size), ()


class counts_in_python(Broken):
    def apply(self, updates, state, params=None, **extra):
        CALLS.append(1)
        return jax.tree.map(lambda u: u / len(CALLS), updates), ()


CALLS = []


class without_tree_maps(Broken):
    def start(self, params):
        return [jnp.zeros(p.shape) for p in jax.tree.leaves(params)]

    def apply(self, updates, state, params=None, **extra):
        return updates, state


class shares_a_zero(Broken):
    def start(self, params):
        zero = jnp.zeros(())
        return zero, zero


class copies_values(Broken):
    def start(self, params):
        return jax.tree.map(lambda p: jnp.asarray(np.asarray(p).astype("float32")), params)

    def apply(self, updates, state, params=None, **extra):
        return updates, state


class drops_extra(Broken):
    inner: gradtx.Transform = gradtx.sgd(0.1)

    def start(self, params):
        return self.inner.start(params)

    def apply(self, updates, state, params=None, **extra):
        return self.inner.apply(updates, state, params)


class hides_children(drops_extra):
    def apply(self, updates, state, params=None, **extra):
        return self.inner.apply(updates, state, params, **extra)


class refuses_extra(Broken):
    def apply(self, updates, state, params=None, *, value=None, value_fn=None):
        return updates, ()


class complex_square(Broken):
    def each(self, u):
        return -self.rate * u / jnp.sqrt(u * u + 1)


class static_rate(Broken):
    fixed: object = 0.5


class branches(Broken):
    def each(self, u):
        return -self.rate * u if self.rate > 0.05 else u


class wants_floats(Broken):
    def each(self, u):
        return -float(self.rate) * u


class stops_derivative(Broken):
    def each(self, u):
        return -jax.lax.stop_gradient(self.rate) * u


class differs_for_arrays(Broken):
    def each(self, u):
        return -self.rate * u * (1 if isinstance(self.rate, float) or self.rate.weak_type else 2)


class joins(Broken):
    def apply(self, updates, state, params=None, **extra):
        norm = jnp.linalg.norm(jnp.concatenate([u.reshape(-1) for u in jax.tree.leaves(updates)]))
        return jax.tree.map(lambda u: -self.rate * u / (norm + 1), updates), ()


class fills_none(Broken):
    def apply(self, updates, state, params=None, **extra):
        return jax.tree.map(lambda u: jnp.zeros(2) if u is None else -self.rate * u, updates, is_leaf=lambda u: u is None), ()


class knows_its_neighbours(Broken):
    def apply(self, updates, state, params=None, **extra):
        alone = len(jax.tree.leaves(updates, is_leaf=lambda u: u is None))
        return jax.tree.map(lambda u: -self.rate * u / alone, updates), ()


class takes_any_state(Broken):
    def apply(self, updates, state, params=None, **extra):
        return jax.tree.map(self.each, updates), state


class takes_integers(Broken):
    def start(self, params):
        return ()


class wide_points(Broken):
    def evaluation_params(self, state, params):
        return jax.tree.map(lambda p: p.astype(jnp.float32), params)


class needs_value(Broken):
    def apply(self, updates, state, params=None, **extra):
        if "loss" not in extra:
            raise ValueError("needs_value: update needs the extra argument loss.")
        return jax.tree.map(lambda u: -self.rate * extra["loss"].astype(u.dtype) * u, updates), ()


FAULTS = [
    (drifting(), "state_and_updates_keep_their_types", r"the new state eagerly is f32\[\] at inner, but it should be i32\[\]"),
    (drifting(), "carried_by_cond", "differ"),
    (drifting(), "carried_by_scan", "carry"),
    (weak(), "state_and_updates_keep_their_types", "weak"),
    (narrow_memory(), "state_is_kept_in_float32_or_wider", "the state is bfloat16 at inner/"),
    (gradtx.ema(0.9, accumulator_dtype="bfloat16"), "state_is_kept_in_float32_or_wider", "bfloat16"),
    (nan_at_zero(), "zero_gradients_give_no_nan", "nan"),
    (nan_derivative(), "hypergradients_are_finite_at_zero_gradients", "nan at rate"),
    (squares_in_half(), "small_float16_gradients_count", "apart"),
    (counts_in_python(), "eager_equals_compiled", "eagerly and compiled"),
    (without_tree_maps(), "map_params_finds_what_mirrors_the_parameters", "Mark|not known to belong"),
    (shares_a_zero(), "states_can_be_donated", "state/inner/0 and state/inner/1 share a buffer"),
    (copies_values(), "shapes_alone_give_the_state", "ShapeDtypeStruct|TracerArray"),
    (drops_extra(), "extra_arguments_get_through", "its field inner doesn't get the extra arguments"),
    (refuses_extra(), "extra_arguments_get_through", "unknown_to_all"),
    (hides_children(), "every_hyperparameter_takes_a_schedule", "doesn't show inner.learning_rate"),
    (complex_square(), "complex_parameters", "turned"),
    (static_rate(), "compiles_once_for_two_learning_rates", "static_rate.fixed is a float in a static field"),
    (branches(), "compiles_once_for_two_learning_rates", "boolean|bool"),
    (wants_floats(), "vmap_equals_one_at_a_time", "[Cc]oncrete"),
    (stops_derivative(), "hypergradients_agree_with_finite_differences", "in rate"),
    (differs_for_arrays(), "hyperparameters_in_the_state_change_nothing", "with and without"),
    (gradtx.stateless(lambda updates, params: updates), "is_a_value", "lambda"),
    (joins(), "empty_tree", "concatenate"),
    (fills_none(), "state_and_updates_keep_their_types", "at n the updates have"),
    (fills_none(), "frozen_integers_beside_trained_floats", "at on|at steps"),
    (knows_its_neighbours(), "frozen_integers_beside_trained_floats", "in a group and alone"),
    (takes_any_state(), "refuses_the_state_of_another", "it took the state of sgd"),
    (takes_integers(), "bad_input_is_refused_with_its_path", "an integer parameter at s is taken"),
    (wide_points(), "points_are_like_the_parameters", "evaluation_params is f32"),
]


@pytest.mark.parametrize(
    ("tx", "name", "words"), FAULTS, ids=lambda x: type(x).__name__ if isinstance(x, gradtx.Transform) else None
)
def test_catches(tx, name, words):
    with pytest.raises(Exception, match=words):
        PROPERTIES[name](Subject(tx))


def test_every_property_catches_something():
    assert {name for _, name, _ in FAULTS} == set(PROPERTIES)


def test_lists_all_that_fails_and_why():
    with pytest.raises(ExceptionGroup) as caught:
        check_transformation(nan_at_zero(), exempt={"complex_parameters": "a phase has no sign"})
    words = str(caught.value)
    assert "properties fail for nan_at_zero()" in words
    assert "zero_gradients_give_no_nan: with float32 zeros the update and the state is" in words
    assert len(caught.value.exceptions) == words.count("\n") - words.count("\n\n")
    for error in caught.value.exceptions:
        assert error.__notes__


def test_refuses_what_it_cannot_check():
    with pytest.raises(TypeError, match="no transformation"):
        check_transformation("adam")
    with pytest.raises(ValueError, match="no property is named 'speed'"):
        check_transformation(gradtx.sgd(0.1), exempt={"speed": "slow"})
    with pytest.raises(ValueError, match="say why"):
        check_transformation(gradtx.sgd(0.1), exempt={"empty_tree": ""})


def negated(updates, params):
    return jax.tree.map(lambda u: -0.1 * u, updates)


def no_calls(params):
    return jnp.zeros((), jnp.int32)


def warm(updates, calls, params):
    scale = jnp.minimum(1.0, (calls + 1).astype(jnp.float32) / 10)
    return jax.tree.map(lambda u: -0.1 * u * scale.astype(u.dtype), updates), jnp.minimum(calls + 1, 10)


class mine(gradtx.Pointwise):
    """A user's own piece."""

    slope: Hyper = 0.2

    def at(self, x):
        return -self.slope * x / jnp.sqrt(1 + x * jnp.conj(x))


NOISE = dict.fromkeys(
    (
        "zero_gradients_give_no_nan",
        "complex_parameters",
        "small_float16_gradients_count",
    ),
    "noise moves parameters by itself",
)
COSINE = gradtx.cosine_decay_schedule(0.1, 100)


@pytest.mark.parametrize(
    ("tx", "options"),
    [
        (
            gradtx.chain(
                gradtx.clip_by_global_norm(1.0), ("adam", gradtx.scale_by_adam()), gradtx.scale_by_learning_rate(COSINE)
            ),
            {},
        ),
        (gradtx.ratio(gradtx.ema(0.9), gradtx.chain(gradtx.square(), gradtx.ema(0.9), gradtx.sqrt()), eps=1e-3), {}),
        pytest.param(gradtx.lagged(gradtx.ema(0.9)), {}, marks=pytest.mark.full),
        pytest.param(gradtx.inject_hyperparams(gradtx.adamw(0.1, weight_decay=0.1)), {}, marks=pytest.mark.full),
        (gradtx.masked(gradtx.adam(0.1), "*"), {}),
        (gradtx.partition({"*s": gradtx.sgd(0.1), "*": gradtx.adam(0.1)}), {}),
        (gradtx.stateless(negated), {}),
        (
            gradtx.from_functions(no_calls, warm),
            dict(exempt={"bad_input_is_refused_with_its_path": "its own init refuses nothing"}),
        ),
        pytest.param(
            gradtx.chain(gradtx.add_noise(0.1, 0.55, key=3), gradtx.sgd(0.1)), dict(exempt=NOISE), marks=pytest.mark.full
        ),
        (mine(), {}),
        (needs_value(), dict(extra=lambda params: {"loss": jnp.full((), 2.0)})),
        (gradtx.adam(0.1), dict(params=[jnp.ones((2, 3)), {"b": jnp.full(4, 0.5)}])),
        pytest.param(gradtx.adam(0.1), dict(params=jnp.ones((3, 3))), marks=pytest.mark.full),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, gradtx.Transform) else "",
)
def test_passes_what_is_right(tx, options):
    check_transformation(tx, **options)
