"""How far an optimizer moves things, kept in the state."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, real
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree, check_trainable


class DiagnosticsState(NamedTuple):
    """Of the last step, for each parameter; and the state of the optimizer."""

    update_ratio: Tree
    effective_rate: Tree
    inner_state: Any


class diagnostics(Transform):
    """Records how far each step goes: $\\|u\\| / \\|\\theta\\|$ for each parameter, and $|u_i| / |g_i|$ for each of its numbers.

    The first, the update-to-parameter ratio, is about 1e-3 in healthy training of networks. The second, the effective rate, is
    the learning rate for gradient descent, and shows what an adaptive method makes of it. Read them by `state_get(state, "update_ratio")`
    and `state_get(state, "effective_rate")`; both are 0 before the first step and where one would divide by zero.

    Args:
        inner: an optimizer.

    Returns:
        A transformation with the same updates and the state `DiagnosticsState(update_ratio, effective_rate, inner_state)`.

    Raises:
        TypeError: `inner` is no transformation.
        ValueError: `update` was called without parameters.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.diagnostics(gradtx.sgd(0.5)), jnp.array([3.0, 4.0])
        >>> update, state = tx.update(jnp.array([0.1, 0.0]), tx.init(params), params)
        >>> round(float(gradtx.state_get(state, "update_ratio")), 6), gradtx.state_get(state, "effective_rate").tolist()
        (0.01, [0.5, 0.0])
    """

    inner: Transform

    def check(self) -> None:
        check_stage(self, self.inner)

    def start(self, params: Tree) -> DiagnosticsState:
        check_trainable(self, params)
        ratio = jax.tree.map(lambda p: jnp.zeros((), real(p.dtype)), params)
        rate = jax.tree.map(lambda p: jnp.zeros_like(p, dtype=real(p.dtype)), params)
        return DiagnosticsState(ratio, rate, self.inner.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if params is None:
            raise ValueError("diagnostics needs the parameters: call update(updates, state, params).")
        out, inner_state = self.inner.apply(updates, state.inner_state, params, **extra)
        # Not differentiated: a norm has no derivative at zero.
        step, given, at = jax.lax.stop_gradient((out, updates, params))
        ratio = jax.tree.map(lambda u, p: _over(_norm(u), _norm(cast(p, u.dtype))), step, at)
        rate = jax.tree.map(lambda u, g: _over(jnp.abs(u), jnp.abs(g)), step, given)
        return out, DiagnosticsState(ratio, rate, inner_state)

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


def _norm(x: Any) -> Any:
    return jnp.sqrt(jnp.sum(jnp.abs(x) ** 2))


def _over(a: Any, b: Any) -> Any:
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))
