"""Handwritten digits, trained by several processes: each sees a share of them. Only the optimizer says what the processes exchange.

On this machine, `python -m examples.distributed_digits [processes]` starts them and connects them over loopback. On a cluster its scheduler
starts them: `srun python -m examples.distributed_digits worker`. Each device is a worker; the first process prints a table.
"""

import sys
import time

import jax
import numpy as np
from jax.sharding import AxisType
from rich.console import Console
from rich.table import Table

import gradtx
from gradtx.distributed import average_gradients, bytes_sent, connect, diloco, elastic_averaging, launch
from gradtx.sweep import accuracy, cross_entropy
from gradtx.training.digits import Classifier, digits

AXIS, STEPS, BATCH = "workers", 300, 32
OPTIMIZERS = {
    "each for itself": gradtx.adam(3e-3),
    "data parallel": gradtx.chain(average_gradients(AXIS), gradtx.adam(3e-3)),
    "elastic averaging": gradtx.chain(gradtx.adam(3e-3), elastic_averaging(AXIS, period=10)),
    "DiLoCo": diloco(gradtx.adam(3e-3), AXIS, period=20),
}
MODEL = Classifier()


def share(worker, workers, steps):
    """The batches of one worker, drawn from its own examples: images `[steps, batch, 64]` and labels `[steps, batch]`."""
    images, labels = (a[worker::workers] for a in digits()[0])
    rows = np.random.default_rng(worker).integers(len(labels), size=(steps, BATCH))
    return images[rows], labels[rows]


def train(tx, params, batches):
    """What one worker does; its accuracy on digits that none has seen."""

    def step(carry, batch):
        params, state = carry
        at = gradtx.gradient_params(tx, state, params)
        grads = jax.grad(lambda p: cross_entropy(MODEL.apply(p, batch[0]), batch[1]))(at)
        updates, state = tx.update(grads, state, params)
        return (gradtx.apply_updates(params, updates), state), None

    (params, state), _ = jax.lax.scan(step, (params, tx.init(params)), batches)
    images, labels = digits()[1]
    return accuracy(MODEL.apply(gradtx.evaluation_params(tx, state, params), images), labels)


def over_all_devices(tx, steps):
    """Trains with one worker a device: the accuracy of this process's first worker, the seconds, the bytes each worker sent."""
    devices = jax.devices()
    mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,))
    params = MODEL.init(jax.random.key(0), np.zeros((1, 64), np.float32))
    ours = [i for i, device in enumerate(devices) if device.process_index == jax.process_index()]
    stacked = jax.tree.map(lambda *a: np.stack(a), *(share(i, len(devices), steps) for i in ours))
    split = jax.NamedSharding(mesh, jax.P(AXIS))
    batches = jax.tree.map(lambda a: jax.make_array_from_process_local_data(split, a), stacked)

    # On a device the workers' axis has length 1.
    one = lambda batches: train(tx, params, jax.tree.map(lambda x: x[0], batches))[None]
    mapped = jax.shard_map(one, mesh=mesh, in_specs=jax.P(AXIS), out_specs=jax.P(AXIS), check_vma=False)
    program = jax.jit(mapped).lower(batches).compile()
    began = time.perf_counter()
    accuracies = jax.block_until_ready(program(batches))
    seconds = time.perf_counter() - began
    return float(accuracies.addressable_data(0)[0]), seconds, steps * bytes_sent(tx, params, AXIS, len(devices))


def worker(steps=STEPS):
    connect(initialization_timeout=120)
    workers = jax.device_count()
    title = f"{workers} workers in {jax.process_count()} processes, {steps} steps"
    table = Table("optimizer", "accuracy", "seconds", "kB sent by a worker", title=title)
    for name, tx in OPTIMIZERS.items():
        accuracy, seconds, sent = over_all_devices(tx, steps)
        table.add_row(name, f"{accuracy:.1%}", f"{seconds:.2f}", f"{sent / 1000:.0f}")
    if jax.process_index() == 0:
        Console().print(table)


def main(processes=2, steps=STEPS):
    written = launch([__file__, "worker", str(steps)], int(processes), timeout=300)
    print(written[0])
    return written


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(*map(int, sys.argv[2:]))
    else:
        main(*sys.argv[1:])
