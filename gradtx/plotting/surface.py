"""A function of two variables as a surface, and paths on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtx.plotting.runs import AnyProblem, Optimizers, levels, paths, surface_values
from gradtx.plotting.style import legend_below, panels, pyplot, stroke, styled


@styled
def surface(
    problem: AnyProblem,
    optimizers: Optimizers = (),
    start: Any = None,
    steps: int = 200,
    *,
    bounds: Any = None,
    key: Any = None,
    view: tuple[float, float] = (40.0, -60.0),
    axes: Any = None,
) -> Any:
    """The paths of optimizers on the surface of a function, in three dimensions.

    Args:
        problem: a function of two variables.
        optimizers: one, several, or several by name.
        start: where they start; the problem's own start if None.
        steps: how many steps; a path ends where it leaves the bounds.
        bounds: `((left, right), (low, high))`; the problem's own if None.
        key: what the draws of a noisy problem come from.
        view: elevation and azimuth, in degrees.
        axes: where to draw, with `projection="3d"`; a new figure with a legend if None.

    Returns:
        The figure.

    Raises:
        ValueError: the problem has not two dimensions.
        ModuleNotFoundError: matplotlib is missing.

    Example:
        >>> import gradtx
        >>> from gradtx.plotting import surface
        >>> from gradtx.problems import saddle
        >>> figure = surface(saddle, [gradtx.sgd(0.05), gradtx.adam(0.05)], steps=60)
        >>> len(figure.axes)
        1
    """
    runs = paths(problem, optimizers, start, steps, key)
    alone = axes is None
    if alone:
        axes = space()
    to_height = draw_relief(axes, problem, bounds, view)
    for i, (name, run) in enumerate(runs.items()):
        x, y, z = inside(run, axes, to_height)
        (line,) = axes.plot(x, y, z, label=name, **stroke(i), zorder=5)
        last = np.flatnonzero(np.isfinite(x))[-1:]
        axes.plot(x[last], y[last], z[last], "o", color=line.get_color(), markeredgecolor="white", zorder=6)
    if alone:
        legend_below(axes.figure, axes)
    return axes.figure


def space() -> Any:
    _, [[axes]] = panels(1, 1, 0.75, subplot_kw={"projection": "3d", "computed_zorder": False})
    return axes


def draw_relief(axes: Any, problem: AnyProblem, bounds: Any, view: tuple[float, float]) -> Any:
    """The surface; returns the map from values to heights, by logarithm where the values span many powers of ten."""
    x, y, z = surface_values(problem, bounds, 80)
    steep = np.ptp(z) > 1e3 * max(np.median(z) - z.min(), 1e-9) or np.ptp(z) > 1e4
    lowest = z.min()
    to_height = (lambda v: np.log10(1 + np.maximum(v - lowest, 0))) if steep else (lambda v: v)
    height = to_height(z)
    norm = pyplot().matplotlib.colors.BoundaryNorm(levels(height), 256)
    axes.plot_surface(x, y, height, cmap="Greys", norm=norm, alpha=0.55, linewidth=0, rcount=80, ccount=80, zorder=1)
    axes.plot_wireframe(x, y, height, color="0.35", linewidth=0.25, rcount=20, ccount=20, zorder=2)
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), xlabel="$x$", ylabel="$y$")
    # Labels lie beyond the letters of the ticks, whose room in space does not grow with them.
    letters = pyplot().rcParams["font.size"]
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.labelpad = 1.1 * letters - 6
        # No tick at a corner, where those of two axes would run into one another.
        axis.set_major_locator(pyplot().MaxNLocator(4, prune="both"))
    axes.tick_params(pad=0.6 * letters - 4)
    axes.set_zlabel("$\\log_{10}(1 + f - \\min f)$" if steep else "$f$")
    axes.view_init(*view)
    axes.set_box_aspect(None, zoom=1.0)
    return to_height


def inside(run: Any, axes: Any, to_height: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A path as three rows, cut where it leaves the picture: axes in space don't clip."""
    x, y = run.points.T.astype(float)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    out = (x < left) | (x > right) | (y < low) | (y > high)
    gone = np.cumsum(out) > 0
    return tuple(np.where(gone, np.nan, a) for a in (x, y, to_height(run.values.astype(float))))  # type: ignore[return-value]
