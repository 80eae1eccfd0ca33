"""Gradient descent, with and without momentum."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.momentum import scale_by_momentum, velocity
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.typing import DType, Fraction, NonNegative


@optimizer
def sgd(
    learning_rate: NonNegative,
    momentum: Fraction | None = None,
    nesterov: bool = False,
    accumulator_dtype: DType = None,
) -> Transform:
    """Gradient descent: $\\theta \\leftarrow \\theta - \\eta\\,g$, or with momentum $m \\leftarrow \\gamma m + g$, $\\theta \\leftarrow \\theta - \\eta\\,m$.

    With `nesterov` the step is $\\eta(\\gamma m + g)$, Nesterov's method written for gradients at the parameters; `nesterov()` is the
    one that looks ahead. The learning rate stands outside $m$, as in Optax and PyTorch; for the other form, that of Keras and of Sutskever
    et al., write `chain(scale_by_learning_rate(lr), scale_by_momentum(decay))`. For PyTorch's dampening see `scale_by_momentum`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        momentum: $\\gamma$ in [0, 1], a number or a schedule; no momentum and no state if None.
        nesterov: Nesterov's reformulation.
        accumulator_dtype: dtype of the momentum; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Robbins, Monro (1951), A Stochastic Approximation Method. Sutskever, Martens, Dahl, Hinton (2013), On the importance of
        initialization and momentum in deep learning, ICML.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sgd(0.1, momentum=0.9)
        >>> update, state = tx.update(jnp.array(2.0), tx.init(jnp.array(1.0)))
        >>> round(float(update), 6)
        -0.2
    """
    if momentum is None:
        return scale_by_learning_rate(learning_rate)
    return chain(
        scale_by_momentum(momentum, nesterov, accumulator_dtype=accumulator_dtype), scale_by_learning_rate(learning_rate)
    )


@optimizer
def nesterov(learning_rate: NonNegative, momentum: Fraction = 0.9, accumulator_dtype: DType = None) -> Transform:
    """Nesterov's accelerated gradient, looking ahead: $v \\leftarrow \\gamma v - \\eta \\nabla f(\\theta + \\gamma v)$, $\\theta \\leftarrow \\theta + v$.

    The gradient is to be taken at `gradient_params(tx, state, params)`, which is $\\theta + \\gamma v$; gradtx's own loops do. Where the
    loop is not yours to change, use `sgd(..., nesterov=True)`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        momentum: $\\gamma$ in [0, 1], a number or a schedule.
        accumulator_dtype: dtype of the velocity; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Nesterov (1983), A method of solving a convex programming problem with convergence rate O(1/k²).

    Example:
        >>> import gradtx
        >>> gradtx.nesterov(0.01)
        nesterov(learning_rate=0.01)
    """
    return chain(scale_by_learning_rate(learning_rate), velocity(momentum, accumulator_dtype))
