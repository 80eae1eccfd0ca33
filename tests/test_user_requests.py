"""What users of other libraries asked for in public, each request as a test. The threads are named beside it.

The numbers are those of the list of requests. 19, L-BFGS as fast as SciPy's with auxiliary outputs, comes with the second-order methods.
"""

import dataclasses
import inspect
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.running import START, run, types

X = jnp.asarray(START, "float32")


def test_01_no_recompilation_for_a_recreated_optimizer_or_another_rate():
    # optax 577, 353, 197; equinox 940
    traces = []

    def step(tx, x):
        traces.append(1)
        return tx.update(x, tx.init(x), x)[0]

    as_argument, as_static = jax.jit(step), jax.jit(step, static_argnums=0)
    for rate in (0.1, 0.2):
        np.testing.assert_allclose(as_argument(gradtx.adam(rate), X), -rate * np.sign(X), rtol=1e-5)
    assert len(traces) == 1
    for _ in range(3):
        as_static(gradtx.adam(gradtx.cosine_decay_schedule(0.1, 100)), X)
    assert len(traces) == 2


SWEPT = {
    "cosine peak and length": lambda n: gradtx.cosine_decay_schedule(0.01 * n, n),
    "linear length": lambda n: gradtx.linear_schedule(0.1, 0.01, n),
    "exponential steps and rate": lambda n: gradtx.exponential_decay(0.1, n, 1 / n),
    "polynomial power": lambda n: gradtx.polynomial_schedule(0.1, 0.0, n, 10),
    "warm-up, peak and decay": lambda n: gradtx.warmup_cosine_decay_schedule(0.0, 0.02 * n, n, 4 * n),
    "piecewise scales": lambda n: gradtx.piecewise_constant_schedule(0.1, {5: 1 / n}),
    "joined": lambda n: gradtx.join_schedules([gradtx.constant_schedule(0.1), gradtx.linear_schedule(0.1, 0, n)], [4]),
}


@pytest.mark.parametrize("name", SWEPT)
def test_02_schedules_are_swept(name):
    # optax 932, 503
    lengths = [4.0, 7.0]

    def end(n):
        return run(gradtx.adam(SWEPT[name](n)), X, 12)

    together = jax.vmap(end)(jnp.array(lengths))
    assert not np.allclose(together[0], together[1])
    for i, n in enumerate(lengths):
        np.testing.assert_allclose(together[i], end(n), rtol=2e-5, atol=2e-6)


def test_03_a_precision_policy():
    # optax 1552, 1444, 1687; maxtext 1437
    params = {"w": jnp.ones(3, jnp.bfloat16)}
    tx = gradtx.master_weights(gradtx.state_dtype(gradtx.adam(1e-4), {"mu": "bfloat16"}))
    state = tx.init(params)
    moments = {name: gradtx.state_get(state, name)["w"].dtype.name for name in ("master", "mu", "nu")}
    assert moments == {"master": "float32", "mu": "bfloat16", "nu": "float32"}
    for _ in range(100):
        updates, state = tx.update(params, state, params)
        params = gradtx.apply_updates(params, updates)
    np.testing.assert_allclose(params["w"].astype("float32"), 0.99, atol=4e-3)
    assert np.all(params["w"] < 1)


def test_04_hyperparameters_in_the_state_keep_their_precision():
    # optax 1414
    tx, x = gradtx.inject_hyperparams(gradtx.adam(1e-3, b2=0.999)), X.astype("bfloat16")
    state = tx.init(x)
    assert state.inner.hyperparams["b2"].dtype == "float32"
    updates, _ = tx.update(x, state, x)
    np.testing.assert_allclose(updates.astype("float32"), -1e-3 * np.sign(X), rtol=1e-2)


def test_05_the_learning_rate_in_force_has_one_name():
    # optax 206, 312; flax 4320
    tx = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adamw(gradtx.linear_schedule(0.1, 0.0, 10)))
    state = tx.init(X)
    for t in range(3):
        np.testing.assert_allclose(gradtx.learning_rate(tx, state), 0.1 - 0.01 * t, rtol=1e-5)
        assert int(gradtx.steps(state)) == t
        state = tx.update(X, state, X)[1]


