"""Memories read at another time: before this step, or of one's own output."""

from __future__ import annotations

from typing import Any, ClassVar

from gradtx.core.transform import Accumulator, Transform, check_stage
from gradtx.core.trees import Tree, map_updates


class lagged(Transform):
    """Emits a memory as it was before this step, then lets it take the updates in: $m_{t-1}$ instead of $m_t$.

    Args:
        of: an accumulator, such as `ema(0.99)`.

    Returns:
        A transformation with the state of `of`.

    Raises:
        TypeError: `of` is no accumulator.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.lagged(gradtx.accumulate())
        >>> update, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> float(update), float(tx.update(jnp.array(1.0), state)[0])
        (0.0, 1.0)
    """

    of: Transform
    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def check(self) -> None:
        if not isinstance(self.of, Accumulator):
            raise TypeError(f"lagged: of = {self.of!r} is no accumulator, such as ema(0.99).")

    def start(self, params: Tree) -> Any:
        return self.of.start(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        _, new = self.of.apply(updates, state, params, **extra)
        return map_updates(self, lambda u, m: m.astype(u.dtype), updates, state[0]), new

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"of": (self.of, state)}


class feedback(Transform):
    """Rescales by a memory of its own past output: $o_t = s(m_{t-1})\\,u_t$, then $m_t$ takes $o_t$ in. Adadelta's numerator.

    Args:
        listen: what the memory hears of the output, such as `square()`; stateless.
        memory: an accumulator, such as `ema(0.9)`.
        size: how the memory becomes a factor, such as `chain(offset(eps), sqrt())`; stateless.

    Returns:
        A transformation with the state of `memory`.

    Raises:
        TypeError: `memory` is no accumulator, or one of the others no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.feedback(gradtx.absolute(), gradtx.accumulate(initial=1.0), gradtx.identity())
        >>> update, state = tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))
        >>> float(update), float(tx.update(jnp.array(1.0), state)[0])
        (-3.0, 4.0)
    """

    listen: Transform
    memory: Transform
    size: Transform
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def check(self) -> None:
        check_stage(self, self.listen)
        check_stage(self, self.size)
        if not isinstance(self.memory, Accumulator):
            raise TypeError(f"feedback: memory = {self.memory!r} is no accumulator, such as ema(0.9).")

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.listen.elementwise and self.size.elementwise

    def start(self, params: Tree) -> Any:
        return self.memory.start(self.listen.emits(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        size, _ = self.size.apply(state[0], self._none(self.size), params, **extra)
        out = map_updates(self, lambda u, s: u * s.astype(u.dtype), updates, size)
        heard, _ = self.listen.apply(out, self._none(self.listen), params, **extra)
        return out, self.memory.apply(heard, state, params, **extra)[1]

    @staticmethod
    def _none(part: Transform) -> Any:
        """The state of a part that has none."""
        return part.start(())

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        none = self._none
        return {
            "listen": (self.listen, none(self.listen)),
            "memory": (self.memory, state),
            "size": (self.size, none(self.size)),
        }
