"""Stepping only on finite gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.gate import all_finite, idle
from gradtx.core.transform import OptState, Transform, check_stage, saturating_increment
from gradtx.core.trees import Tree


class ApplyIfFiniteState(NamedTuple):
    """Bad steps in a row, whether the last was good, bad steps in all, and the state of the inner transformation."""

    notfinite_count: jax.Array
    last_finite: jax.Array
    total_notfinite: jax.Array
    inner_state: OptState


class apply_if_finite(Transform):
    """Leaves out the steps whose gradient holds an infinity or a NaN: the update is zero, no memory and no schedule moves.

    After more than `max_consecutive_errors` bad steps in a row it gives up and lets them through, so that a run that is lost
    shows it.

    Args:
        inner: the transformation, mostly a whole optimizer.
        max_consecutive_errors: how many bad steps in a row are left out; a whole number, 0 or more.

    Returns:
        A transformation with the state `ApplyIfFiniteState(notfinite_count, last_finite, total_notfinite, inner_state)`.

    Raises:
        TypeError: `inner` is no transformation.
        ValueError: `max_consecutive_errors` is no whole number, or negative.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.apply_if_finite(gradtx.sgd(0.5), max_consecutive_errors=3)
        >>> update, state = tx.update(jnp.array(jnp.nan), tx.init(jnp.array(1.0)))
        >>> float(update), int(gradtx.state_get(state, "notfinite_count"))
        (0.0, 1)
    """

    inner: Transform
    max_consecutive_errors: int

    own_clock = True

    def check(self) -> None:
        check_stage(self, self.inner)
        most = self.max_consecutive_errors
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise ValueError(f"apply_if_finite: max_consecutive_errors = {most!r}; it must be a whole number, 0 or more.")

    def start(self, params: Tree) -> ApplyIfFiniteState:
        notfinite, total = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
        return ApplyIfFiniteState(notfinite, jnp.ones((), bool), total, self.inner.init(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        finite = all_finite(updates)
        in_a_row = jnp.where(finite, 0, saturating_increment(state.notfinite_count))
        in_all = jnp.where(finite, state.total_notfinite, saturating_increment(state.total_notfinite))
        out, inner = jax.lax.cond(
            finite | (in_a_row > self.max_consecutive_errors),
            lambda: self.inner.advance(updates, state.inner_state, params, **extra),
            lambda: (idle(self.inner, updates, params), state.inner_state),
        )
        return out, ApplyIfFiniteState(in_a_row, finite, in_all, inner)

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}
