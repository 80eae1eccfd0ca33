"""Rprop: a step size for each number, from the signs of its gradients alone."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real
from gradtx.core.transform import ByDType, Transform, full_like
from gradtx.core.trees import Tree, check_trainable, map_updates
from gradtx.transforms.pointwise import real_like
from gradtx.typing import NonNegative, Positive


class ScaleByRpropState(NamedTuple):
    """The step size of each number, and what it was last moved by (zero after its sign turned)."""

    step_sizes: Tree
    prev_updates: Tree


class scale_by_rprop(Transform):
    """Rprop: $u = s\\,\\operatorname{sign}(g)$, where $s$ grows while the sign stays and shrinks when it turns; then $u = 0$ for one step.

    $s \\leftarrow \\min(\\eta^+ s, s_{\\max})$ if $g_t g_{t-1} > 0$, $\\max(\\eta^- s, s_{\\min})$ if $< 0$; after a turn $g_{t-1}$ counts as 0. (That is iRprop⁻, as in
    PyTorch and Optax; Rprop as first published also takes the last step back.)

    Args:
        learning_rate: the first step size, not negative. A schedule counts by its first value only.
        eta_minus: $\\eta^-$, not negative, by which it shrinks.
        eta_plus: $\\eta^+$, positive, by which it grows.
        min_step_size: $s_{\\min} \\ge 0$.
        max_step_size: $s_{\\max} > 0$.

    Returns:
        A transformation with the state `ScaleByRpropState(step_sizes, prev_updates)`.

    Raises:
        ValueError: a number is outside its range.

    References:
        Riedmiller, Braun (1993), A direct adaptive method for faster backpropagation learning: the RPROP algorithm, ICNN. Igel, Hüsken
        (2000), Improving the Rprop learning algorithm (iRprop⁻).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_rprop(0.1)
        >>> update, state = tx.update(jnp.array(7.0), tx.init(jnp.array(0.0)))
        >>> round(float(update), 6), round(float(tx.update(jnp.array(0.5), state)[0]), 6)
        (0.1, 0.12)
    """

    learning_rate: NonNegative
    eta_minus: NonNegative = 0.5
    eta_plus: Positive = 1.2
    min_step_size: NonNegative = 1e-6
    max_step_size: Positive = 50.0

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> ScaleByRpropState:
        check_trainable(self, params)
        return ScaleByRpropState(full_like(real_like(params), self.learning_rate), full_like(params, 0.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)
        turns = map_updates(self, lambda g, last: jnp.real(g * jnp.conj(cast(last, g.dtype))), updates, state.prev_updates)

        def resized(turn: Any, size: Any) -> Any:
            own = by_dtype[real(size.dtype)]
            factor = jnp.where(turn > 0, number(own.eta_plus, size.dtype), number(own.eta_minus, size.dtype))
            return jnp.where(turn == 0, size, jnp.clip(size * factor, own.min_step_size, own.max_step_size))

        sizes = map_updates(self, resized, turns, state.step_sizes)
        steps = map_updates(self, lambda g, s: jax.lax.sign(g) * cast(s, g.dtype), updates, sizes)
        moved = jax.tree.map(lambda step, turn: jnp.where(turn < 0, 0, step), steps, turns)
        last = jax.tree.map(lambda m, before: cast(m, before.dtype), moved, state.prev_updates)
        return moved, ScaleByRpropState(sizes, last)
