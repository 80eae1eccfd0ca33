"""Projections onto sets, for `proximal` and `fista`."""

from __future__ import annotations

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from gradtx.core.fields import Leaf
from gradtx.core.number import is_inexact, number
from gradtx.core.prox import Prox
from gradtx.typing import PositiveReal

# Where parameters end: a number, which may be infinite, or arrays of them.
Bound = Annotated[Any, Leaf()]


def check_bounds(who: Any, lower: Any, upper: Any) -> None:
    """Raises unless two trees of bounds hold numbers, and those of the lower, where they are known, aren't over those of the upper."""
    for bound in (lower, upper):
        for x in jax.tree.leaves(bound):
            if not isinstance(x, float | int) and not is_inexact(getattr(x, "dtype", bool)):
                raise TypeError(f"{type(who).__name__}: {x!r} is no bound; give numbers, or arrays of floats.")
    low, high = jax.tree.leaves(lower), jax.tree.leaves(upper)
    if len(low) == len(high) and not any(isinstance(x, Tracer) for x in low + high):
        for a, b in zip(low, high, strict=True):
            if not (jnp.asarray(a) <= jnp.asarray(b)).all():
                raise ValueError(f"{type(who).__name__}: lower = {lower!r} is over upper = {upper!r}.")


class projection_box(Prox):
    """Onto the box of all numbers from `lower` to `upper`.

    Args:
        lower: any number, $-\\infty$ for none.
        upper: not under `lower`; $\\infty$ for none.

    Returns:
        A value for `proximal`, `proximal_gradient` and `fista`.

    Raises:
        ValueError: `lower` is over `upper`.
        TypeError: one is no number.

    References:
        Parikh, Boyd (2014), Proximal Algorithms, section 6.2.4.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.projection_box(-1.0, 1.0).apply(jnp.array([-3.0, 0.5]), 1.0).tolist()
        [-1.0, 0.5]
    """

    lower: Bound
    upper: Bound

    def check(self) -> None:
        if self.lower is None or self.upper is None:
            raise TypeError("projection_box: None is no bound; an infinite one is none.")
        check_bounds(self, self.lower, self.upper)

    def apply(self, x: Any, step: Any) -> Any:
        return jnp.clip(x, number(self.lower, x.dtype), number(self.upper, x.dtype))


class projection_l2_ball(Prox):
    """Onto the ball $\\|x\\| \\le r$ of each array.

    Args:
        radius: $r > 0$.

    Returns:
        A value for `proximal`, `proximal_gradient` and `fista`.

    Raises:
        ValueError: `radius` is not over 0.

    References:
        Parikh, Boyd (2014), Proximal Algorithms, section 6.5.1.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.projection_l2_ball(1.0).apply(jnp.array([0.0, 5.0]), 1.0).tolist()
        [0.0, 1.0]
    """

    radius: PositiveReal = 1.0

    def apply(self, x: Any, step: Any) -> Any:
        radius, size = number(self.radius, x.dtype), jnp.sqrt(jnp.sum(x * x))
        return jnp.where(size > radius, x * (radius / jnp.where(size > 0, size, 1)), x)


class projection_simplex(Prox):
    """Onto the simplex $x \\ge 0$, $\\sum x = s$, of each array as a vector.

    Args:
        scale: $s > 0$.

    Returns:
        A value for `proximal`, `proximal_gradient` and `fista`.

    Raises:
        ValueError: `scale` is not over 0.

    References:
        Held, Wolfe, Crowder (1974), Validation of subgradient optimization. Duchi et al. (2008), Efficient Projections onto the l1-Ball.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> [round(float(x), 3) for x in gradtx.projection_simplex().apply(jnp.array([0.9, 0.5, -2.0]), 1.0)]
        [0.7, 0.3, 0.0]
    """

    scale: PositiveReal = 1.0

    def apply(self, x: Any, step: Any) -> Any:
        scale, flat = number(self.scale, x.dtype), jnp.ravel(x)
        if not flat.size:
            return x
        falling = jnp.sort(flat)[::-1]
        sums = jnp.cumsum(falling) - scale
        places = jnp.arange(1, flat.size + 1, dtype=x.dtype)
        count = jnp.sum(falling * places > sums)
        shift = jnp.take(sums, count - 1) / count.astype(x.dtype)
        return jnp.maximum(x - shift, 0)
