"""A training kept on a mesh of eight devices goes on on others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

import gradtx
from gradtx.distributed import init_sharded, split_shardings
from gradtx.training import Checkpoints, fit
from gradtx.training.run import Run
from gradtx.training.step import training_state

pytest.importorskip("orbax.checkpoint")

RNG = np.random.default_rng(0)
START = {"w": RNG.normal(size=(16, 8)).astype(np.float32), "b": RNG.normal(size=3).astype(np.float32)}
OPTIMIZER = gradtx.chain(gradtx.adafactor(gradtx.cosine_decay_schedule(0.1, 10), 2), gradtx.ema_params(0.9))
KEY = jax.random.key(3)


def mesh_of(*lengths):
    names = ("data", "model")[: len(lengths)]
    devices = jax.devices()[: int(np.prod(lengths))]
    return jax.make_mesh(lengths, names, axis_types=(AxisType.Auto,) * len(lengths), devices=devices)


def on(mesh):
    """The parameters, split along all axes of a mesh."""
    return jax.device_put(START, split_shardings(START, mesh, mesh.axis_names))


def loss(params, batch, *, key):
    return jnp.sum((params["w"] - batch) ** 2) + jnp.sum(params["b"] ** 2) + jax.random.normal(key) ** 2


def train(mesh, folder, steps):
    return fit(loss, on(mesh), OPTIMIZER, [0.5], steps=steps, every=1, key=KEY, monitor="loss", checkpoints=Checkpoints(folder))


def same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("lengths", [(2, 4), *(pytest.param((n,), marks=pytest.mark.full) for n in (8, 4, 2, 1))], ids=str)
def test_a_run_goes_on_on_another_mesh(tmp_path, lengths):
    kept = train(mesh_of(8), tmp_path, 3)
    assert gradtx.state_get(kept.state.opt_state, "average")["w"].addressable_shards[0].data.shape == (2, 8)
    mesh = mesh_of(*lengths)
    run = train(mesh, tmp_path, 3)  # nothing is left to do
    same(run.state, kept.state)
    same(run.best.params, kept.best.params)
    for x in (run.params["w"], gradtx.state_get(run.state.opt_state, "average")["w"], run.best.params["w"]):
        assert set(x.devices()) == set(mesh.devices.flat)
        assert x.addressable_shards[0].data.size == x.size // mesh.size
    assert train(mesh, tmp_path, 5).records[-1]["loss"] < kept.records[-1]["loss"]


def test_a_split_state_beside_whole_parameters(tmp_path):
    """ZeRO-1, by the pieces of which `fit` is made."""

    def beginning(mesh):
        whole = jax.NamedSharding(mesh, jax.P())
        state = training_state(jax.device_put(START, whole), OPTIMIZER)
        return Run(OPTIMIZER, state._replace(opt_state=init_sharded(OPTIMIZER, START, split_shardings(START, mesh, "data"))))

    kept, run = beginning(mesh_of(8)), beginning(mesh_of(2, 4))
    _, after = OPTIMIZER.update(kept.params, kept.state.opt_state, kept.params)
    kept.state, kept.step = kept.state._replace(opt_state=after), 1
    kept.records.append({"step": 1})
    first = Checkpoints(tmp_path)
    first.open(kept)
    first.save(kept)
    places = jax.tree.map(lambda x: x.sharding, run.state)
    Checkpoints(tmp_path).open(run)
    same(run.state, kept.state)
    assert jax.tree.map(lambda x: x.sharding, run.state) == places
    assert gradtx.state_get(run.state.opt_state, "average")["w"].addressable_shards[0].data.shape == (8, 8)
