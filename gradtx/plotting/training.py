"""Trainings: what a range test saw, and the records of runs beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradtx.plotting.style import COLOURS, STROKES, by_powers_of_ten, legend_below, panels, pyplot, stroke, styled
from gradtx.plotting.sweeps import scale
from gradtx.training import RangeTest, Run


@styled
def range_test(seen: RangeTest) -> Any:
    """The loss against the learning rate as it rose, with the two rates that the test suggests.

    Args:
        seen: what `gradtx.training.range_test` returned.

    Returns:
        The figure.

    Raises:
        TypeError: it is something else.

    References:
        Smith (2017), Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx import plotting, training
        >>> seen = training.range_test(lambda p, batch: jnp.sum(p**2), jnp.ones(3), gradtx.sgd(0.1), [0], lowest=1e-4)
        >>> plotting.range_test(seen).axes[0].get_xscale()
        'log'
    """
    if not isinstance(seen, RangeTest):
        raise TypeError(
            f"range_test: what is drawn is a RangeTest, not a {type(seen).__name__}; gradtx.training.range_test makes one."
        )
    figure, [[axes]] = panels(1, 1, 0.5)
    axes.plot(seen.rates, seen.losses, label="loss", color=COLOURS[0], alpha=0.35)
    axes.plot(seen.rates, seen.smooth, label="its running mean", color=COLOURS[0])
    for i, (name, rate) in enumerate({"steepest": seen.steepest, "limit": seen.limit}.items(), start=1):
        axes.axvline(rate, label=f"{name}: {rate:.2g}", color=COLOURS[i], linestyle=STROKES[i])
    # The last loss, at which the test ended, may be of any size: all before it sets the frame.
    low, high = seen.losses[:-1].min(), seen.smooth[:-1].max()
    room = 0.08 * (high - low) or 1.0
    axes.set(xscale="log", xlabel=seen.hyperparameter.replace("_", " "), ylabel="loss", ylim=(low - room, high + room))
    legend_below(figure, axes)
    return figure


@styled
def curves(runs: Run | Mapping[str, Run], metric: str | Sequence[str] = "loss", x: str | Sequence[str] = "step") -> Any:
    """What trainings recorded: a row a metric, a column for each of what it is drawn against, a line a run.

    A number of one's own, such as the examples seen, is drawn too if a callback puts it into `run.records[-1]`.

    Args:
        runs: what `fit` returned; several by name.
        metric: one of the numbers of the records, such as `"loss"` or `"val_accuracy"`, or several.
        x: another: `"step"`, `"epoch"`, `"seconds"` (in which compiling counts), or several.

    Returns:
        The figure. A metric that is positive and spans more than a decade and a half has a logarithmic axis.

    Raises:
        TypeError: what is to be drawn is no `Run`.
        ValueError: there is no run, metric or x, or a run has no such number in its records.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.plotting import curves
        >>> from gradtx.training import fit
        >>> train = lambda rate: fit(lambda p, batch: p**2, jnp.array(1.0), gradtx.sgd(rate), [0], steps=9)
        >>> figure = curves({"slow": train(0.1), "fast": train(0.3)}, "loss", ("step", "seconds"))
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['step', 'seconds']
    """
    named = runs if isinstance(runs, Mapping) else {None: runs}
    rows, columns = ([n] if isinstance(n, str) else list(n) for n in (metric, x))
    histories = {name: _history(name, run, [*rows, *columns]) for name, run in named.items()}
    for what, given in (("run", histories), ("metric", rows), ("x", columns)):
        if not given:
            raise ValueError(f"curves: there is no {what} to draw.")
    figure, axes = panels(len(rows), len(columns), 0.8 if len(columns) > 1 else 0.5, sharex="col", sharey="row")
    for row, up in enumerate(rows):
        for column, along in enumerate(columns):
            for i, (name, history) in enumerate(histories.items()):
                axes[row, column].plot(history[along], history[up], label=name, **stroke(i))
        if scale(np.concatenate([h[up] for h in histories.values()])) == "log":
            by_powers_of_ten(axes[row, 0])
        axes[row, 0].set_ylabel(up)
    for column, along in enumerate(columns):
        axes[-1, column].set_xlabel(along)
        if len(columns) > 1:  # narrow panels: few numbers, which may be long, such as seconds
            axes[-1, column].xaxis.set_major_locator(pyplot().MaxNLocator(3))
    legend_below(figure, axes[0, 0])
    return figure


def _history(name: str | None, run: Any, wanted: list[str]) -> dict[str, np.ndarray]:
    """The records as columns, if they have all that is drawn."""
    who = "the run" if name is None else f"the run {name!r}"
    if not isinstance(run, Run):
        raise TypeError(
            f"curves: {who} is of the type {type(run).__name__}; what fit returns is drawn, or several of these by name."
        )
    history = run.history
    for n in wanted:
        if n not in history:
            raise ValueError(f"curves: {who} has no {n!r} in its records; it has {sorted(history)}.")
    return history
