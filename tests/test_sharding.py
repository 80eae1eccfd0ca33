"""State over a mesh of eight devices: where it lies, what it costs, and that nothing else changes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import gradtx
from gradtx.distributed import init_sharded, split_shardings, state_shardings
from tests.optimizers import TABLE

RNG = np.random.default_rng(0)
DEVICES = 8


def mesh_of(*lengths):
    """Of the first devices, with axes "data" and, if there are two, "model"."""
    names = ("data", "model")[: len(lengths)]
    devices = jax.devices()[: int(np.prod(lengths))]
    return jax.make_mesh(lengths, names, axis_types=(AxisType.Auto,) * len(lengths), devices=devices)


MESH = mesh_of(DEVICES)
WHOLE = NamedSharding(MESH, P())


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def collectives(compiled):
    """What a compiled program sends between devices: the shapes of its results by kind."""
    found = {}
    for line in compiled.as_text().splitlines():
        if m := re.search(r"= (.*?) (all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)(-start)?\(", line):
            shapes = [tuple(map(int, s.split(","))) if s else () for s in re.findall(r"[a-z]+\d+\[([\d,]*)\]", m[1])]
            found.setdefault(m[2], []).extend(shapes)
    return {kind: sorted(shapes) for kind, shapes in found.items()}


def nbytes(tree, device=None):
    """Of all the tree, or of what one device holds of it."""
    parts = lambda x: [x] if device is None else [s.data for s in x.addressable_shards if s.device == device]
    return sum(part.nbytes for x in jax.tree.leaves(tree) for part in parts(x))


# Training for a hundred steps.

X, Y = normal(64, 16), normal(64, 8)
START = {"w": normal(16, 32) / 4, "b": np.zeros(32, np.float32), "v": normal(32, 8) / 4}
OPTIMIZER = gradtx.adamw(gradtx.cosine_decay_schedule(0.05, 100))


@jax.jit
def network(params, x, y):
    return jnp.mean((jnp.tanh(x @ params["w"] + params["b"][None]) @ params["v"] - y) ** 2)


def each_by_itself(params):
    return sum(jnp.sum(jnp.cos(3 * p) + p * p) for p in params.values())


def trained(loss, tx, params, state, batch=(), **jit):
    def step(params, state, *batch):
        updates, state = tx.update(jax.grad(loss)(params, *batch), state, params)
        return gradtx.apply_updates(params, updates), state

    step = jax.jit(step, donate_argnums=(0, 1), **jit)
    for _ in range(100):
        # Simulated devices share a few threads: several steps under way at once may wait for each other for ever.
        params, state = jax.block_until_ready(step(params, state, *batch))
    return jax.device_get(params), state


def on_the_mesh(tx, params, split_params):
    """Parameters and state, and where they are to stay."""
    slices = split_shardings(params, MESH, "data")
    where = slices if split_params else jax.tree.map(lambda _: WHOLE, params)
    params = jax.device_put(params, where)
    return params, init_sharded(tx, params, slices), (where, state_shardings(tx, params, slices))


zero_and_fsdp = pytest.mark.parametrize(
    "split_params", [False, pytest.param(True, marks=pytest.mark.full)], ids=["zero", "fsdp"]
)


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.full), "bfloat16"])
@zero_and_fsdp
def test_the_same_bits_as_unsharded_after_100_steps(split_params, dtype):
    start = jax.tree.map(lambda a: a.astype(dtype), START)
    alone, alone_state = trained(each_by_itself, OPTIMIZER, start, OPTIMIZER.init(start))
    params, state, where = on_the_mesh(OPTIMIZER, start, split_params)
    params, state = trained(each_by_itself, OPTIMIZER, params, state, out_shardings=where)
    for ours, theirs in zip(jax.tree.leaves((params, state)), jax.tree.leaves((alone, alone_state)), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(params["w"], start["w"])
    assert gradtx.state_get(state, "nu")["w"].addressable_shards[0].data.shape == (2, 32)


@zero_and_fsdp
def test_the_same_network_as_unsharded_after_100_steps(split_params):
    """The batch is split too: gradients and their norm are added up in another order, and a hundred steps carry the last bits on."""
    tx = gradtx.chain(gradtx.clip_by_global_norm(1.0), OPTIMIZER)
    alone, _ = trained(network, tx, START, tx.init(START), (X, Y))
    params, state, where = on_the_mesh(tx, START, split_params)
    batch = jax.device_put((X, Y), NamedSharding(MESH, P("data")))
    params, _ = trained(network, tx, params, state, batch, out_shardings=where)
    assert network(params, X, Y) < 0.1 * network(START, X, Y)
    for name in START:
        np.testing.assert_allclose(params[name], alone[name], rtol=0, atol=1e-5)  # seen: 3e-6


def test_a_device_holds_an_eighth_of_the_state():
    params = {"w": np.zeros((64, 24), np.float32), "b": np.zeros(16, np.float32)}
    state = init_sharded(gradtx.adam(1e-3), params, split_shardings(params, MESH, "data"))
    scalars = nbytes([x for x in jax.tree.leaves(state) if x.ndim == 0])
    memories = nbytes(state) - scalars
    assert memories == 2 * nbytes(params)
    for device in MESH.devices.flat:
        assert nbytes(state, device) == memories // DEVICES + scalars
    # Nor is it ever whole anywhere.
    where = state_shardings(gradtx.adam(1e-3), params, split_shardings(params, MESH, "data"))
    cost = jax.jit(gradtx.adam(1e-3).init, out_shardings=where).lower(params).compile().memory_analysis()
    assert cost.temp_size_in_bytes + cost.output_size_in_bytes < nbytes(params)


def step_of(update):
    def step(params, state, grads):
        updates, state = update(grads, state, params)
        return gradtx.apply_updates(params, updates), state

    return step


def test_the_state_is_never_gathered():
    params = {"w": np.zeros((64, 24), np.float32), "b": np.zeros(16, np.float32)}
    placed, state, where = on_the_mesh(OPTIMIZER, params, split_params=False)
    program = lambda where: jax.jit(step_of(OPTIMIZER.update), out_shardings=where).lower(placed, state, placed).compile()
    assert collectives(program(where)) == {"all-gather": [(16,), (64, 24)]}
    # Where the parameters are split nothing needs to be gathered.
    split, _, everything = on_the_mesh(OPTIMIZER, params, split_params=True)
    step = jax.jit(step_of(OPTIMIZER.update), out_shardings=everything)
    assert collectives(step.lower(split, state, split).compile()) == {}
    # Asked for its results whole it gathers both memories too.
    assert collectives(program(WHOLE)) == {"all-gather": [(16,)] * 3 + [(64, 24)] * 3}


# Every optimizer.

PARAMS = {"w": normal(16, 8), "b": normal(8), "s": normal(3)}
GRADS = [jax.tree.map(lambda p: normal(*p.shape), PARAMS) for _ in range(3)]
ONE_OF_EACH_KIND = {"adam", "adafactor", "schedule_free_sgd"}
# Those that need more than its slice of a matrix, and why. All others gather parameters only.
MATRICES = "its statistics, bases or factors are as large as whole matrices, and needed whole: they are replicated"
WHOLE_MATRIX = "works on a whole matrix, which is gathered"
GATHERS = {
    **dict.fromkeys(("shampoo", "shampoo_averages", "shampoo_grafted", "shampoo_vector"), MATRICES),
    **dict.fromkeys(("soap", "soap_often", "soap_vector", "kron", "kron_seldom"), MATRICES),
    **dict.fromkeys(("muon_moonlight", "galore_long"), WHOLE_MATRIX),
}


def some(rows):
    return [r if r.name in ONE_OF_EACH_KIND else pytest.param(r, marks=pytest.mark.full) for r in rows]


@pytest.mark.parametrize("row", some(TABLE), ids=lambda row: row.name)
def test_every_optimizer_goes_through(row):
    step = step_of(row.subject.update)
    alone, alone_state, once = PARAMS, row.tx.init(PARAMS), jax.jit(step)
    params, state, where = on_the_mesh(row.tx, PARAMS, split_params=False)
    program = jax.jit(step, out_shardings=where).lower(params, state, jax.device_put(GRADS[0], WHOLE)).compile()
    for grads in GRADS:
        alone, alone_state = once(alone, alone_state, grads)
        params, state = jax.block_until_ready(program(params, state, jax.device_put(grads, WHOLE)))
    # Shorter loops are compiled to other instructions, which may round once less; sums have another order besides.
    tolerance = 1e-6 if row.tx.elementwise else 1e-5
    for ours, theirs in zip(jax.tree.leaves((params, state)), jax.tree.leaves((alone, alone_state)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    if row.name not in GATHERS:
        assert set(collectives(program).get("all-gather", [])) <= {(8,), (16, 8)}
        for x in jax.tree.leaves(state):
            if x.shape in ((8,), (16, 8)):
                assert nbytes(x, jax.devices()[0]) == x.nbytes // DEVICES


# Where each part of a state lies.


def specs(tx, params, **axes):
    shardings = {n: NamedSharding(mesh_of(4, 2), s) for n, s in axes.items()}
    return jax.tree.map(lambda s: s.spec, state_shardings(tx, params, shardings))


def test_rows_columns_and_histories_take_the_axes_that_they_have():
    params = {"w": np.zeros((8, 4), np.float32)}
    spec = specs(gradtx.adafactor(0.1, 2), params, w=P("data", "model"))
    factors = gradtx.state_get(spec, "v_row")["w"], gradtx.state_get(spec, "v_col")["w"], gradtx.state_get(spec, "v")["w"]
    assert factors == (P(None, "model"), P("data", None), P(None, None))
    spec = specs(gradtx.sm3(0.1), params, w=P("data", "model"))
    assert gradtx.state_get(spec, "mu")["w"] == (P("data", None), P(None, "model"))
    spec = specs(gradtx.lbfgs(3), params, w=P("data"))
    assert gradtx.state_get(spec, "diff_params_memory")["w"] == P(None, "data", None)


def test_matrices_and_counters_are_whole():
    params = {"w": np.zeros((8, 8), np.float32)}  # whose statistics have its own shape
    spec = specs(gradtx.shampoo(0.1), params, w=P("data", "model"))
    assert set(gradtx.state_get(spec, "statistics")["w"]) == {P()}
    assert spec.step == P()


def test_a_second_axis_splits_what_is_left():
    mesh = mesh_of(4, 2)
    params = {"w": np.zeros((6, 8), np.float32), "v": np.zeros((16, 3), np.float32), "s": np.zeros((), np.float32)}
    named = {"w": P(None, "model"), "v": P("model"), "s": P()}
    given = {n: NamedSharding(mesh, s) for n, s in named.items()}
    split = split_shardings(params, mesh, "data", given)
    assert {n: s.spec for n, s in split.items()} == {"w": P(None, ("model", "data")), "v": P(("model", "data"), None), "s": P()}
    assert split_shardings(params, mesh, "data", split) == split
    assert split_shardings(params, mesh, ("data", "model"))["w"].spec == P(None, ("data", "model"))
    state = init_sharded(gradtx.adam(0.1), params, split)
    assert gradtx.state_get(state, "mu")["v"].addressable_shards[0].data.shape == (2, 3)


def test_parameters_on_a_mesh_say_where_their_state_goes():
    params = {"w": jax.device_put(np.zeros((8, 2), np.float32), NamedSharding(MESH, P("data"))), "n": None}
    state = init_sharded(gradtx.adam(0.1), params)
    assert gradtx.state_get(state, "mu")["w"].sharding == params["w"].sharding


def test_explicit_axes():
    """They do where each number is worked on by itself; a product of matrices needs automatic ones."""
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(AxisType.Explicit,))
    slices = split_shardings(PARAMS, mesh, "data")
    params = jax.device_put(PARAMS, NamedSharding(mesh, P()))
    update = lambda tx: jax.jit(
        step_of(tx.update), out_shardings=(NamedSharding(mesh, P()), state_shardings(tx, params, slices))
    )
    step = lambda tx: update(tx)(params, init_sharded(tx, params, slices), params)
    after, _ = step(gradtx.adam(0.1))
    np.testing.assert_allclose(after["w"], PARAMS["w"] - 0.1 * np.sign(PARAMS["w"]), rtol=0, atol=1e-4)
    with pytest.raises(Exception, match="Contracting dimensions are sharded"):
        step(gradtx.muon(0.1))


def test_bad_input():
    params = {"a": {"w": jnp.ones((8, 2))}}
    with pytest.raises(ValueError, match=r"axis is 'date'; the mesh has no 'date', it has \['data'\]"):
        split_shardings(params, MESH, "date")
    with pytest.raises(TypeError, match=r"state_shardings: the sharding at a/w is SingleDeviceSharding"):
        init_sharded(gradtx.adam(0.1), params)
    with pytest.raises(
        TypeError, match=r"split_shardings: the sharding at a/w is P\('data',\); it must be a jax.sharding.NamedSharding"
    ):
        split_shardings(params, MESH, "data", {"a": {"w": P("data")}})
    with pytest.raises(ValueError, match="state_shardings: there are no parameters"):
        state_shardings(gradtx.adam(0.1), {})
