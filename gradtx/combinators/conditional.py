"""Stepping only when a function says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.gate import idle, outcome
from gradtx.core.transform import OptState, Transform, check_stage, saturating_increment
from gradtx.core.trees import Tree


class ConditionallyTransformState(NamedTuple):
    """The state of the inner transformation, and the calls so far."""

    inner_state: OptState
    step: jax.Array


class ConditionallyMaskState(NamedTuple):
    """The calls so far, and the state of the inner transformation."""

    step: jax.Array
    inner_state: OptState


class conditionally_transform(Transform):
    """Transforms where a condition holds, and hands the updates on as they are where it doesn't: $u \\leftarrow t(u)$ if $c(t)$, else $u$.

    The inner transformation's memories and schedules stand still in between. `conditionally_mask` emits zeros instead.

    Args:
        inner: the transformation; it must keep the shapes and dtypes of the updates.
        should_transform_fn: `should_transform_fn(step)`, with the number of calls before this one, says whether; a scalar bool.
            It is static: give it a name.
        forward_extra_args: call it with the extra arguments of `update` too (`value`, …).

    Returns:
        A transformation with the state `ConditionallyTransformState(inner_state, step)`.

    Raises:
        TypeError: `inner` is no transformation, or the condition isn't one bool.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> def even(step):
        ...     return step % 2 == 0
        >>> tx = gradtx.conditionally_transform(gradtx.scale(10.0), even)
        >>> first, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> float(first), float(tx.update(jnp.array(1.0), state)[0])
        (10.0, 1.0)
    """

    inner: Transform
    should_transform_fn: Callable[..., Any]
    forward_extra_args: bool = False

    own_clock = True

    def check(self) -> None:
        _check(self)

    def start(self, params: Tree) -> ConditionallyTransformState:
        return ConditionallyTransformState(self.inner.init(params), jnp.zeros((), jnp.int32))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        out, inner = jax.lax.cond(
            _asked(self, state.step, extra),
            lambda: self.inner.advance(updates, state.inner_state, params, **extra),
            lambda: (updates, state.inner_state),
        )
        return out, ConditionallyTransformState(inner, saturating_increment(state.step))

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


class conditionally_mask(Transform):
    """Steps where a condition holds, and not at all where it doesn't: $u \\leftarrow t(u)$ if $c(t)$, else 0.

    The inner transformation's memories and schedules stand still in between.

    Args:
        inner: the transformation, mostly a whole optimizer.
        should_transform_fn: `should_transform_fn(step)`, with the number of calls before this one, says whether; a scalar bool.
            It is static: give it a name.
        forward_extra_args: call it with the extra arguments of `update` too (`value`, …).

    Returns:
        A transformation with the state `ConditionallyMaskState(step, inner_state)`.

    Raises:
        TypeError: `inner` is no transformation, or the condition isn't one bool.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> def bad_enough(step, value):
        ...     return value > 0.5
        >>> tx = gradtx.conditionally_mask(gradtx.sgd(1.0), bad_enough, forward_extra_args=True)
        >>> state = tx.init(jnp.array(0.0))
        >>> float(tx.update(jnp.array(1.0), state, value=0.9)[0]), float(tx.update(jnp.array(1.0), state, value=0.1)[0])
        (-1.0, 0.0)
    """

    inner: Transform
    should_transform_fn: Callable[..., Any]
    forward_extra_args: bool = False

    own_clock = True

    def check(self) -> None:
        _check(self)

    def start(self, params: Tree) -> ConditionallyMaskState:
        return ConditionallyMaskState(jnp.zeros((), jnp.int32), self.inner.init(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        out, inner = jax.lax.cond(
            _asked(self, state.step, extra),
            lambda: self.inner.advance(updates, state.inner_state, params, **extra),
            lambda: (idle(self.inner, updates, params), state.inner_state),
        )
        return out, ConditionallyMaskState(saturating_increment(state.step), inner)

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


def _check(tx: Any) -> None:
    check_stage(tx, tx.inner)
    if not callable(tx.should_transform_fn):
        raise TypeError(f"{type(tx).__name__}: should_transform_fn = {tx.should_transform_fn!r} can't be called.")


def _asked(tx: Any, step: jax.Array, extra: dict[str, Any]) -> jax.Array:
    said = tx.should_transform_fn(step, **(extra if tx.forward_extra_args else {}))
    return outcome(tx, "should_transform_fn", said)
