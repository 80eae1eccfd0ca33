"""Schedules that come back: warm restarts and Chebyshev's steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import number
from gradtx.core.schedule import Schedule
from gradtx.core.show import show
from gradtx.schedules.joined import warmup_cosine_decay_schedule
from gradtx.typing import PositiveReal


class sgdr_schedule(Schedule):
    """Cosine decays with warm restarts: one `warmup_cosine_decay_schedule` after another, each of its own length and peak.

    Args:
        cosine_kwargs: for each cycle a dictionary of the arguments of `warmup_cosine_decay_schedule`; a cycle takes its `decay_steps`.

    Raises:
        ValueError: there is no cycle, or a number is outside its range.

    References:
        Loshchilov, Hutter (2016), SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv:1608.03983.

    Example:
        >>> import gradtx
        >>> cycle = dict(init_value=0.0, peak_value=1.0, warmup_steps=0, decay_steps=10)
        >>> s = gradtx.sgdr_schedule([cycle, {**cycle, "decay_steps": 20}])
        >>> [round(float(s(t)), 6) for t in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 1.0, 0.5, 0.0]
    """

    cycles: tuple[Schedule, ...]

    def __init__(self, cosine_kwargs: Iterable[Mapping[str, Any]]) -> None:
        self._set(cycles=tuple(warmup_cosine_decay_schedule(**kwargs) for kwargs in cosine_kwargs))

    def check(self) -> None:
        if not self.cycles:
            raise ValueError("sgdr_schedule: cosine_kwargs is empty; give the arguments of at least one cycle.")

    def _arguments(self) -> list[str]:
        return [f"cosine_kwargs={show([{n: getattr(c, n) for n in c._kinds} for c in self.cycles])}"]

    def at(self, step: jax.Array) -> jax.Array:
        now, begin = self.cycles[0](step), 0.0
        for before, later in zip(self.cycles[:-1], self.cycles[1:], strict=True):
            begin = begin + number(before.decay_steps, step.dtype)  # type: ignore[attr-defined]
            now = jnp.where(step < begin, now, later(step - begin))
        return now


class chebyshev_schedule(Schedule):
    """The best rates for gradient descent on a quadratic: $s(t) = \\left(\\frac{M+m}2 - \\frac{M-m}2 \\cos\\frac{(\\sigma_t - 1/2)\\pi}{n}\\right)^{-1}$, over and over.

    The inverse rates are the zeros of Chebyshev's polynomial on $[m, M]$: $n$ steps shrink every error by $1 / T_n(\\frac{M+m}{M-m})$ at least, without momentum.

    Args:
        min_curvature: $m > 0$, the smallest eigenvalue of the Hessian.
        max_curvature: $M \\ge m$, the largest.
        cycle_steps: $n$; with `fractal` a power of two.
        fractal: takes the rates in the order that keeps all partial products small, long and short steps interlaced; else from the
            longest to the shortest, which at large $n$ overflows on the way.

    Raises:
        ValueError: a number is outside its range, or `cycle_steps` is not whole, or no power of two though `fractal`.

    References:
        Agarwal, Goel, Zhang (2021), Acceleration via Fractal Learning Rate Schedules, arXiv:2103.01338.

    Example:
        >>> import gradtx
        >>> s = gradtx.chebyshev_schedule(1.0, 3.0, 2)
        >>> [round(float(s(t)), 6) for t in (0, 1, 2)]
        [0.773459, 0.369398, 0.773459]
    """

    min_curvature: PositiveReal
    max_curvature: PositiveReal
    cycle_steps: PositiveReal
    fractal: bool = True

    def check(self) -> None:
        n, low, high = self.cycle_steps, self.min_curvature, self.max_curvature
        if isinstance(n, float) and (n != int(n) or (self.fractal and math.log2(n) % 1)):
            needed = "a power of two" if self.fractal else "a whole number"
            raise ValueError(f"chebyshev_schedule: cycle_steps = {n:g}; it must be {needed}.")
        if isinstance(low, float) and isinstance(high, float) and low > high:
            raise ValueError(f"chebyshev_schedule: min_curvature = {low:g} is larger than max_curvature = {high:g}.")

    def at(self, step: jax.Array) -> jax.Array:
        place = jnp.mod(step, self.cycle_steps)
        if self.fractal:
            place = _fractal(place, self.cycle_steps)
        middle, half = (self.max_curvature + self.min_curvature) / 2, (self.max_curvature - self.min_curvature) / 2
        return 1 / (middle - half * jnp.cos(jnp.pi * (place + 0.5) / self.cycle_steps))


def _fractal(place: jax.Array, length: Any) -> jax.Array:
    """The order in which a cycle of 2n is that of n interlaced with its mirror image: 0; 0 1; 0 3 1 2; …, counted from 0."""
    base, direction = jnp.zeros_like(place), jnp.ones_like(place)
    for _ in range(24):  # float32 counts no further
        mirrored = (jnp.mod(place, 2.0) == 1) & (length > 1)
        base = jnp.where(mirrored, base + direction * (length - 1), base)
        direction = jnp.where(mirrored, -direction, direction)
        place, length = jnp.floor(place / 2), length / 2
    return base
