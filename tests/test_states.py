"""States are saved and read: plain dictionaries, flax.serialization, Orbax; the step and the learning rate by one name."""

import collections
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.core.state_serial import _own_types
from gradtx.testing.subject import MIXED, in_dtype_of
from tests.optimizers import TABLE, every_optimizer
from tests.running import types

PARAMS = in_dtype_of(MIXED, "bfloat16")


def moved(tx, shape=None):
    """A state after one step, so that its arrays differ from those of init."""
    params = PARAMS if shape is None else {"w": jnp.ones(shape, jnp.bfloat16)}
    grads = jax.tree.map(lambda p: 0.3 * p, params)
    extra = {"value": jnp.ones(()), "value_fn": lambda p: jnp.ones(())}
    return tx.init(params), tx.update(grads, tx.init(params), params, **extra)[1]


def same(a, b):
    assert types(a) == types(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


@every_optimizer
def test_plain_dictionary(row):
    state = moved(row.tx, row.shape)[1]
    text = json.dumps(gradtx.state_to_dict(state))
    same(gradtx.state_from_dict(json.loads(text)), state)


@every_optimizer
def test_flax_serialization(row):
    flax = pytest.importorskip("flax.serialization")
    fresh, state = moved(row.tx, row.shape)
    same(jax.tree.map(jnp.asarray, flax.from_bytes(fresh, flax.to_bytes(state))), state)
    same(flax.from_state_dict(fresh, flax.to_state_dict(state)), state)


@pytest.mark.lenient
@pytest.mark.filterwarnings("ignore")
def test_orbax(tmp_path):
    # All states in one checkpoint: what is tested is that each kind of state is a tree that Orbax takes and gives back.
    orbax = pytest.importorskip("orbax.checkpoint")
    pairs = {row.name: moved(row.tx, row.shape) for row in TABLE}
    states = {name: state for name, (_, state) in pairs.items()}
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "states", states)
        checkpointer.wait_until_finished()
        same(checkpointer.restore(tmp_path / "states", {name: fresh for name, (fresh, _) in pairs.items()}), states)


Mine = collections.namedtuple("Mine", ["seen", "log"])  # noqa: PYI024


@pytest.mark.parametrize(
    "state",
    [
        {"b": jnp.array([1.0, jnp.nan, -jnp.inf], jnp.bfloat16), "a": [jnp.zeros((0, 2)), None, (jnp.array(True),)]},
        gradtx.add_noise(0.1, 0.55, key=7).init(jnp.ones(2)),
        gradtx.partition({0: gradtx.adam(0.1), 1: gradtx.set_to_zero()}, {"a": 0, "b": 1}).init(
            {"a": jnp.ones(2), "b": jnp.ones(1)}
        ),
        gradtx.inject_hyperparams(gradtx.masked(gradtx.kahan(gradtx.adam(gradtx.cosine_decay_schedule(0.1, 9))), "*")).init(
            PARAMS
        ),
    ],
    ids=["anything", "key", "labels", "wrappers"],
)
def test_plain_dictionary_of(state):
    same(gradtx.state_from_dict(json.loads(json.dumps(gradtx.state_to_dict(state)))), state)


def test_a_restored_state_goes_on():
    tx, params, grads = gradtx.adamw(1e-2), jnp.ones(3), jnp.array([0.1, -0.2, 0.3])
    state = tx.update(grads, tx.init(params), params)[1]
    again = gradtx.state_from_dict(gradtx.state_to_dict(state))
    np.testing.assert_array_equal(tx.update(grads, again, params)[0], tx.update(grads, state, params)[0])


def test_double_precision_is_kept():
    with jax.enable_x64(True):
        state = gradtx.adam(0.1).init(jnp.full(2, 0.1, "float64"))
        same(gradtx.state_from_dict(gradtx.state_to_dict(state)), state)


def test_foreign_types_must_be_given():
    state = Mine(jnp.ones(2), None)
    data = gradtx.state_to_dict(state)
    with pytest.raises(ValueError, match=r"unknown type 'tests.test_states.Mine'"):
        gradtx.state_from_dict(data)
    same(gradtx.state_from_dict(data, types={"tests.test_states.Mine": Mine}), state)
    with pytest.raises(ValueError, match=r"has the fields \['seen'\], the dictionary \['seen', 'log'\]"):
        gradtx.state_from_dict(data, types={"tests.test_states.Mine": collections.namedtuple("Mine", ["seen"])})  # noqa: PYI024


