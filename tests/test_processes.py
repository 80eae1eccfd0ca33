"""Real processes on this machine, over loopback."""

import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradtx.distributed import launch
from tests import parallel_training
from tests.parallel_training import OPTIMIZERS, STEPS, X, Y, over_devices, share, worker

LIMIT = 120.0  # seconds; a few suffice on a machine that has nothing else to do


def in_numpy():
    """Adam on the joined batch."""
    w = m = v = np.zeros(X.shape[2])
    for t in range(STEPS):
        g = 2 * X[t].T @ (X[t] @ w - Y[t]) / len(Y[t])
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.1 * m / (1 - 0.9 ** (t + 1)) / (np.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8)
    return w


def stacked(workers):
    return jax.tree.map(lambda *a: np.stack(a), *(share(workers, i) for i in range(workers)))


def over_vmap(workers):
    return jax.jit(jax.vmap(worker, axis_name="workers"))(*stacked(workers))


def check(ends, workers):
    """All workers of data parallelism are where one alone would be; the others where simulated ones are."""
    np.testing.assert_allclose(ends["joined"], np.broadcast_to(in_numpy(), ends["joined"].shape), rtol=0, atol=1e-14)
    for name, end in over_vmap(workers).items():
        np.testing.assert_allclose(ends[name], end, rtol=0, atol=1e-14)
    assert np.ptp(ends["elastic"], axis=0).max() > 1e-3


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_simulated_workers_and_devices_are_one_worker_on_the_joined_batch(workers):
    run, where = over_devices(jax.devices()[:workers])
    ends = run(*jax.device_put(stacked(workers), where))
    if workers > 1:
        check(ends, workers)
    np.testing.assert_allclose(over_vmap(workers)["joined"][0], in_numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("processes", "devices"), [(2, 1), *(pytest.param(*x, marks=pytest.mark.full) for x in ((4, 1), (2, 2), (2, 4)))]
)
def test_processes_are_one_worker_on_the_joined_batch(tmp_path, processes, devices):
    environment = {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": str(devices)}
    launch(["-m", parallel_training.__name__, str(tmp_path)], processes, timeout=LIMIT, environment=environment)
    workers = processes * devices
    check({n: np.stack([np.load(tmp_path / f"{n}-{i}.npy") for i in range(workers)]) for n in OPTIMIZERS}, workers)
