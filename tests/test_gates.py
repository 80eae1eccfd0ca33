"""What decides whether or when something steps: clocks, nesting, what never gets into the state, and Optax step by step."""

import functools
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.optimizers import TABLE
from tests.running import types

optax = pytest.importorskip("optax")

PARAMS = {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array(0.3)}


def every_third(step):
    return step % 3 == 0


def when_high(step, value, **extra):
    return value > 0.5


def is_large(updates):
    return gradtx.global_norm(updates) > 1.0


def first_of_w(updates):
    return updates["w"][0]


under_ten = functools.partial(gradtx.skip_large_updates, max_squared_norm=10.0)

# Each gate around any optimizer, with the gradients at which it steps (0) or not (1), and the extra arguments.
GATES = {
    "multi_steps": lambda tx: gradtx.MultiSteps(tx, 2),
    "multi_steps_scheduled": lambda tx: gradtx.MultiSteps(tx, gradtx.piecewise_constant_schedule(1.0, {2: 3.0})),
    "multi_steps_skip": lambda tx: gradtx.MultiSteps(tx, 1, should_skip_update_fn=gradtx.skip_not_finite),
    "multi_steps_small": lambda tx: gradtx.MultiSteps(tx, 2, should_skip_update_fn=under_ten),
    "apply_if_finite": lambda tx: gradtx.apply_if_finite(tx, 100),
    "dynamic_loss_scaling": lambda tx: gradtx.dynamic_loss_scaling(tx, growth_interval=3),
    "conditionally_transform": lambda tx: gradtx.conditionally_transform(tx, every_third),
    "conditionally_mask": lambda tx: gradtx.conditionally_mask(tx, every_third),
    "conditionally_mask_value": lambda tx: gradtx.conditionally_mask(tx, when_high, True),
}
SKIPS_BAD = ["multi_steps_skip", "multi_steps_small", "apply_if_finite", "dynamic_loss_scaling"]
every_gate = pytest.mark.parametrize("gate", GATES.values(), ids=GATES)


def grads_at(t, params=PARAMS):
    rng = np.random.default_rng(int(t))
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), p.dtype), params)


def stack(trees):
    return jax.tree.map(lambda *xs: jnp.stack(xs), *trees)


def follow(tx, params, grads, **extra):
    """Every update and every state of a run at fixed parameters."""
    state, out = tx.init(params), []
    step = jax.jit(tx.update)
    for g in grads:
        u, state = step(g, state, params, **extra)
        out.append((u, state))
    return out


def same(a, b, **tolerance):
    assert types(a) == types(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x, np.float64), np.asarray(y, np.float64), **(tolerance or {"rtol": 0}))


def inner_state(state):
    """The state of the optimizer in a gate."""
    inside = state.inner
    return inside.inner_opt_state if hasattr(inside, "inner_opt_state") else inside.inner_state


# --- when they step -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["momentum", "rmsprop_all", "adam", "adamw", "lion", "yogi", "adadelta"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_k_calls_are_one_step_on_the_mean(name, dtype):
    tx = next(row.tx for row in TABLE if row.name == name)
    params = jax.tree.map(lambda p: p.astype(dtype), PARAMS)
    grads = [grads_at(t, params) for t in range(12)]
    calls = follow(gradtx.MultiSteps(tx, 4), params, grads)
    means = [
        jax.tree.map(lambda *g: jnp.mean(jnp.stack(g).astype(jnp.float32), axis=0), *grads[i : i + 4]) for i in range(0, 12, 4)
    ]
    for i, (update, state) in enumerate(follow(tx, params, means)):
        ours, after = calls[4 * i + 3]
        same(ours, update, rtol=1e-5 if dtype == "float32" else 1e-2, atol=1e-6)
        same(inner_state(after), state, rtol=1e-5, atol=1e-6)
        for waiting, _ in calls[4 * i : 4 * i + 3]:
            assert all((u == 0).all() for u in jax.tree.leaves(waiting))


def test_one_call_a_step_costs_nothing():
    tx, alone = gradtx.MultiSteps(gradtx.adam(0.1), 1), gradtx.adam(0.1)
    state = tx.init(PARAMS)
    assert state.inner.acc_grads == ()
    arrays = [x.size for x in jax.tree.leaves(state) if x.ndim]
    assert arrays == [x.size for x in jax.tree.leaves(alone.init(PARAMS)) if x.ndim]
    assert "cond" not in str(jax.make_jaxpr(tx.update)(PARAMS, state, PARAMS))
    for (ours, after), (wanted, _) in zip(
        follow(tx, PARAMS, [grads_at(t) for t in range(3)]), follow(alone, PARAMS, [grads_at(t) for t in range(3)]), strict=True
    ):
        same(ours, wanted)
        assert bool(tx.has_updated(after))