@pytest.mark.lenient
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "lion"])
def test_06_many_leaves_trace_no_dearer_than_in_optax(name):
    # google-research 2270; precondition 24
    optax = pytest.importorskip("optax")
    params = {f"w{i}": jnp.ones((2, 2)) for i in range(40)}

    def equations(tx):
        step = jax.make_jaxpr(lambda g, s, p: tx.update(g, s, p))(params, tx.init(params), params)
        return sum(1 for _ in _equations(step.jaxpr))

    # A counter more than stateless ones of Optax have, and one guard a leaf more under a root that Optax leaves open.
    more = 4 + (len(params) if name == "rmsprop" else 0)
    assert equations(getattr(gradtx, name)(1e-3)) <= equations(getattr(optax, name)(1e-3)) + more


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        inner = [v.jaxpr for v in equation.params.values() if hasattr(v, "jaxpr")]
        if not inner:
            yield equation
        for below in inner:
            yield from _equations(below)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    kernel: jax.Array
    bias: jax.Array


def test_07_groups_by_path_in_any_container():
    # flax 3955; optax 1148, 160, 1007; jax 31256
    layer = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    tx = gradtx.partition({"*/bias": gradtx.sgd(1.0), "*": gradtx.sgd(0.5)})
    for params in ({"dense": layer}, [layer, layer], (Layer(**layer),), {"deep": [{"er": Layer(**layer)}]}):
        updates, _ = tx.update(params, tx.init(params), params)
        for path, u in jax.tree_util.tree_leaves_with_path(updates):
            np.testing.assert_allclose(u, -1.0 if "bias" in jax.tree_util.keystr(path) else -0.5)
    with pytest.raises(ValueError, match=r"no pattern of .* matches the parameter at 'dense/kernel'"):
        gradtx.partition({"*/bias": gradtx.sgd(1.0)}).init({"dense": layer})


def test_07_groups_by_path_in_nnx():
    nnx = pytest.importorskip("flax.nnx")
    params = nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Param)
    tx = gradtx.partition({"bias": gradtx.set_to_zero(), "kernel": gradtx.sgd(1.0)})
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    np.testing.assert_allclose(updates["kernel"][...], -1.0)
    np.testing.assert_allclose(updates["bias"][...], 0.0)


def test_08_weight_decay_is_one_piece_with_mask_and_schedule():
    # optax 1635, 186, 1291, 1426
    params = {"w": jnp.full(2, 2.0), "bias": jnp.full(2, 2.0)}
    zeros = jax.tree.map(jnp.zeros_like, params)
    fading = gradtx.linear_schedule(0.1, 0.0, 2)
    for tx in (
        gradtx.chain(gradtx.scale_by_adam(), gradtx.add_decayed_weights(fading, "w"), gradtx.scale_by_learning_rate(1.0)),
        gradtx.adamw(1.0, weight_decay=fading, mask="w"),
        gradtx.lion(1.0, weight_decay=fading, mask="w"),
    ):
        state = tx.init(params)
        for wanted in (-0.2, -0.1, 0.0):
            updates, state = tx.update(zeros, state, params)
            np.testing.assert_allclose(updates["w"], wanted, atol=1e-7)
            np.testing.assert_allclose(updates["bias"], 0.0)


def test_09_types_never_drift():
    # optax 1207, 1440, 1171: the same state under scan, cond, and arrays for hyperparameters, eagerly and compiled
    params = {"w": jnp.ones(3, jnp.bfloat16), "s": jnp.ones((), jnp.float16)}
    for tx in (gradtx.adam(jnp.float32(0.1), b1=np.float64(0.9)), gradtx.sgd(jnp.asarray(0.1, jnp.float16), momentum=0.9)):
        state = tx.init(params)
        for update in (tx.update, jax.jit(tx.update)):
            updates, after = update(params, state, params)
            assert types(after) == types(state)
            assert types(updates) == types(params)
        jax.lax.scan(lambda s, _, tx=tx: (tx.update(params, s, params)[1], None), state, None, 2)
        jax.lax.cond(True, lambda s, tx=tx: tx.update(params, s, params)[1], lambda s: s, state)


