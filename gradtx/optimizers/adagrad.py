"""Adagrad: rates that shrink with the squares seen so far."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import accumulate
from gradtx.transforms.pointwise import identity, offset, scale_by_learning_rate, sqrt, square
from gradtx.typing import NonNegative


@optimizer
def scale_by_rss(initial_accumulator_value: NonNegative = 0.1, eps: NonNegative = 1e-7) -> Transform:
    """Divides by the root of the sum of squares: $G \\leftarrow G + g^2$; $u = g / \\sqrt{G + \\varepsilon}$.

    Args:
        initial_accumulator_value: $G_0 \\ge 0$.
        eps: $\\varepsilon \\ge 0$, inside the root. For one outside write `ratio(identity(), chain(square(), accumulate(), sqrt()), eps)`.

    Raises:
        ValueError: a number is negative.

    References:
        Duchi, Hazan, Singer (2011), Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, JMLR 12.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_rss(initial_accumulator_value=0.0)
        >>> round(float(tx.update(jnp.array(-4.0), tx.init(jnp.array(0.0)))[0]), 6)
        -1.0
    """
    sum_of_squares = named("sum_of_squares", accumulate(initial_accumulator_value))
    return ratio(identity(), chain(square(), sum_of_squares, offset(eps), sqrt()))


@optimizer
def adagrad(learning_rate: NonNegative, initial_accumulator_value: NonNegative = 0.1, eps: NonNegative = 1e-7) -> Transform:
    """Adagrad: $G \\leftarrow G + g^2$; $\\theta \\leftarrow \\theta - \\eta\\,g / \\sqrt{G + \\varepsilon}$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; 0.01 is usual.
        initial_accumulator_value: $G_0 \\ge 0$; 0.1 as in Optax and Keras, 0 in the paper and PyTorch.
        eps: $\\varepsilon \\ge 0$, inside the root as in Optax and Keras; outside in the paper and PyTorch (see `scale_by_rss`).

    Raises:
        ValueError: a number is negative.

    References:
        Duchi, Hazan, Singer (2011), Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, JMLR 12.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.adagrad(0.5, initial_accumulator_value=0.0)
        >>> round(float(tx.update(jnp.array(-4.0), tx.init(jnp.array(0.0)))[0]), 6)
        0.5
    """
    return chain(scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate))