@pytest.mark.parametrize(
    ("gate", "stepped"),
    [
        ("multi_steps", [0, 1, 1, 2, 2, 3]),
        ("multi_steps_scheduled", [1, 2, 2, 2, 3, 3]),
        ("conditionally_transform", [1, 1, 1, 2, 2, 2]),
        ("conditionally_mask", [1, 1, 1, 2, 2, 2]),
        ("apply_if_finite", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_inner_clock_counts_real_steps(gate, stepped):
    tx = GATES[gate](gradtx.sgd(gradtx.linear_schedule(1.0, 0.0, 10)))
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    before = 0
    for count, (update, state) in zip(stepped, follow(tx, PARAMS, [ones] * 6), strict=True):
        np.testing.assert_allclose(gradtx.hyperparams(tx, state)["learning_rate"], 1 - 0.1 * count, rtol=1e-6)
        assert int(inner_state(state).step) == count
        still = 1.0 if gate == "conditionally_transform" else 0.0
        wanted = -(1 - 0.1 * before) if count > before else still
        np.testing.assert_allclose(update["w"], wanted, rtol=1e-6)
        before = count


def test_has_updated_wherever_it_stands():
    tx = gradtx.chain(gradtx.clip(1.0), gradtx.MultiSteps(gradtx.sgd(0.1), 2, should_skip_update_fn=gradtx.skip_not_finite))
    nan = jax.tree.map(lambda p: p * jnp.nan, PARAMS)
    grads = [PARAMS, nan, PARAMS, nan, PARAMS]
    said = [bool(gradtx.state_get(s, "has_updated")) for _, s in follow(tx, PARAMS, grads)]
    assert said == [False, False, True, False, False]
    nested = gradtx.MultiSteps(gradtx.MultiSteps(gradtx.sgd(0.1), 2), 1)
    assert [bool(nested.has_updated(s)) for _, s in follow(nested, PARAMS, [PARAMS] * 2)] == [True, True]
    inside = [bool(nested.opt.has_updated(s.inner.inner_opt_state)) for _, s in follow(nested, PARAMS, [PARAMS] * 2)]
    assert inside == [False, True]
    counts = [int(gradtx.state_get(s, "mini_step")) for _, s in follow(tx, PARAMS, grads)]
    assert counts == [1, 1, 0, 0, 1]


# --- what they let through ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", SKIPS_BAD)
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_bad_gradients_leave_no_trace(gate, bad):
    tx = GATES[gate](gradtx.adam(gradtx.linear_schedule(0.1, 0.0, 10)))
    good = [jax.tree.map(lambda g: 0.1 * g, grads_at(t)) for t in range(4)]
    spoiled = {"w": good[0]["w"].at[1].set(bad), "b": good[0]["b"]}
    with_bad = follow(tx, PARAMS, [good[0], spoiled, good[1], good[2], spoiled, spoiled, good[3]])
    without = follow(tx, PARAMS, good)
    for i in (1, 4, 5):
        assert all((u == 0).all() for u in jax.tree.leaves(with_bad[i][0]))
    if gate != "dynamic_loss_scaling":  # whose scale has changed, and with it what the same numbers mean
        for i, j in zip((0, 2, 3, 6), range(4), strict=True):
            same(with_bad[i][0], without[j][0])
            same(inner_state(with_bad[i][1]), inner_state(without[j][1]))
    for _, state in with_bad:
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(inner_state(state)))
        if hasattr(state.inner, "acc_grads"):
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.inner.acc_grads))


def test_apply_if_finite_gives_up_and_counts():
    tx = gradtx.apply_if_finite(gradtx.sgd(1.0), 2)
    nan, one = jnp.full(2, jnp.nan), jnp.ones(2)
    out = follow(tx, one, [nan, nan, nan, one, nan])
    assert [bool(jnp.isnan(u).any()) for u, _ in out] == [False, False, True, False, False]
    assert [int(s.inner.notfinite_count) for _, s in out] == [1, 2, 3, 0, 1]
    assert [int(s.inner.total_notfinite) for _, s in out] == [1, 2, 3, 3, 4]
    assert [bool(s.inner.last_finite) for _, s in out] == [False, False, False, True, False]


@every_gate
def test_batched_gates_decide_one_by_one(gate):
    tx = gate(gradtx.adam(0.1))
    spoiled = jax.tree.map(lambda g: g.at[...].set(jnp.nan), grads_at(1))
    runs = [[grads_at(0), grads_at(1), grads_at(2)], [grads_at(0), spoiled, grads_at(2)]]

    def run(grads, value):
        def step(state, g):
            u, state = tx.update(g, state, PARAMS, value=value)
            return state, u

        return jax.lax.scan(step, tx.init(PARAMS), grads)

    values = jnp.array([0.9, 0.1])
    together = jax.jit(jax.vmap(run))(stack([stack(r) for r in runs]), values)
    for i, grads in enumerate(runs):
        alone = jax.jit(run)(stack(grads), values[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-7), together, alone)


@every_gate
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
def test_structure_is_stable_and_carried(gate, dtype):
    tx = gradtx.chain(gradtx.tap("norm", gradtx.global_norm), gate(gradtx.sgd(0.1, momentum=0.9)))
    params = {"w": jnp.ones((2, 3), dtype), "s": jnp.ones((), dtype), "e": jnp.ones((0, 2), dtype), "n": None}
    state = tx.init(params)
    u, after = jax.jit(tx.update)(params, state, params, value=jnp.array(0.9))
    assert types(u) == types(params)
    assert types(after) == types(state)

    def steps(go, state):
        def maybe(s, _):
            return jax.lax.cond(go, lambda s: tx.update(params, s, params, value=0.9)[1], lambda s: s, s), None

        return jax.lax.scan(maybe, state, None, length=4)[0]

    # Tracing is enough: scan and cond refuse a state that changes its types.
    jax.eval_shape(steps, True, state)


