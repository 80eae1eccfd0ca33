"""Constant, polynomial, exponential and cosine decays. Every argument is a leaf, lengths included: all can be swept."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gradtx.core.schedule import Schedule
from gradtx.typing import NonNegativeReal, PositiveReal, Real


class constant_schedule(Schedule):
    """Always the same: $s(t) = c$.

    Args:
        value: $c$, any finite number.

    Example:
        >>> import gradtx
        >>> float(gradtx.constant_schedule(0.5)(100))
        0.5
    """

    value: Real

    def at(self, step: jax.Array) -> jax.Array:
        return self.value + jnp.zeros_like(step)


class polynomial_schedule(Schedule):
    """From one value to another: $s(t) = b + (a - b)(1 - \\tau)^p$ with $\\tau = (t - t_0) / n$ kept in [0, 1].

    Args:
        init_value: $a$.
        end_value: $b$.
        power: $p > 0$; 1 is a straight line.
        transition_steps: $n \\ge 0$, how many steps it takes; with 0 it stays at `init_value`, as in Optax.
        transition_begin: $t_0 \\ge 0$, the step at which it begins.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx
        >>> float(gradtx.polynomial_schedule(1.0, 0.0, 2.0, 10)(5))
        0.25
    """

    init_value: Real
    end_value: Real
    power: PositiveReal
    transition_steps: NonNegativeReal
    transition_begin: NonNegativeReal = 0.0

    def at(self, step: jax.Array) -> jax.Array:
        left = 1 - progress(step - self.transition_begin, self.transition_steps)
        return (self.init_value - self.end_value) * powered(left, self.power) + self.end_value


class linear_schedule(Schedule):
    """A straight line from one value to another: $s(t) = a + (b - a)\\,\\tau$ with $\\tau = (t - t_0) / n$ kept in [0, 1].

    Args:
        init_value: $a$.
        end_value: $b$.
        transition_steps: $n \\ge 0$, how many steps it takes; with 0 it stays at `init_value`, as in Optax.
        transition_begin: $t_0 \\ge 0$, the step at which it begins.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx
        >>> [float(gradtx.linear_schedule(1.0, 0.0, 4)(t)) for t in (0, 1, 4, 9)]
        [1.0, 0.75, 0.0, 0.0]
    """

    init_value: Real
    end_value: Real
    transition_steps: NonNegativeReal
    transition_begin: NonNegativeReal = 0.0

    def at(self, step: jax.Array) -> jax.Array:
        left = 1 - progress(step - self.transition_begin, self.transition_steps)
        return (self.init_value - self.end_value) * left + self.end_value


class exponential_decay(Schedule):
    """A fixed factor each so many steps: $s(t) = a\\,r^{(t - t_0) / n}$ from $t_0$ on, the exponent rounded down in a staircase.

    Args:
        init_value: $a$.
        transition_steps: $n > 0$, steps a factor.
        decay_rate: $r > 0$.
        transition_begin: $t_0 \\ge 0$, the step at which it begins.
        staircase: decay at intervals of $n$ steps instead of each step.
        end_value: a bound that it doesn't pass, from either side; none if None.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx
        >>> float(gradtx.exponential_decay(1.0, 10, 0.5)(20))
        0.25
    """

    init_value: Real
    transition_steps: PositiveReal
    decay_rate: PositiveReal
    transition_begin: NonNegativeReal = 0.0
    staircase: bool = False
    end_value: Real | None = None

    def at(self, step: jax.Array) -> jax.Array:
        exponent = jnp.maximum(step - self.transition_begin, 0.0) / self.transition_steps
        value = self.init_value * self.decay_rate ** (jnp.floor(exponent) if self.staircase else exponent)
        if self.end_value is None:
            return value
        return jnp.where(self.decay_rate < 1, jnp.maximum(value, self.end_value), jnp.minimum(value, self.end_value))


class cosine_decay_schedule(Schedule):
    """Half a cosine from a value down to a fraction of it: $s(t) = a\\left((1 - \\alpha)\\left(\\frac{1 + \\cos(\\pi\\tau)}2\\right)^p + \\alpha\\right)$, $\\tau = \\min(t / n, 1)$.

    Args:
        init_value: $a$.
        decay_steps: $n > 0$, how many steps it takes.
        alpha: $\\alpha$, the fraction that is left at the end.
        exponent: $p > 0$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Loshchilov, Hutter (2016), SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv:1608.03983.

    Example:
        >>> import gradtx
        >>> round(float(gradtx.cosine_decay_schedule(1.0, 10)(5)), 6)
        0.5
    """

    init_value: Real
    decay_steps: PositiveReal
    alpha: Real = 0.0
    exponent: PositiveReal = 1.0

    def at(self, step: jax.Array) -> jax.Array:
        wave = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(step / self.decay_steps, 1.0)))
        return self.init_value * ((1 - self.alpha) * powered(wave, self.exponent) + self.alpha)


class rex_schedule(Schedule):
    """Reflected exponential: $s(t) = a\\,\\frac{1 - \\tau}{1/2 + (1 - \\tau)/2}$ with $\\tau = \\min(t / n, 1)$; high for long, then a quick fall to 0.

    Args:
        init_value: $a$.
        transition_steps: $n > 0$, the steps of the whole run.

    Raises:
        ValueError: a number is outside its range.

    References:
        Chen, Wolfe, Kyrillidis (2021), REX: Revisiting Budgeted Training with an Improved Schedule, arXiv:2107.04197.

    Example:
        >>> import gradtx
        >>> [round(float(gradtx.rex_schedule(1.0, 10)(t)), 6) for t in (0, 5, 10)]
        [1.0, 0.666667, 0.0]
    """

    init_value: Real
    transition_steps: PositiveReal

    def at(self, step: jax.Array) -> jax.Array:
        left = 1 - progress(step, self.transition_steps)
        return self.init_value * left / (0.5 + 0.5 * left)


def progress(step: jax.Array, steps: jax.Array | float) -> jax.Array:
    """How much of the steps is done, in [0, 1]; 0 where there are none to do."""
    return jnp.where(steps > 0, jnp.clip(step / jnp.where(steps > 0, steps, 1.0), 0.0, 1.0), 0.0)


def powered(x: jax.Array, exponent: jax.Array | float) -> jax.Array:
    """A positive power of what is not negative, with finite derivatives at 0, where a schedule stays once it has ended."""
    return jnp.where(x > 0, jnp.where(x > 0, x, 1.0) ** exponent, 0.0)
