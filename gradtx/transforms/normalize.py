"""The whole update brought to one length."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from gradtx.core.number import number, tiny
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import scaled
from gradtx.transforms.clipping import global_norm
from gradtx.typing import Hyper, NonNegative


class normalize(Transform):
    """Brings the whole update to length 1: $u \\leftarrow u / \\|u\\|$, with the norm over all parameters together. Zero stays zero.

    Returns:
        A stateless transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.normalize()
        >>> [round(float(u), 6) for u in tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0]]
        [0.6, 0.8]
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        norm = global_norm(updates)
        return scaled(updates, 1 / jnp.maximum(norm, np.sqrt(tiny(norm.dtype)))), ()


class normalize_by_update_norm(Transform):
    """Brings the whole update to a length: $u \\leftarrow s\\,u / (\\|u\\| + \\varepsilon)$, with the norm over all parameters together.

    Args:
        scale_factor: $s$, any finite number or a schedule.
        eps: $\\varepsilon \\ge 0$.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.normalize_by_update_norm(scale_factor=2.0, eps=0.0)
        >>> [round(float(u), 6) for u in tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0]]
        [1.2, 1.6]
    """

    scale_factor: Hyper = 1.0
    eps: NonNegative = 1e-6

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        norm = global_norm(updates)
        size = jnp.maximum(norm + number(self.eps, norm.dtype), np.sqrt(tiny(norm.dtype)))
        return scaled(updates, number(self.scale_factor, norm.dtype) / size), ()
