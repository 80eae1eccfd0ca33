"""What a problem is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax


@dataclasses.dataclass(frozen=True)
class Problem:
    """A function to minimize, with what is known about it.

    Args:
        name: what it is called.
        function: from a vector of `dimension` numbers to a scalar.
        start: where runs usually begin.
        minimum: the least value; None if there is none.
        at: points where it is taken.
        bounds: `(low, high)` for each coordinate, to plot in.
        residuals: if the function is a sum of squares, the vector of what is squared; None if not.

    Example:
        >>> from gradtx.problems import beale
        >>> import jax.numpy as jnp
        >>> float(beale(jnp.array([3.0, 0.5])))
        0.0
    """

    name: str
    function: Callable[[jax.Array], jax.Array]
    start: tuple[float, ...]
    minimum: float | None
    at: tuple[tuple[float, ...], ...]
    bounds: tuple[tuple[float, float], ...]
    residuals: Callable[[jax.Array], jax.Array] | None = None

    @property
    def dimension(self) -> int:
        return len(self.start)

    def __call__(self, x: Any) -> jax.Array:
        """The value at a point."""
        return self.function(x)

    def gradient(self, x: Any) -> jax.Array:
        """The gradient at a point, by JAX."""
        return jax.grad(self.function)(x)


def all_problems() -> list[Problem]:
    """Every problem of this package; those of any dimension at the one that they have by default."""
    import gradtx.problems as package

    of_any_dimension = [p for p in package.more_garbow_hillstrom() if p not in vars(package).values()]
    return [p for p in vars(package).values() if isinstance(p, Problem)] + of_any_dimension
