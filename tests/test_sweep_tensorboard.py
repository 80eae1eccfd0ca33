"""What is written for TensorBoard is what was measured."""

import numpy as np
import pytest

import gradtx
from gradtx.problems import rosenbrock
from gradtx.sweep import log, minimizing, run, successive_halving, tensorboard, trials, values


class Kept:
    """A writer that keeps what it is told, and takes nothing once it is closed."""

    def __init__(self):
        self.curves, self.ends, self.flushed, self.open = {}, [], 0, True

    def add_scalar(self, name, value, step):
        assert self.open
        self.curves.setdefault(name, {})[step] = value

    def add_hparams(self, values, scores):
        assert self.open
        self.ends.append((values, scores))

    def flush(self):
        self.flushed += 1

    def close(self):
        self.open = False


def settings():
    schedule = gradtx.cosine_decay_schedule(1e-3, 40)
    t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, 6), b1=values(0.5, 0.9))
    return t + trials(gradtx.sgd, learning_rate=values(schedule, 10.0))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_every_trial_has_its_curves_and_its_hyperparameters_once(mode):
    kept = {}
    told = tensorboard(lambda trial: kept.setdefault(trial, Kept()))
    results = run(minimizing(rosenbrock), settings(), 40, policy=successive_halving(10, 2), mode=mode, callbacks=[told])
    assert set(results.status) == {"done", "stopped", "diverged"}
    assert list(kept) == [f"trial {i}" for i in range(14)]
    for i, written in enumerate(kept.values()):
        ran = results.at <= results.stopped_at[i]
        for name, curve in results.curves.items():
            assert list(written.curves[name]) == results.at[ran].tolist()
            np.testing.assert_array_equal(list(written.curves[name].values()), curve[i, ran])
        ((swept, scores),) = written.ends
        assert swept == {
            n: str(c[i]) if isinstance(c[i], gradtx.Schedule) else c[i]
            for n, c in results.trials.columns.items()
            if c[i] is not None
        }
        np.testing.assert_equal(scores, {f"final/{n}": float(c[i, ran][-1]) for n, c in results.curves.items()})
        assert not written.open
        assert written.flushed == ran.sum() - 1


def test_tensorboardx_reads_back_what_was_written(tmp_path):
    board = pytest.importorskip("tensorboardX", reason="no tensorboardX to write with")
    from tensorboardX.proto.event_pb2 import Event

    told = tensorboard(lambda trial: board.SummaryWriter(str(tmp_path / trial)))
    results = run(minimizing(rosenbrock), settings(), 40, every=10, callbacks=[told])
    for i in range(len(results)):
        read, hyperparameters = {}, b""
        for file in (tmp_path / f"trial {i}").rglob("events.*"):
            for record in records(file.read_bytes()):
                for value in Event.FromString(record).summary.value:
                    read.setdefault(value.tag, []).append(value.simple_value)
                    hyperparameters += value.metadata.plugin_data.content
        for name, curve in results.curves.items():
            np.testing.assert_array_equal(read[name], curve[i, results.at <= results.stopped_at[i]])
            np.testing.assert_array_equal(read[f"final/{name}"], read[name][-1:])
        assert b"learning_rate" in hyperparameters


def records(data):
    """The records of an event file: for each its length, a checksum, the bytes, another checksum."""
    while data:
        length = int.from_bytes(data[:8], "little")
        yield data[12 : 12 + length]
        data = data[16 + length :]


def test_a_writer_instead_of_a_function_is_refused():
    with pytest.raises(TypeError, match="give a function"):
        tensorboard(Kept())
