"""Interpolation between given points, and the one-cycle policies made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.schedule import Schedule
from gradtx.schedules.joined import show_steps
from gradtx.typing import NonNegativeReal, PositiveReal, Real


class piecewise_interpolate_schedule(Schedule):
    """From point to point: at the boundary $t_i$ the value is $a \\prod_{j \\le i} f_j$, between two boundaries on a line or half a cosine.

    Args:
        interpolate_type: `"linear"` or `"cosine"`.
        init_value: $a$, the value at step 0.
        boundaries_and_scales: `{t_i: f_i}`, the steps, and the factor, not negative, by which the value has changed there.

    Raises:
        ValueError: the type is another, or a boundary or a factor is negative.

    Example:
        >>> import gradtx
        >>> s = gradtx.piecewise_interpolate_schedule("linear", 1.0, {4: 0.5, 8: 0.0})
        >>> [float(s(t)) for t in (0, 2, 4, 6, 9)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    interpolate_type: str
    init_value: Real
    boundaries: tuple[NonNegativeReal, ...]
    scales: tuple[NonNegativeReal, ...]

    def __init__(self, interpolate_type: str, init_value: Real, boundaries_and_scales: Mapping[Any, Any] | None = None) -> None:
        steps = dict(sorted((boundaries_and_scales or {}).items()))
        self._set(
            interpolate_type=interpolate_type, init_value=init_value, boundaries=tuple(steps), scales=tuple(steps.values())
        )

    def check(self) -> None:
        if self.interpolate_type not in ("linear", "cosine"):
            raise ValueError(
                f"piecewise_interpolate_schedule: interpolate_type = {self.interpolate_type!r}; it must be 'linear' or 'cosine'."
            )

    def _arguments(self) -> list[str]:
        shown = [f"interpolate_type={self.interpolate_type!r}", f"init_value={self.init_value!r}"]
        return shown + show_steps(self.boundaries, self.scales)

    def at(self, step: jax.Array) -> jax.Array:
        values = [self.init_value]
        for factor in self.scales:
            values.append(values[-1] * factor)
        return _through(step, self.boundaries, values, self.interpolate_type)


class linear_onecycle_schedule(Schedule):
    """One cycle in three lines: up from $p/d$ to the peak $p$, down to $p/d$ again, then on to $p/(d\\,d_f)$.

    Args:
        transition_steps: $n > 0$, the length of the cycle.
        peak_value: $p$.
        pct_start: the fraction of the steps, in whole steps, at which the peak is.
        pct_final: the fraction at which it is back.
        div_factor: $d > 0$.
        final_div_factor: $d_f > 0$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Smith, Topin (2017), Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, arXiv:1708.07120.

    Example:
        >>> import gradtx
        >>> s = gradtx.linear_onecycle_schedule(100, 1.0)
        >>> [round(float(s(t)), 6) for t in (0, 30, 85, 100)]
        [0.04, 1.0, 0.04, 4e-06]
    """

    transition_steps: PositiveReal
    peak_value: Real
    pct_start: NonNegativeReal = 0.3
    pct_final: NonNegativeReal = 0.85
    div_factor: PositiveReal = 25.0
    final_div_factor: PositiveReal = 1e4

    def at(self, step: jax.Array) -> jax.Array:
        low = self.peak_value / self.div_factor
        turns = [_whole(self.pct_start, self.transition_steps), _whole(self.pct_final, self.transition_steps)]
        values = [low, self.peak_value, low, low / self.final_div_factor]
        return _through(step, [*turns, self.transition_steps], values, "linear")


class cosine_onecycle_schedule(Schedule):
    """One cycle in two half cosines: up from $p/d$ to the peak $p$, then down to $p/(d\\,d_f)$.

    Args:
        transition_steps: $n > 0$, the length of the cycle.
        peak_value: $p$.
        pct_start: the fraction of the steps, in whole steps, at which the peak is.
        div_factor: $d > 0$.
        final_div_factor: $d_f > 0$.

    Returns:
        A schedule; it ends at $p/(d\\,d_f)$, as in Optax. (PyTorch's `OneCycleLR` ends there too.)

    Raises:
        ValueError: a number is outside its range.

    References:
        Smith, Topin (2017), Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, arXiv:1708.07120.

    Example:
        >>> import gradtx
        >>> s = gradtx.cosine_onecycle_schedule(100, 1.0)
        >>> [round(float(s(t)), 6) for t in (0, 15, 30, 65, 100)]
        [0.04, 0.52, 1.0, 0.500002, 4e-06]
    """

    transition_steps: PositiveReal
    peak_value: Real
    pct_start: NonNegativeReal = 0.3
    div_factor: PositiveReal = 25.0
    final_div_factor: PositiveReal = 1e4

    def at(self, step: jax.Array) -> jax.Array:
        low = self.peak_value / self.div_factor
        values = [low, self.peak_value, self.peak_value / (self.div_factor * self.final_div_factor)]
        return _through(step, [_whole(self.pct_start, self.transition_steps), self.transition_steps], values, "cosine")


def _whole(fraction: Any, steps: Any) -> Any:
    """A fraction of the steps, in whole steps; multiplied in the schedule's dtype, in which 0.7 of 100 is 70."""
    return jnp.floor(jnp.multiply(fraction, steps))


def _through(step: jax.Array, boundaries: Any, values: Any, how: str) -> jax.Array:
    """The curve through values[0] at step 0 and each further value at its boundary, which rise."""
    now, begin = values[0] + jnp.zeros_like(step), 0.0
    for before, after, end in zip(values[:-1], values[1:], boundaries, strict=True):
        length = end - begin
        done = (step - begin) / jnp.where(length > 0, length, 1.0)
        part = done if how == "linear" else 0.5 * (1 - jnp.cos(jnp.pi * done))
        now = jnp.where(step < begin, now, before + (after - before) * part)
        now = jnp.where(step < end, now, after)
        begin = end
    return now