@every_gate
def test_a_gate_amid_a_chain_hands_on_wide_updates(gate):
    params = jnp.array([0.3, -0.7], jnp.bfloat16)
    third = gradtx.scale(1 / 3)
    one = gradtx.chain(gate(third), gradtx.scale(3.0), gradtx.ema(0.0))
    _, state = jax.jit(one.update)(params, one.init(params), params, value=0.9)
    if gate in (GATES["multi_steps"], GATES["multi_steps_small"]):
        _, state = jax.jit(one.update)(params, state, params, value=0.9)
    size = 65536.0 if gate is GATES["dynamic_loss_scaling"] else 1.0
    np.testing.assert_allclose(gradtx.state_get(state, "ema") * size, params.astype(jnp.float32), rtol=1e-6)
    # The same of the wrapper that keeps hyperparameters.
    kept = gradtx.chain(gradtx.inject_hyperparams(third), gradtx.scale(3.0), gradtx.ema(0.0))
    _, state = kept.update(params, kept.init(params), params)
    np.testing.assert_allclose(gradtx.state_get(state, "ema"), params.astype(jnp.float32), rtol=1e-6)


@every_gate
def test_what_makes_complex_updates_real_may_stand_in_a_gate(gate):
    if gate is GATES["conditionally_transform"]:
        pytest.skip("it hands complex updates on where it doesn't transform")
    tx = gradtx.chain(gate(gradtx.absolute()), gradtx.ema(0.0))
    params = jnp.array([3 + 4j])
    state = tx.init(params)
    assert gradtx.state_get(state, "ema").dtype == jnp.float32
    grads = params * (65536.0 if gate is GATES["dynamic_loss_scaling"] else 0.5)
    for _ in range(2):
        _, state = tx.update(grads, state, params, value=0.9)
        assert gradtx.state_get(state, "ema")[0] in (0.0, 2.5, 5.0)
    _, again = tx.update(jnp.full(1, jnp.nan, jnp.complex64), state, params, value=0.1)
    assert types(again) == types(state)


@every_gate
def test_frozen_integers_inside_a_gate(gate):
    tx = gate(gradtx.partition({"w": gradtx.adam(0.1), "*": gradtx.set_to_zero()}))
    params = {"w": jnp.ones(2), "steps": jnp.array(3)}
    grads = jax.grad(lambda p: jnp.sum(p["w"] ** 2), allow_int=True)(params)
    if isinstance(tx, gradtx.MultiSteps):
        with pytest.raises(TypeError, match="at steps is i32"):
            tx.init(params)
        tx = gradtx.partition({"w": gate(gradtx.adam(0.1)), "*": gradtx.set_to_zero()})
    state = tx.init(params)
    updates, after = jax.jit(lambda s: tx.update(grads, s, params, value=0.9))(state)
    assert types(after) == types(state)
    moved = gradtx.apply_updates(params, updates)
    assert types(moved) == types(params)
    assert moved["steps"] == 3


# --- together -------------------------------------------------------------------------------------------------------------


@every_gate
def test_points_and_hyperparameters_pass_through(gate):
    def points(tx, state, params):
        return gradtx.gradient_params(tx, state, params), gradtx.evaluation_params(tx, state, params)

    inner = gradtx.nesterov(gradtx.linear_schedule(0.1, 0.0, 10), momentum=gradtx.linear_schedule(0.5, 0.9, 10))
    for tx, part in (
        (gate(inner), lambda s: s),
        (gradtx.chain(gradtx.clip(9.0), ("step", gate(inner))), lambda s: s._replace(inner=s.inner[1]["step"])),
    ):
        state = tx.init(PARAMS)
        for t in range(4):
            _, state = tx.update(grads_at(t), state, PARAMS, value=0.9)
        wanted = points(inner, inner_state(part(state)), PARAMS)
        same(points(tx, state, PARAMS), wanted)
        assert (wanted[0]["w"] != PARAMS["w"]).all()
        found = {k.split("/")[-1]: v for k, v in gradtx.hyperparams(tx, state).items()}
        for name, value in gradtx.hyperparams(inner, inner_state(part(state))).items():
            np.testing.assert_array_equal(found[name], value)


@every_gate
def test_map_params_passes_through(gate):
    tx = gradtx.chain(gradtx.tap("first", first_of_w), gate(gradtx.adam(0.1)))
    state = tx.init(PARAMS)
    names = gradtx.map_params(tx, lambda leaf, name: name, state, PARAMS, {"w": "w", "b": "b"})
    mu = gradtx.state_get(names, "mu")
    assert mu == {"w": "w", "b": "b"}
    if len(jax.tree.leaves(getattr(state.inner[1], "acc_grads", ()))):
        assert gradtx.state_get(names, "acc_grads") == {"w": "w", "b": "b"}
    assert gradtx.state_get(names, "first") is gradtx.state_get(state, "first")