def test_10_frozen_none_and_integer_leaves_need_no_filter():
    # optax 477, 290, 296; equinox 364, 590
    params = {"w": jnp.ones(2), "frozen": jnp.ones(5), "count": jnp.array(3), "nothing": None}
    tx = gradtx.partition({"w": gradtx.adam(0.1), "*": gradtx.set_to_zero()})
    grads = jax.grad(lambda p: jnp.sum(p["w"] ** 2) + jnp.sum(p["frozen"]), allow_int=True)(params)
    state = tx.init(params)
    assert {x.shape for x in jax.tree.leaves(state)} == {(), (2,)}  # no memory for what is frozen
    new = gradtx.apply_updates(params, tx.update(grads, state, params)[0])
    np.testing.assert_allclose(new["w"], 0.9, rtol=1e-6)
    np.testing.assert_array_equal(new["frozen"], params["frozen"])
    assert new["count"] == 3
    assert new["nothing"] is None


@pytest.mark.parametrize(
    "wrap", [lambda tx: tx, lambda tx: gradtx.chain(gradtx.clip_by_global_norm(10.0), tx)], ids=["alone", "chained"]
)
def test_11_accumulation_is_a_transformation(wrap):
    # optax 472, 320, 528; equinox 590
    pieces = jax.random.normal(jax.random.key(0), (8, 6))
    adam = gradtx.adam(gradtx.linear_schedule(0.1, 0.0, 10))
    tx = wrap(gradtx.MultiSteps(adam, 4))
    x, state = X, tx.init(X)
    for g in pieces:
        updates, state = jax.jit(tx.update)(g, state, x)
        x = gradtx.apply_updates(x, updates)
    wanted, whole = X, adam.init(X)
    for g in (pieces[:4].mean(0), pieces[4:].mean(0)):
        updates, whole = adam.update(g, whole, wanted)
        wanted = gradtx.apply_updates(wanted, updates)
    np.testing.assert_allclose(x, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradtx.state_get(state, "mu"), gradtx.state_get(whole, "mu"), rtol=1e-5)


def test_11_accumulation_costs_no_memory_at_one():
    def sizes(tx):
        return sorted(x.size for x in jax.tree.leaves(jax.eval_shape(tx.init, X)) if x.size > 1)

    assert sizes(gradtx.MultiSteps(gradtx.adam(0.1), 1)) == sizes(gradtx.adam(0.1))
    assert len(sizes(gradtx.MultiSteps(gradtx.adam(0.1), 2))) == len(sizes(gradtx.adam(0.1))) + 1


def test_12_sharded_state_is_stated_once():
    # algorithmic-efficiency 797; flax 5112; optax 548, 1660
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("x",))
    params = {"w": jnp.ones((4, 2)), "b": jnp.ones(2)}
    specs = {"w": jax.sharding.PartitionSpec("x", None), "b": jax.sharding.PartitionSpec()}
    shardings = jax.tree.map(lambda s: jax.sharding.NamedSharding(mesh, s), specs)
    alone = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    tx = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adamw(1e-3))
    shapes = jax.tree.map(lambda _: alone, jax.eval_shape(tx.init, params))
    wanted = gradtx.map_params(tx, lambda _, sharding: sharding, shapes, params, shardings)
    state = jax.jit(tx.init, out_shardings=wanted)(params)
    for name in ("mu", "nu"):
        assert gradtx.state_get(state, name)["w"].sharding == shardings["w"]
    assert state.step.sharding == alone


def test_13_checkpoints_without_classes_and_optimizers_that_pickle():
    # flax 4423; jax 3759; optax 1036
    tx = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adamw(gradtx.cosine_decay_schedule(0.1, 100)))
    assert pickle.loads(pickle.dumps(tx)) == tx
    state = tx.update(X, tx.init(X), X)[1]
    plain = json.dumps({"optimizer": gradtx.to_dict(tx), "state": gradtx.state_to_dict(state)})
    assert "gradtx." not in plain  # where a class is defined is no part of it
    loaded = json.loads(plain)
    again, restored = gradtx.from_dict(loaded["optimizer"]), gradtx.state_from_dict(loaded["state"])
    np.testing.assert_array_equal(again.update(X, restored, X)[0], tx.update(X, state, X)[0])


