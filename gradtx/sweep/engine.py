"""Running many trials as one compiled program a structure, rung by rung."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from gradtx.sweep import store
from gradtx.sweep.policies import Decision, Policy, Report, as_policy, full
from gradtx.sweep.program import AXIS, Program, memory_limit, program_for, to_host
from gradtx.sweep.progress import Event, bar
from gradtx.sweep.results import DIVERGED, DONE, STOPPED, UNFINISHED, Results, trials_to_plain
from gradtx.sweep.trainer import Trainer
from gradtx.sweep.trials import Group, Trial, Trials, made
from gradtx.training.interrupts import interrupts


def run(
    trainer: Trainer,
    trials: Trials,
    steps: int,
    *,
    every: int | None = None,
    policy: Policy | Callable[[Report], Any] | None = None,
    metric: str | None = None,
    mode: str = "min",
    chunk: int | None = None,
    devices: Sequence[Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = False,
    callbacks: Sequence[Callable[[Event], None]] = (),
) -> Results:
    """Trains all trials, each as if it were alone.

    Args:
        trainer: pure functions (see `Trainer`), or what `supervised`, `minimizing` give.
        trials: what `trials` gives; sums of these run in one sweep.
        steps: of a full trial.
        every: trials are measured, and the policy is asked, after so many steps; a tenth of `steps` if None.
        policy: who goes on: `full()` (the default), `successive_halving(…)`, `hyperband(…)`, `early_stopping(…)`,
            `population_based(…)`, or any function `Report -> Decision`.
        metric: by which of the trainer's measurements trials are judged; the first if None.
        mode: "min" or "max".
        chunk: how many trials run at once; as many as the compiled program says will fit if None.
        devices: among which the trials are dealt out, those of all processes too; JAX's default device if None.
        folder: where the sweep is saved at each rung (by the first process; all must see it). If one is there that was cut off, it
            goes on from its last rung.
        progress: shows a bar.
        callbacks: called with an `Event` at each rung.

    Returns:
        `Results`. After Ctrl-C those of the last rung, with the rest `unfinished`.

    Raises:
        ValueError, TypeError: what is given doesn't fit; says how.
        MemoryError: a chunk needs more memory than there is.
        OSError: the folder can't be written to.
    """
    sweep = _Sweep(trainer, trials, steps, every, as_policy(policy or full()), metric, mode, chunk, devices, folder)
    sweep.go([*([bar] if progress else []), *callbacks])
    results = sweep.results()
    if folder is not None and jax.process_index() == 0:
        results.save(pathlib.Path(folder) / "results.npz")
    return results


@dataclasses.dataclass
class _Lanes:
    """The trials of one group that still run."""

    group: Group
    program: Program
    varying: list[np.ndarray]  # of all rows of the group, as they are now
    values: dict[str, np.ndarray]  # the extra fields of all rows of the group, each in one dtype
    index: np.ndarray  # which rows of the group run, in order
    carries: list[Any] | None = None  # of each chunk: leaves with the lanes along the first axis, padded at the end
    chunk: int = 0

    @property
    def rows(self) -> np.ndarray:
        return self.group.rows[self.index]

    def parts(self) -> list[np.ndarray]:
        """The running rows, cut into chunks."""
        return [self.index[i : i + self.chunk] for i in range(0, len(self.index), self.chunk)]


class _Sweep:
    def __init__(
        self,
        trainer: Trainer,
        trials: Trials,
        steps: int,
        every: int | None,
        policy: Policy,
        metric: str | None,
        mode: str,
        chunk: int | None,
        devices: Sequence[Any] | None,
        folder: Any,
    ) -> None:
        if not isinstance(trainer, Trainer) or not isinstance(trials, Trials):
            raise TypeError("run: takes a Trainer and Trials: run(supervised(...), trials(...), steps).")
        if len(trials) == 0:
            raise ValueError("run: there are no trials.")
        for name, value in (("steps", steps), ("every", every), ("chunk", chunk)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"run: {name} is {value!r}; it must be a whole number >= 1.")
        if mode not in ("min", "max"):
            raise ValueError(f"run: mode is {mode!r}; it must be 'min' or 'max'.")
        self.trials, self.steps, self.policy, self.mode = trials, steps, policy, mode
        every = every or max(1, steps // 10)
        asked = policy.rungs(steps) if policy.rungs else range(every, steps, every)
        self.rungs = sorted({r for r in asked if 0 < r < steps} | {steps})
        self.devices = list(devices) if devices is not None else jax.devices()[:1]
        self.mesh = Mesh(np.array(self.devices), (AXIS,)) if len(self.devices) > 1 else None
        self.on_host = self.devices[0].platform == "cpu" or jax.process_count() > 1
        self.given_chunk = chunk
        begin = time.perf_counter()
        self.file = None if folder is None else pathlib.Path(folder) / "checkpoint.npz"
        self.lanes = [self._lanes(trainer, g) for g in trials.groups]
        self.tracing = time.perf_counter() - begin
        self.names = self.lanes[0].program.metrics
        self.metric = metric or self.names[0]
        if self.metric not in self.names:
            raise ValueError(f"run: the trainer doesn't measure {self.metric!r}; it measures {self.names}.")
        count = len(trials)
        self.done = 0  # rungs
        self.curves = {n: np.full((count, len(self.rungs)), np.nan, np.float32) for n in [*self.names, "train"]}
        self.status = np.full(count, UNFINISHED, object)
        self.diverged_at = np.full(count, -1, np.int64)
        self.stopped_at = np.zeros(count, np.int64)
        self.copies: list[tuple[int, int, int]] = []
        self.seconds, self.compiled_before = 0.0, self._compiling()
        if self.file is not None:
            self.identity = self._identity()
            if self.file.exists():
                self._resume()

    def _lanes(self, trainer: Trainer, group: Group) -> _Lanes:
        frozen, varying = group.frozen()
        varying = [_at_home(x) for x in varying]
        values = {n: _at_home(v) for n, v in self.trials.values(group.rows).items()}
        program = program_for(trainer, frozen, varying, values, self.mesh)
        return _Lanes(group, program, varying, values, np.arange(len(group.rows)))

    # Running

    def go(self, callbacks: Sequence[Callable[[Event], None]]) -> None:
        work, seconds = 0, 0.0
        with contextlib.suppress(KeyboardInterrupt), interrupts() as self.interrupted:
            while self.done < len(self.rungs) and any(len(x.index) for x in self.lanes):
                begin, compiling = time.perf_counter(), self._compiling()
                work += self._rung()
                seconds += time.perf_counter() - begin - (self._compiling() - compiling)
                if self.file is not None:
                    self._save(self.file)
                self._tell(callbacks, work, seconds)
        # After Ctrl-C what was half done since the last rung is not kept; the rung itself is, here and in the folder.
        self.seconds = seconds

    def _rung(self) -> int:
        """All that run advance to the next rung; then the policy decides. Returns the steps done by all."""
        begin, end = (self.rungs[self.done - 1] if self.done else 0), self.rungs[self.done]
        outcomes, advanced = [], []
        for lanes in self.lanes:
            if not lanes.chunk:
                lanes.chunk = self._chunk(lanes)
            carries, parts = [], lanes.parts()
            for i, part in enumerate(parts):
                if self.interrupted():
                    raise KeyboardInterrupt
                trial, size = self._trial(lanes, part), self._size(len(part), lanes.chunk)
                carry = lanes.program.start(trial, size) if lanes.carries is None else lanes.carries[i]
                carry, outcome = lanes.program.advance(carry, trial, begin, end, size)
                if len(parts) > 1:
                    carry = [to_host(x) for x in carry]
                carries.append(carry)
                outcomes.append((lanes.group.rows[part], outcome))
            advanced.append(carries)
        # From here on it is host work; only now is anything changed, so that an interrupt before leaves the last rung whole.
        work = 0
        outcomes = [(rows, jax.tree.map(to_host, outcome)) for rows, outcome in outcomes]
        for lanes, carries in zip(self.lanes, advanced, strict=True):
            lanes.carries = carries
        for rows, outcome in outcomes:
            count = len(rows)
            for name, value in [*outcome["metrics"].items(), ("train", outcome["train"])]:
                self.curves[name][rows, self.done] = value[:count]
            bad, score = outcome["diverged_at"][:count], outcome["metrics"][self.metric][:count]
            gone = (bad >= 0) | ~np.isfinite(score)
            self.diverged_at[rows] = np.where(bad >= 0, bad, np.where(gone, end, -1))
            self.stopped_at[rows] = end
            self.status[rows] = np.where(gone, DIVERGED, UNFINISHED)
            work += count * (end - begin)
        self.done += 1
        self._decide(end)
        return work

    def _decide(self, step: int) -> None:
        running = np.zeros(len(self.trials), bool)
        for lanes in self.lanes:
            running[lanes.rows] = True
        report = self._report(step, running)
        if step == self.steps:
            self.status[running & (self.status == UNFINISHED)] = DONE
            return
        answer = self.policy.decide(report)
        decision = answer if isinstance(answer, Decision) else Decision(np.asarray(answer))
        keep = np.asarray(decision.keep)
        if keep.shape != running.shape or keep.dtype != bool:
            raise ValueError(
                f"run: the policy must keep by a mask of {len(running)} booleans, it gave {keep.dtype}{list(keep.shape)}."
            )
        source = np.arange(len(running)) if decision.source is None else np.asarray(decision.source)
        own = source == np.arange(len(running))
        keep = keep & running & (report.alive | ~own)
        self.status[running & ~keep & (self.status == UNFINISHED)] = STOPPED
        for row in np.flatnonzero(keep & ~own):
            if not running[source[row]]:
                raise ValueError(f"run: the policy copies row {source[row]}, which no longer runs, to row {row}.")
            self.copies.append((step, int(row), int(source[row])))
            self.status[row], self.diverged_at[row] = UNFINISHED, -1
        for lanes in self.lanes:
            self._carry_on(lanes, keep, source, decision.changes)

    def _report(self, step: int, running: np.ndarray) -> Report:
        sign = np.float32(-1 if self.mode == "max" else 1)
        history = sign * self.curves[self.metric][:, : self.done].astype(np.float64)
        gone = self.status == DIVERGED
        last = np.searchsorted(self.rungs, self.stopped_at)
        history[gone, np.minimum(last[gone], self.done - 1)] = np.inf
        groups = np.zeros(len(self.trials), int)
        for i, lanes in enumerate(self.lanes):
            groups[lanes.group.rows] = i
        settings, columns = np.asarray(self.trials.columns["setting"]), self.trials.columns
        return Report(step, self.steps, history[:, -1], history, running & ~gone, settings, groups, columns)

    def _carry_on(self, lanes: _Lanes, keep: np.ndarray, source: np.ndarray, changes: Any) -> None:
        """Gathers the carries of those that go on, from wherever they come, and sets what was changed."""
        rows, carries = lanes.group.rows, lanes.carries
        index = np.flatnonzero(keep[rows])
        changed = {n: v for n, v in changes.items() if n in lanes.group.where}
        if np.array_equal(index, lanes.index) and (source[rows[index]] == rows[index]).all() and not changed:
            return
        if carries is None or not len(index):
            lanes.index = index
            return
        lane_of = {int(r): i for i, r in enumerate(lanes.rows)}
        try:
            lane = np.array([lane_of[int(r)] for r in source[rows[index]]])
        except KeyError as error:
            raise ValueError(f"run: the policy copies row {error} to an optimizer of another structure.") from None
        counts = [len(p) for p in lanes.parts()]
        leaves = [self._joined([c[k] for c in carries], counts)[lane] for k in range(len(carries[0]))]
        for name, values in changed.items():
            leaves = self._change(lanes, name, np.asarray(values, np.float64), index, leaves)
        lanes.index = index
        self._cut(lanes, leaves)

    def _change(self, lanes: _Lanes, name: str, values: np.ndarray, index: np.ndarray, leaves: list[Any]) -> list[Any]:
        """A hyperparameter of the running trials takes new values: in the carry, in the table, in the stacked optimizer."""
        rows = lanes.group.rows
        made(lanes.group.row(int(rows[0])), {name: values[rows[index]]})  # checks the range
        carry = jax.tree.unflatten(lanes.program.structure, leaves)
        found = [x for x in jax.tree.leaves(carry, is_leaf=_is_trial) if _is_trial(x)]
        if not found:
            raise ValueError("run: the policy changes hyperparameters, but the trainer's carry doesn't hold the trial.")
        new, at = values[rows[index]], lanes.group.position(name)
        for k in at:
            lanes.varying[k] = lanes.varying[k].copy()
            lanes.varying[k][index] = new
        stacked, structure = jax.tree.flatten(lanes.group.optimizer)
        for k in lanes.group.where[name]:
            stacked[k] = stacked[k].copy()
            stacked[k][index] = new
        lanes.group = dataclasses.replace(lanes.group, optimizer=jax.tree.unflatten(structure, stacked))
        column = np.array(self.trials.columns[name])
        column[rows[index]] = new
        groups = tuple(x.group for x in self.lanes)
        self.trials = dataclasses.replace(self.trials, groups=groups, columns={**self.trials.columns, name: column})

        def edit(x: Any) -> Any:
            if not _is_trial(x):
                return x
            varying = [_like(new, v) if k in at else v for k, v in enumerate(x.varying)]
            return Trial(varying, x.values, x.seed, x.frozen)

        return jax.tree.leaves(jax.tree.map(edit, carry, is_leaf=_is_trial))

    # Layout

    def _chunk(self, lanes: _Lanes) -> int:
        """How many lanes run at once: what was asked for, or what fits."""
        limit, wanted = memory_limit(self.devices), self.given_chunk or len(lanes.index)
        size = self._size(min(wanted, len(lanes.index)), wanted)
        needed = self._bytes(lanes, size)
        if needed <= limit:
            return wanted
        if self.given_chunk is None:
            fit = self._rounded(int(size * limit / needed * 0.9), down=True)
            if fit and self._bytes(lanes, fit) <= limit:
                return fit
        raise MemoryError(
            f"run: {wanted if self.given_chunk else 'even few'} trials at once need {needed / 2**20:.0f} MiB, {limit / 2**20:.0f} are to be had; "
            + ("give a smaller chunk." if self.given_chunk else "the model doesn't fit.")
        )

    def _bytes(self, lanes: _Lanes, size: int) -> int:
        trial = self._trial(lanes, lanes.index[:size], size)
        return lanes.program.bytes(lanes.program.carry_shapes(size), trial, size)

    def _size(self, count: int, chunk: int) -> int:
        """The lanes of the program that runs so many trials: one of few sizes, so that few programs are compiled."""
        if count >= chunk:
            return self._rounded(chunk)
        power = 1 << (count - 1).bit_length()
        return min(self._rounded(power * 3 // 4 if count <= power * 3 // 4 else power), self._rounded(chunk))

    def _rounded(self, count: int, down: bool = False) -> int:
        n = len(self.devices)
        return (count if down else count + n - 1) // n * n

    def _trial(self, lanes: _Lanes, part: np.ndarray, size: int | None = None) -> Trial:
        """The trials of a chunk, the last repeated to fill it."""
        part = _padded(part, size or self._size(len(part), lanes.chunk))
        rows = lanes.group.rows[part]
        values = {n: v[part] for n, v in lanes.values.items()}
        seeds = np.asarray(self.trials.columns["seed"][rows], np.int32)
        return Trial([_at_home(x[part]) for x in lanes.varying], values, seeds, lanes.group.frozen()[0])

    def _joined(self, pieces: list[Any], counts: list[int]) -> Any:
        """The leaves of all chunks without their padding."""
        pieces = [p[:n] for p, n in zip(pieces, counts, strict=True)] if len(pieces) > 1 else pieces
        if self.on_host or len(pieces) > 1:
            return np.concatenate([to_host(p) for p in pieces]) if len(pieces) > 1 else to_host(pieces[0])
        return pieces[0]

    def _cut(self, lanes: _Lanes, leaves: list[Any]) -> None:
        lanes.carries, begin = [], 0
        for part in lanes.parts():
            at = _padded(np.arange(begin, begin + len(part)), self._size(len(part), lanes.chunk))
            lanes.carries.append([x[at] for x in leaves])
            begin += len(part)

    # Saving

    def _identity(self) -> dict[str, Any]:
        """What makes two sweeps the same, each by a digest."""
        data, arrays = trials_to_plain(self.trials)
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode())
        for a in arrays.values():
            digest.update(np.ascontiguousarray(a).tobytes())
        shapes = [[list(map(str, (x.shape, x.dtype))) for x in lanes.program.carry_shapes(1)] for lanes in self.lanes]
        same: dict[str, Any] = {
            "trials": digest.hexdigest(),
            "steps": self.steps,
            "rungs": self.rungs,
            "policy": self.policy.name,
        }
        same |= {"metric": self.metric, "mode": self.mode, "chunk": self.given_chunk, "devices": len(self.devices)}
        return same | {"the trainer's carry": hashlib.sha256(json.dumps(shapes).encode()).hexdigest()}

    def _save(self, file: pathlib.Path) -> None:
        arrays: dict[str, np.ndarray] = {"status": np.array([str(s) for s in self.status], "S12").view(np.uint8)}
        arrays |= {"diverged_at": self.diverged_at, "stopped_at": self.stopped_at}
        arrays |= {f"curve {n}": c for n, c in self.curves.items()}
        for i, lanes in enumerate(self.lanes):
            arrays[f"index {i}"] = lanes.index
            arrays |= {f"varying {i} {k}": np.asarray(v) for k, v in enumerate(lanes.varying)}
            counts = [len(p) for p in lanes.parts()]
            if lanes.carries is not None and len(lanes.index):
                for k in range(len(lanes.carries[0])):
                    joined = self._joined([c[k] for c in lanes.carries], counts)
                    arrays[f"carry {i} {k}"] = to_host(joined)[: sum(counts)]
        plain, leaves = trials_to_plain(self.trials)
        arrays |= {f"trials {n}": a for n, a in leaves.items()}
        data = {"identity": self.identity, "done": self.done, "chunks": [x.chunk for x in self.lanes], "copies": self.copies}
        data |= {"columns": plain["columns"]}
        if jax.process_index() == 0:
            store.write(file, "sweep", data, arrays)

    def _resume(self) -> None:
        assert self.file is not None
        data, arrays = store.read(self.file, "sweep")
        if different := [n for n in self.identity if data["identity"].get(n) != self.identity[n]]:
            raise ValueError(
                f"run: {self.file} is of another sweep: {', '.join(different)} differ. It was left as it is; give another folder."
            )
        self.done = data["done"]
        self.copies = [(s, r, c) for s, r, c in data["copies"]]
        self.status = np.array([s.decode() for s in arrays["status"].view("S12")], object)
        self.diverged_at, self.stopped_at = arrays["diverged_at"].copy(), arrays["stopped_at"].copy()
        self.curves = {n: arrays[f"curve {n}"].copy() for n in self.curves}
        columns = dict(self.trials.columns)
        for i, lanes in enumerate(self.lanes):
            lanes.chunk, lanes.index = data["chunks"][i], arrays[f"index {i}"]
            lanes.varying = [arrays[f"varying {i} {k}"] for k in range(len(lanes.varying))]
            stacked, structure = jax.tree.flatten(lanes.group.optimizer)
            leaves = [arrays.get(f"trials leaf {i} {k}", x) if isinstance(x, np.ndarray) else x for k, x in enumerate(stacked)]
            lanes.group = dataclasses.replace(lanes.group, optimizer=jax.tree.unflatten(structure, leaves))
            if len(lanes.index):
                shapes = lanes.program.carry_shapes(1)
                self._cut(lanes, [arrays[f"carry {i} {k}"] for k in range(len(shapes))])
        for name, values in data["columns"].items():  # population-based training changes numbers
            columns[name] = columns[name].copy()
            numbers = [i for i, x in enumerate(values) if isinstance(x, float)]
            columns[name][numbers] = [values[i] for i in numbers]
        self.trials = dataclasses.replace(self.trials, groups=tuple(x.group for x in self.lanes), columns=columns)

    # Telling

    def _compiling(self) -> float:
        return sum(x.program.seconds for x in self.lanes)

    def _tell(self, callbacks: Sequence[Callable[[Event], None]], work: int, seconds: float) -> None:
        if not callbacks:
            return
        running = np.zeros(len(self.trials), bool)
        for lanes in self.lanes:
            running[lanes.rows] = True
        step = self.rungs[self.done - 1]
        report = self._report(step, running)
        sign = -1 if self.mode == "max" else 1
        finite = np.where(np.isfinite(report.history), report.history, np.inf)
        speed = work / max(seconds, 1e-9)
        left = (self.steps - step) * running.sum() / speed
        measured = {n: c[:, self.done - 1].copy() for n, c in self.curves.items()}
        event = Event(report, self.metric, float(sign * finite.min()), speed, float(left), measured)
        for callback in callbacks:
            callback(event)

    def results(self) -> Results:
        at, curves = np.array(self.rungs[: self.done]), {n: c[:, : self.done] for n, c in self.curves.items()}
        seconds = {"running": self.seconds, "compiling": self.tracing + self._compiling() - self.compiled_before}
        fate = (self.status, self.diverged_at, self.stopped_at, self.metric, self.mode)
        return Results(self.trials, at, curves, *fate, tuple(self.copies), seconds)


def _padded(index: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([index, np.repeat(index[-1:], size - len(index))])


def _is_trial(x: Any) -> bool:
    return isinstance(x, Trial)


def _like(values: np.ndarray, old: Any) -> Any:
    new = values.astype(old.dtype)
    return new if isinstance(old, np.ndarray) else jnp.asarray(new)


def _at_home(x: Any) -> np.ndarray:
    """An array in the dtype that it has in the program."""
    x = np.asarray(x)
    return x.astype(jax.dtypes.canonicalize_dtype(x.dtype))
