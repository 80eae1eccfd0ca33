"""BFGS: the inverse Hessian as a matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from gradtx.core.number import cast
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import copied, need_params


class ScaleByBFGSState(NamedTuple):
    """The steps taken, parameters and gradient of the last, and the inverse Hessian $H$, `[n, n]`."""

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    params: Tree
    updates: Tree
    inverse_hessian: jax.Array


class scale_by_bfgs(Transform):
    """BFGS's direction $H g$, with $H \\leftarrow (I - \\rho s y^\\top) H (I - \\rho y s^\\top) + \\rho s s^\\top$, $\\rho = 1 / s^\\top y$.

    A pair without positive curvature is not taken in. The matrix has $n^2$ numbers, so this is for hundreds of parameters; `scale_by_lbfgs` for more.

    Args:
        scale_initial: before the first update $H = \\frac{s^\\top y}{y^\\top y} I$ instead of $I$, as Nocedal and Wright advise (6.20).

    Returns:
        A transformation with the state `ScaleByBFGSState`.

    Raises:
        ValueError: `update` was called without the parameters.

    References:
        Broyden (1970), Fletcher (1970), Goldfarb (1970), Shanno (1970). Nocedal, Wright (2006), Numerical Optimization, chapter 6.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_bfgs()
        >>> x = jnp.array([1.0])
        >>> _, state = tx.update(4 * x, tx.init(x), x)  # f = 2 x²
        >>> direction, state = tx.update(2 * x, state, x / 2)
        >>> direction.tolist(), state.inner.inverse_hessian.tolist()
        ([0.5], [[0.25]])
    """

    scale_initial: bool = False

    def start(self, params: Tree) -> ScaleByBFGSState:
        check_trainable(self, params)
        zero = full_like(params, 0.0, None)
        flat, _ = ravel_pytree(zero)
        return ScaleByBFGSState(jnp.zeros((), jnp.int32), copied(params), zero, jnp.eye(flat.size, dtype=flat.dtype))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        now = jax.tree.map(lambda p, u: cast(p, u.dtype), need_params(self, params), updates)
        flat = lambda tree: ravel_pytree(tree)[0]
        grad, back = ravel_pytree(updates)
        s, y = flat(now) - flat(state.params), grad - flat(state.updates)
        curvature, h = s @ y, state.inverse_hessian
        new = (state.count > 0) & (curvature > 0) & jnp.isfinite(1 / jnp.where(curvature > 0, curvature, 1))
        rho = 1 / jnp.where(new, curvature, 1)
        if self.scale_initial:
            h = jnp.where((state.count == 1) & new, curvature / jnp.where(new, y @ y, 1), 1) * h
        hy = h @ y
        after = h - rho * (jnp.outer(s, hy) + jnp.outer(hy, s)) + rho * (1 + rho * (y @ hy)) * jnp.outer(s, s)
        h = jnp.where(new, after, state.inverse_hessian)
        return back(h @ grad), ScaleByBFGSState(saturating_increment(state.count), now, updates, h)
