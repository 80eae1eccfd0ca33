"""Limits on the size of the whole update."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import inner_product, scaled
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
    return jnp.sqrt(inner_product(updates, updates))


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
        return scaled(updates, factor), ()
