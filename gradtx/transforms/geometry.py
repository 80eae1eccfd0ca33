"""Pieces that look at an array as a whole."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree


class centralize(Transform):
    """Subtracts the mean over all axes but the first: $u \\leftarrow u - \\bar u$, for arrays of two and more axes; vectors stay.

    Returns:
        A stateless transformation. (As in Optax the first axis is kept, whichever axis holds the outputs of your layer.)

    References:
        Yong, Huang, Hua, Zhang (2020), Gradient Centralization, arXiv:2004.01461.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.centralize()
        >>> tx.update(jnp.array([[1.0, 3.0]]), tx.init(jnp.zeros((1, 2))))[0].tolist()
        [[-1.0, 1.0]]
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def centered(u: Any) -> Any:
            return u - jnp.mean(u, axis=tuple(range(1, u.ndim)), keepdims=True) if u.ndim > 1 and u.size else u

        return jax.tree.map(centered, updates), ()
