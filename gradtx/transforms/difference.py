"""How the updates change from step to step."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable, map_updates


class DifferenceState(NamedTuple):
    """The steps taken, and the updates of the last."""

    steps: jax.Array
    previous_gradient: Tree


class difference(Transform):
    """The change since the last step: $u_t - u_{t-1}$; zero at the first.

    Returns:
        A transformation with the state `DifferenceState(steps, previous_gradient)`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.difference()
        >>> update, state = tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))
        >>> float(update), float(tx.update(jnp.array(1.0), state)[0])
        (0.0, -2.0)
    """

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> DifferenceState:
        check_trainable(self, params)
        return DifferenceState(jnp.zeros((), jnp.int32), full_like(params, 0.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        first = state.steps == 0
        changed = map_updates(self, lambda u, p: jnp.where(first, 0, u - cast(p, u.dtype)), updates, state.previous_gradient)
        previous = map_updates(self, lambda p, u: cast(u, p.dtype), state.previous_gradient, updates)
        return changed, DifferenceState(saturating_increment(state.steps), previous)