def test_names_of_state_types_are_unique():
    own = {name: x for name, x in _own_types().items() if x.__module__.startswith("gradtx.")}
    assert {"OptState", "RatioState", "ema.State", "KahanState", "PartitionState"} <= set(own)
    for name, module in list(sys.modules.items()):
        for x in vars(module).values() if name.startswith("gradtx.") else ():
            if hasattr(x, "_fields") and isinstance(x, type) and x.__module__.startswith("gradtx."):
                assert own[x.__qualname__] is x


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: gradtx.state_from_dict({"format": "gradtx state", "version": 2}), ValueError, "version 2, not 'gradtx state'"),
        (lambda: gradtx.state_from_dict({"mu": [1.0]}), ValueError, "this is None"),
        (
            lambda: gradtx.state_from_dict({"format": "gradtx state", "version": 1, "state": {"x": 1}}),
            ValueError,
            "is nothing that",
        ),
        (
            lambda: gradtx.state_from_dict({"format": "gradtx state", "version": 1, "state": {"type": "os.system"}}),
            ValueError,
            "unknown",
        ),
        (lambda: gradtx.state_to_dict({"a": 1.0}), TypeError, r"state\['a'\] = 1.0 has no plain form"),
        (lambda: gradtx.state_to_dict({(1, 2): jnp.ones(1)}), TypeError, "the key"),
        (lambda: gradtx.state_to_dict({"k": jax.random.key(0)}), TypeError, "is a random key"),
        (lambda: jax.jit(gradtx.state_to_dict)(jnp.ones(1)), TypeError, "is traced"),
    ],
)
def test_says_what_is_wrong(act, error, words):
    with pytest.raises(error, match=words):
        act()


RATE = gradtx.linear_schedule(0.5, 0.0, 10)


@pytest.mark.parametrize(
    "tx",
    [
        gradtx.adam(RATE),
        gradtx.chain(gradtx.clip_by_global_norm(1.0), ("last", gradtx.lion(RATE))),
        gradtx.chain(gradtx.scale_by_adam(), gradtx.scale_by_learning_rate(RATE)),
        gradtx.partition({"w": gradtx.chain(gradtx.ema(0.9), gradtx.sgd(RATE)), "*": gradtx.set_to_zero()}),
        gradtx.inject_hyperparams(gradtx.masked(gradtx.master_weights(gradtx.adamw(RATE)), "w")),
        gradtx.state_dtype(gradtx.adam(RATE), {"mu": "bfloat16"}),
    ],
    ids=repr,
)
def test_learning_rate_and_steps(tx):
    params = {"w": jnp.ones(2), "b": jnp.ones(2)}
    state = tx.init(params)
    assert float(gradtx.learning_rate(tx, state)) == 0.5
    for _ in range(4):
        _, state = tx.update(params, state, params)
    np.testing.assert_allclose(gradtx.learning_rate(tx, state), 0.3, rtol=1e-6)
    assert int(gradtx.steps(state)) == 4
    assert int(gradtx.steps((state, {"other": jnp.ones(1)}))) == 4


def test_learning_rate_and_steps_say_what_there_is():
    two = gradtx.partition({"w": gradtx.sgd(0.1), "*": gradtx.adam(0.2)})
    with pytest.raises(KeyError, match=r"several, at \['\*/learning_rate', 'w/learning_rate'\]"):
        gradtx.learning_rate(two, two.init({"w": jnp.ones(1), "b": jnp.ones(1)}))
    none = gradtx.chain(gradtx.ema(0.9), gradtx.scale(-0.1))
    with pytest.raises(KeyError, match=r"no hyperparameter .*0/decay.*0/initial.*1/step_size"):
        gradtx.learning_rate(none, none.init(jnp.ones(1)))
    with pytest.raises(KeyError, match="there are 0 states"):
        gradtx.steps({"w": jnp.ones(1)})