@every_gate
def test_hyperparameters_in_the_state(gate):
    tx = gate(gradtx.adam(0.1))
    grads = [grads_at(t) for t in range(4)]
    wanted = follow(tx, PARAMS, grads, value=0.9)
    around = follow(gradtx.inject_hyperparams(tx), PARAMS, grads, value=0.9)
    inside = follow(gate(gradtx.inject_hyperparams(gradtx.adam(0.1))), PARAMS, grads, value=0.9)
    for (u, _), (a, state), (b, _) in zip(wanted, around, inside, strict=True):
        same(a, u, rtol=1e-5, atol=1e-7)
        same(b, u, rtol=1e-5, atol=1e-7)
        assert any(k.endswith("learning_rate") for k in state.inner.hyperparams)


@every_gate
def test_gates_in_groups(gate):
    grads = [grads_at(t) for t in range(4)]
    tx = gradtx.partition({"w": gate(gradtx.adam(0.1)), "*": gradtx.sgd(0.5)})
    for i, (u, _) in enumerate(follow(tx, PARAMS, grads, value=0.9)):
        alone = follow(gate(gradtx.adam(0.1)), {"w": PARAMS["w"]}, [{"w": g["w"]} for g in grads], value=0.9)
        same(u["w"], alone[i][0]["w"])
        np.testing.assert_allclose(u["b"], -0.5 * grads[i]["b"])
    masked = gradtx.masked(gate(gradtx.adam(0.1)), "w")
    for i, (u, _) in enumerate(follow(masked, PARAMS, grads, value=0.9)):
        same(u["w"], alone[i][0]["w"])
        np.testing.assert_array_equal(u["b"], grads[i]["b"])


@every_gate
@pytest.mark.parametrize("outer", GATES.values(), ids=GATES)
def test_gates_in_gates(gate, outer):
    tx = outer(gate(gradtx.sgd(0.1, momentum=0.9)))
    state = tx.init(PARAMS)
    jax.eval_shape(lambda s: jax.lax.scan(lambda s, _: (tx.update(PARAMS, s, PARAMS, value=0.9)[1], None), s, None, 3), state)
    u, _ = tx.update(PARAMS, state, PARAMS, value=0.9)
    assert types(u) == types(PARAMS)
    if "partial" not in repr(tx):
        copy = pickle.loads(pickle.dumps(tx))
        assert copy == tx
        assert hash(copy) == hash(tx)


def test_accumulations_multiply():
    grads = [grads_at(t) for t in range(6)]
    nested = follow(gradtx.MultiSteps(gradtx.MultiSteps(gradtx.sgd(1.0), 3), 2), PARAMS, grads)
    flat = follow(gradtx.MultiSteps(gradtx.sgd(1.0), 6), PARAMS, grads)
    for (a, _), (b, _) in zip(nested, flat, strict=True):
        same(a, b, rtol=1e-5, atol=1e-7)
    assert (nested[-1][0]["w"] != 0).all()


def test_the_accumulator_is_float32():
    params = jnp.zeros(1, jnp.bfloat16)
    tx = gradtx.MultiSteps(gradtx.sgd(1.0), 257, use_grad_mean=False)
    grads = [jnp.full(1, 256.0, jnp.bfloat16), *[jnp.ones(1, jnp.bfloat16)] * 256]
    state, _ = jax.lax.scan(lambda s, g: (tx.update(g, s, params)[1], None), tx.init(params), jnp.stack(grads[:-1]))
    assert float(state.inner.acc_grads[0]) == 511  # in bfloat16 it would have stayed at 256
    assert float(tx.update(grads[-1], state, params)[0][0]) == -512
    half = gradtx.MultiSteps(gradtx.sgd(1.0), 2, accumulator_dtype="bfloat16")
    assert half.init(PARAMS).inner.acc_grads["w"].dtype == jnp.bfloat16


def test_gates_are_refused_in_named_rules():
    @gradtx.optimizer
    def wrong(learning_rate: gradtx.typing.NonNegative):
        return gradtx.MultiSteps(gradtx.sgd(learning_rate), 2)

    with pytest.raises(TypeError, match="steps at times of its own"):
        wrong(0.1)


def test_hypergradients_pass_through():
    def loss(tx):
        x, state = PARAMS, tx.init(PARAMS)
        for t in range(4):
            u, state = tx.update(jax.tree.map(lambda p, t=t: p + 0.1 * t, x), state, x, value=0.9)
            x = gradtx.apply_updates(x, u)
        return jnp.sum(x["w"] ** 2)

    for name, gate in GATES.items():
        grad = jax.grad(loss)(jax.tree.map(jnp.asarray, gate(gradtx.sgd(0.1, momentum=0.5))))
        rates = [x for p, x in jax.tree_util.tree_leaves_with_path(grad) if getattr(p[-1], "name", "") == "learning_rate"]
        assert len(rates) == 1
        assert np.isfinite(rates[0]), name
        assert rates[0] != 0, name


# --- Optax, step by step --------------------------------------------------------------------------------------------------

