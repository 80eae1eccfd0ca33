"""Nonlinear conjugate gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import inner_product, scaled

METHODS = (
    "fletcher_reeves",
    "polak_ribiere",
    "polak_ribiere_plus",
    "hestenes_stiefel",
    "dai_yuan",
    "descent_fletcher_reeves",
    "hager_zhang",
)


class ConjugateState(NamedTuple):
    """The steps taken, the last gradient and the last direction (upwards: what is subtracted)."""

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    updates: Tree
    direction: Tree


class scale_by_nonlinear_cg(Transform):
    """Conjugate gradients: the direction $d \\leftarrow g + \\beta d$, to be subtracted, with $y = g - g_-$ and one of

    Fletcher–Reeves $\\beta = \\frac{\\|g\\|^2}{\\|g_-\\|^2}$, Polak–Ribière $\\frac{g^\\top y}{\\|g_-\\|^2}$ (with plus: at least 0), Hestenes–Stiefel
    $-\\frac{g^\\top y}{d^\\top y}$, Dai–Yuan $-\\frac{\\|g\\|^2}{d^\\top y}$; or the Fletcher–Reeves that descends whatever the line search, $d \\leftarrow (1 - \\beta \\frac{g^\\top d}{\\|g\\|^2}) g + \\beta d$,
    for which $g^\\top d = \\|g\\|^2$; or Hager–Zhang's $\\max(-\\frac{1}{d^\\top y}(y + 2 d \\frac{\\|y\\|^2}{-d^\\top y})^\\top g, \\frac{-1}{\\|d\\| \\min(0.01, \\|g_-\\|)})$, for which $g^\\top d \\ge \\frac78 \\|g\\|^2$.
    It begins again with $d = g$ where the direction would not descend.

    Args:
        method: "fletcher_reeves", "polak_ribiere", "polak_ribiere_plus", "hestenes_stiefel", "dai_yuan", "descent_fletcher_reeves" or "hager_zhang".
        restart_every: begins again with $d = g$ every so many steps, 1 or more; never if None.

    Returns:
        A transformation with the state `ConjugateState`.

    Raises:
        ValueError: `method` is another, or `restart_every` no whole number over 0.

    References:
        Fletcher, Reeves (1964). Polak, Ribière (1969). Hestenes, Stiefel (1952). Dai, Yuan (1999). Zhang, Zhou, Li (2006), Global convergence of a
        modified Fletcher–Reeves conjugate gradient method with Armijo-type line search (the form that descends). Hager, Zhang (2005), A New Conjugate
        Gradient Method with Guaranteed Descent and an Efficient Line Search.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_nonlinear_cg("fletcher_reeves")
        >>> _, state = tx.update(jnp.array([2.0, 0.0]), tx.init(jnp.zeros(2)))
        >>> tx.update(jnp.array([0.0, 1.0]), state)[0].tolist()
        [0.5, 1.0]
    """

    method: str = "polak_ribiere_plus"
    restart_every: int | None = None

    def check(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"scale_by_nonlinear_cg: method = {self.method!r}; it must be one of {', '.join(METHODS)}.")
        if self.restart_every is not None:
            check_whole(self, "restart_every")

    def start(self, params: Tree) -> ConjugateState:
        check_trainable(self, params)
        return ConjugateState(jnp.zeros((), jnp.int32), full_like(params, 0.0, None), full_like(params, 0.0, None))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        y = jax.tree.map(jnp.subtract, updates, state.updates)
        squared = inner_product(updates, updates)
        beta = self._beta(updates, y, squared, state)
        due = state.count == 0
        if self.restart_every is not None:
            due |= state.count % self.restart_every == 0
        beta = jnp.where(due | ~jnp.isfinite(beta), 0, beta)
        add = lambda a, b: jax.tree.map(jnp.add, a, b)
        own = updates
        if self.method == "descent_fletcher_reeves":
            own = scaled(updates, 1 - beta * _over(inner_product(updates, state.direction), squared))
        direction = add(own, scaled(state.direction, beta))
        descends = inner_product(updates, direction) > 0
        direction = jax.tree.map(lambda d, g: jnp.where(descends, d, g), direction, updates)
        return direction, ConjugateState(saturating_increment(state.count), updates, direction)

    def _beta(self, g: Tree, y: Tree, squared: jax.Array, state: Any) -> jax.Array:
        if self.method in ("fletcher_reeves", "descent_fletcher_reeves"):
            return _over(squared, inner_product(state.updates, state.updates))
        if self.method.startswith("polak_ribiere"):
            beta = _over(inner_product(g, y), inner_product(state.updates, state.updates))
            return jnp.maximum(beta, 0) if self.method.endswith("plus") else beta
        if self.method == "hager_zhang":
            return _hager_zhang(g, y, state)
        above = inner_product(g, y) if self.method == "hestenes_stiefel" else squared
        return _over(-above, inner_product(state.direction, y))


def _hager_zhang(g: Tree, y: Tree, state: Any) -> jax.Array:
    """With the paper's d downwards, minus ours."""
    dy = -inner_product(state.direction, y)
    twice = 2 * _over(inner_product(y, y), dy)
    beta = _over(inner_product(y, g) + twice * inner_product(state.direction, g), dy)
    norm = lambda tree: jnp.sqrt(inner_product(tree, tree))
    return jnp.maximum(beta, -_over(jnp.ones_like(dy), norm(state.direction) * jnp.minimum(0.01, norm(state.updates))))


def _over(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(b != 0, a / jnp.where(b != 0, b, 1), 0)
