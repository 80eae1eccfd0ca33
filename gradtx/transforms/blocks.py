"""One number for a whole array: sums and means, norms, and what is scaled by those of the parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, number, real
from gradtx.core.transform import ByDType, Transform
from gradtx.core.trees import Tree, map_updates
from gradtx.core.whole import need_params
from gradtx.transforms.pointwise import floored, square
from gradtx.typing import NonNegative, Positive


class block_sum(Transform):
    """One number an array: $u \\leftarrow \\sum_i u_i$. Behind `square` it is the squared norm.

    Returns:
        A stateless transformation that emits scalars, for use inside `ratio` and `multiply`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> norm = gradtx.chain(gradtx.square(), gradtx.block_sum(), gradtx.sqrt())
        >>> tx = gradtx.ratio(gradtx.identity(), norm)
        >>> [round(float(u), 6) for u in tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0]]
        [0.6, 0.8]
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return jax.tree.map(jnp.sum, updates), ()

    def emits(self, params: Tree) -> Tree:
        return jax.tree.map(jnp.sum, params)


class block_mean(Transform):
    """The mean of each array: $u \\leftarrow \\frac1n \\sum_i u_i$, or the mean at each index of one axis. 0 for an empty array.

    Args:
        keep_axis: the axis to keep, such as -1, the outputs of a layer in Flax; none if None. Arrays without that axis give
            one number.

    Returns:
        A stateless transformation that emits scalars, or arrays of size 1 along the other axes; for use inside `ratio` and `multiply`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> rms = gradtx.chain(gradtx.square(), gradtx.block_mean(), gradtx.sqrt())
        >>> tx = gradtx.ratio(gradtx.identity(), rms)
        >>> tx.update(jnp.array([4.0, 4.0]), tx.init(jnp.zeros(2)))[0].tolist()
        [1.0, 1.0]
    """

    keep_axis: int | None = None

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return jax.tree.map(self._mean, updates), ()

    def emits(self, params: Tree) -> Tree:
        return jax.tree.map(self._mean, params)

    def _mean(self, x: Any) -> Any:
        axis = self.keep_axis
        if axis is None or not -x.ndim <= axis < x.ndim:
            return jnp.sum(x) / max(x.size, 1)
        others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
        return jnp.sum(x, axis=others, keepdims=True) / max(x.size // max(x.shape[axis], 1), 1)


class clip_by_block_rms(Transform):
    """Scales each array down to a root mean square: $u \\leftarrow u / \\max(1, \\operatorname{rms}(u) / c)$.

    Args:
        threshold: $c > 0$, a number or a schedule.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: `threshold` is not positive and finite.

    References:
        Shazeer, Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235, section 6.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.clip_by_block_rms(1.0)
        >>> tx.update(jnp.array([4.0, 4.0]), tx.init(jnp.zeros(2)))[0].tolist()
        [1.0, 1.0]
    """

    threshold: Positive

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)

        def clipped(u: Any) -> Any:
            size = rms(u)
            return u / cast(jnp.maximum(1.0, size / by_dtype[size.dtype].threshold), u.dtype)

        return jax.tree.map(clipped, updates), ()


class scale_by_param_block_norm(Transform):
    """Scales each array by the norm of its parameter: $u \\leftarrow u \\max(\\|\\theta\\|, c)$.

    Args:
        min_scale: $c \\ge 0$, a number or a schedule.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: `min_scale` is negative or not finite; `update` was called without parameters.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.scale_by_param_block_norm(), jnp.array([3.0, 4.0])
        >>> tx.update(jnp.ones(2), tx.init(params), params)[0].tolist()
        [5.0, 5.0]
    """

    min_scale: NonNegative = 1e-3

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return _scaled_by_param(self, norm, updates, params), ()


class scale_by_param_block_rms(Transform):
    """Scales each array by the root mean square of its parameter: $u \\leftarrow u \\max(\\operatorname{rms}(\\theta), c)$.

    Args:
        min_scale: $c \\ge 0$, a number or a schedule.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: `min_scale` is negative or not finite; `update` was called without parameters.

    References:
        Shazeer, Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235, section 8.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.scale_by_param_block_rms(), jnp.array([3.0, 3.0])
        >>> tx.update(jnp.ones(2), tx.init(params), params)[0].tolist()
        [3.0, 3.0]
    """

    min_scale: NonNegative = 1e-3

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return _scaled_by_param(self, rms, updates, params), ()


class scale_by_trust_ratio(Transform):
    """Scales each array by how large its parameter is beside it: $u \\leftarrow c\\,\\frac{\\|\\theta\\|}{\\|u\\| + \\varepsilon}\\,u$; by 1 where either norm is zero.

    Args:
        min_norm: both norms are at least this, not negative.
        trust_coefficient: $c \\ge 0$, a number or a schedule.
        eps: $\\varepsilon \\ge 0$.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        You, Gitman, Ginsburg (2017), Large Batch Training of Convolutional Networks, arXiv:1708.03888.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.scale_by_trust_ratio(), jnp.array([3.0, 4.0])
        >>> tx.update(jnp.array([0.0, 0.1]), tx.init(params), params)[0].tolist()
        [0.0, 5.0]
    """

    min_norm: NonNegative = 0.0
    trust_coefficient: NonNegative = 1.0
    eps: NonNegative = 0.0

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)

        def scaled(u: Any, p: Any) -> Any:
            own = by_dtype[real(u.dtype)]
            ours = jnp.maximum(norm(cast(p, u.dtype)), own.min_norm)
            theirs = jnp.maximum(norm(u), own.min_norm)
            small = np.sqrt(jnp.finfo(ours.dtype).tiny) * 2
            either = (ours < small) | (theirs < small)
            ratio = own.trust_coefficient * ours / (jnp.where(either, 1.0, theirs) + own.eps)
            return u * cast(jnp.where(either, 1.0, ratio), u.dtype)

        return map_updates(self, scaled, updates, need_params(self, params)), ()


def _scaled_by_param(piece: Any, size: Any, updates: Tree, params: Tree | None) -> Tree:
    by_dtype = {d: number(piece.min_scale, d) for d in {real(u.dtype) for u in jax.tree.leaves(updates)}}

    def scaled(u: Any, p: Any) -> Any:
        of_param = size(cast(p, u.dtype))
        return u * cast(jnp.maximum(of_param, by_dtype[of_param.dtype]), u.dtype)

    return map_updates(piece, scaled, updates, need_params(piece, params))


def norm(x: Any) -> Any:
    """The Euclidean norm of one array, with a derivative also at zero; there it is the root of the smallest normal number."""
    return jnp.sqrt(floored(jnp.sum(square().at(x))))


def rms(x: Any) -> Any:
    """The root mean square of one array; the same at zero."""
    return jnp.sqrt(floored(jnp.sum(square().at(x)) / max(x.size, 1)))
