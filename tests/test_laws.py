"""Laws that hold for every composition, over random compositions and trees."""

import contextlib
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradtx as gx
from gradtx.core.mirrors import mirrors
from tests.conftest import FULL
from tests.running import types

few, more = (
    settings(
        max_examples=120 if FULL else n,
        derandomize=True,
        deadline=None,
        # The fixtures that set the strictness hold for a whole test as well as for one example.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    for n in (6, 25)
)

# --- compositions ---------------------------------------------------------------------------------------------------------

decays = st.sampled_from([0.0, 0.5, 0.9, 0.99])
sizes = st.sampled_from([0.1, 0.5, 1.0, 2.0])
hypers = sizes | st.builds(gx.linear_schedule, sizes, sizes, st.sampled_from([1.0, 3.0]))

accumulators = st.one_of(
    st.builds(gx.ema, decays | st.just(gx.linear_schedule(0.5, 0.9, 2)), initial=st.sampled_from([0.0, 0.5])),
    st.builds(gx.accumulate, initial=st.sampled_from([0.0, 0.5])),
    st.builds(gx.running_max, decays),
    st.builds(gx.sign_ema, decays),
    st.builds(gx.scale_by_momentum, decays, nesterov=st.booleans(), dampening=st.sampled_from([0.0, 0.5])),
    st.builds(gx.velocity, decays),
)
# Continuous, and without a steep place where a rounding error could grow: for laws that hold up to rounding.
smooth_pieces = st.one_of(
    accumulators.filter(lambda a: not isinstance(a, gx.sign_ema)),
    st.sampled_from([gx.identity(), gx.zero_nans(), gx.set_to_zero(), gx.centralize(), gx.absolute()]),
    st.builds(gx.bias_correction, st.sampled_from([0.5, 0.9]), ahead=st.sampled_from([0, 1])),
    st.builds(gx.clip, hypers),
    st.builds(gx.clip_by_global_norm, hypers),
    st.builds(gx.scale, hypers),
    st.builds(gx.scale_by_learning_rate, hypers, flip_sign=st.booleans()),
    st.builds(gx.offset, hypers),
    st.builds(gx.add_decayed_weights, hypers),
    st.builds(lambda p: gx.chain(gx.absolute(), gx.offset(0.1), gx.power(p)), st.sampled_from([0.5, 1.0, 1.5])),
)
pieces = smooth_pieces | st.sampled_from([gx.sign(), gx.square(), gx.sqrt(), gx.sign_ema(0.5), gx.power(0.5)])


def joined(parts):
    size = st.builds(lambda a: gx.chain(gx.absolute(), gx.ema(a), gx.absolute()), decays)
    return st.one_of(
        st.builds(lambda ts: gx.chain(*ts), st.lists(parts, max_size=3)),
        st.builds(lambda t: gx.chain(("first", t), gx.scale(0.5)), parts),
        st.builds(gx.ratio, parts, size, eps=st.sampled_from([0.25, 1.0])),
        st.builds(gx.blend, decays, parts, parts),
        st.builds(gx.add, parts, parts),
        st.builds(gx.masked, parts, st.sampled_from(["*", "a", ("a", "0*")])),
        st.builds(lambda a, b: gx.partition({"a*": a, "*": b}), parts, parts),
        st.builds(gx.lagged, accumulators.filter(lambda a: not isinstance(a, gx.sign_ema))),
        st.builds(lambda d: gx.feedback(gx.square(), gx.ema(d), gx.chain(gx.offset(0.1), gx.sqrt())), decays),
    )


compositions = st.recursive(pieces, joined, max_leaves=5)
smooth = st.recursive(smooth_pieces, joined, max_leaves=4)

# --- trees ----------------------------------------------------------------------------------------------------------------

f32, f64, bf16, f16 = (jnp.dtype(d) for d in ("float32", "float64", "bfloat16", "float16"))
SHAPES = [
    (f32, ()),
    {"a": (f32, (2, 3)), "b": {"c": (bf16, (4,)), "none": None}},
    [(f32, (3,)), [], (f32, (0, 2)), {"half": (f16, (2, 2)), "s": (bf16, ())}],
    {"a": (f64, (2, 3)), "b": (f32, (4,)), "c": (bf16, ())},
    {},
]
trees = st.sampled_from(SHAPES)
seeds = st.integers(0, 5)


def is_leaf(x):
    return isinstance(x, tuple)


@contextlib.contextmanager
def precision(shapes):
    with jax.enable_x64(any(d == f64 for d, _ in jax.tree.leaves(shapes, is_leaf=is_leaf))):
        yield


def tree(shapes, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda s: jnp.asarray(rng.normal(size=s[1]), s[0]), shapes, is_leaf=is_leaf)


def outputs(tx, shapes, seed, steps=3, update=None):
    """What a transformation emits over a few steps, and its last state."""
    params, state, out = tree(shapes, seed), None, []
    state = tx.init(params)
    for t in range(steps):
        u, state = (update or tx.update)(tree(shapes, 100 * seed + t + 1), state, params)
        out.append(u)
    return out, state


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def close(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        x64, y64 = np.asarray(x).astype(np.float64), np.asarray(y).astype(np.float64)
        tolerance = max(1e-4, 4 * float(jnp.finfo(x.dtype).eps)) if jnp.issubdtype(x.dtype, jnp.inexact) else 0.0
        np.testing.assert_allclose(x64, y64, rtol=tolerance, atol=tolerance * (1 + np.abs(y64).max(initial=0)))


# --- chain ----------------------------------------------------------------------------------------------------------------


@more
@given(compositions, compositions, compositions, trees, seeds)
def test_chain_is_associative(a, b, c, shapes, seed):
    with precision(shapes):
        flat, right, left = gx.chain(a, b, c), gx.chain(a, gx.chain(b, c)), gx.chain(gx.chain(a, b), c)
        wanted = outputs(flat, shapes, seed)
        same(outputs(right, shapes, seed), wanted)
        same(outputs(left, shapes, seed), wanted)


@more
@given(compositions, trees, seeds)
def test_identity_is_the_unit_of_chain(a, shapes, seed):
    with precision(shapes):
        wanted = outputs(a, shapes, seed)
        for tx in (gx.chain(gx.identity(), a), gx.chain(a, gx.identity()), gx.chain(a), gx.named("x", a)):
            same(outputs(tx, shapes, seed), wanted)
        same(outputs(gx.chain(), shapes, seed), outputs(gx.identity(), shapes, seed))


# --- the other wiring -----------------------------------------------------------------------------------------------------


@more
@given(compositions, compositions, trees, seeds)
def test_blend_and_add(a, b, shapes, seed):
    with precision(shapes):
        (of_a, _), (of_b, _) = outputs(a, shapes, seed), outputs(b, shapes, seed)
        same(outputs(gx.blend(1.0, a, b), shapes, seed)[0], of_a)
        same(outputs(gx.blend(0.0, a, b), shapes, seed)[0], of_b)
        total, _ = outputs(gx.add(a, b), shapes, seed)
        same(outputs(gx.add(b, a), shapes, seed)[0], total)
        # Powers of two are exact.
        same(outputs(gx.chain(gx.blend(0.5, a, b), gx.scale(2.0)), shapes, seed)[0], total)
        halves = gx.add(gx.chain(a, gx.scale(0.5)), gx.chain(b, gx.scale(0.5)))
        same(outputs(gx.chain(gx.add(a, b), gx.scale(0.5)), shapes, seed)[0], outputs(halves, shapes, seed)[0])


@more
@given(compositions, trees, seeds)
def test_a_ratio_to_the_own_size_is_the_sign(a, shapes, seed):
    with precision(shapes):
        signs, _ = outputs(gx.chain(a, gx.sign()), shapes, seed)
        ratios, _ = outputs(gx.ratio(a, gx.chain(a, gx.absolute())), shapes, seed)
        for s, r in zip(jax.tree.leaves(signs), jax.tree.leaves(ratios), strict=True):
            np.testing.assert_array_equal(np.where(s == 0, 0, r.astype("float32")), s.astype("float32"))
        same(outputs(gx.ratio(a, gx.chain(gx.set_to_zero(), gx.offset(0.5))), shapes, seed)[0],
             outputs(gx.chain(a, gx.scale(2.0)), shapes, seed)[0])  # fmt: skip


@more
@given(compositions, trees, seeds)
def test_routes_that_take_everything_or_nothing(a, shapes, seed):
    with precision(shapes):
        wanted, _ = outputs(a, shapes, seed)
        # A piece that looks at the path of a parameter sees the same path inside.
        for tx in (gx.masked(a, "*"), gx.masked(a, True), gx.partition({"*": a}), gx.partition({"x": a}, "x")):
            same(outputs(tx, shapes, seed)[0], wanted)
        nothing = gx.masked(a, lambda p: jax.tree.map(lambda _: False, p))
        same(outputs(nothing, shapes, seed)[0], outputs(gx.identity(), shapes, seed)[0])


@more
@given(accumulators, trees, seeds)
def test_lagged_emits_what_the_memory_was(a, shapes, seed):
    with precision(shapes):
        late, _ = outputs(gx.lagged(a), shapes, seed)
        _, before = outputs(a, shapes, seed, 2)
        _, after = outputs(a, shapes, seed, 3)
        memory = jax.tree.map(lambda m, u: m.astype(u.dtype), before.inner[0], late[2])
        same(late[2], memory)
        same(outputs(gx.lagged(a), shapes, seed)[1], after)


# --- JAX ------------------------------------------------------------------------------------------------------------------


@few
@given(smooth, trees, seeds)
def test_jit_and_vmap_equal_one_step_at_a_time(a, shapes, seed):
    with precision(shapes):
        wanted, last = outputs(a, shapes, seed)
        got, state = outputs(a, shapes, seed, update=jax.jit(a.update))
        close(got, wanted)
        close(state, last)
        # Two streams at once, in both of which the numbers differ.
        params = [tree(shapes, s) for s in (seed, seed + 1)]
        grads = [tree(shapes, s) for s in (seed + 2, seed + 3)]
        stack = lambda trees: jax.tree.map(lambda *xs: jnp.stack(xs), *trees)
        both = jax.vmap(lambda g, p: a.update(g, a.init(p), p))
        together = both(stack(grads), stack(params)) if jax.tree.leaves(params) else None
        for i in range(2 if together else 0):
            alone = a.update(grads[i], a.init(params[i]), params[i])
            close(jax.tree.map(lambda x, i=i: x[i], together), alone)


@few
@given(smooth, seeds)
def test_an_optimizer_is_mapped_over_its_numbers(a, seed):
    leaves = jax.tree.leaves(a)
    if not leaves:
        return
    params, grads = tree(SHAPES[1], seed), tree(SHAPES[1], seed + 1)
    one_step = lambda tx: tx.update(grads, tx.init(params), params)
    stacked = jax.tree.map(lambda h: jnp.array([h, 0.75 * h], jnp.float32), a)
    together = jax.vmap(one_step)(stacked)
    for i, factor in enumerate((1.0, 0.75)):
        close(jax.tree.map(lambda x, i=i: x[i], together), one_step(jax.tree.map(lambda h, f=factor: f * h, a)))


@more
@given(compositions, trees, seeds)
def test_types_never_drift(a, shapes, seed):
    with precision(shapes):
        params = tree(shapes, seed)
        first = a.init(params)
        updates, state = outputs(a, shapes, seed)
        assert types(state) == types(first)
        assert all(types(u) == types(params) for u in updates)
        abstract = jax.eval_shape(a.init, params)
        assert jax.tree.structure(abstract) == jax.tree.structure(first)
        for x, y in zip(jax.tree.leaves(abstract), jax.tree.leaves(first), strict=True):
            assert (x.shape, x.dtype, x.weak_type) == (y.shape, y.dtype, y.aval.weak_type)


# --- values ---------------------------------------------------------------------------------------------------------------


@more
@given(compositions)
def test_round_trips(a):
    leaves, structure = jax.tree.flatten(a)
    copies = [
        pickle.loads(pickle.dumps(a)),
        gx.from_dict(json.loads(json.dumps(gx.to_dict(a)))),
        eval(repr(a), vars(gx)),
        jax.tree.unflatten(structure, leaves),
        a.replace(),
    ]
    for copy in copies:
        assert copy == a
        assert hash(copy) == hash(a)
        assert repr(copy) == repr(a)
        assert jax.tree.structure(copy) == structure


@more
@given(compositions, compositions)
def test_equality_is_that_of_what_is_written(a, b):
    assert (a == b) == (repr(a) == repr(b))
    if a == b:
        assert hash(a) == hash(b)


@more
@given(compositions)
def test_what_mirrors_a_parameter_has_its_name_and_shape(a):
    # No two shapes are the same, and none is that of a state which belongs to no parameter.
    params = {"a": jnp.ones((2, 3)), "b": [jnp.ones(4), None, jnp.ones((5, 1))]}
    names = {"a": "a", "b": ["b/0", None, "b/2"]}
    state = a.init(params)
    marked = gx.map_params(a, lambda leaf, name: (leaf.shape, name), state, params, names)
    shapes = {"a": (2, 3), "b/0": (4,), "b/2": (5, 1)}
    plain = jax.tree.leaves(state)
    for leaf, mark in zip(
        plain,
        jax.tree.leaves(marked, is_leaf=lambda x: isinstance(x, tuple) and len(x) == 2 and isinstance(x[1], str)),
        strict=True,
    ):
        if leaf.shape in shapes.values() and leaf.ndim:
            assert isinstance(mark, tuple), leaf.shape
            assert shapes[mark[1]] == mark[0] == leaf.shape
    paths = {path for path, _ in jax.tree_util.tree_leaves_with_path(state)}
    assert set(mirrors(a, params)) == paths


# --- elementwise ----------------------------------------------------------------------------------------------------------

# Classes that can't be made by giving 0.5 for each number that has no default.
BY_HAND = {
    "named": gx.named("x", gx.ema(0.5)),
    "chain": gx.chain(gx.scale(0.5), gx.ema(0.5), gx.sign()),
    "ratio": gx.ratio(gx.ema(0.9), gx.chain(gx.square(), gx.ema(0.9), gx.sqrt())),
    "blend": gx.blend(0.5, gx.identity(), gx.ema(0.5)),
    "add": gx.add(gx.sign(), gx.accumulate()),
    "surprise": gx.ratio(gx.ema(0.9), gx.chain(gx.surprise(), gx.absolute()), 0.5),
    "lagged": gx.lagged(gx.ema(0.5)),
    "recall": gx.let("m", gx.ema(0.5), gx.add(gx.recall("m"), gx.sign())),
    "primed": gx.primed(gx.ema(0.5)),
    "feedback": gx.feedback(gx.square(), gx.ema(0.5), gx.chain(gx.offset(0.1), gx.sqrt())),
}


def instances():
    """An instance of every public transformation, None where none can be made."""
    found = {}
    for name, cls in vars(gx).items():
        if not (isinstance(cls, type) and issubclass(cls, gx.Transform)) or name in (
            "Transform",
            "Pointwise",
            "Accumulator",
            "Recipe",
        ):
            continue
        found[name] = BY_HAND.get(name)
        if found[name] is None:
            numbers = {n: 0.5 for n, kind in cls._kinds.items() if kind.interval and not hasattr(cls, n)}
            with contextlib.suppress(TypeError, ValueError):
                found[name] = cls(**numbers)
    return found


INSTANCES = instances()
CLAIMED = {name: tx for name, tx in INSTANCES.items() if tx is not None and tx.elementwise}
LEAVES = {"a": (f32, (2, 3)), "b": (f32, (4,)), "c": {"d": (f32, ())}}


def pack(t):
    return jnp.concatenate([x.reshape(-1) for x in jax.tree.leaves(t)])


def run_packed_and_apart(tx, seed=1):
    params = tree(LEAVES, seed)
    flat = pack(params)
    state, packed_state = tx.init(params), tx.init(flat)
    for t in range(3):
        grads = tree(LEAVES, 10 * seed + t)
        apart, state = tx.update(grads, state, params, value=0.5)
        packed, packed_state = tx.update(pack(grads), packed_state, flat, value=0.5)
        yield np.asarray(packed), np.asarray(pack(apart))


@pytest.mark.parametrize(
    "name", [n for n, cls in vars(gx).items() if n in INSTANCES and cls.__dict__.get("elementwise") is True]
)
def test_every_class_that_says_it_is_elementwise_is_tried(name):
    assert name in CLAIMED, "put an instance into BY_HAND"


@pytest.mark.parametrize("name", CLAIMED)
def test_what_says_it_is_elementwise_does_the_same_to_leaves_packed_into_one(name):
    for packed, apart in run_packed_and_apart(CLAIMED[name]):
        np.testing.assert_allclose(packed, apart, rtol=1e-6, atol=1e-7)


@more
@given(smooth, seeds)
def test_so_do_compositions(a, seed):
    if a.elementwise:
        for packed, apart in run_packed_and_apart(a, seed):
            close(packed, apart)


@pytest.mark.parametrize(
    "tx",
    [
        gx.centralize(),
        gx.add_noise(0.1, 0.55),
        gx.masked(gx.scale(2.0), "a"),
        gx.add_decayed_weights(0.1, "a"),
        gx.chain(gx.scale(2.0), gx.centralize()),
        gx.ratio(gx.identity(), gx.chain(gx.absolute(), gx.centralize()), 10.0),
        gx.adamw(0.1, weight_decay=0.1, mask="a"),
    ],
    ids=repr,
)
def test_what_does_not_say_so_is_not(tx):
    assert not tx.elementwise
    assert not all(np.allclose(packed, apart, rtol=1e-3) for packed, apart in run_packed_and_apart(tx))


def test_clipping_by_the_norm_of_all_is_not_elementwise():
    # The same for one packed buffer, but not for a part of it.
    tx, u = gx.clip_by_global_norm(1.0), jnp.array([3.0, 4.0])
    assert not tx.elementwise
    together, apart = (tx.update(v, tx.init(v))[0] for v in (u, u[:1]))
    assert not np.allclose(together[:1], apart)
