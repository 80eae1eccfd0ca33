"""Schedules made of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.recipe import schedule
from gradtx.core.schedule import Schedule, as_schedule
from gradtx.schedules.basic import cosine_decay_schedule, linear_schedule
from gradtx.typing import NonNegativeReal, PositiveReal, Real


class join_schedules(Schedule):
    """One schedule after another: $s_i(t - t_i)$ from the boundary $t_i$ to the next; each starts to count at its boundary.

    Args:
        schedules: two or more schedules or plain functions of the step.
        boundaries: the steps at which the next takes over, rising, one fewer than schedules.

    Raises:
        ValueError: the numbers of schedules and boundaries don't fit, or the boundaries fall.

    Example:
        >>> import gradtx
        >>> s = gradtx.join_schedules([gradtx.linear_schedule(0.0, 1.0, 4), gradtx.constant_schedule(0.5)], [4])
        >>> [float(s(t)) for t in (0, 2, 4)]
        [0.0, 0.5, 0.5]
    """

    schedules: tuple[Schedule, ...]
    boundaries: tuple[NonNegativeReal, ...]

    def __init__(self, schedules: Sequence[Any], boundaries: Sequence[NonNegativeReal]) -> None:
        made = tuple(as_schedule(s, "join_schedules", f"schedules[{i}]") for i, s in enumerate(schedules))
        self._set(schedules=made, boundaries=tuple(boundaries))

    def check(self) -> None:
        if len(self.schedules) != len(self.boundaries) + 1:
            raise ValueError(
                f"join_schedules: {len(self.schedules)} schedules need {len(self.schedules) - 1} boundaries, got {len(self.boundaries)}."
            )
        check_rising("join_schedules: boundaries", self.boundaries)

    def at(self, step: jax.Array) -> jax.Array:
        now = self.schedules[0](step)
        for later, boundary in zip(self.schedules[1:], self.boundaries, strict=True):
            now = jnp.where(step < boundary, now, later(step - boundary))
        return now


class piecewise_constant_schedule(Schedule):
    """Steps: $s(t) = a \\prod_{i:\\,t_i \\le t} f_i$, a value multiplied by a factor at each boundary.

    Args:
        init_value: $a$.
        boundaries_and_scales: `{t_i: f_i}`, the step at which each factor comes in, counted from 0, and the factor, not negative.

    Raises:
        ValueError: a boundary or a factor is negative.

    Example:
        >>> import gradtx
        >>> s = gradtx.piecewise_constant_schedule(1e-3, {10_000: 0.1})
        >>> round(float(s(9_999)), 9), round(float(s(10_000)), 9)
        (0.001, 0.0001)
    """

    init_value: Real
    boundaries: tuple[NonNegativeReal, ...]
    scales: tuple[NonNegativeReal, ...]

    def __init__(self, init_value: Real, boundaries_and_scales: Mapping[Any, Any] | None = None) -> None:
        steps = dict(sorted((boundaries_and_scales or {}).items()))
        self._set(init_value=init_value, boundaries=tuple(steps), scales=tuple(steps.values()))

    def _arguments(self) -> list[str]:
        return [f"init_value={self.init_value!r}", *show_steps(self.boundaries, self.scales)]

    def at(self, step: jax.Array) -> jax.Array:
        now = self.init_value + jnp.zeros_like(step)
        for boundary, factor in zip(self.boundaries, self.scales, strict=True):
            now = jnp.where(step < boundary, now, now * factor)
        return now


@schedule
def warmup_cosine_decay_schedule(
    init_value: Real,
    peak_value: Real,
    warmup_steps: NonNegativeReal,
    decay_steps: PositiveReal,
    end_value: Real = 0.0,
    exponent: PositiveReal = 1.0,
) -> Schedule:
    """A straight rise, then half a cosine down.

    $s(t) = a + (p - a)\\,t / w$ up to $t = w$; from there `cosine_decay_schedule` from $p$ to $e$ until $t = n$.

    Args:
        init_value: $a$, where the rise begins.
        peak_value: $p$, where it ends.
        warmup_steps: $w \\ge 0$, the steps of the rise; less than `decay_steps`.
        decay_steps: $n > 0$, all steps, the rise included.
        end_value: $e$, the value at the end.
        exponent: the power of the cosine, positive.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx
        >>> s = gradtx.warmup_cosine_decay_schedule(0.0, 1.0, 10, 110)
        >>> [round(float(s(t)), 6) for t in (0, 5, 10, 60, 110)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rise = linear_schedule(init_value, peak_value, warmup_steps)
    # At a peak of zero the fraction that is left has no meaning; the whole decay is zero then, as in Optax.
    left = jnp.where(jnp.equal(peak_value, 0.0), 0.0, end_value / jnp.where(jnp.equal(peak_value, 0.0), 1.0, peak_value))
    fall = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, left, exponent)
    return join_schedules([rise, fall], [warmup_steps])


def check_rising(what: str, numbers: tuple[Any, ...]) -> None:
    """Raises if concrete numbers fall."""
    known = [n for n in numbers if isinstance(n, float)]
    if len(known) == len(numbers) and sorted(known) != known:
        raise ValueError(f"{what} = {tuple(known)} must rise.")


def show_steps(boundaries: tuple[Any, ...], scales: tuple[Any, ...]) -> list[str]:
    """Boundaries and scales as the argument that made them, if there are any."""
    whole = (int(b) if isinstance(b, float) and b.is_integer() else b for b in boundaries)
    shown = ", ".join(f"{b!r}: {f!r}" for b, f in zip(whole, scales, strict=True))
    return [f"boundaries_and_scales={{{shown}}}"] if shown else []
