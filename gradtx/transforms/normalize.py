"""Updates of unit length."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import number, tiny
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import inner_product


class normalize(Transform):
    """Divides by the norm over all parameters together: $u \\leftarrow u / \\|u\\|$; zero stays zero. SAM's ascent is `chain(normalize(), sgd(rho))`.

    Returns:
        A stateless transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.normalize()
        >>> [round(float(u), 6) for u in tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0]]
        [0.6, 0.8]
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        squared = inner_product(updates, updates)
        norm = jnp.sqrt(jnp.maximum(squared, tiny(squared.dtype)))
        by_dtype = {d: number(norm, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}
        return jax.tree.map(lambda u: u / by_dtype[u.dtype], updates), ()
