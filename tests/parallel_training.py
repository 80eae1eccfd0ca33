"""What one worker does in tests/test_processes.py, and as a program: `python -m tests.parallel_training FOLDER` in each of several processes."""

import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

import gradtx
from gradtx.distributed import average_gradients, connect, diloco, elastic_averaging

STEPS, EXAMPLES, INPUTS = 20, 8, 5
OPTIMIZERS = {
    "joined": gradtx.chain(average_gradients("workers"), gradtx.adam(0.1)),
    "elastic": gradtx.chain(gradtx.adam(0.1), elastic_averaging("workers", period=4)),
    "diloco": diloco(gradtx.adam(0.1), "workers", period=5),
}
RNG = np.random.default_rng(0)
# One batch of all workers a step.
X, Y = RNG.normal(size=(STEPS, EXAMPLES, INPUTS)), RNG.normal(size=(STEPS, EXAMPLES))


def share(workers, i):
    """What the i-th of so many workers sees."""
    return X[:, i::workers], Y[:, i::workers]


def worker(x, y):
    """From zero to the end, by each of the optimizers."""

    def train(tx):
        def step(carry, batch):
            params, state = carry
            gradient = jax.grad(lambda w: jnp.mean((batch[0] @ w - batch[1]) ** 2))(params)
            updates, state = tx.update(gradient, state, params)
            return (gradtx.apply_updates(params, updates), state), None

        start = jnp.zeros(INPUTS, x.dtype)
        return jax.lax.scan(step, (start, tx.init(start)), (x, y))[0][0]

    return {name: train(tx) for name, tx in OPTIMIZERS.items()}


def over_devices(devices):
    """One worker a device; arguments and results are stacked along a first axis."""
    mesh = jax.make_mesh((len(devices),), ("workers",), axis_types=(AxisType.Auto,), devices=devices)
    one = lambda x, y: jax.tree.map(lambda a: a[None], worker(x[0], y[0]))
    where = jax.NamedSharding(mesh, jax.P("workers"))
    return jax.jit(jax.shard_map(one, mesh=mesh, in_specs=jax.P("workers"), out_specs=jax.P("workers"), check_vma=False)), where


if __name__ == "__main__":
    connect(initialization_timeout=60)
    run, where = over_devices(jax.devices())
    ours = [i for i, d in enumerate(jax.devices()) if d.process_index == jax.process_index()]
    stacked = jax.tree.map(lambda *a: np.stack(a), *(share(jax.device_count(), i) for i in ours))
    ends = run(*(jax.make_array_from_process_local_data(where, a) for a in stacked))
    for name, end in ends.items():
        for i, part in zip(ours, end.addressable_shards, strict=True):
            np.save(pathlib.Path(sys.argv[1]) / f"{name}-{i}.npy", part.data[0])
