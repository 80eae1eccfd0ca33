"""Mechanic: any optimizer without a learning rate."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, tiny
from gradtx.core.transform import Transform, check_stage, full_like
from gradtx.core.trees import Tree
from gradtx.core.whole import inner_product, need_params, scalar, scaled
from gradtx.typing import NonNegative, Positive


class MechanicState(NamedTuple):
    """The base's state; for each bettor its reward, largest product, sum of squares and scale; and the sum of the base's steps."""

    base_optimizer_state: Any
    r: jax.Array
    m: jax.Array
    v: jax.Array
    s: jax.Array
    delta: Tree


class mechanize(Transform):
    """Learns the scale of another optimizer's steps by betting: $\\theta_{t+1} = \\theta_0 + \\left(\\sum_i s_i\\right) \\Delta_{t+1}$ with $\\Delta_{t+1} = \\Delta_t + u_t$.

    For each of $n$ decays $\\beta_i = 1 - 10^{-i}$, with $h = -\\langle g', \\Delta_t \\rangle$ and $h'$ the same clipped to $\\pm m_i$:
    $m \\leftarrow \\max(\\beta m, |h| + \\varepsilon)$, $v \\leftarrow \\beta^2 v + h^2$, $r \\leftarrow \\beta r + s h'$, $s \\leftarrow \\frac{m\\,s_0/n + \\max(r, 0)}{\\sqrt v + \\varepsilon}$; $g' = g + \\lambda \\left(\\sum_i s_i\\right) \\frac{\\|g\\|}{\\|\\theta\\|} \\theta$.

    That is the authors' later form, as in Optax; the paper's has no clipping, and keeps $\\max(r, 0)$. Unlike Optax it keeps $\\Delta$ and not $\\theta_0$,
    which costs the same and loses no digits: while $s$ is 1e-6, the difference of two parameters has few.

    Args:
        base_optimizer: the optimizer, with the schedule, but without the scale, that its rate should have: often a rate of 1.
        weight_decay: $\\lambda \\ge 0$, of the learner of the scale, not of the base.
        eps: $\\varepsilon > 0$.
        s_init: $s_0 > 0$.
        num_betas: $n$.

    Returns:
        A transformation with the state `MechanicState(base_optimizer_state, r, m, v, s, delta)`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.
        TypeError: `base_optimizer` is no transformation.

    References:
        Cutkosky, Defazio, Mehta (2023), Mechanic: A Learning Rate Tuner, arXiv:2306.00144.

    Example:
        >>> import gradtx
        >>> gradtx.mechanize(gradtx.adamw(1.0))
        mechanize(base_optimizer=adamw(learning_rate=1.0))
    """

    base_optimizer: Transform
    weight_decay: NonNegative = 1e-2
    eps: Positive = 1e-8
    s_init: Positive = 1e-6
    num_betas: int = 6

    def check(self) -> None:
        check_stage(self, self.base_optimizer)
        if not isinstance(self.num_betas, int) or self.num_betas < 1:
            raise ValueError(f"mechanize: num_betas = {self.num_betas!r}; it must be a whole number, 1 or more.")

    def start(self, params: Tree) -> MechanicState:
        r, m, v, s = (jnp.full(self.num_betas, x, scalar(params).dtype) for x in (0.0, 0.0, 0.0, self.s_init))
        return MechanicState(self.base_optimizer.start(params), r, m, v, s, full_like(params, 0.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.s.dtype
        need_params(self, params)
        steps, base = self.base_optimizer.apply(updates, state.base_optimizer_state, params, **extra)
        eps, scale = number(self.eps, dtype), jnp.sum(state.s)

        here = jax.tree.map(lambda p, u: cast(p, u.dtype), params, updates)
        decay = number(self.weight_decay, dtype) * scale * _norm(updates) / (_norm(here) + eps)
        h = -inner_product(jax.tree.map(lambda g, p: g + number(decay, p.dtype) * p, updates, here), state.delta)

        betas = 1 - 0.1 ** jnp.arange(1, self.num_betas + 1).astype(dtype)
        m = jnp.maximum(betas * state.m, jnp.abs(h) + eps)
        v = betas**2 * state.v + h**2
        r = betas * state.r + jnp.clip(h, -state.m, state.m) * state.s
        s = (number(self.s_init, dtype) / self.num_betas * m + jnp.maximum(r, 0.0)) / (_root(v) + eps)

        delta = jax.tree.map(lambda d, u: d + cast(u, d.dtype), state.delta, steps)
        out = jax.tree.map(lambda new, old: new - old, scaled(delta, jnp.sum(s)), scaled(state.delta, scale))
        return out, MechanicState(base, r, m, v, s, delta)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"base_optimizer": (self.base_optimizer, state.base_optimizer_state)}


def _norm(tree: Tree) -> jax.Array:
    return _root(inner_product(tree, tree))


def _root(x: jax.Array) -> jax.Array:
    """A root with a derivative at zero."""
    return jnp.sqrt(jnp.maximum(x, tiny(x.dtype)))
