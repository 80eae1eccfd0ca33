"""A training of several processes in which one may come to grief: `python -m tests.mortal_training FOLDER STEPS [STEP PROCESS SIGNAL]`."""

import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

import gradtx
from gradtx.distributed import connect, split_shardings
from gradtx.training import Checkpoints, fit

OPTIMIZER = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adam(0.05))
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 8)).astype(np.float32), RNG.normal(size=24).astype(np.float32)


def loss(params, batch):
    return jnp.mean((jnp.tanh(batch[0] @ params["w"]) @ params["v"] - batch[1]) ** 2)


def train(folder, steps, end=()):
    """Parameters, state and batch are split over all devices there are. At `end`, a step, a process gets a signal, before that step is kept."""
    mesh = jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))
    put = lambda x, where: jax.make_array_from_callback(x.shape, where, lambda index: x[index])
    params = {"w": np.linspace(-1, 1, 96, dtype=np.float32).reshape(8, 12), "v": np.linspace(-1, 1, 12, dtype=np.float32)}
    params = jax.tree.map(put, params, split_shardings(params, mesh, "data"))
    batch = jax.tree.map(lambda x: put(x, jax.NamedSharding(mesh, jax.P("data"))), (X, Y))

    def meet(run):
        if (run.step, jax.process_index()) == tuple(end[:2]):
            os.kill(os.getpid(), end[2])

    return fit(loss, params, OPTIMIZER, [batch], steps=steps, callbacks=[meet], checkpoints=Checkpoints(folder))


if __name__ == "__main__":
    folder, steps, *end = sys.argv[1:]
    connect(initialization_timeout=60, heartbeat_timeout_seconds=10, shutdown_timeout_seconds=10)
    train(folder, int(steps), [int(e) for e in end])
