"""Gauss and Newton's method without the Jacobian: conjugate gradients on its products."""

from __future__ import annotations

from typing import Any

import jax
from jax.scipy.sparse.linalg import cg

from gradtx.core.matrices import check_whole
from gradtx.core.number import number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.curvature.residuals import of_a_vector
from gradtx.typing import Fraction, NonNegative


class scale_by_gauss_newton_cg(Transform):
    """Gauss and Newton's direction $(J^\\top J + \\lambda I)^{-1} J^\\top r$, to be subtracted, by conjugate gradients on $v \\mapsto J^\\top (J v) + \\lambda v$.

    Each product is one derivative forwards and one backwards; no Jacobian is made, so that it is for many parameters.

    Args:
        damping: $\\lambda \\ge 0$, a number or a schedule.
        rtol: ends when what is left of $J^\\top r$ is this part of it, in [0, 1].
        max_products: ends after so many; 1 or more.

    Returns:
        A stateless transformation. Its update takes `residual_fn`; what comes in as updates isn't looked at.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `residual_fn`.
        TypeError: the parameters are complex.

    References:
        Nocedal, Wright (2006), Numerical Optimization, section 10.3. Hestenes, Stiefel (1952), Methods of Conjugate Gradients for Solving Linear
        Systems.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, r, x = gradtx.scale_by_gauss_newton_cg(), lambda x: 2 * x - 6.0, jnp.array([1.0])
        >>> (x - tx.update(x, tx.init(x), x, residual_fn=r)[0]).tolist()
        [3.0]
    """

    damping: NonNegative = 0.0
    rtol: Fraction = 1e-6
    max_products: int = 200

    def check(self) -> None:
        check_whole(self, "max_products")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        function, x, back = of_a_vector(self, updates, params, extra)
        r, push = jax.linearize(function, x)
        pull = jax.linear_transpose(push, x)
        damping = number(self.damping, x.dtype)
        product = lambda v: pull(push(v))[0] + damping * v
        return back(cg(product, pull(r)[0], tol=number(self.rtol, x.dtype), maxiter=self.max_products)[0]), ()
