"""Memories that start, or listen, at particular steps."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.transform import Accumulator, Transform, check_stage, saturating_increment
from gradtx.core.trees import Tree, map_updates


class PrimedState(NamedTuple):
    """The steps taken, and the state of the memory."""

    steps: jax.Array
    memory: Any


class primed(Transform):
    """Starts a memory at the first update instead of a number: $m_0 = u_1$. An average then needs no bias correction.

    Args:
        of: an accumulator, such as `ema(0.9)`.

    Returns:
        A transformation with the state `PrimedState(steps, memory)`.

    Raises:
        TypeError: `of` is no accumulator.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.primed(gradtx.ema(0.5))
        >>> update, state = tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))
        >>> float(update), float(tx.update(jnp.array(1.0), state)[0])
        (3.0, 2.0)
    """

    of: Transform
    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def check(self) -> None:
        if not isinstance(self.of, Accumulator):
            raise TypeError(f"primed: of = {self.of!r} is no accumulator, such as ema(0.9).")

    def start(self, params: Tree) -> PrimedState:
        return PrimedState(jnp.zeros((), jnp.int32), self.of.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        first = state.steps == 0
        memory = map_updates(self, lambda u, m: jnp.where(first, cast(u, m.dtype), m), updates, state.memory[0])
        out, new = self.of.apply(updates, type(state.memory)(memory), params, **extra)
        return out, PrimedState(saturating_increment(state.steps), new)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"of": (self.of, state.memory)}


class RefreshedState(NamedTuple):
    """The steps taken, and the states of what is measured and of the memory."""

    steps: jax.Array
    of: Any
    memory: Any


class refreshed(Transform):
    """A memory that takes in only every k-th step what is measured, and is emitted at all: $m \\leftarrow \\text{fold}(m, t(u))$ if $k \\mid n$.

    For measurements too dear for every step, such as the diagonal of a Hessian: in between they are not computed. It listens at
    the first step.

    Args:
        of: $t$, what is measured.
        memory: an accumulator, such as `ema(0.99)`.
        every: $k \\ge 1$.

    Returns:
        A transformation with the state `RefreshedState(steps, of, memory)`.

    Raises:
        TypeError: `of` is no transformation, or `memory` no accumulator.
        ValueError: `every` is less than 1.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.refreshed(gradtx.square(), gradtx.accumulate(), every=2)
        >>> state = tx.init(jnp.array(0.0))
        >>> for _ in range(3):
        ...     update, state = tx.update(jnp.array(2.0), state)
        >>> float(update)
        8.0
    """

    of: Transform
    memory: Transform
    every: int = 10
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def check(self) -> None:
        check_stage(self, self.of)
        if not isinstance(self.memory, Accumulator):
            raise TypeError(f"refreshed: memory = {self.memory!r} is no accumulator, such as ema(0.99).")
        if not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"refreshed: every = {self.every!r}; it must be a whole number of steps, 1 or more.")

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.of.elementwise

    def start(self, params: Tree) -> RefreshedState:
        return RefreshedState(jnp.zeros((), jnp.int32), self.of.start(params), self.memory.start(self.of.emits(params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def listen(states: tuple[Any, Any]) -> tuple[Any, Any]:
            measured, of_state = self.of.apply(updates, states[0], params, **extra)
            return of_state, self.memory.apply(measured, states[1], params, **extra)[1]

        due = state.steps % self.every == 0
        of_state, memory = jax.lax.cond(due, listen, lambda states: states, (state.of, state.memory))
        return memory[0], RefreshedState(saturating_increment(state.steps), of_state, memory)

    def emits(self, params: Tree) -> Tree:
        return self.of.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"of": (self.of, state.of), "memory": (self.memory, state.memory)}
