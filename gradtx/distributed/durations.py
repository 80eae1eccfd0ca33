"""How long a simulated worker takes for a gradient."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.node import Node
from gradtx.typing import Fraction, NonNegativeReal, PositiveReal

# What a worker's own key is folded with: no number of a gradient, whose keys are folded from the same.
IS_SLOW, FAILS_AT = np.uint32(2**32 - 1), np.uint32(2**32 - 2)


class Durations(Node):
    """How long each gradient takes: a value, whose numbers can be mapped over. Subclasses define `draw`."""

    def draw(self, own: jax.Array, key: jax.Array, begin: jax.Array) -> jax.Array:
        """One duration above 0, infinite if the gradient never comes.

        Args:
            own: the worker's key, the same for all of its gradients.
            key: this gradient's key.
            begin: the time at which it begins.
        """
        raise NotImplementedError(f"{type(self).__name__} must define draw(own, key, begin).")


class equal_durations(Durations):
    """Every gradient takes the time 1: the workers take turns.

    Example:
        >>> import jax
        >>> from gradtx.distributed import equal_durations
        >>> key = jax.random.key(0)
        >>> float(equal_durations().draw(key, key, 0.0))
        1.0
    """

    def draw(self, own: jax.Array, key: jax.Array, begin: jax.Array) -> jax.Array:
        return jnp.ones((), jnp.result_type(float))


class lognormal_durations(Durations):
    """Times around 1 with a long tail: $e^{\\sigma z - \\sigma^2/2}$ with $z \\sim N(0, 1)$, of mean 1.

    Args:
        sigma: $\\sigma \\ge 0$.

    Raises:
        ValueError: `sigma` is negative.

    Example:
        >>> import jax
        >>> from gradtx.distributed import lognormal_durations
        >>> key = jax.random.key(0)
        >>> float(lognormal_durations(0.0).draw(key, key, 0.0))
        1.0
    """

    sigma: NonNegativeReal = 0.5

    def draw(self, own: jax.Array, key: jax.Array, begin: jax.Array) -> jax.Array:
        return jnp.exp(self.sigma * jax.random.normal(key) - self.sigma**2 / 2)


class exponential_durations(Durations):
    """Exponential times of mean 1: without memory, so that any worker may be the next.

    Example:
        >>> import jax
        >>> from gradtx.distributed import exponential_durations
        >>> key = jax.random.key(0)
        >>> bool(exponential_durations().draw(key, key, 0.0) > 0)
        True
    """

    def draw(self, own: jax.Array, key: jax.Array, begin: jax.Array) -> jax.Array:
        return jax.random.exponential(key)


class stragglers(Durations):
    """Some workers are slow: each is one with a probability, and then takes a factor longer for all its gradients.

    Args:
        durations: those of a worker that isn't.
        share: the probability, in [0, 1].
        slowdown: the factor, above 0.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import jax
        >>> from gradtx.distributed import equal_durations, stragglers
        >>> key = jax.random.key(0)
        >>> float(stragglers(equal_durations(), share=1.0, slowdown=5.0).draw(key, key, 0.0))
        5.0
    """

    durations: Durations
    share: Fraction = 0.1
    slowdown: PositiveReal = 10.0

    def draw(self, own: jax.Array, key: jax.Array, begin: jax.Array) -> jax.Array:
        slow = jax.random.bernoulli(jax.random.fold_in(own, IS_SLOW), self.share)
        return jnp.where(slow, self.slowdown, 1.0) * self.durations.draw(own, key, begin)


class dropouts(Durations):
    """Workers that fail: each lives for an exponential time, and a gradient that would end later never comes.

    Args:
        durations: those of a worker that lives.
        lifetime: the mean time until it fails, above 0.

    Raises:
        ValueError: `lifetime` isn't above 0.

    Example:
        >>> import jax
        >>> from gradtx.distributed import dropouts, equal_durations
        >>> key = jax.random.key(0)
        >>> float(dropouts(equal_durations(), lifetime=10.0).draw(key, key, 1e6))
        inf
    """

    durations: Durations
    lifetime: PositiveReal

    def draw(self, own: jax.Array, key: jax.Array, begin: jax.Array) -> jax.Array:
        duration = self.durations.draw(own, key, begin)
        fails_at = self.lifetime * jax.random.exponential(jax.random.fold_in(own, FAILS_AT))
        return jnp.where(begin + duration > fails_at, jnp.inf, duration)