PAIRS = {
    "MultiSteps": (
        gradtx.MultiSteps(gradtx.adam(0.1), 3),
        lambda: optax.MultiSteps(optax.adam(0.1), 3).gradient_transformation(),
    ),
    "MultiSteps_scheduled": (
        gradtx.MultiSteps(gradtx.adam(0.1), lambda step: jnp.where(step < 2, 1, 3)),
        lambda: optax.MultiSteps(optax.adam(0.1), lambda step: jnp.where(step < 2, 1, 3)).gradient_transformation(),
    ),
    "MultiSteps_skip": (
        gradtx.MultiSteps(gradtx.adam(0.1), 2, False, gradtx.skip_not_finite),
        lambda: optax.MultiSteps(optax.adam(0.1), 2, False, optax.skip_not_finite).gradient_transformation(),
    ),
    "MultiSteps_large": (
        gradtx.MultiSteps(gradtx.adam(0.1), 2, should_skip_update_fn=under_ten),
        lambda: optax.MultiSteps(
            optax.adam(0.1), 2, should_skip_update_fn=functools.partial(optax.skip_large_updates, max_squared_norm=10.0)
        ).gradient_transformation(),
    ),
    "apply_every": (gradtx.apply_every(3), lambda: optax.apply_every(3)),
    "apply_if_finite": (gradtx.apply_if_finite(gradtx.adam(0.1), 1), lambda: optax.apply_if_finite(optax.adam(0.1), 1)),
    "conditionally_transform": (
        gradtx.conditionally_transform(gradtx.adam(0.1), every_third),
        lambda: optax.conditionally_transform(optax.adam(0.1), every_third),
    ),
    "conditionally_mask": (
        gradtx.conditionally_mask(gradtx.adam(0.1), every_third),
        lambda: optax.conditionally_mask(optax.adam(0.1), every_third),
    ),
    "conditionally_mask_value": (
        gradtx.conditionally_mask(gradtx.adam(0.1), when_high, forward_extra_args=True),
        lambda: optax.conditionally_mask(optax.adam(0.1), when_high, forward_extra_args=True),
    ),
    "keep_params_nonnegative": (
        gradtx.chain(gradtx.sgd(3.0), gradtx.keep_params_nonnegative()),
        lambda: optax.chain(optax.sgd(3.0), optax.keep_params_nonnegative()),
    ),
    "freeze": (gradtx.freeze({"w": True, "b": False}), lambda: optax.freeze({"w": True, "b": False})),
    "selective_transform": (
        gradtx.selective_transform(gradtx.adam(0.1), freeze_mask={"w": False, "b": True}),
        lambda: optax.selective_transform(optax.adam(0.1), freeze_mask={"w": False, "b": True}),
    ),
    "reduce_on_plateau": (
        gradtx.chain(gradtx.sgd(0.1), gradtx.reduce_on_plateau(0.5, patience=2, cooldown=1)),
        lambda: optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau(0.5, patience=2, cooldown=1)),
    ),
}


# Optax's step by step compiles for long; of those that are alike one is compared each time.
ALIKE = {"MultiSteps_skip", "MultiSteps_large", "MultiSteps_scheduled", "conditionally_mask_value"}


@pytest.mark.lenient
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.full) if n in ALIKE else n for n in PAIRS])
def test_agrees_with_optax_step_by_step(name):
    ours, theirs = PAIRS[name]
    theirs = optax.with_extra_args_support(theirs())
    state, other = ours.init(PARAMS), theirs.init(PARAMS)
    rng = np.random.default_rng(0)
    moved = 0
    for t in range(24):
        g = grads_at(t)
        if t in (3, 4, 9) and name in ("MultiSteps_skip", "MultiSteps_large", "apply_if_finite"):
            g["w"] = g["w"].at[0].set(jnp.nan)
        if name == "apply_if_finite" and t == 4:  # both give up there, and are lost
            g = grads_at(t)
        value = jnp.asarray(rng.uniform(), jnp.float32)
        a, state = ours.update(g, state, PARAMS, value=value)
        b, other = theirs.update(g, other, PARAMS, value=value)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)
        moved += bool((a["w"] != 0).any())
    assert moved > 3 or name == "freeze"


def test_optax_keeps_nan_in_apply_every_where_ours_does_not():
    out = follow(gradtx.apply_every(2), jnp.ones(1), [jnp.array([jnp.nan]), jnp.ones(1), jnp.ones(1), jnp.ones(1)])
    assert [float(u[0]) for u, _ in out][2:] == [0, 2]


# --- loss scaling ---------------------------------------------------------------------------------------------------------


def test_loss_scale_grows_and_halves_as_in_pytorch():
    tx = gradtx.dynamic_loss_scaling(gradtx.sgd(1.0), init_scale=8.0, growth_interval=3, minimum_scale=2.0)
    scale, good, state = 8.0, 0, tx.init(jnp.ones(2))
    for bad in [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0]:
        g = jnp.array([jnp.inf if bad else scale * 0.5, scale])
        assert float(gradtx.state_get(state, "loss_scale")) == scale
        u, state = tx.update(g, state, jnp.ones(2))
        np.testing.assert_array_equal(u, [0, 0] if bad else [-0.5, -1])
        if bad:
            scale, good = max(scale / 2, 2.0), 0
        else:
            good += 1
            if good == 3:
                scale, good = 2 * scale, 0
    assert int(gradtx.state_get(state, "inner_state/step")) == 10