def test_14_measurements_out_of_the_middle_of_a_chain():
    # optax 326
    def largest(updates):
        return {"max": jnp.max(jnp.abs(updates["w"]))}

    tx = gradtx.chain(
        gradtx.tap("before", gradtx.global_norm),
        gradtx.clip_by_global_norm(1.0),
        gradtx.tap("after", gradtx.global_norm),
        gradtx.scale_by_adam(),
        gradtx.tap("direction", largest),
        gradtx.scale_by_learning_rate(0.1),
    )
    plain = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.scale_by_adam(), gradtx.scale_by_learning_rate(0.1))
    params, grads = {"w": jnp.ones(2)}, {"w": jnp.array([3.0, 4.0])}

    def step(state, _):
        updates, state = tx.update(grads, state, params)
        return state, (updates, gradtx.state_get(state, "before"))

    # The structure is fixed from the start: it can be carried by a scan, and read anywhere in it.
    state, (updates, seen) = jax.lax.scan(step, tx.init(params), None, 3)
    np.testing.assert_allclose(seen, 5.0, rtol=1e-6)
    np.testing.assert_allclose(gradtx.state_get(state, "after"), 1.0, rtol=1e-6)
    np.testing.assert_allclose(gradtx.state_get(state, "direction")["max"], 1.0, rtol=1e-5)
    np.testing.assert_allclose(updates["w"][0], plain.update(grads, plain.init(params), params)[0]["w"], rtol=1e-6)


class by_loss(gradtx.Transform):
    """Needs the extra argument `loss`."""

    def apply(self, updates, state, params=None, **extra):
        if "loss" not in extra:
            raise ValueError("by_loss: update needs the extra argument loss.")
        return jax.tree.map(lambda u: u * extra["loss"].astype(u.dtype), updates), ()


WRAPPERS = [
    lambda inner: gradtx.chain(gradtx.identity(), inner),
    lambda inner: gradtx.named("it", inner),
    lambda inner: gradtx.masked(inner, "*"),
    lambda inner: gradtx.partition({"*": inner}),
    lambda inner: gradtx.inject_hyperparams(inner),
    lambda inner: gradtx.add(inner, gradtx.scale(0.0)),
    lambda inner: gradtx.blend(1.0, inner, gradtx.identity()),
    lambda inner: gradtx.kahan(inner),
    lambda inner: gradtx.master_weights(inner),
    lambda inner: gradtx.stochastic_rounding(inner),
    lambda inner: gradtx.state_dtype(gradtx.chain(inner, ("m", gradtx.ema(0.0))), {"m": "float32"}),
]


@pytest.mark.parametrize("wrap", WRAPPERS, ids=lambda wrap: type(wrap(gradtx.identity())).__name__)
def test_15_extra_arguments_go_through_every_wrapper(wrap):
    # flax 4545; optax 1131, 1649; equinox 796
    tx, params = wrap(by_loss()), {"w": jnp.ones(2)}
    np.testing.assert_allclose(tx.update(params, tx.init(params), params, loss=jnp.float32(3.0))[0]["w"], 3.0)
    with pytest.raises(ValueError, match="needs the extra argument loss"):
        tx.update(params, tx.init(params), params)


def always(step):
    return step >= 0


