"""Momentum: the velocity of a heavy ball, and Nesterov's."""

from __future__ import annotations

from typing import Any

import jax

from gradtx.core.number import cast, is_zero, times
from gradtx.core.transform import Accumulator
from gradtx.core.trees import Tree
from gradtx.typing import DType, Fraction


class scale_by_momentum(Accumulator):
    """Heavy-ball momentum: $m \\leftarrow \\gamma\\,m + (1 - \\tau)\\,u$; emits $m$, or with Nesterov's reformulation $\\gamma\\,m + u$.

    In a chain it goes before `scale_by_learning_rate`, as in PyTorch and Optax (whose `trace` it is); behind it the velocity
    contains the learning rate, which matters only when that changes. With $\\tau = \\gamma$ it is an average, as `ema`.

    Args:
        decay: $\\gamma$ in [0, 1], a number or a schedule.
        nesterov: emit the gradient plus the faded new velocity: the look-ahead written for gradients at the parameters.
        dampening: $\\tau$ in [0, 1], a number or a schedule. (PyTorch doesn't dampen the very first gradient; this does. Its form is
            `join_schedules([constant_schedule(0.0), constant_schedule(tau)], [1])`.)
        accumulator_dtype: dtype of the memory; float32 or wider if None.

    Returns:
        A transformation with the state `ScaleByMomentumState(trace)`, a tree like the parameters.

    Raises:
        ValueError: `decay` or `dampening` is outside [0, 1].

    References:
        Polyak (1964), Some methods of speeding up the convergence of iteration methods. Sutskever, Martens, Dahl, Hinton (2013), On
        the importance of initialization and momentum in deep learning, ICML.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.scale_by_momentum(0.5), gradtx.scale_by_learning_rate(1.0))
        >>> update, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> float(tx.update(jnp.array(1.0), state)[0])
        -1.5
    """

    decay: Fraction
    nesterov: bool = False
    dampening: Fraction = 0.0
    accumulator_dtype: DType = None

    memory_name = "trace"

    def fold(self, memory: Any, x: Any) -> Any:
        return jax.lax.add(times(self.decay, memory), x if is_zero(self.dampening) else times(1 - self.dampening, x))

    def read(self, memory: Any, x: Any) -> Any:
        return jax.lax.add(times(self.decay, memory), x) if self.nesterov else memory


class velocity(Accumulator):
    """Nesterov's memory of steps: $v \\leftarrow \\gamma\\,v + u$; emits $v$, and wants its gradients at $\\theta + \\gamma v$.

    It stands behind `scale_by_learning_rate`, since what it looks ahead by is a step. Loops that ask `gradient_params`
    where to differentiate get the true Nesterov method; in others it is heavy-ball momentum.

    Args:
        decay: $\\gamma$ in [0, 1], a number or a schedule.
        accumulator_dtype: dtype of the memory; float32 or wider if None.

    Returns:
        A transformation with the state `VelocityState(velocity)`, a tree like the parameters.

    Raises:
        ValueError: `decay` is outside [0, 1].

    References:
        Nesterov (1983), A method of solving a convex programming problem with convergence rate O(1/k²).

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_learning_rate(0.01), gradtx.velocity(0.9))
        chain(scale_by_learning_rate(learning_rate=0.01), velocity(decay=0.9))
    """

    decay: Fraction
    accumulator_dtype: DType = None

    def fold(self, memory: Any, x: Any) -> Any:
        return jax.lax.add(times(self.decay, memory), x)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return jax.tree.map(lambda p, v: cast(p + cast(self.decay * v, p.dtype), p.dtype), params, state.velocity)