def test_loss_scale_stays_finite():
    tx = gradtx.dynamic_loss_scaling(gradtx.sgd(1.0), init_scale=2.0**127, growth_interval=1)
    _, state = tx.update(jnp.ones(1), tx.init(jnp.ones(1)), jnp.ones(1))
    assert float(gradtx.state_get(state, "loss_scale")) == 2.0**127


def test_small_float16_gradients_survive():
    x, tx = jnp.full(1, 0.5), gradtx.dynamic_loss_scaling(gradtx.sgd(1.0), init_scale=1024.0)

    def loss(x, scale):
        return jnp.sum(x.astype(jnp.float16) * jnp.float16(1e-4) * jnp.float16(1e-4)).astype(jnp.float32) * scale

    state = tx.init(x)
    update, _ = tx.update(jax.grad(loss)(x, gradtx.state_get(state, "loss_scale")), state, x)
    np.testing.assert_allclose(update, [-1e-8], rtol=0.01)
    assert jax.grad(loss)(x, 1.0)[0] == 0


# --- plateaus -------------------------------------------------------------------------------------------------------------


@pytest.mark.lenient
def test_plateaus_of_negative_values_count():
    rising = [-10.0 + 1e-4 * t for t in range(30)]
    scales = []
    for tx in (
        gradtx.reduce_on_plateau(0.5, patience=5),
        optax.contrib.reduce_on_plateau(0.5, patience=5),
    ):
        state = tx.init(jnp.ones(1))
        for v in rising:
            u, state = tx.update(jnp.ones(1), state, jnp.ones(1), value=jnp.asarray(v))
        scales.append(float(u[0]))
    assert scales == [0.5**5, 1.0]


def test_falling_negative_values_are_no_plateau():
    tx = gradtx.reduce_on_plateau(0.5, patience=2)
    state = tx.init(jnp.ones(1))
    for t in range(20):
        u, state = tx.update(jnp.ones(1), state, value=-1.0 - 0.1 * t)
    assert float(u[0]) == 1


def test_a_plateau_wants_its_value():
    tx = gradtx.reduce_on_plateau()
    with pytest.raises(ValueError, match="reduce_on_plateau needs the extra argument 'value'"):
        tx.update(jnp.ones(1), tx.init(jnp.ones(1)))
    for gate in GATES.values():
        gated = gate(gradtx.chain(gradtx.sgd(0.1), tx))
        assert np.isfinite(gated.update(jnp.ones(1), gated.init(jnp.ones(1)), jnp.ones(1), value=0.9)[0]).all()


# --- taps -----------------------------------------------------------------------------------------------------------------


def sizes(updates):
    return {"largest": jnp.max(jnp.abs(updates["w"])), "count": 3, "positive": updates["b"] > 0}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_taps_record_without_touching(dtype):
    params = jax.tree.map(lambda p: p.astype(dtype), PARAMS)
    stages = [
        gradtx.tap("before", gradtx.global_norm),
        gradtx.clip_by_global_norm(0.5),
        gradtx.monitor({"after": gradtx.global_norm, "sizes": sizes, "slow": gradtx.measure_with_ema(is_large, 0.75)}),
        gradtx.snapshot("w0", first_of_w),
        gradtx.adam(0.1),
    ]
    tx = gradtx.chain(*stages)
    alone = gradtx.chain(stages[1], stages[4])
    grads = [grads_at(t, params) for t in range(3)]
    state = tx.init(params)
    assert float(gradtx.state_get(state, "before")) == 0
    for g, (u, after), (wanted, _) in zip(grads, follow(tx, params, grads), follow(alone, params, grads), strict=True):
        same(u, wanted)
        assert types(after) == types(state)
        norm = np.sqrt(sum(np.sum(np.square(np.asarray(x, np.float64))) for x in jax.tree.leaves(g)))
        np.testing.assert_allclose(gradtx.state_get(after, "before"), norm, rtol=1e-5)
        np.testing.assert_allclose(gradtx.state_get(after, "after"), min(norm, 0.5), rtol=1e-5)
        clipped = np.asarray(g["w"], np.float64) * min(1, 0.5 / norm)
        np.testing.assert_allclose(gradtx.state_get(after, "w0"), clipped[0], rtol=1e-5)
        found = gradtx.state_get(after, "sizes")
        np.testing.assert_allclose(found["largest"], np.abs(clipped).max(), rtol=1e-5)
        assert float(found["positive"]) == float(g["b"] > 0)
        assert gradtx.state_get(after, "slow") == 0  # behind the clipping nothing is large


def test_an_averaged_measurement_is_corrected_for_its_start():
    tx = gradtx.tap("slow", gradtx.measure_with_ema(gradtx.global_norm, gradtx.linear_schedule(0.5, 0.9, 4)))
    mean, weight = 0.0, 0.0
    for t, (_, state) in enumerate(follow(tx, PARAMS, [grads_at(t) for t in range(6)])):
        b = 0.5 + 0.1 * min(t, 4)
        mean = b * mean + (1 - b) * float(gradtx.global_norm(grads_at(t)))
        weight = b * weight + (1 - b)
        np.testing.assert_allclose(gradtx.state_get(state, "slow"), mean / weight, rtol=1e-5)
    plain = gradtx.tap("slow", gradtx.measure_with_ema(gradtx.global_norm, 0.75, debias=False))
    _, state = follow(plain, PARAMS, [grads_at(0)])[0]
    np.testing.assert_allclose(gradtx.state_get(state, "slow"), 0.25 * gradtx.global_norm(grads_at(0)), rtol=1e-6)
    np.testing.assert_allclose(gradtx.hyperparams(tx, tx.init(PARAMS))["slow/decay"], 0.5)