# Every class that holds transformations, once around one that needs the extra argument.
HOLDERS = {
    "MultiSteps": lambda inner: gradtx.MultiSteps(inner, 2),
    "add": lambda inner: gradtx.add(gradtx.identity(), inner),
    "apply_if_finite": lambda inner: gradtx.apply_if_finite(inner, 3),
    "blend": lambda inner: gradtx.blend(0.5, gradtx.identity(), inner),
    "cautious": gradtx.cautious,
    "chain": lambda inner: gradtx.chain(gradtx.identity(), inner),
    "conditionally_mask": lambda inner: gradtx.conditionally_mask(inner, always),
    "conditionally_transform": lambda inner: gradtx.conditionally_transform(inner, always),
    "diagnostics": gradtx.diagnostics,
    "dynamic_loss_scaling": gradtx.dynamic_loss_scaling,
    "feedback": lambda inner: gradtx.feedback(inner, gradtx.ema(0.5), gradtx.identity()),
    "galore": lambda inner: gradtx.galore(0.1, base_optimizer=inner),
    "graft": lambda inner: gradtx.graft(gradtx.identity(), inner),
    "inject_hyperparams": gradtx.inject_hyperparams,
    "kahan": gradtx.kahan,
    "let": lambda inner: gradtx.let("it", inner, gradtx.recall("it")),
    "lookahead": lambda inner: gradtx.lookahead(inner, 2, 0.5),
    "low_rank": gradtx.low_rank,
    "masked": lambda inner: gradtx.masked(inner, "*"),
    "master_weights": gradtx.master_weights,
    "mechanize": gradtx.mechanize,
    "multiply": lambda inner: gradtx.multiply(gradtx.identity(), inner),
    "named": lambda inner: gradtx.named("it", inner),
    "partition": lambda inner: gradtx.partition({"*": inner}),
    "ratio": lambda inner: gradtx.ratio(gradtx.identity(), inner),
    "refreshed": lambda inner: gradtx.refreshed(inner, gradtx.ema(0.5)),
    "sam": lambda inner: gradtx.sam(inner, gradtx.sgd(0.1)),
    "scale_by_sophia": lambda inner: gradtx.scale_by_sophia(hessian_diagonal_fn=inner),
    "schedule_free": lambda inner: gradtx.schedule_free(inner, 0.1),
    "shampoo": lambda inner: gradtx.shampoo(0.1, graft=inner),
    "sign_from_gradient": gradtx.sign_from_gradient,
    "sophia": lambda inner: gradtx.sophia(0.1, hessian_diagonal_fn=inner),
    "split_real_and_imaginary": gradtx.split_real_and_imaginary,
    "state_dtype": lambda inner: gradtx.state_dtype(gradtx.chain(inner, ("m", gradtx.ema(0.0))), {"m": "float32"}),
    "stochastic_rounding": gradtx.stochastic_rounding,
    "tap": lambda inner: gradtx.tap("it", inner),
}
ACCUMULATORS_ONLY = {"lagged", "primed"}  # what these hold is an accumulator, which asks for nothing


def test_15_the_list_of_wrappers_is_complete():
    def holds(cls):
        return (
            isinstance(cls, type)
            and issubclass(cls, gradtx.Transform)
            and any("Transform" in str(a) for a in _annotations(cls))
        )

    assert {name for name, cls in vars(gradtx).items() if holds(cls)} == set(HOLDERS) | ACCUMULATORS_ONLY


def _annotations(cls):
    return [p.annotation for p in inspect.signature(cls).parameters.values()] if hasattr(cls, "_kinds") else []


@pytest.mark.parametrize("name", HOLDERS)
def test_15_extra_arguments_reach_what_is_wrapped(name):
    tx, params = HOLDERS[name](by_loss()), {"w": jnp.ones((2, 2)), "b": jnp.ones(2)}
    for _ in range(2):
        updates, state = tx.update(params, tx.init(params), params, loss=jnp.float32(3.0))
        assert types(updates) == types(params)
    with pytest.raises(ValueError, match="needs the extra argument loss"):
        tx.update(params, state, params)


@pytest.mark.lenient
@pytest.mark.parametrize("name", ["chain", "MultiSteps", "partition", "inject_hyperparams"])
def test_15_extra_arguments_go_through_as_optax(name):
    optax = pytest.importorskip("optax")
    from gradtx.interop import as_optax

    params = {"w": jnp.ones(2)}
    tx = optax.chain(optax.clip(0.5), as_optax(HOLDERS[name](by_loss())), optax.scale(-1.0))
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update(params, state, params, loss=jnp.float32(3.0))
    np.testing.assert_allclose(updates["w"], -1.5)


@pytest.mark.lenient
def test_15_extra_arguments_go_through_nnx():
    nnx = pytest.importorskip("flax.nnx")
    model = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    before = np.asarray(model.kernel[...])
    optimizer = nnx.Optimizer(model, gradtx.chain(by_loss(), gradtx.sgd(1.0)), wrt=nnx.Param)
    grads = jax.tree.map(jnp.ones_like, nnx.state(model, nnx.Param))
    optimizer.update(model, grads, loss=jnp.float32(0.5))
    np.testing.assert_allclose(model.kernel[...], before - 0.5, rtol=1e-6)


