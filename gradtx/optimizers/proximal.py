"""Proximal gradient descent and FISTA."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.prox import Prox
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.transforms.proximal import fista_step, proximal
from gradtx.typing import NonNegative


@optimizer
def proximal_gradient(learning_rate: NonNegative, prox: Prox) -> Transform:
    """Proximal gradient descent for $f + h$: $\\theta \\leftarrow \\operatorname{prox}_{\\eta h}(\\theta - \\eta \\nabla f(\\theta))$; projected, if `prox` is a projection.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; at most $1 / L$ for a gradient with Lipschitz constant $L$.
        prox: the proximal map of $h$, such as `prox_l1(0.1)`, or a projection.

    Raises:
        ValueError: `learning_rate` is negative.
        TypeError: `prox` is no proximal map.

    References:
        Parikh, Boyd (2014), Proximal Algorithms, section 4.2.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> f = lambda x: jnp.sum((x - jnp.array([3.0, 0.1])) ** 2) / 2
        >>> gradtx.minimize(f, jnp.zeros(2), gradtx.proximal_gradient(0.5, gradtx.prox_l1(1.0)), grad_tol=0.0, step_tol=1e-6).x.round(3).tolist()
        [2.0, 0.0]
    """
    return chain(scale_by_learning_rate(learning_rate), proximal(prox, learning_rate))


@optimizer
def fista(learning_rate: NonNegative, prox: Prox) -> Transform:
    """FISTA for $f + h$: proximal gradient descent from a look-ahead, which gains the square of the steps for convex $f$.

    The gradient is to be taken at `gradient_params(tx, state, params)`; gradtx's own loops do.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; at most $1 / L$.
        prox: the proximal map of $h$, or a projection.

    Raises:
        ValueError: `learning_rate` is negative.
        TypeError: `prox` is no proximal map.

    References:
        Beck, Teboulle (2009), A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems.

    Example:
        >>> import gradtx
        >>> gradtx.fista(0.1, gradtx.prox_l1(0.5))
        fista(learning_rate=0.1, prox=prox_l1(strength=0.5))
    """
    return chain(scale_by_learning_rate(learning_rate), fista_step(prox, learning_rate))
