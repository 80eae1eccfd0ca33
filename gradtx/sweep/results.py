"""What came out of a sweep."""

from __future__ import annotations

import csv
import dataclasses
import functools
import importlib
import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gradtx.core.serial import from_dict, to_dict
from gradtx.sweep import store
from gradtx.sweep.trials import Group, Trials

# What may have become of a trial.
DONE, STOPPED, DIVERGED, UNFINISHED = "done", "stopped", "diverged", "unfinished"


class Best(NamedTuple):
    """The best setting: its optimizer ready to use, the score (the mean over its seeds), their spread, and the rows."""

    optimizer: Any
    score: float
    deviation: float
    rows: np.ndarray
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Results:
    """A table with a row for each trial, and the curves behind it.

    Attributes:
        trials: what was run; after population-based training with the hyperparameters that it ended with.
        at: the steps at which trials were measured.
        curves: for each name measured, and for `train` (the mean training loss since the last measurement), `[trials, len(at)]`; NaN
            where a trial no longer ran.
        status: `done`, `stopped` by the policy, `diverged`, or `unfinished` when the sweep was interrupted.
        diverged_at: the step whose loss was the first that isn't finite; -1 if none was.
        stopped_at: the steps that each trial ran.
        metric: by what trials are judged; `mode`: "min" or "max".
        copies: of population-based training: `(step, row, source)`.
        seconds: of running and of compiling.
        versions: of Python and the libraries.
    """

    trials: Trials
    at: np.ndarray
    curves: Mapping[str, np.ndarray]
    status: np.ndarray
    diverged_at: np.ndarray
    stopped_at: np.ndarray
    metric: str
    mode: str
    copies: tuple[tuple[int, int, int], ...] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(versions()))

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def interrupted(self) -> bool:
        """Whether there are trials that should have gone on."""
        return bool((self.status == UNFINISHED).any())

    @property
    def steps_run(self) -> int:
        """All steps of all trials."""
        return int(self.stopped_at.sum())

    def final(self, name: str | None = None) -> np.ndarray:
        """The last measured value of each trial; NaN if there is none."""
        curve = self.curves[name or self.metric]
        if not curve.shape[1]:
            return np.full(len(self), np.nan)
        measured = ~np.isnan(self.curves[self.metric]) | (np.arange(len(self.at)) < 0)
        last = np.where(measured.any(axis=1), curve.shape[1] - 1 - np.argmax(measured[:, ::-1], axis=1), 0)
        return curve[np.arange(len(self)), last]

    def table(self) -> dict[str, np.ndarray]:
        """Columns of equal length: what was set, what became of it, the last measurements."""
        measured = {n: self.final(n) for n in self.curves}
        fate = {"status": self.status, "steps": self.stopped_at, "diverged_at": self.diverged_at}
        return {**self.trials.columns, **fate, **measured}

    def over_seeds(self) -> dict[str, np.ndarray]:
        """The table with a row for each setting: mean and standard deviation over its seeds, and how many diverged.

        A setting of which a seed diverged or has no value has an infinite (for "max" minus infinite) mean.
        """
        settings, first, counts = np.unique(self.trials.columns["setting"], return_index=True, return_counts=True)
        of = lambda array: [array[self.trials.columns["setting"] == s] for s in settings]
        columns = {n: c[first] for n, c in self.trials.columns.items() if n != "seed"}
        score = np.where(self.status == DIVERGED, np.nan, self.final())
        worst = -np.inf if self.mode == "max" else np.inf
        means = [worst if np.isnan(x).any() else x.mean() for x in of(score)]
        out = {**columns, "seeds": counts, "diverged": np.array([x.sum() for x in of(self.status == DIVERGED)])}
        out["steps"] = np.array([x.max() for x in of(self.stopped_at)])
        out[self.metric] = np.array(means)
        with np.errstate(invalid="ignore"):
            out[f"{self.metric}_deviation"] = np.array([x.std() for x in of(score)])
            return out | {n: np.array([x.mean() for x in of(self.final(n))]) for n in self.curves if n != self.metric}

    def best(self, optimizer: str | None = None) -> Best:
        """The setting with the best mean over its seeds, among those that ran longest.

        Args:
            optimizer: only among those that the table calls so.

        Raises:
            ValueError: no setting came through with all its seeds, or the table has no such optimizer.
        """
        table = self.over_seeds()
        scores, labels = table[self.metric], table["optimizer"]
        mine = np.ones(len(scores), bool) if optimizer is None else labels == optimizer
        if not mine.any():
            raise ValueError(f"best: no optimizer is called {optimizer!r}; there are {list(dict.fromkeys(labels))}.")
        usable = mine & np.isfinite(scores)
        if not usable.any():
            raise ValueError("best: every setting diverged, or nothing was measured.")
        # Scores after more steps aren't comparable with those after fewer; the policy has judged these already.
        usable &= table["steps"] == table["steps"][usable].max()
        sign = -1 if self.mode == "max" else 1
        chosen = int(np.argmin(np.where(usable, sign * scores, np.inf)))
        rows = np.flatnonzero(self.trials.columns["setting"] == table["setting"][chosen])
        names = [n for n in self.trials.columns if n not in ("setting", "seed")]
        return Best(
            self.trials.row(int(rows[0])),
            float(scores[chosen]),
            float(table[f"{self.metric}_deviation"][chosen]),
            rows,
            {n: self.trials.columns[n][rows[:1]].tolist()[0] for n in names},
        )

    def optimizer(self, row: int) -> Any:
        """The optimizer of a row, ready to use."""
        return self.trials.row(row)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """The table as a CSV file; optimizers' schedules as they print."""
        table = self.table()
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame.

        Raises:
            ModuleNotFoundError: pandas isn't there.
        """
        return _needed("pandas").DataFrame({n: list(c) for n, c in self.table().items()})

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """The table as a Parquet file: columns of numbers or of truth values as such, all others as they print; null where a trial has none.

        Raises:
            ModuleNotFoundError: pyarrow isn't there.
        """
        arrow, parquet = _needed("pyarrow"), _needed("pyarrow.parquet")
        parquet.write_table(arrow.table({n: _of_one_kind(c) for n, c in self.table().items()}), path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Everything in one file: the optimizers in their dictionary form, the numbers, the versions. The old file is replaced at once or not.

        Raises:
            OSError: it can't be written; an old file is untouched.
        """
        data, arrays = trials_to_plain(self.trials)
        own = {"metric": self.metric, "mode": self.mode, "copies": [list(c) for c in self.copies]}
        own |= {"seconds": dict(self.seconds), "versions": dict(self.versions), "curves": list(self.curves)}
        own["status"] = [str(s) for s in self.status]
        arrays |= {"at": self.at, "diverged_at": self.diverged_at, "stopped_at": self.stopped_at}
        arrays |= {f"curve {n}": c for n, c in self.curves.items()}
        store.write(path, "sweep's results", {"trials": data, **own}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], functions: Mapping[str, Callable[..., Any]] | None = None) -> Results:
        """What `save` wrote. Runs no code of the file; functions in the optimizers must be given by name, as in `from_dict`.

        Raises:
            ValueError: the file is corrupt or something else.
        """
        data, arrays = store.read(path, "sweep's results")
        return cls(
            trials_from_plain(data["trials"], arrays, functions),
            arrays["at"],
            {n: arrays[f"curve {n}"] for n in data["curves"]},
            np.array(data["status"], object),
            arrays["diverged_at"],
            arrays["stopped_at"],
            data["metric"],
            data["mode"],
            tuple((s, r, c) for s, r, c in data["copies"]),
            data["seconds"],
            data["versions"],
        )


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and the libraries that decide on numbers."""
    names = [n for n in ("gradtx", "jax", "jaxlib", "numpy", "flax") if _installed(n)]
    return {"python": platform.python_version(), "platform": jax.default_backend()} | {
        n: importlib.metadata.version(n) for n in names
    }


def trials_to_plain(trials: Trials) -> tuple[Any, dict[str, np.ndarray]]:
    """Trials as data for JSON, and arrays."""
    groups, arrays = [], {}
    for i, g in enumerate(trials.groups):
        groups.append({"optimizer": to_dict(g.row(int(g.rows[0]))), "where": {n: list(w) for n, w in g.where.items()}})
        arrays[f"rows {i}"] = g.rows
        for j, leaf in enumerate(jax.tree.leaves(g.optimizer)):
            arrays[f"leaf {i} {j}"] = np.asarray(leaf)
    columns = {n: c.tolist() if c.dtype != object else [_plain(x) for x in c] for n, c in trials.columns.items()}
    return {"groups": groups, "columns": columns, "extra": list(trials.extra)}, arrays


def trials_from_plain(
    data: Any, arrays: Mapping[str, np.ndarray], functions: Mapping[str, Callable[..., Any]] | None
) -> Trials:
    """The trials that `trials_to_plain` wrote."""
    groups = []
    for i, g in enumerate(data["groups"]):
        structure = jax.tree.structure(from_dict(g["optimizer"], functions))
        leaves = [arrays[f"leaf {i} {j}"] for j in range(structure.num_leaves)]
        where = {n: tuple(w) for n, w in g["where"].items()}
        groups.append(Group(jax.tree.unflatten(structure, leaves), arrays[f"rows {i}"], where))
    columns = {}
    for n, c in data["columns"].items():
        values = [from_dict(x, functions) if isinstance(x, dict) else x for x in c]
        numbers = all(type(x) in (int, float) for x in values) and len({type(x) for x in values}) == 1
        columns[n] = np.array(values) if numbers else np.empty(len(values), object)
        if not numbers:
            columns[n][:] = values
    return Trials(tuple(groups), columns, tuple(data["extra"]))


def _plain(x: Any) -> Any:
    x = x.item() if isinstance(x, np.generic) else x
    return x if x is None or isinstance(x, bool | int | float | str) else to_dict(x)


def _of_one_kind(column: np.ndarray) -> np.ndarray | list[Any]:
    """A column whose values have one type, None apart."""
    if column.dtype != object:
        return column
    kinds = {type(x) for x in column if x is not None}
    kind = bool if kinds == {bool} else int if kinds == {int} else float if kinds <= {int, float} else str
    return [None if x is None else kind(x) for x in column]


def _needed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"This needs {name}, which isn't installed; to_csv and table need nothing.") from error


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