@pytest.mark.parametrize("tx", [gradtx.adam(0.01), gradtx.rmsprop(0.01), gradtx.adabelief(0.01), gradtx.laprop(0.01)], ids=repr)
def test_16_a_float16_epsilon_protects(tx):
    # optax 1755: 1e-8 is zero in float16
    x = jnp.array([0.0, 1e-4, 60_000.0], jnp.float16)
    state = tx.init(x)
    for _ in range(3):
        updates, state = tx.update(x, state, x)
        assert np.all(np.isfinite(updates.astype("float32")))
    assert updates[0] == 0
    assert np.all(np.abs(updates.astype("float32")) < 0.1)


def test_16_adafactors_decay_offset_on_a_new_state_is_safe():
    # optax 1769
    params = {"w": jnp.full((4, 4), 0.5), "b": jnp.full(3, 0.5)}
    tx = gradtx.adafactor(0.1, min_dim_size_to_factor=2, decay_offset=1000)
    state = tx.init(params)
    for _ in range(5):
        updates, state = tx.update(params, state, params)
        assert all(np.all(np.isfinite(u) & (u < 0)) for u in jax.tree.leaves(updates))


@pytest.mark.parametrize("best", [-10.0, -1e-3, 0.0, 10.0])
def test_16_plateaus_of_negative_metrics(best):
    # optax 1791: a value that rises from a negative best is no improvement; one that falls is.
    tx = gradtx.reduce_on_plateau(0.5, patience=3)
    for slope, scale in ((1e-5, 0.5**3), (-0.1, 1.0)):
        state = tx.init(X)
        for t in range(10):
            updates, state = tx.update(X, state, X, value=best + slope * t)
        np.testing.assert_allclose(updates, scale * X, rtol=1e-6)


def test_16_scalars_in_sm3():
    # optax 1767, 1736
    params = {"scalar": jnp.array(2.0), "one": jnp.ones((1, 1)), "matrix": jnp.ones((2, 3)), "empty": jnp.ones((0, 3))}
    tx = gradtx.sm3(0.1, momentum=0.0)
    state = tx.init(params)
    for t in (1, 2, 3):
        updates, state = tx.update(params, state, params)
        for name in ("scalar", "one", "matrix"):  # a constant gradient over the root of the sum of its squares
            np.testing.assert_allclose(updates[name], -0.1 / np.sqrt(t), rtol=1e-6)
    assert updates["empty"].shape == (0, 3)


def test_16_second_moments_fade_in_bfloat16():
    # 0.999 is 1 in bfloat16: an average kept, or decayed, in it would stay where it is.
    x = jnp.ones(2, jnp.bfloat16)
    tx = gradtx.chain(gradtx.square(), gradtx.ema(0.999))
    state = tx.init(x)
    for _ in range(100):
        state = tx.update(x, state, x)[1]
    np.testing.assert_allclose(gradtx.state_get(state, "ema"), 1 - 0.999**100, rtol=1e-4)
    swept = jax.vmap(lambda b2: gradtx.adam(1.0, b2=b2).update(x, gradtx.adam(1.0).init(x), x)[0])(jnp.array([0.9, 0.999]))
    np.testing.assert_allclose(swept.astype("float32"), -1.0, rtol=1e-2)


def test_16_corrections_under_scheduled_decays():
    # A constant gradient has an average of itself, whatever its decay does.
    rising = gradtx.linear_schedule(0.5, 0.99, 50)
    for tx in (
        gradtx.adam(1.0, b1=rising),
        gradtx.adam(1.0, b2=rising),
        gradtx.adamax(1.0, b1=rising),
        gradtx.laprop(1.0, b1=rising),
    ):
        state = tx.init(X)
        for _ in range(60):
            updates, state = tx.update(X, state, X)
            np.testing.assert_allclose(updates, -np.sign(X), rtol=1e-4)


