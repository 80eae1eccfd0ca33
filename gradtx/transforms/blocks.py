"""The size of each parameter's update as a whole: a block is one array of the tree."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real, tiny, wide
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.typing import NonNegative, Positive


class clip_by_block_rms(Transform):
    """Scales each array down to a root mean square: $u \\leftarrow u / \\max(1, \\mathrm{rms}(u) / c)$.

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
        >>> tx.update(jnp.array([3.0, -3.0]), tx.init(jnp.zeros(2)))[0].tolist()
        [1.0, -1.0]
    """

    threshold: Positive

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        most = {d: number(self.threshold, real(d)) for d in {u.dtype for u in jax.tree.leaves(updates)}}
        return jax.tree.map(lambda u: u / cast(jnp.maximum(1, block_rms(u) / most[u.dtype]), u.dtype), updates), ()


class scale_by_param_block_rms(Transform):
    """Multiplies each update by the size of its parameter: $u \\leftarrow u\\,\\max(\\mathrm{rms}(\\theta), m)$, so that rates are relative.

    Args:
        min_scale: $m \\ge 0$, with which a parameter that is zero can leave it; a number or a schedule.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: `min_scale` is negative or not finite; `update` was called without parameters.

    References:
        Shazeer, Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235, section 8.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_param_block_rms()
        >>> params = jnp.array([2.0, -2.0])
        >>> tx.update(jnp.ones(2), tx.init(params), params)[0].tolist()
        [2.0, 2.0]
    """

    min_scale: NonNegative = 1e-3

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if params is None and jax.tree.leaves(updates):
            raise ValueError("scale_by_param_block_rms needs the parameters: call update(updates, state, params).")
        least = {d: number(self.min_scale, real(d)) for d in {u.dtype for u in jax.tree.leaves(updates)}}

        def scaled(u: Any, p: Any) -> Any:
            return u * cast(jnp.maximum(block_rms(cast(p, wide(p.dtype))), least[u.dtype]), u.dtype)

        return jax.tree.map(scaled, updates, params), ()


def block_rms(x: Any) -> Any:
    """The root mean square of an array, real; 0 for an empty one."""
    squares = jnp.real(x * x.conj()) if jnp.iscomplexobj(x) else x * x
    mean = jnp.sum(squares) / max(x.size, 1)
    return jnp.sqrt(jnp.maximum(mean, tiny(mean.dtype)))
