"""Functions of one number."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import is_zero, times, tiny
from gradtx.core.transform import Pointwise
from gradtx.core.trees import Tree
from gradtx.typing import Hyper, NonNegative


class identity(Pointwise):
    """Hands the updates on: $u \\leftarrow u$. The unit of `chain`, and the numerator of methods without momentum.

    Example:
        >>> import gradtx
        >>> gradtx.ratio(gradtx.identity(), gradtx.chain(gradtx.absolute(), gradtx.accumulate()))
        ratio(numerator=identity(), denominator=chain(absolute(), accumulate()))
    """

    def at(self, x: Any) -> Any:
        return x


class square(Pointwise):
    """Squares: $u \\leftarrow u^2$; of a complex number the squared modulus, which is real.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.square()
        >>> float(tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))[0])
        9.0
    """

    def at(self, x: Any) -> Any:
        return jnp.real(x * jnp.conj(x)) if jnp.iscomplexobj(x) else jax.lax.mul(x, x)

    def emits(self, params: Tree) -> Tree:
        return real_like(params)


class absolute(Pointwise):
    """The modulus: $u \\leftarrow |u|$, real also for complex updates.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.absolute()
        >>> float(tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))[0])
        3.0
    """

    def at(self, x: Any) -> Any:
        return jax.lax.abs(x)

    def emits(self, params: Tree) -> Tree:
        return real_like(params)


class sign(Pointwise):
    """The sign: $u \\leftarrow \\operatorname{sign}(u)$, in {-1, 0, 1}; for complex numbers $u / |u|$.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sign()
        >>> float(tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))[0])
        -1.0
    """

    def at(self, x: Any) -> Any:
        return jax.lax.sign(x)


class sqrt(Pointwise):
    """The square root of what is not negative: $u \\leftarrow \\sqrt{\\max(u, \\text{tiny})}$.

    The floor, the smallest normal number of the dtype, keeps derivatives finite and quotients defined at zero.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sqrt()
        >>> float(tx.update(jnp.array(9.0), tx.init(jnp.array(0.0)))[0])
        3.0
    """

    def at(self, x: Any) -> Any:
        return jax.lax.sqrt(floored(x))


class power(Pointwise):
    """A power of what is not negative: $u \\leftarrow \\max(u, \\text{tiny})^p$. At `exponent=0.5` it is `sqrt`.

    Args:
        exponent: $p$, any finite number or a schedule.

    Raises:
        ValueError: `exponent` is not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.power(2.0)
        >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
        9.0
    """

    exponent: Hyper

    def at(self, x: Any) -> Any:
        return floored(x) ** self.exponent


class offset(Pointwise):
    """Adds a constant: $u \\leftarrow u + c$, such as the $\\varepsilon$ under a root.

    Args:
        by: $c$, any finite number or a schedule.

    Raises:
        ValueError: `by` is not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.offset(0.5)
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0])
        1.5
    """

    by: Hyper

    def at(self, x: Any) -> Any:
        return x if is_zero(self.by) else x + self.by


class scale(Pointwise):
    """Multiplies by a number: $u \\leftarrow s\\,u$. The sign is yours; `scale_by_learning_rate` turns it.

    Args:
        step_size: $s$, any finite number or a schedule.

    Raises:
        ValueError: `step_size` is not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale(-0.5)
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0])
        -0.5
    """

    step_size: Hyper

    def at(self, x: Any) -> Any:
        return times(self.step_size, x)


class scale_by_schedule(Pointwise):
    """Multiplies by the value of a schedule: $u \\leftarrow s(t)\\,u$. Optax's name for `scale` with a schedule.

    Args:
        step_size_fn: $s$, a schedule or any function of the step; a number will do.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_schedule(gradtx.linear_schedule(1.0, 0.0, 4))
        >>> update, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> float(tx.update(jnp.array(1.0), state)[0])
        0.75
    """

    step_size_fn: Hyper

    def at(self, x: Any) -> Any:
        return times(self.step_size_fn, x)


class scale_by_learning_rate(Pointwise):
    """The last stage of an optimizer: $u \\leftarrow -\\eta\\,u$, which turns a direction of ascent into a step of descent.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        flip_sign: False leaves the sign: $u \\leftarrow \\eta\\,u$.

    Raises:
        ValueError: `learning_rate` is negative or not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_learning_rate(0.5)
        >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
        -1.5
    """

    learning_rate: NonNegative
    flip_sign: bool = True

    def at(self, x: Any) -> Any:
        return times(-self.learning_rate if self.flip_sign else self.learning_rate, x)


class clip(Pointwise):
    """Clips each number: $u \\leftarrow \\min(\\max(u, -c), c)$; of a complex number both parts.

    Args:
        max_delta: $c \\ge 0$, a number or a schedule.

    Raises:
        ValueError: `max_delta` is negative or not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.clip(1.0)
        >>> float(tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))[0])
        -1.0
    """

    max_delta: NonNegative

    def at(self, x: Any) -> Any:
        if jnp.iscomplexobj(x):
            most = jnp.real(self.max_delta)
            return jax.lax.complex(jnp.clip(jnp.real(x), -most, most), jnp.clip(jnp.imag(x), -most, most))
        return jnp.clip(x, -self.max_delta, self.max_delta)


def floored(x: Any) -> Any:
    """At least the smallest normal number: one equation, and no NaN at zero in value or derivative."""
    return jax.lax.max(x, tiny(x.dtype))


def real_like(params: Tree) -> Tree:
    return jax.tree.map(lambda p: jnp.real(p) if jnp.iscomplexobj(p) else p, params)
