"""Problems of which one sees noisy values only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.problems.problem import Problem


@dataclasses.dataclass(frozen=True)
class Stochastic:
    """A problem and a random version of it, whose gradient is right on the average.

    Without a key it is the problem itself; with a key, one draw. `trajectory(..., key=key)` descends on the draws.

    Args:
        problem: what is minimized.
        draw: from a point and a key to a scalar.
    """

    problem: Problem
    draw: Callable[[jax.Array, jax.Array], jax.Array]

    def __call__(self, x: Any, key: jax.Array | None = None) -> jax.Array:
        """The value at a point; with a key, the value of one draw."""
        return self.problem(x) if key is None else self.draw(x, key)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.problem, name)


def noisy(problem: Problem, scale: float = 1.0) -> Stochastic:
    """Gradients with independent noise: $g + \\sigma z$, $z \\sim N(0, I)$, as those of $f(x) + \\sigma\\langle z, x\\rangle$.

    Args:
        problem: any.
        scale: $\\sigma \\ge 0$.

    Example:
        >>> from gradtx.problems import noisy, saddle
        >>> import jax, jax.numpy as jnp
        >>> x = jnp.zeros(2)
        >>> float(noisy(saddle)(x)), jax.grad(noisy(saddle, 0.1))(x, jax.random.key(0)).shape
        (0.0, (2,))
    """
    if not scale >= 0:
        raise ValueError(f"noisy: scale = {scale!r}; it must not be negative.")

    def draw(x: jax.Array, key: jax.Array) -> jax.Array:
        return problem(x) + scale * jnp.vdot(jax.random.normal(key, x.shape, x.dtype), x)

    return Stochastic(problem, draw)


def mini_batch(problem: Problem, size: int) -> Stochastic:
    """A sum of squares seen through some of its terms: $\\frac{m}{b}\\sum_{i \\in B} r_i^2$, with $B$ drawn without replacement.

    Args:
        problem: one with residuals (see `least_squares`).
        size: $b$, from 1 to their number $m$.

    Raises:
        ValueError: the problem has no residuals, or `size` is outside its range.

    Example:
        >>> from gradtx.problems import mini_batch, straight_line
        >>> import jax, jax.numpy as jnp
        >>> x = jnp.array(straight_line.start)
        >>> abs(float(mini_batch(straight_line, 18)(x, jax.random.key(0)) - straight_line(x))) < 1e-4
        True
    """
    residuals = problem.residuals
    if residuals is None:
        raise ValueError(f"mini_batch: {problem.name} is not a sum of squares; noisy(problem, scale) makes any problem random.")
    m = jax.eval_shape(residuals, jnp.zeros(problem.dimension)).shape[0]
    if not 1 <= size <= m:
        raise ValueError(f"mini_batch: size = {size}; {problem.name} has {m} terms.")

    def draw(x: jax.Array, key: jax.Array) -> jax.Array:
        rows = jax.random.choice(key, m, (size,), replace=False)
        return m / size * jnp.sum(residuals(x)[rows] ** 2)

    return Stochastic(problem, draw)