@pytest.mark.lenient
def test_monitor_agrees_with_optax():
    ours = gradtx.monitor({"norm": gradtx.global_norm, "slow": gradtx.measure_with_ema(is_large, 0.9)})
    theirs = optax.transforms.monitor(
        {"norm": optax.tree.norm, "slow": optax.transforms.measure_with_ema(lambda u: optax.tree.norm(u) > 1.0, 0.9)}
    )
    other = theirs.init(PARAMS)
    for g, (_, state) in zip([grads_at(t) for t in range(4)], follow(ours, PARAMS, map(grads_at, range(4))), strict=True):
        _, other = theirs.update(g, other, PARAMS)
        for name in ("norm", "slow"):
            np.testing.assert_allclose(gradtx.state_get(state, name), other.measurements[name], rtol=1e-6)


def test_taps_inside_named_rules_and_gates():
    @gradtx.optimizer
    def watched(learning_rate: gradtx.typing.NonNegative):
        return gradtx.chain(gradtx.tap("norm", gradtx.global_norm), gradtx.sgd(learning_rate))

    for tx in (watched(0.1), gradtx.MultiSteps(watched(0.1), 1), gradtx.partition({"*": watched(0.1)})):
        _, state = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
        np.testing.assert_allclose(gradtx.state_get(state, "norm"), gradtx.global_norm(PARAMS), rtol=1e-6)
    empty = gradtx.tap("first", first_of_w)
    assert empty.update({}, empty.init({}), {})[0] == {}


# --- the rest -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mask", ["w", ("w", "x*"), re.compile("^w$"), {"w": True, "b": False}, lambda p: {"w": True, "b": False}]
)
def test_frozen_parameters_carry_no_state_and_do_not_move(mask):
    tx = gradtx.selective_transform(gradtx.adamw(0.1, weight_decay=0.5), freeze_mask=mask)
    for u, state in follow(tx, PARAMS, [grads_at(0), grads_at(1)]):
        assert (u["w"] == 0).all()
        assert u["b"] != 0
        assert [x.size for x in jax.tree.leaves(gradtx.state_get(state, "mu"))] == [1]
    stateless = gradtx.freeze(mask)
    assert jax.tree.leaves(stateless.init(PARAMS).inner) == []
    everything = gradtx.selective_transform(gradtx.adam(0.1), freeze_mask=True)
    assert all((u == 0).all() for u in jax.tree.leaves(follow(everything, PARAMS, [grads_at(0)])[0][0]))


def test_named_chain():
    tx = gradtx.named_chain(("clip", gradtx.clip(1.0)), ("adam", gradtx.adam(0.1)))
    assert tx == gradtx.chain(("clip", gradtx.clip(1.0)), ("adam", gradtx.adam(0.1)))
    assert "mu" in gradtx.state_get(tx.init(PARAMS), "adam")[0].numerator[0]


def move_by_half(update, param):
    return update if param is None else update + 0.5 * param


@pytest.mark.lenient
def test_functions_of_one_array():
    tx, theirs = gradtx.stateless_with_tree_map(move_by_half), optax.stateless_with_tree_map(move_by_half)
    for params in (PARAMS, None):
        ours, _ = tx.update(grads_at(0), tx.init(PARAMS), params)
        wanted, _ = theirs.update(grads_at(0), theirs.init(PARAMS), params)
        same(ours, wanted)
    assert gradtx.with_extra_args_support(tx) is tx
    with pytest.raises(TypeError, match="is no transformation"):
        gradtx.with_extra_args_support(theirs)


@pytest.mark.lenient
def test_slow_copies_agree_with_optax():
    new, old = grads_at(0), grads_at(1)
    same(gradtx.incremental_update(new, old, 0.3), optax.incremental_update(new, old, 0.3), rtol=1e-6)
    for steps in (0, 1, 3, 6):
        same(gradtx.periodic_update(new, old, steps, 3), optax.periodic_update(new, old, steps, 3))
    half = {"w": jnp.ones(2, jnp.bfloat16), "n": None}
    out = gradtx.incremental_update({"w": jnp.zeros(2), "n": None}, half, 0.5)
    assert types(out) == types(half)
    with pytest.raises(ValueError, match="incremental_update: at w the new tensors have"):
        gradtx.incremental_update({"w": jnp.ones(1)}, {"w": jnp.ones((3, 1))}, 0.5)


