"""Real processes on this machine, over loopback."""

import os
import re
import signal

import jax
import numpy as np
import pytest

from gradtx.distributed import launch
from tests import mortal_training, parallel_training
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


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("workers", [2, 8])
def test_simulated_workers_and_devices_are_one_worker_on_the_joined_batch(workers):
    run, where = over_devices(jax.devices()[:workers])
    ends = run(*jax.device_put(stacked(workers), where))
    check(ends, workers)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("processes", "devices"), [(2, 1), *(pytest.param(*x, marks=pytest.mark.full) for x in ((4, 1), (2, 2), (2, 4)))]
)
def test_processes_are_one_worker_on_the_joined_batch(tmp_path, processes, devices):
    environment = {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": str(devices)}
    launch(["-m", parallel_training.__name__, str(tmp_path)], processes, timeout=LIMIT, environment=environment)
    workers = processes * devices
    check({n: np.stack([np.load(tmp_path / f"{n}-{i}.npy") for i in range(workers)]) for n in OPTIMIZERS}, workers)


# What goes wrong.


@pytest.mark.full
@pytest.mark.parametrize(("process", "sent"), [(2, signal.SIGKILL), (0, signal.SIGKILL), (1, signal.SIGSTOP)], ids=str)
def test_when_a_worker_is_lost_the_others_stop_and_fewer_go_on(tmp_path, process, sent):
    program = ["-m", mortal_training.__name__, str(tmp_path / "kept")]
    with pytest.raises(RuntimeError, match="a process failed") as failed:
        launch([*program, "12", "6", str(process), str(int(sent))], 3, timeout=LIMIT, grace=40)
    told = str(failed.value)
    for other in {0, 1, 2} - {process}:  # by themselves, long before their time of grace is over
        assert re.search(
            rf"^Process {other} (ended with status [1-9]|was ended by signal {int(signal.SIGABRT)}:)", told, re.M
        ), told
    assert re.search("Connection closed by peer|heartbeat|coordination service", told), told
    assert sorted(int(f.name) for f in (tmp_path / "kept").iterdir()) == [3, 4, 5]
    launch([*program, "12"], 2, timeout=LIMIT)
    resumed, uninterrupted = mortal_training.train(tmp_path / "kept", 12), mortal_training.train(tmp_path / "other", 12)
    assert [r["step"] for r in resumed.records] == list(range(1, 13))
    for name, ours in uninterrupted.params.items():
        np.testing.assert_allclose(resumed.params[name], ours, rtol=0, atol=1e-5)


def gone(folder):
    """Whether all processes that left their numbers in a folder are gone."""
    numbers = [int(f.name) for f in folder.iterdir()]
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
    return len(numbers)


BEGIN = "import os, pathlib, sys, time; i = int(os.environ['GRADTX_PROCESS']); pathlib.Path(sys.argv[1], str(os.getpid())).touch(); "


@pytest.mark.parametrize(
    ("then", "limits", "error", "words"),
    [
        (
            "print('so far'); sys.stdout.flush(); time.sleep(60)",
            dict(timeout=2),
            TimeoutError,
            "not done within 2 seconds.*so far",
        ),
        (
            "time.sleep(60 * i); 1 // i",
            dict(timeout=50, grace=0.1),
            RuntimeError,
            "Process 0 ended with status 1:.*ZeroDivisionError",
        ),
        (
            "os.kill(os.getpid(), 9 * i)",
            dict(timeout=50),
            RuntimeError,
            "Process 0 ended well.*Process 1 was ended by signal 9",
        ),
    ],
    ids=["slow", "failing", "killed"],
)
def test_no_process_is_left_running(tmp_path, then, limits, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        launch(["-c", BEGIN + then, str(tmp_path)], 2, **limits)
    assert gone(tmp_path) == 2


def test_what_was_written_comes_in_order():
    program = "import os, sys; print(sys.argv[1], os.environ['GRADTX_PROCESS'], os.environ['MINE'])"
    assert launch(["-c", program, "a b"], 3, timeout=LIMIT, environment={"MINE": "x"}) == ["a b 0 x", "a b 1 x", "a b 2 x"]


def test_alone_it_is_told_what_to_give():
    program = "import os; [os.environ.pop(n) for n in list(os.environ) if n.startswith(('GRADTX_', 'JAX_'))]; import gradtx.distributed as d; d.connect()"
    with pytest.raises(
        RuntimeError, match=r"neither by gradtx\.distributed\.launch nor .*; give coordinator_address, num_processes"
    ):
        launch(["-c", program], 1, timeout=LIMIT)


@pytest.mark.parametrize("bad", [0, -1, 2.0, True])
def test_a_bad_number_of_processes(bad):
    with pytest.raises(ValueError, match="launch: processes is"):
        launch(["-c", ""], bad, timeout=1)
