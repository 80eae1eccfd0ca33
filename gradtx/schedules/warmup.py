"""Schedules that begin with a rise."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gradtx.core.recipe import schedule
from gradtx.core.schedule import Schedule
from gradtx.schedules.basic import exponential_decay, linear_schedule, progress
from gradtx.schedules.joined import join_schedules
from gradtx.typing import NonNegativeReal, PositiveReal, Real


@schedule
def warmup_constant_schedule(init_value: Real, peak_value: Real, warmup_steps: NonNegativeReal) -> Schedule:
    """A straight rise, then level: $s(t) = a + (p - a) \\min(t / w, 1)$.

    Args:
        init_value: $a$, where the rise begins.
        peak_value: $p$, where it ends.
        warmup_steps: $w \\ge 0$, the steps of the rise; with 0 it stays at `init_value`, as in Optax.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx
        >>> [float(gradtx.warmup_constant_schedule(0.0, 1.0, 4)(t)) for t in (0, 1, 4, 9)]
        [0.0, 0.25, 1.0, 1.0]
    """
    return linear_schedule(init_value, peak_value, warmup_steps)


@schedule
def warmup_exponential_decay_schedule(
    init_value: Real,
    peak_value: Real,
    warmup_steps: NonNegativeReal,
    transition_steps: PositiveReal,
    decay_rate: PositiveReal,
    transition_begin: NonNegativeReal = 0.0,
    staircase: bool = False,
    end_value: Real | None = None,
) -> Schedule:
    """A straight rise from $a$ to $p$ in $w$ steps, then `exponential_decay` from $p$: $s(t) = p\\,r^{(t - w - t_0) / n}$.

    Args:
        init_value: $a$.
        peak_value: $p$.
        warmup_steps: $w \\ge 0$.
        transition_steps: $n > 0$, steps a factor.
        decay_rate: $r > 0$.
        transition_begin: $t_0 \\ge 0$, steps at the peak before the decay begins.
        staircase: decay at intervals of $n$ steps instead of each step.
        end_value: a bound that the decay doesn't pass; none if None.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx
        >>> s = gradtx.warmup_exponential_decay_schedule(0.0, 1.0, 10, 20, 0.5)
        >>> [round(float(s(t)), 6) for t in (0, 5, 10, 30)]
        [0.0, 0.5, 1.0, 0.5]
    """
    rise = linear_schedule(init_value, peak_value, warmup_steps)
    fall = exponential_decay(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    return join_schedules([rise, fall], [warmup_steps])


class warmup_stable_decay_schedule(Schedule):
    """A straight rise, a plateau, a decay: $s(t) = a + (p-a)\\,t/w$; then $p$; then $e + (p - e)\\,(1 - \\phi(\\tau))$.

    $\\tau$ goes from 0 to 1 over the decay. The plateau may be as long as one likes: any of its points can be decayed from.

    Args:
        init_value: $a$, where the rise begins.
        peak_value: $p$.
        warmup_steps: $w \\ge 0$, the steps of the rise.
        stable_steps: the steps at the peak, not negative.
        decay_steps: the steps of the decay alone, positive. (In `warmup_cosine_decay_schedule` they count all steps.)
        end_value: $e$, the value from then on.
        shape: $\\phi$: `"linear"` is $\\tau$, `"sqrt"` is $\\sqrt\\tau$ (Hägele et al. found it best), `"cosine"` $(1 - \\cos\\pi\\tau)/2$.

    Raises:
        ValueError: a number is outside its range, or `shape` is another.

    References:
        Hu et al. (2024), MiniCPM, arXiv:2404.06395. Hägele et al. (2024), Scaling Laws and Compute-Optimal Training Beyond Fixed
        Training Durations, arXiv:2405.18392.

    Example:
        >>> import gradtx
        >>> s = gradtx.warmup_stable_decay_schedule(0.0, 1.0, 10, 70, 20)
        >>> [round(float(s(t)), 6) for t in (0, 5, 10, 80, 90, 100)]
        [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """

    init_value: Real
    peak_value: Real
    warmup_steps: NonNegativeReal
    stable_steps: NonNegativeReal
    decay_steps: PositiveReal
    end_value: Real = 0.0
    shape: str = "linear"

    def check(self) -> None:
        if self.shape not in _SHAPES:
            raise ValueError(f"warmup_stable_decay_schedule: shape = {self.shape!r}; it must be one of {sorted(_SHAPES)}.")

    def at(self, step: jax.Array) -> jax.Array:
        rising = self.init_value + (self.peak_value - self.init_value) * progress(step, self.warmup_steps)
        begin = self.warmup_steps + self.stable_steps
        done = _SHAPES[self.shape](progress(step - begin, self.decay_steps))
        falling = self.peak_value + (self.end_value - self.peak_value) * done
        return jnp.where(step < self.warmup_steps, rising, falling)


def _linear(x: jax.Array) -> jax.Array:
    return x


def _root(x: jax.Array) -> jax.Array:
    # The derivative of a root is infinite at zero.
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)


def _cosine(x: jax.Array) -> jax.Array:
    return 0.5 * (1 - jnp.cos(jnp.pi * x))


_SHAPES = {"linear": _linear, "sqrt": _root, "cosine": _cosine}


class inverse_sqrt_schedule(Schedule):
    """A straight rise, then the inverse of a root: $s(t) = a + (p - a)\\,t/w$ up to $t = w$, from there $p \\sqrt{w / t}$.

    Args:
        init_value: $a$, where the rise begins; 0 in the paper. With $a = p$ there is no rise, as in T5.
        peak_value: $p$; the paper's is $(d\\,w)^{-1/2}$ for a model of width $d$.
        warmup_steps: $w > 0$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Vaswani et al. (2017), Attention Is All You Need, arXiv:1706.03762, section 5.3.

    Example:
        >>> import gradtx
        >>> s = gradtx.inverse_sqrt_schedule(0.0, 1.0, 100)
        >>> [float(s(t)) for t in (0, 50, 100, 400)]
        [0.0, 0.5, 1.0, 0.5]
    """

    init_value: Real
    peak_value: Real
    warmup_steps: PositiveReal

    def at(self, step: jax.Array) -> jax.Array:
        rising = self.init_value + (self.peak_value - self.init_value) * step / self.warmup_steps
        falling = self.peak_value * jnp.sqrt(self.warmup_steps / jnp.maximum(step, self.warmup_steps))
        return jnp.where(step < self.warmup_steps, rising, falling)
