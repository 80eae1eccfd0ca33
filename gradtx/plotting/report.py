"""A sweep as one page for the browser."""

from __future__ import annotations

import importlib.resources
import json
import math
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradtx.plotting import interactive
from gradtx.sweep.importance import importance
from gradtx.sweep.results import DIVERGED, DONE, STOPPED, UNFINISHED, Results


def report(results: Results, path: str | os.PathLike[str], metric: str | None = None) -> pathlib.Path:
    """A page with the table of trials, sorted and filtered in the browser, and pictures in which a click shows the trial behind a point.

    It is one file that needs no network: Plotly is in it.

    Args:
        results: of a sweep.
        path: the file to write, `.html`; an old one is replaced.
        metric: what is drawn; what trials are judged by if None.

    Returns:
        The path.

    Raises:
        TypeError: `results` aren't those of a sweep.
        ValueError: there is no such measurement.
        ModuleNotFoundError: Plotly or scikit-learn is missing; `gradtx[report]` has them.
        OSError: the file can't be written.

    Example:
        >>> import pathlib, tempfile
        >>> import gradtx
        >>> from gradtx.plotting import report
        >>> from gradtx.problems import beale
        >>> from gradtx.sweep import log, minimizing, run, trials
        >>> results = run(minimizing(beale), trials(gradtx.adam, learning_rate=log(1e-3, 1.0, 8)), steps=50)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = report(results, pathlib.Path(folder) / "sweep.html")
        ...     page.stat().st_size > 10**6
        True
    """
    if not isinstance(results, Results):
        raise TypeError(f"report: results is a {type(results).__name__}; it takes what gradtx.sweep.run or Results.load gives.")
    metric = metric or results.metric
    if metric not in results.curves:
        raise ValueError(f"report: metric is {metric!r}; this sweep measured {list(results.curves)}.")
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("report needs Plotly: pip install 'gradtx[report]'.", name="plotly") from error
    # Inside a script element only "<" could end the data.
    data = json.dumps(_json(content(results, metric)), allow_nan=False).replace("<", "\\u003c")
    parts = {"PLOTLY": get_plotlyjs(), "SWEEP": data}
    page = importlib.resources.files("gradtx.plotting").joinpath("report.html").read_text("utf-8")
    path = pathlib.Path(path)
    path.write_text(re.sub("__(PLOTLY|SWEEP)__", lambda found: parts[found[1]], page), "utf-8")
    return path


def content(results: Results, metric: str) -> dict[str, Any]:
    """What the page shows: the table, the optimizers as they print, the curves, the pictures."""
    table = results.table()
    return {
        "heading": f"{len(results)} trials of {', '.join(interactive.labels(results))}",
        "summary": summary(results),
        "columns": ["trial", *table],
        "rows": [[i, *row] for i, row in enumerate(zip(*table.values(), strict=True))],
        "order": ranking(results),
        "optimizers": [repr(results.optimizer(i)) for i in range(len(results))],
        "fates": [fate(results, i) for i in range(len(results))],
        "hovers": [hover(i, {n: c[i] for n, c in table.items()}) for i in range(len(results))],
        "at": results.at,
        "curves": results.curves[metric],
        "figures": figures(results, metric),
    }


def summary(results: Results) -> list[str]:
    """The sweep in a few lines."""
    judged = f"Judged by {results.metric}, {'more' if results.mode == 'max' else 'less'} is better."
    counts = [(s, int((results.status == s).sum())) for s in (DONE, STOPPED, DIVERGED, UNFINISHED)]
    came = ", ".join(f"{n} {s}" for s, n in counts if n)
    lines = [f"{judged} {came}; {results.steps_run:,} steps in all."]
    if best := interactive.best(results):
        lines.append(f"Best: {best.optimizer}, {results.metric} {best.score:.4g} ± {best.deviation:.2g} over its seeds.")
    else:
        lines.append("No best: every setting diverged, or nothing was measured.")
    took = [f"{s:.1f} s {doing}" for doing, s in results.seconds.items()]
    return [*lines, ", ".join([*took, *(f"{n} {v}" for n, v in results.versions.items())])]


def fate(results: Results, row: int) -> str:
    """What became of a trial, in words."""
    ran = f"{results.stopped_at[row]} steps"
    words = {
        DONE: f"done: ran all its {ran}",
        STOPPED: f"stopped by the policy after {ran}",
        DIVERGED: f"diverged at step {results.diverged_at[row]}",
        UNFINISHED: f"unfinished: the sweep was interrupted after {ran}",
    }
    copied = [f"; went on as a copy of trial {source} at step {step}" for step, to, source in results.copies if to == row]
    return words[results.status[row]] + "".join(copied)


def hover(row: int, values: dict[str, Any]) -> str:
    """What is seen of a trial beside the pointer."""
    seen = {n: v for n, v in values.items() if v is not None and n not in ("setting", "diverged_at")}
    lines = [f"{n} {v:.4g}" if isinstance(v, float | np.floating) else f"{n} {v}" for n, v in seen.items()]
    return "<br>".join(map(interactive.plain, [f"trial {row}", *lines]))


def ranking(results: Results) -> list[int]:
    """All trials, the best first; diverged ones last, and before them those that ran for less long."""
    score = (-1 if results.mode == "max" else 1) * results.final()
    lost = (results.status == DIVERGED) | ~np.isfinite(score)
    return np.lexsort((np.where(lost, np.inf, score), -results.stopped_at, lost)).tolist()


def figures(results: Results, metric: str) -> list[interactive.Figure]:
    """The pictures of the page: curves, one against each column that varies, over two of them, importance."""
    if not len(results.at):  # interrupted before anything was measured
        return [interactive.curves(results, metric)]
    axes = {n: interactive.parts(results, n) for n in results.trials.columns if n not in ("setting", "seed")}
    varying = [n for n, parts in axes.items() if sum(map(_distinct, parts)) > 1]
    # importance refuses sweeps in which nothing varies or that are too small to tell.
    falls = importance(results) if varying and len(results) >= 4 else {}
    order = sorted(varying, key=lambda n: -falls.get(n, 0.0))
    drawn = [interactive.curves(results, metric)]
    drawn += [interactive.response(results, n, x, metric) for n in order for x in axes[n]]
    for label in interactive.labels(results):
        mine = results.trials.columns["optimizer"] == label
        numeric = [n for n in order if axes[n][0].dtype != object and _distinct(axes[n][0][mine]) > 1]
        if len(numeric) >= 2:
            drawn.append(interactive.over_two(results, label, numeric[0], numeric[1], metric))
    return [*drawn, *([interactive.bars(falls, results.metric)] if falls else [])]


def _distinct(x: np.ndarray) -> int:
    return len(set(x[interactive.present(x)]))


def _json(x: Any) -> Any:
    """For JSON: what isn't finite as null, what JSON doesn't know as it prints."""
    if isinstance(x, Mapping):
        return {str(k): _json(v) for k, v in x.items()}
    if isinstance(x, np.ndarray | np.generic):
        x = x.tolist()
    if isinstance(x, list | tuple):
        return [_json(v) for v in x]
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    return x if x is None or isinstance(x, bool | int | str) else repr(x)
