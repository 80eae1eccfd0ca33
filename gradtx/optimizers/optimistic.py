"""Optimism, for games: extrapolate from the last gradient to the next."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.combinators.pair import add
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import scale_by_adam
from gradtx.transforms.difference import difference
from gradtx.transforms.pointwise import scale, scale_by_learning_rate
from gradtx.typing import Decay, DType, Hyper, NonNegative


@optimizer
def scale_by_optimistic_gradient(alpha: Hyper = 1.0, beta: Hyper = 1.0) -> Transform:
    """The optimistic direction: $u = \\alpha g_t + \\beta (g_t - g_{t-1})$, with $g_0 = g_1$.

    Args:
        alpha: $\\alpha$, any finite number or a schedule.
        beta: $\\beta$, how much of the last change is expected again.

    Raises:
        ValueError: a number is not finite.

    References:
        Mokhtari, Ozdaglar, Pattathil (2019), A Unified Analysis of Extra-gradient and Optimistic Gradient Methods for Saddle Point
        Problems: Proximal Point Approach, arXiv:1901.08511.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_optimistic_gradient()
        >>> update, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> float(update), float(tx.update(jnp.array(3.0), state)[0])
        (1.0, 5.0)
    """
    return add(scale(alpha), chain(difference(), scale(beta)))


@optimizer
def optimistic_gradient_descent(learning_rate: NonNegative, alpha: Hyper = 1.0, beta: Hyper = 1.0) -> Transform:
    """Optimistic gradient descent: $\\theta \\leftarrow \\theta - \\eta\\,(\\alpha g_t + \\beta (g_t - g_{t-1}))$.

    In a bilinear game, where gradient descent spirals outwards, it converges.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        alpha: $\\alpha$, any finite number.
        beta: $\\beta$, any finite number.

    Raises:
        ValueError: a number is outside its range.

    References:
        Mokhtari, Ozdaglar, Pattathil (2019), arXiv:1901.08511. Daskalakis, Ilyas, Syrgkanis, Zeng (2017), Training GANs with Optimism,
        arXiv:1711.00141.

    Example:
        >>> import gradtx
        >>> gradtx.optimistic_gradient_descent(0.1)
        optimistic_gradient_descent(learning_rate=0.1)
    """
    return chain(scale_by_optimistic_gradient(alpha, beta), scale_by_learning_rate(learning_rate))


@optimizer
def optimistic_adam_v2(
    learning_rate: NonNegative,
    *,
    alpha: Hyper = 1.0,
    beta: Hyper = 1.0,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    nesterov: bool = True,
) -> Transform:
    """Optimistic Adam: $\\theta \\leftarrow \\theta - \\eta\\,(\\alpha a_t + \\beta (a_t - a_{t-1}))$, with $a_t$ Adam's direction.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        alpha: $\\alpha$, any finite number.
        beta: $\\beta$, any finite number; with both 1 it is the paper's $-2\\eta a_t + \\eta a_{t-1}$.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: Nadam's first moment, as in Optax; False as in the paper.

    Raises:
        ValueError: a number is outside its range.

    References:
        Daskalakis, Ilyas, Syrgkanis, Zeng (2017), Training GANs with Optimism, arXiv:1711.00141.

    Example:
        >>> import gradtx
        >>> gradtx.optimistic_adam_v2(1e-3)
        optimistic_adam_v2(learning_rate=0.001)
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_optimistic_gradient(alpha, beta),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def optimistic_adam(
    learning_rate: NonNegative,
    optimism: Hyper | None = None,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    *,
    nesterov: bool = True,
) -> Transform:
    """Optimistic Adam with a rate of optimism of its own: $\\theta \\leftarrow \\theta - \\eta\\,a_t - \\omega\\,(a_t - a_{t-1})$, with $a_t$ Adam's direction.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        optimism: $\\omega$, any finite number or a schedule; the learning rate if None.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: Nadam's first moment, as in Optax; False as in the paper.

    Raises:
        ValueError: a number is outside its range.

    References:
        Daskalakis, Ilyas, Syrgkanis, Zeng (2017), Training GANs with Optimism, arXiv:1711.00141.

    Example:
        >>> import gradtx
        >>> gradtx.optimistic_adam(1e-3)
        optimistic_adam(learning_rate=0.001)
    """
    omega = learning_rate if optimism is None else optimism
    adams = scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)
    return chain(adams, scale_by_optimistic_gradient(learning_rate, omega), scale(-1.0))
