"""Functions of one number that bound it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.transform import Pointwise
from gradtx.transforms.pointwise import floored
from gradtx.typing import Hyper, NonNegative


class at_least(Pointwise):
    """Raises to a least value: $u \\leftarrow \\max(u, c)$, for real numbers.

    Args:
        least: $c$, any finite number or a schedule.

    Raises:
        ValueError: `least` is not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.at_least(1.0)
        >>> tx.update(jnp.array([0.5, 2.0]), tx.init(jnp.zeros(2)))[0].tolist()
        [1.0, 2.0]
    """

    least: Hyper

    def at(self, x: Any) -> Any:
        return jnp.maximum(x, self.least)


class clip_modulus(Pointwise):
    """Shrinks each number to a modulus of at most $c$: $u \\leftarrow u \\min(1, c / |u|)$. For real numbers it is `clip`.

    Args:
        max_modulus: $c \\ge 0$, a number or a schedule.

    Raises:
        ValueError: `max_modulus` is negative or not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.clip_modulus(1.0)
        >>> tx.update(jnp.array([3j, 0.5]), tx.init(jnp.zeros(2, complex)))[0].tolist()
        [1j, (0.5+0j)]
    """

    max_modulus: NonNegative

    def at(self, x: Any) -> Any:
        return bounded(x, self.max_modulus)


class tanh(Pointwise):
    """A smooth sign: $u \\leftarrow \\tanh u$; of a complex number the modulus becomes $\\tanh |u|$.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.tanh()
        >>> round(float(tx.update(jnp.array(0.5), tx.init(jnp.array(0.0)))[0]), 6)
        0.462117
    """

    def at(self, x: Any) -> Any:
        if jnp.iscomplexobj(x):
            return jax.lax.sign(x) * jnp.tanh(jax.lax.abs(x)).astype(x.dtype)
        return jnp.tanh(x)


def bounded(x: Any, most: Any) -> Any:
    """Each number with a modulus of at most `most`."""
    if jnp.iscomplexobj(x):
        most = jnp.real(jnp.asarray(most, x.dtype))
        return x * jnp.minimum(1.0, most / floored(jax.lax.abs(x))).astype(x.dtype)
    return jnp.clip(x, -most, most)
