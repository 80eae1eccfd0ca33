"""Limits on the size of the whole update."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, number, real, wide
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.typing import Positive


def global_norm(updates: Tree) -> jax.Array:
    """The Euclidean norm of all numbers in a tree together: $\\sqrt{\\sum_i |u_i|^2}$, summed in float32 or wider.

    Args:
        updates: any tree of arrays.

    Returns:
        A scalar, 0 for an empty tree.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> float(gradtx.global_norm({"a": jnp.array([3.0]), "b": jnp.array([4.0])}))
        5.0
    """
    leaves = jax.tree.leaves(updates)
    dtype = max((real(x.dtype) for x in leaves), key=lambda d: d.itemsize, default=np.dtype(np.float32))
    squares = [cast(jnp.sum(_squared(cast(x, wide(x.dtype)))), dtype) for x in leaves]
    return jnp.sqrt(sum(squares, start=jnp.zeros((), dtype)))


def _squared(x: Any) -> Any:
    return jnp.real(x * jnp.conj(x)) if jnp.iscomplexobj(x) else x * x


class clip_by_global_norm(Transform):
    """Scales the whole update down to a norm: $u \\leftarrow u \\min(1, c / \\|u\\|)$, with the norm over all parameters together.

    Args:
        max_norm: $c > 0$, a number or a schedule.

    Returns:
        A stateless transformation. Where the norm is NaN nothing is scaled.

    Raises:
        ValueError: `max_norm` is not positive and finite.

    References:
        Pascanu, Mikolov, Bengio (2012), On the difficulty of training recurrent neural networks, arXiv:1211.5063.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.clip_by_global_norm(1.0)
        >>> update, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))
        >>> [round(float(u), 6) for u in update]
        [0.6, 0.8]
    """

    max_norm: Positive

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        norm = global_norm(updates)
        most = number(self.max_norm, norm.dtype)
        factor = jnp.where(norm > most, most / jnp.maximum(norm, most), 1.0)
        by_dtype = {d: number(factor, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}
        return jax.tree.map(lambda u: u * by_dtype[u.dtype], updates), ()
