"""Coin betting: steps as stakes."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import copied, need_params
from gradtx.transforms.pointwise import floored, real_like
from gradtx.typing import NonNegative


class COCOBState(NamedTuple):
    """The first parameters, the sum of the negative gradients, their largest size, the sum of their sizes, and what was won."""

    init_particles: Tree
    cumulative_gradients: Tree
    scale: Tree
    subgradients: Tree
    reward: Tree


class scale_by_cocob(Transform):
    """Coin betting: each parameter bets on its next negative gradient, with what it has won so far. Emits the step itself, sign included.

    $L \\leftarrow \\max(L, |g|)$, $G \\leftarrow G + |g|$, $R \\leftarrow \\max(R - g\\,(\\theta - \\theta_0), 0)$, $C \\leftarrow C - g$; $\\theta \\leftarrow \\theta_0 + \\frac{C\\,(L + R)}{L \\max(G + L, \\alpha L)}$.

    Args:
        alpha: $\\alpha > 0$, how much of the first stakes is held back, a number or a schedule.
        eps: the first $L$.

    Returns:
        A transformation with the state `COCOBState(init_particles, cumulative_gradients, scale, subgradients, reward)`.

    Raises:
        ValueError: a number is negative; `update` was called without parameters.

    References:
        Orabona, Tommasi (2017), Training Deep Networks without Learning Rates Through Coin Betting, arXiv:1705.07795.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_cocob()
        >>> round(float(tx.update(jnp.array(2.0), tx.init(jnp.array(1.0)), jnp.array(1.0))[0]), 6)
        -0.01
    """

    alpha: NonNegative = 100.0
    eps: NonNegative = 1e-8

    elementwise = True

    def start(self, params: Tree) -> COCOBState:
        check_trainable(self, params)
        sizes = real_like(params)
        return COCOBState(
            copied(params), full_like(params, 0.0), full_like(sizes, self.eps), full_like(sizes, 0.0), full_like(sizes, 0.0)
        )

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        first, scale = state.init_particles, state.scale
        need_params(self, params)
        scale = jax.tree.map(lambda m, g: jnp.maximum(m, jnp.abs(g)), scale, updates)
        sizes = jax.tree.map(lambda m, g: m + jnp.abs(g), state.subgradients, updates)
        away = jax.tree.map(lambda p, a: cast(p, a.dtype) - a, params, first)
        reward = jax.tree.map(lambda m, g, d: jnp.maximum(m - jnp.real(jnp.conj(g) * d), 0.0), state.reward, updates, away)
        total = jax.tree.map(lambda c, g: c - g, state.cumulative_gradients, updates)

        def step(c: Any, most: Any, size: Any, won: Any, d: Any) -> Any:
            held = most * jnp.maximum(size + most, number(self.alpha, most.dtype) * most)
            return c * cast((most + won) / floored(held), c.dtype) - d

        out = jax.tree.map(step, total, scale, sizes, reward, away)
        return out, COCOBState(first, total, scale, sizes, reward)
