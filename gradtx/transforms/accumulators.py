"""Memories of the stream, one number a parameter."""

from __future__ import annotations

from typing import Any

import jax

from gradtx.core.number import times
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Accumulator, Transform
from gradtx.typing import Decay, DType, Fraction, Hyper


class ema(Accumulator):
    """Exponential moving average: $m \\leftarrow b\\,m + (1 - b)\\,u$; emits $m$.

    It starts at `initial` and is biased towards it at first: follow it by `bias_correction` with the same decay to
    correct that (Optax's `ema` does so by default).

    Args:
        decay: $b$ in [0, 1), a number or a schedule.
        initial: the memory before the first step.
        accumulator_dtype: dtype of the memory; float32 or wider if None.

    Returns:
        A transformation with the state `EmaState(ema)`, a tree like the parameters.

    Raises:
        ValueError: `decay` is outside [0, 1); the updates don't have the shapes of the state.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.ema(0.75)
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0])
        0.25
    """

    decay: Decay
    initial: Hyper = 0.0
    accumulator_dtype: DType = None

    def fold(self, memory: Any, x: Any) -> Any:
        return jax.lax.add(times(self.decay, memory), times(1 - self.decay, x))


class accumulate(Accumulator):
    """The sum of all updates so far: $s \\leftarrow s + u$; emits $s$. Over squares it is Adagrad's denominator.

    Args:
        initial: the sum before the first step.
        accumulator_dtype: dtype of the memory; float32 or wider if None.

    Returns:
        A transformation with the state `AccumulateState(accumulate)`, a tree like the parameters.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.accumulate(initial=0.5)
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0])
        1.5
    """

    initial: Hyper = 0.0
    accumulator_dtype: DType = None

    def fold(self, memory: Any, x: Any) -> Any:
        return jax.lax.add(memory, x)


class running_max(Accumulator):
    """The largest so far, fading: $u \\leftarrow \\max(b\\,u, x)$; emits it. AdaMax's denominator; for updates that are not negative.

    Args:
        decay: $b$ in [0, 1], a number or a schedule; 1 never forgets.
        initial: the memory before the first step.
        accumulator_dtype: dtype of the memory; float32 or wider if None.

    Returns:
        A transformation with the state `RunningmaxState(running_max)`, a tree like the parameters.

    Raises:
        ValueError: `decay` is outside [0, 1].

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.running_max(0.5)
        >>> update, state = tx.update(jnp.array(4.0), tx.init(jnp.array(0.0)))
        >>> float(tx.update(jnp.array(1.0), state)[0])
        2.0
    """

    decay: Fraction = 1.0
    initial: Hyper = 0.0
    accumulator_dtype: DType = None

    def fold(self, memory: Any, x: Any) -> Any:
        return jax.lax.max(times(self.decay, memory), x)


@optimizer
def amsgrad_max() -> Transform:
    """The maximum over time of what it is given: $\\hat v \\leftarrow \\max(\\hat v, v)$; emits $\\hat v$.

    Put at the end of a second moment it makes Adam into AMSGrad: the denominator never shrinks, so the effective rate never grows.
    Behind `bias_correction` it gives Optax's AMSGrad, before it PyTorch's and Keras's. It is `running_max` at decay 1.

    Returns:
        A transformation with the state of `running_max`.

    References:
        Reddi, Kale, Kumar (2018), On the Convergence of Adam and Beyond, arXiv:1904.09237.

    Example:
        >>> import gradtx
        >>> second = gradtx.chain(gradtx.square(), gradtx.ema(0.99), gradtx.amsgrad_max(), gradtx.sqrt())
        >>> gradtx.chain(gradtx.ratio(gradtx.ema(0.9), second, eps=1e-8), gradtx.scale_by_learning_rate(0.1)).stages[1]
        scale_by_learning_rate(learning_rate=0.1)
    """
    return running_max(1.0)


class sign_ema(Accumulator):
    """Moves towards the update by a step of the update's size: $v \\leftarrow v - (1 - b)\\,\\operatorname{sign}(v - x)\\,x$; emits $v$.

    Yogi's second moment: it grows as fast as an average, but shrinks slowly where the gradients get small.

    Args:
        decay: $b$ in [0, 1), a number or a schedule.
        initial: the memory before the first step.
        accumulator_dtype: dtype of the memory; float32 or wider if None.

    Returns:
        A transformation with the state `SignemaState(sign_ema)`, a tree like the parameters.

    Raises:
        ValueError: `decay` is outside [0, 1).

    References:
        Zaheer, Reddi, Sachan, Kale, Kumar (2018), Adaptive Methods for Nonconvex Optimization, NeurIPS.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sign_ema(0.5)
        >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
        1.0
    """

    decay: Decay
    initial: Hyper = 0.0
    accumulator_dtype: DType = None

    def fold(self, memory: Any, x: Any) -> Any:
        return memory - times(1 - self.decay, jax.lax.sign(jax.lax.sub(memory, x))) * x
