"""Pictures of sweeps for the browser, as Plotly reads them: dictionaries of `data` and `layout`.

`customdata` holds the trial behind each point, which the page shows when it is clicked.
"""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from gradtx.plotting.style import COLOURS
from gradtx.plotting.style import DIVERGED as LOST
from gradtx.plotting.sweeps import by_value, scale
from gradtx.sweep.results import DIVERGED, STOPPED, Best, Results

Figure = dict[str, Any]

# With more than eight optimizers the colours come again, in other strokes and points.
DASHES = ("solid", "dash", "dot", "dashdot")
POINTS = ("circle", "diamond-open", "square", "triangle-down-open")
# An axis of its own from 0 to 1, so that what has no place on the axis of values stands at its edge however one zooms.
EDGE = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
EDGE_NOTE = "× at the edge: diverged, or no number; ▵ at the edge: beyond the picture (double-click to see all)."


def curves(results: Results, metric: str) -> Figure:
    """The curve of every trial in the colour of its optimizer, those that did not run to the end faint, those of the best setting thick."""
    values, traces = results.curves[metric], []
    winner = best(results)
    for i, label in enumerate(labels(results)):
        mine = np.flatnonzero(results.trials.columns["optimizer"] == label)
        short = np.isin(results.status[mine], (STOPPED, DIVERGED))
        chosen = np.isin(mine, winner.rows if winner else [])
        kinds = [(mine[~short & ~chosen], 1.0, 0.6), (mine[short & ~chosen], 1.0, 0.2), (mine[chosen], 3.0, 1.0)]
        for rows, width, opacity in kinds:
            if len(rows):
                line = {**stroke(i), "width": width}
                trace = {"type": "scatter", "mode": "lines", "name": plain(label), "legendgroup": label, "opacity": opacity}
                trace |= {"line": line, "showlegend": not any(t["legendgroup"] == label for t in traces)}
                traces.append(trace | _joined(results.at, values[rows], rows))
    lost = np.flatnonzero(results.status == DIVERGED)
    edge = _edge(results, results.diverged_at[lost], lost, ["x"] * len(lost))
    # Last, and filled by the page: the trial that is looked at.
    looked_at = {"type": "scatter", "mode": "lines+markers", "x": [], "y": [], "hoverinfo": "skip", "showlegend": False}
    looked_at["line"] = {"color": "black", "width": 2}
    note = "Thick: the best setting. Faint: stopped or diverged. × at the edge: where one diverged. Black: the trial looked at."
    axes = {"xaxis": {"title": {"text": "step"}}, "yaxis": _values_axis(results, metric, values)}
    return _figure("Learning curves", note, [*traces, edge, looked_at], axes)


