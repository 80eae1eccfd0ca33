"""Thousands of runs at once: where they end, by hyperparameters and by start."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.transform import Transform
from gradtx.plotting.contours import draw_start
from gradtx.plotting.runs import AnyProblem, levels, minima, surface_values
from gradtx.plotting.style import COLOURS, DIVERGED, HEAT, legend_below, panels, pyplot, styled
from gradtx.problems import Stochastic
from gradtx.solve import trajectories


@styled
def rate_basins(
    problem: AnyProblem,
    optimizer: Transform,
    learning_rate: Any,
    *,
    start: Any = None,
    steps: int = 200,
    key: Any = None,
    axes: Any = None,
    **other: Any,
) -> Any:
    """The value at the end of a run over the learning rate and another hyperparameter, all runs in one compiled program.

    Args:
        problem: what it descends on.
        optimizer: any with a field `learning_rate` and the other one.
        learning_rate: its values, from low to high.
        start: where it starts; the problem's own start if None.
        steps: how many steps.
        key: what the draws of a noisy problem come from.
        axes: where to draw; a new figure if None.
        other: the other hyperparameter by its name, and its values: `momentum=jnp.linspace(0, 0.99, 50)`.

    Returns:
        The figure. Runs that diverge are drawn in a colour of their own.

    Raises:
        TypeError: not one other hyperparameter is given.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.plotting import rate_basins
        >>> from gradtx.problems import rosenbrock
        >>> figure = rate_basins(
        ...     rosenbrock, gradtx.sgd(0.1, momentum=0.9), jnp.logspace(-5, -1, 20), momentum=jnp.linspace(0, 0.99, 10))
        >>> figure.axes[0].get_ylabel()
        'momentum'
    """
    if len(other) != 1:
        raise TypeError(f"rate_basins: give one other hyperparameter by name, got {sorted(other) or 'none'}.")
    (name, values), rates = next(iter(other.items())), jnp.asarray(learning_rate, float)
    values = jnp.asarray(values, float)
    first = jnp.asarray(problem.start if start is None else start, float)[None]
    if key is None and isinstance(problem, Stochastic):
        key = jax.random.key(0)
    keys = None if key is None else key[None]
    hyper: dict[str, Any] = {"learning_rate": rates, name: values}
    runs = trajectories(problem, optimizer, first, steps, keys=keys, every=max(steps, 1), **hyper)
    ends = np.asarray(runs.evaluation_values)[..., -1].reshape(len(rates), len(values)).T
    gone = np.asarray(runs.diverged_at).reshape(len(rates), len(values)).T >= 0
    at_start = float(problem(first[0]))
    lowest = problem.minimum
    gap = ends - lowest if lowest is not None else ends
    gone |= gap > 10 * abs(at_start - (lowest or 0.0))
    if axes is None:
        _, [[axes]] = panels(1, 1, 0.7)
    shown = np.where(gone, np.nan, np.log10(np.maximum(gap, 1e-12)) if lowest is not None else gap)
    axes.set_facecolor(DIVERGED)
    mesh = axes.pcolormesh(np.asarray(rates), np.asarray(values), shown, cmap=HEAT, shading="nearest", rasterized=True)
    axes.set(xscale="log", xlabel="learning rate", ylabel=name)
    if _geometric(np.asarray(values)):
        axes.set_yscale("log")
    label = f"$\\log_{{10}}(f - \\min f)$ after {steps} steps" if lowest is not None else f"$f$ after {steps} steps"
    axes.figure.colorbar(mesh, ax=axes, label=label)
    if gone.any():
        handle = pyplot().matplotlib.patches.Patch(color=DIVERGED, label="diverged")
        axes.figure.legend(handles=[handle], loc="outside lower center")
    return axes.figure


@styled
def start_basins(
    problem: AnyProblem,
    optimizer: Transform,
    steps: int = 500,
    *,
    n: int = 200,
    bounds: Any = None,
    near: float = 0.1,
    axes: Any = None,
) -> Any:
    """Which minimum a run from each point ends in: $n^2$ runs in one compiled program.

    Args:
        problem: a function of two variables whose minima are known.
        optimizer: any.
        steps: how many steps.
        n: so many starts along each side.
        bounds: `((left, right), (low, high))`; the problem's own if None.
        near: the distance within which a run has got there.
        axes: where to draw; a new figure with a legend if None.

    Returns:
        The figure. Runs that got to none of the minima are white, those that diverged black.

    Raises:
        ValueError: no minimum of the problem is known.

    Example:
        >>> import gradtx
        >>> from gradtx.plotting import start_basins
        >>> from gradtx.problems import himmelblau
        >>> len(start_basins(himmelblau, gradtx.sgd(0.01), n=20).legends[0].get_texts()) >= 4
        True
    """
    there = minima(problem)
    if not len(there):
        raise ValueError(f"start_basins: no minimum of {problem.name} is known.")
    x, y, z = surface_values(problem, bounds, n)
    starts = jnp.asarray(np.stack([x.ravel(), y.ravel()], axis=1), float)
    runs = trajectories(problem, optimizer, starts, steps, every=max(steps, 1))
    distance = np.linalg.norm(np.asarray(runs.evaluation_points)[:, -1, None] - there, axis=2)
    which = np.where(distance.min(axis=1) < near, distance.argmin(axis=1), len(there))
    which = np.where(np.asarray(runs.diverged_at) >= 0, len(there) + 1, which).reshape(x.shape)
    palette = [COLOURS[i % 6] for i in range(len(there))] + ["white", "black"]
    alone = axes is None
    if alone:
        _, [[axes]] = panels(1, 1, 0.75)
    mpl = pyplot().matplotlib
    colours = mpl.colors.ListedColormap(palette)
    axes.pcolormesh(
        x, y, which, cmap=colours, vmin=-0.5, vmax=len(palette) - 0.5, shading="nearest", rasterized=True, alpha=0.75
    )
    axes.contour(x, y, z, levels(z, 16), colors="white", linewidths=0.3)
    names = [f"({a:.3g}, {b:.3g})" for a, b in there] + ["none of them", "diverged"]
    for i, (name, colour) in enumerate(zip(names, palette, strict=True)):
        if (which == i).any():
            axes.plot([], [], "s", color=colour, markeredgecolor="0.3", label=name)
    for point in there:
        draw_start(axes, point).set(marker="*", markersize=2.4 * pyplot().rcParams["lines.markersize"])
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), xlabel="$x$", ylabel="$y$")
    if alone:
        legend_below(axes.figure, axes)
    return axes.figure


def _geometric(values: np.ndarray) -> bool:
    """Whether numbers are spaced by a factor, and not by a difference."""
    if len(values) < 3 or (values <= 0).any():
        return False
    return bool(np.ptp(np.diff(np.log(values))) < 1e-3 * np.abs(np.diff(np.log(values))).max())