@pytest.mark.lenient
def test_safe_norms_agree_with_optax():
    some = jnp.arange(6.0).reshape(2, 3) - 2
    for x in (some, jnp.zeros((2, 3)), 1e-3 * some):
        for kwargs in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}, {"ord": jnp.inf, "axis": 1}):
            for least in (0.0, 0.5, 2.0):
                np.testing.assert_allclose(gradtx.safe_norm(x, least, **kwargs), optax.safe_norm(x, least, **kwargs), rtol=1e-6)
                slope = jax.grad(lambda x, k=kwargs, c=least: jnp.sum(gradtx.safe_norm(x, c, **k)))(x)
                assert np.isfinite(slope).all()
        for least in (0.0, 0.5, 2.0):
            np.testing.assert_allclose(
                gradtx.safe_root_mean_squares(x, least), optax.safe_root_mean_squares(x, least), rtol=1e-6
            )
            assert np.isfinite(jax.grad(gradtx.safe_root_mean_squares)(x, least)).all()


def test_scale_gradient_forwards_and_backwards():
    def f(x, s):
        return jnp.sum(gradtx.scale_gradient({"x": x}, s)["x"] ** 3)

    x = jnp.array([1.0, -2.0])
    for s in (1.0, 0.0, -0.5):
        np.testing.assert_allclose(f(x, s), jnp.sum(x**3))
        np.testing.assert_allclose(jax.jit(jax.grad(f))(x, s), s * 3 * x**2)
        np.testing.assert_allclose(jax.jvp(lambda x, s=s: f(x, s), (x,), (jnp.ones(2),))[1], s * jnp.sum(3 * x**2), rtol=1e-6)
        assert jax.grad(f, argnums=1)(x, s) == 0
    assert jax.grad(lambda x: gradtx.scale_gradient(x, 0.5))(jnp.ones((), jnp.bfloat16)).dtype == jnp.bfloat16


def test_counters_saturate():
    assert int(gradtx.safe_increment(jnp.array(2**31 - 1, jnp.int32))) == 2**31 - 1


def test_nonnegative_parameters_stay_so_when_rounded():
    rng = np.random.default_rng(0)
    params = jnp.asarray(rng.uniform(size=200), jnp.bfloat16)
    tx = gradtx.chain(gradtx.sgd(1.0), gradtx.keep_params_nonnegative())
    grads = params.astype(jnp.float32) + jnp.asarray(rng.normal(size=200) * 0.01, jnp.float32)
    updates, _ = tx.update(grads, tx.init(params), params)
    moved = gradtx.apply_updates(params, updates)
    assert (moved >= 0).all()
    assert (moved > 0).any()


def not_a_bool(step):
    return step


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: gradtx.MultiSteps(gradtx.sgd(0.1), 0), ValueError, "every_k_schedule = 0; it must be a positive whole number"),
        (lambda: gradtx.MultiSteps(gradtx.sgd(0.1), 2.5), ValueError, "every_k_schedule = 2.5"),
        (lambda: gradtx.MultiSteps(gradtx.sgd, 2), TypeError, r"call it: sgd\(...\)"),
        (lambda: gradtx.apply_every(0), ValueError, "positive whole number"),
        (lambda: gradtx.apply_if_finite(gradtx.sgd(0.1), -1), ValueError, "max_consecutive_errors = -1"),
        (lambda: gradtx.apply_if_finite(gradtx.sgd(0.1), 1.5), ValueError, "max_consecutive_errors = 1.5"),
        (lambda: gradtx.conditionally_mask(gradtx.sgd(0.1), True), TypeError, "can't be called"),
        (lambda: step(gradtx.conditionally_mask(gradtx.sgd(0.1), not_a_bool)), TypeError, "must say True or False once"),
        (lambda: gradtx.dynamic_loss_scaling(gradtx.sgd(0.1), growth_factor=0.5), ValueError, "growth_factor = 0.5"),
        (lambda: gradtx.dynamic_loss_scaling(gradtx.sgd(0.1), backoff_factor=1.0), ValueError, "backoff_factor = 1"),
        (lambda: gradtx.dynamic_loss_scaling(gradtx.sgd(0.1), growth_interval=0), ValueError, "growth_interval = 0"),
        (lambda: gradtx.reduce_on_plateau(1.0), ValueError, "factor = 1"),
        (lambda: gradtx.reduce_on_plateau(patience=0), ValueError, "patience = 0"),
        (lambda: gradtx.reduce_on_plateau(rtol=0.0), ValueError, "both 0"),
        (lambda: step(gradtx.reduce_on_plateau(), value=jnp.ones(2)), ValueError, "must be one number"),
        (lambda: gradtx.tap(3, gradtx.global_norm), TypeError, "must be a string"),
        (lambda: gradtx.tap("x", 3), TypeError, "3 is no transformation"),
        (lambda: gradtx.tap("x", gradtx.ema), TypeError, "call it: ema"),
        (lambda: gradtx.named_chain(("x", 3)), TypeError, "no transformation"),
        (lambda: step(gradtx.keep_params_nonnegative(), params=None), ValueError, "needs the parameters"),
        (lambda: step(gradtx.keep_params_nonnegative(), jnp.ones(1, jnp.complex64)), TypeError, "has no sign"),
    ],
)
def test_says_what_is_wrong(act, error, words):
    with pytest.raises(error, match=words):
        act()


def step(tx, like=PARAMS, **kwargs):
    params = kwargs.pop("params", like)
    return tx.update(like, tx.init(like), params, **kwargs)
