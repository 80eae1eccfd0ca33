"""Updates that keep the parameters where they may be."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, map_updates
from gradtx.core.whole import need_params


class keep_params_nonnegative(Transform):
    """Stops at zero what would become negative: $u \\leftarrow \\max(u, -\\theta)$. It stands last in a chain.

    Returns:
        A stateless transformation, which needs the parameters. Parameters that are negative already move to zero.

    Raises:
        ValueError: `update` was called without parameters.
        TypeError: a parameter is complex.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.sgd(1.0), gradtx.keep_params_nonnegative())
        >>> params = jnp.array([0.5, 2.0])
        >>> tx.update(jnp.ones(2), tx.init(params), params)[0].tolist()
        [-0.5, -1.0]
    """

    elementwise = True
    sides = ("the updates have", "the parameters have")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        need_params(self, params)

        def kept(u: Any, p: Any) -> Any:
            if jnp.iscomplexobj(p):
                raise TypeError("keep_params_nonnegative: a complex parameter has no sign.")
            return jnp.maximum(u, -cast(p, u.dtype))

        return map_updates(self, kept, updates, params), ()
