"""The exact search on quadratics."""

from __future__ import annotations

from typing import Any

import jax

from gradtx.core.number import cast
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import inner_product, need, need_params, quotient, scaled


class scale_by_exact_linesearch(Transform):
    """Scales the updates by the step that minimizes a quadratic along them: $\\alpha = -\\frac{g^\\top u}{u^\\top H u}$.

    The product with the Hessian is a derivative of the gradient; no matrix is made. On other functions it is one step of Newton's method along
    the line. Where the curvature isn't positive there is no such step, and the parameters stay.

    Returns:
        A stateless transformation. Its update takes `value_fn`.

    Raises:
        ValueError: `update` was called without the parameters or `value_fn`.

    References:
        Hestenes, Stiefel (1952), Methods of Conjugate Gradients for Solving Linear Systems.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_exact_linesearch())
        >>> f, x = lambda x: 2 * (x - 3) ** 2, jnp.array(1.0)
        >>> float(x + tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)[0])
        3.0
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params, value_fn = need_params(self, params), need(self, extra, "value_fn")
        direction = jax.tree.map(lambda u, p: cast(u, p.dtype), updates, params)
        grad, product = jax.jvp(jax.grad(value_fn), (params,), (direction,))
        wide = lambda tree: jax.tree.map(lambda x, u: cast(x, u.dtype), tree, updates)
        slope, curvature = inner_product(wide(grad), updates), inner_product(wide(product), updates)
        return scaled(updates, quotient(-slope, curvature)), ()
