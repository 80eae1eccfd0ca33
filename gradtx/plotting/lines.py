"""What changes with the steps: coordinates, distance and value, and what a method makes of its learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from gradtx.core.edit import adjust
from gradtx.core.transform import Transform
from gradtx.plotting.runs import AnyProblem, Optimizers, by_name, minima, paths
from gradtx.plotting.style import by_powers_of_ten, legend_below, panels, stroke, styled
from gradtx.solve import Step

LETTERS = "xyz"


@styled
def coordinates(
    problem: AnyProblem,
    optimizers: Optimizers,
    learning_rates: Sequence[float] | None = None,
    start: Any = None,
    steps: int = 200,
    *,
    bounds: Any = None,
    key: Any = None,
) -> Any:
    """Each coordinate against the steps: a row a coordinate, a column a learning rate, a line an optimizer.

    Args:
        problem: what they descend on.
        optimizers: one, several, or several by name.
        learning_rates: what their field `learning_rate` is set to, where they have one; as they are, in one column, if None.
        start: where they start; the problem's own start if None.
        steps: how many steps.
        bounds: `(low, high)` of each row; the problem's own if None.
        key: what the draws of a noisy problem come from.

    Returns:
        The figure.

    Example:
        >>> import gradtx
        >>> from gradtx.plotting import coordinates
        >>> from gradtx.problems import saddle
        >>> len(coordinates(saddle, [gradtx.sgd(0.1), gradtx.adam(0.1)], (0.01, 0.1), steps=50).axes)
        4
    """
    named = by_name(optimizers)
    rates = [None] if learning_rates is None else list(learning_rates)
    rows = problem.dimension
    figure, axes = panels(rows, len(rates), 0.62 if len(rates) > 1 else 0.3, sharex=True, sharey="row")
    for column, rate in enumerate(rates):
        at_rate = {n: tx if rate is None else _at_rate(tx, rate) for n, tx in named.items()}
        for i, (name, run) in enumerate(paths(problem, at_rate, start, steps, key).items()):
            for row in range(rows):
                axes[row, column].plot(_up_to_the_end(run.points[:, row], run), label=name, **stroke(i))
        if rate is not None:
            axes[0, column].set_title(f"learning rate {rate:g}")
        axes[-1, column].set_xlabel("step")
    for row in range(rows):
        name = LETTERS[row] if rows <= 3 else f"x_{{{row + 1}}}"
        axes[row, 0].set(ylabel=f"${name}$", ylim=(problem.bounds if bounds is None else bounds)[row])
    legend_below(figure, axes[0, 0])
    return figure


@styled
def convergence(
    problem: AnyProblem,
    optimizers: Optimizers,
    start: Any = None,
    steps: int = 200,
    *,
    key: Any = None,
    evaluation: bool = True,
) -> Any:
    """Distance from the nearest minimum, and value above it, against the steps; the value alone where no minimum is known.

    Args:
        problem: what they descend on.
        optimizers: one, several, or several by name.
        start: where they start; the problem's own start if None.
        steps: how many steps.
        key: what the draws of a noisy problem come from.
        evaluation: of the points by which they want to be judged, and not of those they are at.

    Returns:
        The figure.

    Example:
        >>> import gradtx
        >>> from gradtx.plotting import convergence
        >>> from gradtx.problems import rosenbrock
        >>> [a.get_ylabel() for a in convergence(rosenbrock, gradtx.adam(0.01), steps=50).axes]
        ['distance', '$f - \\\\min f$']
    """
    runs, there = paths(problem, optimizers, start, steps, key), minima(problem)
    figure, [axes] = panels(1, 2 if len(there) else 1, 0.72 if len(there) else 0.6)
    for i, (name, run) in enumerate(runs.items()):
        points, values = (run.evaluation_points, run.evaluation_values) if evaluation else (run.points, run.values)
        if len(there):
            distance = np.linalg.norm(points[:, None].astype(float) - there, axis=2).min(axis=1)
            axes[0].plot(_up_to_the_end(distance, run), label=name, **stroke(i))
        axes[-1].plot(_up_to_the_end(values - (problem.minimum or 0.0), run), label=name, **stroke(i))
    if len(there):
        axes[0].set(ylabel="distance", xlabel="step")
        by_powers_of_ten(axes[0])
    known = problem.minimum is not None
    axes[-1].set(xlabel="step", ylabel="$f - \\min f$" if known else "$f$")
    if known:
        by_powers_of_ten(axes[-1])
    legend_below(figure, axes[0])
    return figure


@styled
def effective_rates(
    problem: AnyProblem, optimizers: Optimizers, start: Any = None, steps: int = 200, *, key: Any = None
) -> Any:
    """The step over the gradient, $|u_i| / |g_i|$, of each coordinate over time: what a method makes of its learning rate.

    Of gradient descent it is the learning rate. Where a coordinate's gradient is 0 there is none.

    Args:
        problem: what they descend on.
        optimizers: one, several, or several by name; a panel each.
        start: where they start; the problem's own start if None.
        steps: how many steps.
        key: what the draws of a noisy problem come from.

    Returns:
        The figure.

    Example:
        >>> import gradtx
        >>> from gradtx.plotting import effective_rates
        >>> from gradtx.problems import bent_bowl
        >>> len(effective_rates(bent_bowl, [gradtx.adagrad(0.5), gradtx.adam(0.1)], steps=20).axes)
        2
    """
    runs = paths(problem, optimizers, start, steps, key, watch=_rate)
    columns = min(len(runs), 3)
    figure, axes = panels(-(-len(runs) // columns), columns, 0.85, sharex=True, sharey=True)
    for axis, (name, run) in zip(axes.flat, runs.items(), strict=False):
        for i in range(problem.dimension):
            label = LETTERS[i] if problem.dimension <= 3 else f"x_{{{i + 1}}}"
            axis.plot(np.arange(1, steps + 1), run.watched[:, i], label=f"${label}$", **stroke(i))
        axis.set_title(name)
        by_powers_of_ten(axis)
    for axis in axes.flat[len(runs) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("$|u_i|\\ /\\ |g_i|$")
    for axis in axes[-1]:
        axis.set_xlabel("step")
    legend_below(figure, axes[0, 0])
    return figure


def _at_rate(tx: Transform, rate: float) -> Transform:
    """At another learning rate; methods that take none are as they are."""
    try:
        return adjust(tx, learning_rate=rate)
    except ValueError:
        return tx


def _rate(step: Step) -> Any:
    g = jnp.abs(step.gradients)
    return jnp.where(g > 0, jnp.abs(step.updates) / jnp.where(g > 0, g, 1.0), jnp.nan)


def _up_to_the_end(row: np.ndarray, run: Any) -> np.ndarray:
    """A diverging run ends where it left; it isn't drawn as if it stood still."""
    end = int(run.diverged_at)
    return row if end < 0 else row[:end]