def response(results: Results, name: str, x: np.ndarray, metric: str) -> Figure:
    """The last measurement of every trial against one of the `parts` of a column, and a line through the means."""
    y = _finals(results, metric)
    there, axis = present(x), _values_axis(results, metric, y)
    outside, traces = _outside(results, y, axis), []
    for i, label in enumerate(labels(results)):
        mine = there & (results.trials.columns["optimizer"] == label)
        rows = np.flatnonzero(mine & np.isfinite(y) & ~outside)
        at, measured = by_value(x[mine], y[mine])
        common = {"type": "scatter", "name": plain(label), "legendgroup": label}
        if 0 < len(at) < mine.sum() and x.dtype != object:
            means = {"mode": "lines", "x": at, "y": [m.mean() for m in measured], "line": {**stroke(i), "width": 1.5}}
            traces.append(common | means | {"hoverinfo": "skip", "showlegend": False})
        if len(rows):
            faint = np.where(results.status[rows] == STOPPED, 0.3, 0.9)
            symbol = POINTS[i // len(COLOURS) % len(POINTS)]
            marker = {"color": COLOURS[i % len(COLOURS)], "symbol": symbol, "size": 7, "opacity": faint}
            traces.append(common | {"mode": "markers", "x": x[rows], "y": y[rows], "customdata": rows, "marker": marker})
    rows = np.flatnonzero(there & (~np.isfinite(y) | outside))
    traces.append(_edge(results, x[rows], rows, np.where(outside[rows], "triangle-up-open", "x")))
    note = f"Every trial, seeds included; lines through the means where none diverged. Faint: stopped. {EDGE_NOTE}"
    return _figure(f"{metric} against {name}", note, traces, {"xaxis": _setting_axis(name, x), "yaxis": axis})


def over_two(results: Results, label: str, x: str, y: str, metric: str) -> Figure:
    """The last measurement of one optimizer over two columns whose numbers vary: the mean of the trials at each place."""
    a, b, value = parts(results, x)[0], parts(results, y)[0], _finals(results, metric)
    mine = (results.trials.columns["optimizer"] == label) & present(a) & present(b)
    judged = (-1 if results.mode == "max" else 1) * _finals(results, results.metric)
    places = np.unique(np.stack([a[mine], b[mine]], axis=1), axis=0)
    there = [np.flatnonzero(mine & (a == p) & (b == q)) for p, q in places]
    whole = [rows for rows in there if np.isfinite(value[rows]).all()]
    torn = [rows for rows in there if not np.isfinite(value[rows]).all()]
    means = np.array([value[rows].mean() for rows in whole])

    def points(places: list[np.ndarray], words: list[str], marker: dict[str, Any]) -> dict[str, Any]:
        first = np.array([rows[0] for rows in places], int)
        best = [rows[np.argmin(np.where(np.isfinite(judged[rows]), judged[rows], np.inf))] for rows in places]
        text = [plain(f"{x} {p:.4g}, {y} {q:.4g}: {w}") for p, q, w in zip(a[first], b[first], words, strict=True)]
        look = {"type": "scatter", "mode": "markers", "hovertemplate": "%{text}<extra></extra>", "showlegend": False}
        return look | {"x": a[first], "y": b[first], "customdata": best, "text": text, "marker": marker}

    shown = [f"{metric} {m:.4g}, mean of {len(rows)}" for m, rows in zip(means, whole, strict=True)]
    lost = [f"{np.sum(~np.isfinite(value[rows]))} of {len(rows)} diverged" for rows in torn]
    squares = points(whole, shown, {"symbol": "square", "size": 16, **_colours(results, metric, means)})
    crosses = points(torn, lost, {"symbol": "x", "size": 8, "color": LOST})
    axes = {"xaxis": _setting_axis(x, a[mine]), "yaxis": _setting_axis(y, b[mine])}
    note = "The mean at each place; a click shows the best trial there. ×: at least one diverged."
    return _figure(f"{metric} of {label} over {x} and {y}", note, [squares, crosses], axes)


def bars(falls: dict[str, float], metric: str) -> Figure:
    """What `importance` gives, the most important on top."""
    names = list(falls)[::-1]
    bar = {"type": "bar", "orientation": "h", "x": [falls[n] for n in names], "y": [plain(n) for n in names]}
    bar |= {"marker": {"color": COLOURS[0]}, "hovertemplate": "%{y}: %{x:.3g}<extra></extra>"}
    axes = {
        "xaxis": {"title": {"text": "permutation importance (fall of R²)"}},
        "yaxis": {"automargin": True, "type": "category"},
    }
    note = "How much worse a random forest explains the scores once a column is shuffled."
    return _figure(f"What mattered for {metric}", note, [bar], axes)


def labels(results: Results) -> list[str]:
    """The optimizers, by what the table calls them, in its order."""
    return list(dict.fromkeys(results.trials.columns["optimizer"]))


def parts(results: Results, name: str) -> list[np.ndarray]:
    """A column as axes: its numbers (NaN elsewhere) if they vary, and all else as it prints (None elsewhere) if there is any."""
    column = results.trials.columns[name]
    is_number = np.array([isinstance(x, int | float | np.number) and not isinstance(x, bool) for x in column])
    as_number = np.array([float(x) if n else np.nan for x, n in zip(column, is_number, strict=True)])
    varies = len(np.unique(as_number[is_number])) > 1
    printed = [None if x is None or (n and varies) else plain(str(x)) for x, n in zip(column, is_number, strict=True)]
    as_printed = np.array(printed, object)
    return [*([as_number] if varies else []), *([as_printed] if present(as_printed).any() else [])]


def present(x: np.ndarray) -> np.ndarray:
    """Where an axis that `parts` gave has something."""
    return np.array([v is not None for v in x], bool) if x.dtype == object else ~np.isnan(x)


def best(results: Results) -> Best | None:
    """The best setting; None if every one diverged or nothing was measured."""
    try:
        return results.best()
    except ValueError:
        return None


def plain(text: str) -> str:
    """Text that Plotly shows as it is; it reads some HTML, and few entities."""
    return html.escape(text, quote=False)


def stroke(i: int) -> dict[str, str]:
    """Colour and stroke of the i-th optimizer."""
    return {"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i // len(COLOURS) % len(DASHES)]}


def _joined(at: np.ndarray, curves: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Many curves as one with gaps: a trace for each makes pages of hundreds of trials slow."""
    gap = np.full((len(rows), 1), np.nan)
    x, y = np.broadcast_to(at, curves.shape), np.hstack([np.where(np.isfinite(curves), curves, np.nan), gap])
    return {"x": np.hstack([x, gap]).ravel(), "y": y.ravel(), "customdata": np.repeat(rows, curves.shape[1] + 1)}


def _finals(results: Results, metric: str) -> np.ndarray:
    return np.where(results.status == DIVERGED, np.nan, results.final(metric))


def _limits(results: Results, metric: str, values: np.ndarray) -> tuple[float, float] | None:
    """What to show of values: all but those far on the worse side (Tukey's fence), which would flatten the rest."""
    v = values[np.isfinite(values)]
    if not len(v):
        return None
    logarithmic = scale(v) == "log"
    v = np.log10(v) if logarithmic else v
    low, high = np.quantile(v, [0.25, 0.75])
    reach = 1.5 * (high - low)
    down, up = v.min(), v.max()
    if metric == results.metric:  # which side is worse is known of this one alone
        down, up = (v[v >= low - reach].min(), up) if results.mode == "max" else (down, v[v <= high + reach].max())
    room = 0.06 * (up - down) or 0.1
    return down - room, up + room


def _values_axis(results: Results, metric: str, values: np.ndarray) -> dict[str, Any]:
    axis = _axis(metric, values)
    limits = _limits(results, metric, values)
    # Powers of ten alone where there are several in sight; Plotly's own ticks otherwise.
    powers = axis["type"] == "log" and limits and limits[1] - limits[0] > 2
    return axis | ({"range": limits} if limits else {}) | ({"dtick": 1} if powers else {})


def _outside(results: Results, values: np.ndarray, axis: dict[str, Any]) -> np.ndarray:
    """Which finite values the axis doesn't show."""
    if "range" not in axis:
        return np.zeros(len(values), bool)
    low, high = (10.0**r if axis["type"] == "log" else r for r in axis["range"])
    return np.isfinite(values) & ((values < low) | (values > high))


def _setting_axis(name: str, x: np.ndarray) -> dict[str, Any]:
    if x.dtype != object:
        return _axis(name, x)
    options = list(dict.fromkeys(v for v in x if v is not None))
    short = [v if len(v) < 24 else f"{v[:22]}…" for v in options]
    return {"title": {"text": plain(name)}, "type": "category", "tickvals": options, "ticktext": short, "automargin": True}


def _axis(name: str, values: np.ndarray) -> dict[str, Any]:
    return {"title": {"text": plain(name)}, "type": scale(values), "exponentformat": "power", "automargin": True}


def _colours(results: Results, metric: str, values: np.ndarray) -> dict[str, Any]:
    """Colours by value, by its logarithm where it spans decades; dark is good."""
    logarithmic = len(values) > 0 and scale(values) == "log"
    limits = _limits(results, metric, values) or (0.0, 1.0)
    bar: dict[str, Any] = {"title": {"text": plain(metric), "side": "right"}, "thickness": 12}
    if logarithmic:
        ticks = np.linspace(*limits, 5)
        bar |= {"tickvals": ticks, "ticktext": [f"{10.0**t:.2g}" for t in ticks]}
    shades = {"colorscale": "Cividis", "reversescale": results.mode == "max", "cmin": limits[0], "cmax": limits[1]}
    return {"color": np.log10(values) if logarithmic else values, "colorbar": bar, **shades}


def _edge(results: Results, x: Any, rows: np.ndarray, symbols: Any) -> dict[str, Any]:
    """Trials that have no place on the axis of values, at the edge where values are worst."""
    index = {label: i for i, label in enumerate(labels(results))}
    colours = [COLOURS[index[o] % len(COLOURS)] for o in results.trials.columns["optimizer"][rows]]
    height = 0.97 if results.mode == "min" else 0.03
    marker = {"symbol": symbols, "color": colours, "size": 8}
    trace = {"type": "scatter", "mode": "markers", "x": x, "y": [height] * len(rows), "yaxis": "y2", "customdata": rows}
    return trace | {"marker": marker, "showlegend": False, "cliponaxis": False}


def _figure(title: str, note: str, data: list[dict[str, Any]], axes: dict[str, Any]) -> Figure:
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    entries = len({t.get("legendgroup") for t in data} - {None})
    layout = {"height": 380 + 8 * entries, "margin": {"l": 55, "r": 15, "t": 35, "b": 50}, "showlegend": entries > 1}
    layout |= {"legend": legend, "hovermode": "closest", "hoverlabel": {"namelength": -1, "align": "left"}}
    return {"title": title, "note": note, "data": data, "layout": {**layout, **axes, "yaxis2": EDGE}}
