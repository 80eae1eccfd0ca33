"""Pictures of sweeps. Each draws on axes, given or new, and returns them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtx.plotting.style import stroke
from gradtx.sweep.importance import importance
from gradtx.sweep.results import STOPPED, Results


def response(results: Results, name: str, metric: str | None = None, ax: Any = None) -> Any:
    """The last measurement against one hyperparameter: a line for each optimizer through the means over the seeds, a band from the least to the most.

    What the policy stopped early is a faint dot, since it was measured after fewer steps.

    Args:
        results: of a sweep.
        name: the hyperparameter, a column of the table.
        metric: what is drawn; what trials are judged by if None.
        ax: axes to draw on.

    Raises:
        ValueError: there is no such column.
    """
    ax = _axes(ax)
    metric, columns = metric or results.metric, results.trials.columns
    x, y = numbers(results, name), np.where(results.status == "diverged", np.nan, results.final(metric))
    stopped = results.status == STOPPED
    for i, label in enumerate(dict.fromkeys(columns["optimizer"])):
        known = (columns["optimizer"] == label) & ~np.isnan(x)
        early, mine = known & stopped, known & ~stopped
        ax.plot(x[early], y[early], ".", color=stroke(i)["color"], alpha=0.35, markersize=4)
        at, rows = by_value(x[mine], y[mine])
        if not rows:
            continue
        ax.plot(at, [r.mean() for r in rows], marker=".", label=label, **stroke(i))
        ax.fill_between(at, [r.min() for r in rows], [r.max() for r in rows], color=stroke(i)["color"], alpha=0.2, linewidth=0)
    ax.set(xlabel=name, ylabel=metric, xscale=scale(x), yscale=scale(y))
    ax.legend()
    return ax


def heat_map(results: Results, x: str, y: str, metric: str | None = None, ax: Any = None) -> Any:
    """The last measurement over two hyperparameters, the mean over all else: cells for a grid, points for draws. Crosses: diverged.

    Args:
        results: of a sweep.
        x: a column of the table.
        y: another.
        metric: what is drawn; what trials are judged by if None.
        ax: axes to draw on.

    Raises:
        ValueError: there is no such column.
    """
    ax = _axes(ax)
    metric = metric or results.metric
    a, b = numbers(results, x), numbers(results, y)
    lost = results.status == "diverged"
    value = np.where(lost, np.nan, results.final(metric))
    norm = "log" if scale(value) == "log" else None
    across, up = np.unique(a), np.unique(b)
    if len(across) * len(up) <= len(results):
        cells = np.full((len(up), len(across)), np.nan)
        for i, j in np.ndindex(cells.shape):
            here = (b == up[i]) & (a == across[j])
            if here.any() and not lost[here].any():
                cells[i, j] = value[here].mean()
        drawn = ax.pcolormesh(across, up, cells, shading="nearest", norm=norm)
    else:
        drawn = ax.scatter(a[~lost], b[~lost], c=value[~lost], norm=norm)
    ax.plot(a[lost], b[lost], "x", color="tab:red", markersize=5)
    ax.figure.colorbar(drawn, ax=ax, label=metric)
    ax.set(xlabel=x, ylabel=y, xscale=scale(across), yscale=scale(up))
    return ax


def learning_curves(results: Results, metric: str | None = None, ax: Any = None) -> Any:
    """Every trial's curve; stopped and diverged ones faded, the best setting's in front.

    Args:
        results: of a sweep.
        metric: what is drawn; what trials are judged by if None.
        ax: axes to draw on.
    """
    ax = _axes(ax)
    metric = metric or results.metric
    curves = results.curves[metric]
    came_through = np.isfinite(results.over_seeds()[results.metric]).any()
    best = results.best().rows if came_through else []
    for i, curve in enumerate(curves):
        faded = results.status[i] in (STOPPED, "diverged")
        if i not in best:
            ax.plot(results.at, curve, color="0.5" if faded else "C0", alpha=0.3 if faded else 0.5, linewidth=0.8)
            if faded and results.stopped_at[i]:
                last = np.flatnonzero(np.isfinite(curve))
                ax.plot(results.at[last[-1:]], curve[last[-1:]], ".", color="0.5", alpha=0.3, markersize=3)
    for i in best:
        ax.plot(results.at, curves[i], color="C1", linewidth=2, label="best setting" if i == best[0] else None)
    ax.set(xlabel="step", ylabel=metric, yscale=scale(curves))
    if came_through:
        ax.legend()
    return ax


def what_mattered(results: Results, ax: Any = None) -> Any:
    """Bars of `importance`: how much worse a random forest explains the scores with one column permuted.

    Args:
        results: of a sweep.
        ax: axes to draw on.
    """
    ax = _axes(ax)
    falls = importance(results)
    ax.barh(list(falls)[::-1], list(falls.values())[::-1])
    ax.set(xlabel="permutation importance (fall of R²)")
    return ax


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def by_value(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The values along x and what was measured at each; those at which a measurement is NaN are left out."""
    rows = [(v, y[x == v]) for v in np.unique(x)]
    whole = [(v, r) for v, r in rows if not np.isnan(r).any()]
    return np.array([v for v, _ in whole]), [r for _, r in whole]


def numbers(results: Results, name: str) -> np.ndarray:
    """A column as numbers, NaN where a trial has none."""
    columns = results.trials.columns
    if name not in columns:
        raise ValueError(f"plotting: there is no column {name!r}; there are {list(columns)}.")
    try:
        return np.array([np.nan if x is None else float(x) for x in columns[name]])
    except (TypeError, ValueError):
        raise ValueError(f"plotting: the column {name!r} holds what is no number; draw against another.") from None


def scale(x: np.ndarray) -> str:
    """Logarithmic where numbers are positive and span more than a decade and a half."""
    x = x[np.isfinite(x)]
    return "log" if len(x) and x.min() > 0 and x.max() / x.min() > 30 else "linear"
