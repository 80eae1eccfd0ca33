"""SM3: Adagrad with one memory a row and a column."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.cover import cover_sum
from gradtx.transforms.pointwise import identity, offset, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, Fraction, NonNegative


@optimizer
def scale_by_sm3(b1: Decay = 0.9, b2: Fraction = 1.0, eps: NonNegative = 1e-8) -> Transform:
    """SM3's direction, averaged: $\\nu = \\min_{r \\ni i} \\mu_r + g^2$, $\\mu_r = \\max_{i \\in r} \\nu_i$; $m \\leftarrow \\beta_1 m + (1 - \\beta_1)\\,g / \\sqrt{\\nu + \\varepsilon}$.

    Args:
        b1: $\\beta_1$ in [0, 1), a number or a schedule.
        b2: 1 sums the squares, as published; below it averages them.
        eps: $\\varepsilon \\ge 0$ inside the root; the paper has none, and 0/0 = 0.

    Returns:
        A transformation that keeps $\\mu$ (see `cover_sum`) and, under the name `nu` as in Optax, the average $m$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Anil, Gupta, Koren, Singer (2019), Memory-Efficient Adaptive Optimization, arXiv:1901.11150 (SM3-II).

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_sm3()
        scale_by_sm3()
    """
    size = chain(square(), cover_sum(b2), offset(eps), sqrt())
    return chain(ratio(identity(), size), named("nu", ema(b1)))


@optimizer
def sm3(learning_rate: NonNegative, momentum: Decay = 0.9) -> Transform:
    """SM3: $\\theta \\leftarrow \\theta - \\eta\\,m$, with $m$ an average of $g / \\sqrt{\\nu}$ and $\\nu$ a bound on the sum of squares kept by rows and columns.

    Vectors and scalars have exact sums: there it is Adagrad with momentum.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        momentum: the decay of $m$, in [0, 1); 0 for none.

    Raises:
        ValueError: a number is outside its range.

    References:
        Anil, Gupta, Koren, Singer (2019), Memory-Efficient Adaptive Optimization, arXiv:1901.11150 (SM3-II).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sm3(0.1, momentum=0.0)
        >>> round(float(tx.update(jnp.array(-4.0), tx.init(jnp.array(0.0)))[0]), 6)
        0.1
    """
    return chain(scale_by_sm3(momentum), scale_by_learning_rate(learning_rate))