def test_17_meta_gradients_without_nan():
    # optax 882, 1; torchopt 26
    for tx in (gradtx.adam(0.1), gradtx.rmsprop(0.1), gradtx.adagrad(0.1, initial_accumulator_value=0.0), gradtx.amsgrad(0.1)):
        mixed = jnp.array([0.0, 1.0])  # a coordinate that never sees a gradient

        def loss(tx, mixed=mixed):
            return jnp.sum(run(tx, jnp.ones(2), 4, lambda x, t: mixed * x) ** 2)

        grads = jax.grad(loss)(jax.tree.map(jnp.asarray, tx))
        assert all(np.isfinite(g) for g in jax.tree.leaves(grads)), grads
        assert grads.learning_rate != 0


AVERAGES = {
    # After steps of 1 from 0: the parameters are 1, 2, 3, 4.
    "ema": (gradtx.chain(gradtx.sgd(1.0), gradtx.ema_params(0.5)), 4 * 0.5 + 3 * 0.25 + 2 * 0.125 + 1 * 0.0625),
    "swa": (gradtx.chain(gradtx.sgd(1.0), gradtx.swa_params()), 2.5),
    "lawa": (gradtx.chain(gradtx.sgd(1.0), gradtx.lawa_params(k=2)), 3.5),
    # The fast weights come back to the slow ones every second step: 1, 1, 2, 2.
    "lookahead": (gradtx.lookahead(gradtx.sgd(1.0), 2, 0.5), 2.0),
    # The average of z = 1, 2, 3, 4.
    "schedule_free": (gradtx.schedule_free_sgd(1.0), 2.5),
}
PLACES = {
    "alone": lambda tx: tx,
    "chain": lambda tx: gradtx.chain(gradtx.clip(10.0), tx),
    "named": lambda tx: gradtx.named("it", tx),
    "partition": lambda tx: gradtx.partition({"w": tx, "b": gradtx.sgd(1.0)}),
    "masked": lambda tx: gradtx.chain(gradtx.masked(tx, "w"), gradtx.masked(gradtx.sgd(1.0), "b")),
    "injected": lambda tx: gradtx.inject_hyperparams(tx),
    "deeply": lambda tx: gradtx.chain(
        gradtx.inject_hyperparams(gradtx.partition({"w": gradtx.chain(tx), "b": gradtx.sgd(1.0)}))
    ),
    "accumulated": lambda tx: gradtx.MultiSteps(tx, 1),
    "if finite": lambda tx: gradtx.apply_if_finite(tx, 3),
}
EVERYWHERE = ("alone", "chain", "named", "injected", "accumulated", "if finite")  # where the other parameter is averaged too


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", AVERAGES)
def test_18_one_interface_for_evaluation_parameters(name, place):
    # optax 1429, 1744; levanter 853
    method, wanted = AVERAGES[name]
    tx = PLACES[place](method)
    params = {"w": jnp.zeros(2), "b": jnp.zeros(())}
    uphill = jax.tree.map(lambda p: -jnp.ones_like(p), params)
    state = tx.init(params)
    for leaf in jax.tree.leaves(gradtx.evaluation_params(tx, state, params)):
        np.testing.assert_allclose(leaf, 0.0)
    for _ in range(4):
        updates, state = jax.jit(tx.update)(uphill, state, params)
        params = gradtx.apply_updates(params, updates)
    judged = gradtx.evaluation_params(tx, state, params)
    assert types(judged) == types(params)
    np.testing.assert_allclose(judged["w"], wanted, rtol=1e-6)
    np.testing.assert_allclose(judged["b"], wanted if place in EVERYWHERE else 4.0, rtol=1e-6)


def test_20_signatures_and_printing_help():
    # optax 384, 652, 835
    assert list(inspect.signature(gradtx.adam).parameters)[:4] == ["learning_rate", "b1", "b2", "eps"]
    assert inspect.getdoc(gradtx.adam).startswith("Adam:")
    tx = gradtx.chain(gradtx.clip(1.0), gradtx.adam(gradtx.cosine_decay_schedule(0.1, 100), b1=jnp.ones(3) / 2))
    assert repr(tx) == (
        "chain(clip(max_delta=1.0), adam(learning_rate=cosine_decay_schedule(init_value=0.1, decay_steps=100.0), b1=f32[3]))"
    )
    for name in ("cosine_decay_schedule", "linear_schedule", "exponential_decay", "polynomial_schedule"):
        assert next(iter(inspect.signature(getattr(gradtx, name)).parameters)) == "init_value"
