"""Contours of a function of two variables, and paths on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtx.plotting.runs import AnyProblem, Optimizers, levels, minima, paths, surface_values
from gradtx.plotting.style import LANDSCAPE, legend_below, panels, pyplot, stroke, styled


@styled
def contours(
    problem: AnyProblem,
    optimizers: Optimizers = (),
    start: Any = None,
    steps: int = 200,
    *,
    bounds: Any = None,
    key: Any = None,
    axes: Any = None,
) -> Any:
    """The paths of optimizers on the contours of a function.

    Args:
        problem: a function of two variables (see `gradtx.problems`); a noisy one is descended on its draws.
        optimizers: one, several, or several by name: `{"mine": my_optimizer(0.1)}`.
        start: where they start; the problem's own start if None.
        steps: how many steps.
        bounds: `((left, right), (low, high))`; the problem's own if None.
        key: what the draws of a noisy problem come from.
        axes: where to draw; a new figure with a legend if None.

    Returns:
        The figure.

    Raises:
        ValueError: the problem has not two dimensions.
        ModuleNotFoundError: matplotlib is missing.

    Example:
        >>> import gradtx
        >>> from gradtx.plotting import contours
        >>> from gradtx.problems import beale
        >>> figure = contours(beale, {"Adam": gradtx.adam(0.1), "Lion": gradtx.lion(0.02)})
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['Adam', 'Lion']
    """
    runs = paths(problem, optimizers, start, steps, key)
    alone = axes is None
    if alone:
        _, [[axes]] = panels(1, 1, 0.75)
    draw_landscape(axes, problem, bounds)
    for i, (name, run) in enumerate(runs.items()):
        (line,) = axes.plot(*run.points.T, label=name, **stroke(i), zorder=3)
        draw_end(axes, run.points[-1], line.get_color())
    draw_start(axes, problem.start if start is None else start)
    if alone:
        legend_below(axes.figure, axes)
    return axes.figure


def draw_landscape(axes: Any, problem: AnyProblem, bounds: Any, n: int = 200) -> None:
    """The contours, and a star at each minimum."""
    x, y, z = surface_values(problem, bounds, n)
    heights = levels(z)
    norm = pyplot().matplotlib.colors.BoundaryNorm(heights, 256)
    axes.contourf(x, y, z, heights, cmap=LANDSCAPE, norm=norm, alpha=0.38)
    axes.contour(x, y, z, heights, colors="0.45", linewidths=0.4)
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), xlabel="$x$", ylabel="$y$")
    size = pyplot().rcParams["lines.markersize"]
    for point in minima(problem):
        axes.plot(*point, "*", color="white", markeredgecolor="black", markersize=2.4 * size, zorder=2)


def draw_end(axes: Any, point: Any, colour: str) -> Any:
    return axes.plot(*point, "o", color=colour, markeredgecolor="white", zorder=4)[0]


def draw_start(axes: Any, point: Any) -> Any:
    return axes.plot(*np.asarray(point, float), "s", color="white", markeredgecolor="black", zorder=4)[0]
