"""Sums of squares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.problems.problem import Problem


def least_squares(
    name: str,
    residuals: Callable[[jax.Array], jax.Array],
    start: Iterable[float],
    minimum: float | None = None,
    at: Sequence[Sequence[float]] = (),
    bounds: Sequence[tuple[float, float]] | None = None,
) -> Problem:
    """A problem that is a sum of squares: $f(x) = \\sum_i r_i(x)^2$.

    Args:
        name: what it is called.
        residuals: from a vector to the vector of the $r_i$.
        start: where runs usually begin.
        minimum: the least value; None if it isn't known.
        at: points where it is taken.
        bounds: `(low, high)` for each coordinate, to plot in; half as much again as start and minima span if None.

    Example:
        >>> from gradtx.problems import least_squares
        >>> import jax.numpy as jnp
        >>> float(least_squares("a bowl", lambda x: x - 1.0, (3.0, 4.0), 0.0, [(1.0, 1.0)])(jnp.array([3.0, 4.0])))
        13.0
    """
    points = tuple(tuple(map(float, p)) for p in at)
    first = tuple(map(float, start))
    return Problem(
        name,
        lambda x: jnp.sum(residuals(x) ** 2),
        first,
        minimum,
        points,
        _around(first, *points) if bounds is None else tuple(bounds),
        residuals,
    )


def _around(*points: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """A box around some points, with room."""
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    room = np.maximum(0.5 * (high - low), 0.5)
    return tuple((float(a), float(b)) for a, b in zip(low - room, high + room, strict=True))


def like(data: Any, x: jax.Array) -> jax.Array:
    """Given numbers in the dtype of the unknowns."""
    return jnp.asarray(np.asarray(data), x.dtype)
