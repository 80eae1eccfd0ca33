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


# A network of two layers on 64 examples.

X, Y = normal(64, 16), normal(64, 8)
START = {"w": normal(16, 32) / 4, "b": np.zeros(32, np.float32), "v": normal(32, 8) / 4}
OPTIMIZER = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adamw(gradtx.cosine_decay_schedule(0.05, 100)))


@jax.jit
def loss(params, x, y):
    return jnp.mean((jnp.tanh(x @ params["w"] + params["b"][None]) @ params["v"] - y) ** 2)


def step_of(tx):
    def step(params, state, x, y):
        updates, state = tx.update(jax.grad(loss)(params, x, y), state, params)
        return gradtx.apply_updates(params, updates), state

    return step


def trained(tx, params, state, batch, steps=100, **jit):
    step = jax.jit(step_of(tx), donate_argnums=(0, 1), **jit)
    for _ in range(steps):
        # Simulated devices share a few threads: several steps under way at once may wait for each other for ever.
        params, state = jax.block_until_ready(step(params, state, *batch))
    return params, state


def placed(tx, start, batch_spec=P("data"), split_params=False):
    """Parameters, state and batch on the mesh, and what the step is compiled with."""
    slices = split_shardings(start, MESH, "data")
    where = slices if split_params else jax.tree.map(lambda _: WHOLE, start)
    params, batch = jax.device_put(start, where), jax.device_put((X, Y), NamedSharding(MESH, batch_spec))
    state = init_sharded(tx, params, slices)
    return params, state, batch, (where, state_shardings(tx, params, slices))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("split_params", [False, True], ids=["zero", "fsdp"])
def test_the_same_parameters_as_unsharded_after_100_steps(split_params, dtype):
    start, batch = jax.tree.map(lambda a: a.astype(dtype), (START, (X, Y)))
    alone, alone_state = trained(OPTIMIZER, start, OPTIMIZER.init(start), batch)
    params, state, _, where = placed(OPTIMIZER, start, split_params=split_params)
    spread = jax.device_put(batch, NamedSharding(MESH, P("data")))
    params, state = trained(OPTIMIZER, params, state, spread, out_shardings=where)
    assert loss(alone, *batch) < 0.3 * loss(start, *batch)
    for name in start:
        assert params[name].dtype == alone[name].dtype == dtype
        print(name, dtype, split_params, jnp.abs(jax.device_get(params[name]).astype(np.float32) - alone[name].astype(jnp.float32)).max(), loss(alone, *batch), loss(start, *batch))
