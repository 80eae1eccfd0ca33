"""Step sizes from the value of the loss: Polyak's gradient descent, and MoMo."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.transforms.polyak import scale_by_momo, scale_by_momo_adam, scale_by_polyak
from gradtx.typing import Decay, Hyper, NonNegative


@optimizer
def polyak_sgd(
    max_learning_rate: NonNegative = 1.0,
    scaling: NonNegative = 1.0,
    f_min: Hyper = 0.0,
    eps: NonNegative = 0.0,
    variant: str = "sps",
) -> Transform:
    """Gradient descent with Polyak's step size: $\\theta \\leftarrow \\theta - s \\min\\left(\\frac{f(\\theta) - f^*}{\\|g\\|^2 + \\varepsilon}, \\gamma\\right) g$.

    Where a model can fit every sample, $f^*$ is 0. (Optax scales the gradient by $s$ before it takes the norm, and so divides by $s$ instead.)

    Args:
        max_learning_rate: $\\gamma \\ge 0$.
        scaling: $s \\ge 0$, a number or a schedule; 1/2 in the paper's experiments.
        f_min: $f^*$, the least value of the loss or a guess of it; too high a guess stops early, too low a one steps too far.
        eps: $\\varepsilon \\ge 0$.
        variant: `"sps"`, or `"sps+"`, which takes no step where the loss is below $f^*$ instead of one backwards.

    Raises:
        ValueError: a number is outside its range, `variant` is another, or `update` was called without `value`.

    References:
        Polyak (1987), Introduction to Optimization. Loizou, Vaswani, Laradji, Lacoste-Julien (2020), Stochastic Polyak Step-size for
        SGD, arXiv:2002.10542. Garrigos, Gower, Schaipp (2023), Function Value Learning, arXiv:2307.14528 (sps+).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.polyak_sgd()
        >>> round(float(tx.update(jnp.array(21.0), tx.init(jnp.array(3.0)), value=31.5)[0]), 6)  # 7x²/2 at 3
        -1.5
    """
    return chain(scale_by_polyak(f_min, max_learning_rate, eps, variant), scale_by_learning_rate(scaling))


@optimizer
def momo(
    learning_rate: NonNegative = 1.0,
    beta: Decay = 0.9,
    lower_bound: Hyper = 0.0,
    weight_decay: NonNegative = 0.0,
    adapt_lower_bound: bool = False,
) -> Transform:
    """Momentum with a step size from a model of the loss: $\\theta \\leftarrow \\frac1{1 + \\eta\\lambda}\\left(\\theta - \\tau d\\right)$.

    $d$, $\\bar f$, $\\gamma$ are averages of $g$, $f(\\theta)$, $\\langle g, \\theta \\rangle$; $\\tau = \\min\\left(\\eta, \\frac{((1 + \\eta\\lambda)(\\bar f - \\gamma - f^*) + \\langle d, \\theta\\rangle)_+}{\\|d\\|^2}\\right)$.

    Args:
        learning_rate: $\\eta \\ge 0$, the largest step, a number or a schedule.
        beta: the decay of all averages, in [0, 1); they start at the first step's values.
        lower_bound: $f^*$, a lower bound on the loss.
        weight_decay: $\\lambda \\ge 0$. (Optax leaves $\\tau d$ out of the division; the paper and its authors' code don't.)
        adapt_lower_bound: estimate $f^*$ on the way, beginning at, and never below, `lower_bound`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters or without `value`.

    References:
        Schaipp, Ohana, Eickenberg, Defazio, Gower (2023), MoMo: Momentum Models for Adaptive Learning Rates, arXiv:2305.07583.

    Example:
        >>> import gradtx
        >>> gradtx.momo(0.1)
        momo(learning_rate=0.1)
    """
    return chain(scale_by_momo(learning_rate, beta, lower_bound, weight_decay, adapt_lower_bound), scale_by_learning_rate(1.0))


@optimizer
def momo_adam(
    learning_rate: NonNegative = 1e-2,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    lower_bound: Hyper = 0.0,
    weight_decay: NonNegative = 0.0,
    adapt_lower_bound: bool = False,
) -> Transform:
    """Adam with a step size from a model of the loss: $\\theta \\leftarrow \\frac1{1 + \\eta\\lambda}\\left(\\theta - \\tau D^{-1} d\\right)$.

    $D = \\operatorname{diag}(\\varepsilon + \\sqrt{\\hat\\nu})$, $\\rho = 1 - \\beta_1^t$, $\\tau = \\min\\left(\\frac\\eta\\rho, \\frac{((1 + \\eta\\lambda)(\\bar f - \\gamma - \\rho f^*) + \\langle d, \\theta\\rangle)_+}{\\langle d, D^{-1} d \\rangle}\\right)$; the averages are `momo`'s, from zero.

    Args:
        learning_rate: $\\eta \\ge 0$, the largest step, a number or a schedule.
        b1: the decay of the averages of gradient, loss and product, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$.
        lower_bound: $f^*$, a lower bound on the loss.
        weight_decay: $\\lambda \\ge 0$. (Optax leaves $\\tau D^{-1} d$ out of the division; the paper and its authors' code don't.)
        adapt_lower_bound: estimate $f^*$ on the way, beginning at, and never below, `lower_bound`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters or without `value`.

    References:
        Schaipp, Ohana, Eickenberg, Defazio, Gower (2023), MoMo: Momentum Models for Adaptive Learning Rates, arXiv:2305.07583.

    Example:
        >>> import gradtx
        >>> gradtx.momo_adam()
        momo_adam()
    """
    direction = scale_by_momo_adam(learning_rate, b1, b2, eps, lower_bound, weight_decay, adapt_lower_bound)
    return chain(direction, scale_by_learning_rate(1.0))
