"""A training that is killed again and again, and ends bit for bit as one that was left in peace.

`python -m examples.resume_after_kill`. A child process trains and keeps checkpoints; it gets SIGKILL, which no process can
heed, at a random moment: restoring, compiling, stepping or writing. The next goes on from what is on the disk.
"""

import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import gradtx
from gradtx.sweep import cross_entropy
from gradtx.training import Checkpoints, fit, minibatches, supervised_loss
from gradtx.training.digits import digits

STEPS, EVERY = 1500, 10


class Network(nn.Module):
    """With all that has to be kept: batch statistics, and dropout that draws anew each step."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(64)(x))
        x = nn.Dropout(0.2, deterministic=not train)(nn.relu(x))
        return nn.Dense(10)(x)


def train(steps, folder=None, callbacks=()):
    """The whole of it, or what is left of it."""
    data, held_out = digits()
    loss = supervised_loss(Network(), cross_entropy)
    params, statistics = loss.init(jax.random.key(0), data[0][:1])
    rate = gradtx.warmup_cosine_decay_schedule(0.0, 1e-2, steps // 10, steps)
    return fit(
        loss,
        params,
        gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adamw(rate), gradtx.ema_params(0.99)),
        minibatches(data, 64, last="drop"),
        steps=steps,
        every=EVERY,
        model_state=statistics,
        key=jax.random.key(1),
        validation=held_out,
        monitor="val_loss",
        callbacks=callbacks,
        checkpoints=folder and Checkpoints(folder),
    )


class Kill(NamedTuple):
    """After which step the child was killed, how long after it told of that, and the last step on the disk; -1: none."""

    told: int
    milliseconds: float
    kept: int


def killed(steps, folder, lines, seconds):
    """Starts a child, waits for so many of its lines and then so long, and kills it. None if it was done before."""
    with subprocess.Popen([sys.executable, __file__, str(steps), str(folder)], stdout=subprocess.PIPE, text=True) as child:
        told = "-1"
        for _ in range(lines):
            told = child.stdout.readline() or told
        time.sleep(seconds)
        done = child.poll() is not None
        child.kill()
    if child.returncode > 0:
        raise RuntimeError(f"The child failed with {child.returncode}.")
    kept = [int(f.name) for f in pathlib.Path(folder).glob("*") if f.name.isdecimal()]
    return None if done else Kill(int(told), 1000 * seconds, max(kept, default=-1))


def parts(run):
    """What must be equal."""
    return {
        "parameters": run.params,
        "optimizer state": run.state.opt_state,
        "batch statistics": run.state.model_state,
        "key, counters": (run.state.key, run.state.step, run.state.skipped, run.step, run.epoch, run.batch),
        "records, but for seconds": [{n: x for n, x in r.items() if n != "seconds"} for r in run.records],
        "best parameters": (run.best.step, run.best.score, run.best.params, run.best.model_state),
    }


def differences(run, other):
    """Of each part, how many numbers there are and how many differ in any bit."""
    out = {}
    for name, ours in parts(run).items():
        theirs = parts(other)[name]
        assert jax.tree.structure(ours) == jax.tree.structure(theirs), name
        pairs = [tuple(map(np.asarray, p)) for p in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)]
        assert all(a.dtype == b.dtype and a.shape == b.shape for a, b in pairs), name
        differ = lambda a, b: sum(x.tobytes() != y.tobytes() for x, y in zip(a.ravel(), b.ravel(), strict=True))
        out[name] = sum(a.size for a, _ in pairs), sum(differ(a, b) for a, b in pairs)
    return out


def main(kills=10, steps=STEPS, seed=0):
    random = np.random.default_rng(seed)
    table = Table("kill", "child told of step", "killed so many ms later", "last step on the disk", title="SIGKILL")
    with tempfile.TemporaryDirectory() as folder:
        for i in range(kills):
            # The first line comes before anything is read, the others at the records, just before a checkpoint is written.
            kill = killed(steps, folder, random.integers(1, 20), random.uniform(0, 0.4))
            if kill is None:
                print("The child was done before it could be killed.")
                break
            table.add_row(str(i + 1), str(kill.told), f"{kill.milliseconds:.0f}", str(kill.kept))
        Console().print(table)
        seen = differences(train(steps, folder), train(steps))
    table = Table("part", "numbers", "that differ in any bit", title=f"Resumed against uninterrupted, after {steps} steps")
    for name, (count, differ) in seen.items():
        table.add_row(name, str(count), str(differ))
    Console().print(table)
    return seen


def child(steps, folder):
    print(0, flush=True)
    train(steps, folder, callbacks=[lambda run: print(run.step, flush=True)])


if __name__ == "__main__":
    if len(sys.argv) == 3:
        child(int(sys.argv[1]), sys.argv[2])
    else:
        main()
