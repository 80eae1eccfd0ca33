"""Gradients without the part that only makes the weights longer."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, map_updates
from gradtx.core.whole import need_params
from gradtx.transforms.blocks import norm


class orthogonalize_to_params(Transform):
    """OrthoGrad: of each array's gradient only what is orthogonal to its weights, at the old length: $g_\\perp \\|g\\| / \\|g_\\perp\\|$, $g_\\perp = g - \\frac{\\theta \\cdot g}{\\theta \\cdot \\theta}\\theta$.

    At the front of a chain it stops a network from lowering its loss by larger logits alone. Where nothing is left, as for scalars, it emits zero.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: `update` was called without parameters.

    References:
        Prieto, Barsbey, Mediano, Birdal (2025), Grokking at the Edge of Numerical Stability, arXiv:2501.04697.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.orthogonalize_to_params(), jnp.array([2.0, 0.0])
        >>> tx.update(jnp.array([3.0, 4.0]), tx.init(params), params)[0].tolist()
        [0.0, 5.0]
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def rest(g: Any, p: Any) -> Any:
            p = cast(p, g.dtype)
            # Of a unit vector: the square of a small norm would vanish.
            along = p / cast(norm(p), g.dtype)
            left = g - cast(jnp.sum(jnp.real(jnp.conj(along) * g)), g.dtype) * along
            before, after = norm(g), norm(left)
            # What rounding leaves of a gradient along the weights is not to be blown up.
            some = after > 4 * jnp.finfo(g.dtype).eps * before
            return left * cast(jnp.where(some, before / after, 0.0), g.dtype)

        return map_updates(self, rest, updates, need_params(self, params)), ()
