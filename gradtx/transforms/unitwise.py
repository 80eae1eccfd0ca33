"""Clipping by the norms of the units: the columns of a kernel, not the whole array."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradtx.core.number import cast, real
from gradtx.core.transform import ByDType, Transform
from gradtx.core.trees import Tree, map_updates
from gradtx.core.whole import need_params
from gradtx.transforms.pointwise import floored, square
from gradtx.typing import NonNegative, Positive


def unitwise_norm(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """The norm of the unit that each number belongs to, for kernels whose last axis holds the outputs.

    Args:
        x: an array. A scalar or vector, or what has only one axis longer than 1, is one unit; matrices and arrays of
            three axes are summed over their first axis; arrays of more over all but the last.
        axis: the axes to sum over instead.

    Returns:
        A real array of the shape of `x`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.unitwise_norm(jnp.array([[3.0, 0.0], [4.0, 1.0]])).tolist()
        [[5.0, 1.0], [5.0, 1.0]]
    """
    if axis is None and sum(n != 1 for n in x.shape) <= 1:
        axis = tuple(range(x.ndim))
    elif axis is None:
        axis = 0 if x.ndim <= 3 else tuple(range(x.ndim - 1))
    squares = jnp.sum(square().at(x), axis=axis, keepdims=True)
    return jnp.broadcast_to(jnp.sqrt(floored(squares)), x.shape)


def unitwise_clip(g_norm: Any, max_norm: Any, grad: Any, div_eps: float = 1e-6) -> Any:
    """Scales numbers down to where their unit has at most the given norm.

    Args:
        g_norm: the unit norm at each number.
        max_norm: the largest allowed at each number.
        grad: the numbers.
        div_eps: the least norm divided by.

    Returns:
        An array like `grad`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.unitwise_clip(jnp.array([5.0, 1.0]), jnp.array([2.5, 2.5]), jnp.array([3.0, 1.0])).tolist()
        [1.5, 1.0]
    """
    factor = jnp.where(g_norm < max_norm, 1.0, max_norm / jnp.maximum(g_norm, div_eps))
    return grad * cast(factor, grad.dtype)


class adaptive_grad_clip(Transform):
    """Clips each unit's gradient relative to its weights: $\\|g_i\\| \\le \\lambda \\max(\\|\\theta_i\\|, \\varepsilon)$, as in normalizer-free networks.

    Args:
        clipping: $\\lambda > 0$, a number or a schedule.
        eps: $\\varepsilon \\ge 0$, so that zero weights can move.
        axis: the axes that make up a unit (see `unitwise_norm`).

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Brock, De, Smith, Simonyan (2021), High-Performance Large-Scale Image Recognition Without Normalization, arXiv:2102.06171.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.adaptive_grad_clip(0.5), jnp.array([3.0, 4.0])
        >>> tx.update(jnp.array([0.0, 10.0]), tx.init(params), params)[0].tolist()
        [0.0, 2.5]
    """

    clipping: Positive
    eps: NonNegative = 1e-3
    axis: int | tuple[int, ...] | None = None

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)

        def clipped(u: Any, p: Any) -> Any:
            own = by_dtype[real(u.dtype)]
            most = own.clipping * jnp.maximum(unitwise_norm(cast(p, u.dtype), self.axis), own.eps)
            return unitwise_clip(unitwise_norm(u, self.axis), most, u)

        return map_updates(self, clipped, updates, need_params(self, params)), ()
