"""Local updates of which only a fragment is exchanged at a time, while training goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.average import like
from gradtx.core.matrices import check_whole
from gradtx.core.number import cast, number
from gradtx.core.select import merge, only
from gradtx.core.transform import OptState, Transform, check_stage, full_like
from gradtx.core.trees import Tree
from gradtx.core.whole import copied, moved, need_params
from gradtx.distributed.axis import Axis, alike, check_axis, mean_over
from gradtx.typing import Fraction


class StreamingUpdatesState(NamedTuple):
    """The steps taken, those of whole rounds but the last left out; where the workers last met; what is under way; the optimizers' states."""

    steps: jax.Array
    anchor: Tree
    drift: Tree
    inner: OptState
    outer: tuple[OptState, ...]


class streaming_updates(Transform):
    """As `local_updates`, but fragments of the parameters meet one after another, and what they sent arrives later. Streaming DiLoCo.

    Fragment $p$ of $P$ holds every $P$-th array of the tree. Every $H$ steps, at steps of its own ($pH/P$ after the first fragment),
    it sends how far the workers have come, $\\Delta = \\theta_{old} - \\frac{1}{n}\\sum_i \\theta^i$. $\\delta$ steps later the outer optimizer takes $\\Delta$,
    and each worker goes on from $\\mu\\,\\theta^i + (1 - \\mu)\\,\\theta_{new}$. So no step has to wait for the network, and the most that is
    sent at a time is a $P$-th.

    Args:
        inner: the optimizer of a worker.
        outer: the optimizer of each fragment, such as `sgd(0.7, 0.9, nesterov=True)`.
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        period: $H \\ge 1$, a whole number.
        fragments: $P$, from 1 to $H$.
        delay: $\\delta$, from 0 to $H - 1$.
        mixing: $\\mu$ in [0, 1], a number or a schedule (published: 0.5).

    Returns:
        A transformation with the state `StreamingUpdatesState(steps, anchor, drift, inner, outer)`. If `update` is given `weight`, a
        number a worker, the mean is weighted.

    Raises:
        TypeError: `inner` or `outer` is no transformation, or `axis` no name.
        ValueError: a number is outside its range; no such axis is mapped where `update` is called; it got no parameters.

    References:
        Douillard, Donchev, Rush, Kale, Charles, Garrett, Teston, Lacey, McIlroy, Shen, Ramé, Szlam, Ranzato, Barham (2025), Streaming
        DiLoCo with overlapping communication, arXiv:2501.18512.

    Example:
        >>> import gradtx.distributed
        >>> tx = gradtx.distributed.streaming_updates(
        ...     gradtx.adamw(4e-4), gradtx.sgd(0.7, 0.9, nesterov=True), "workers", period=100, fragments=4, delay=5
        ... )
        >>> tx.fragments, tx.mixing
        (4, 0.5)
    """

    inner: Transform
    outer: Transform
    axis: Axis
    period: int
    fragments: int = 1
    delay: int = 0
    mixing: Fraction = 0.5
    own_clock = True

    def check(self) -> None:
        check_stage(self, self.inner)
        check_stage(self, self.outer)
        check_axis(self, self.axis)
        check_whole(self, "period", "fragments")
        if self.fragments > self.period:
            raise ValueError(f"streaming_updates: fragments = {self.fragments}; it must be at most the period, {self.period}.")
        if isinstance(self.delay, bool) or not isinstance(self.delay, int) or not 0 <= self.delay < self.period:
            raise ValueError(
                f"streaming_updates: delay = {self.delay!r}; it must be a whole number from 0 to {self.period - 1}."
            )

    def start(self, params: Tree) -> StreamingUpdatesState:
        super().start(params)
        anchor = copied(params)
        outer = tuple(self.outer.init(only(params, mask)) for mask in self._masks(params))
        return StreamingUpdatesState(jnp.zeros((), jnp.int32), anchor, full_like(anchor, 0.0), self.inner.init(params), outer)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        updates, inner = self.inner.advance(updates, state.inner, params, **extra)
        # Steps are counted in the first round and one more, over and over: a delay may reach from one round into the next.
        steps = jnp.where(state.steps + 1 == 2 * self.period, self.period, state.steps + 1)
        anchor, drift, outer = state.anchor, state.drift, []
        for i, (mask, outer_state) in enumerate(zip(self._masks(params), state.outer, strict=True)):
            part = tuple(only(tree, mask) for tree in (updates, params, anchor, drift))
            *new, outer_state = self._fragment(i, steps, part, outer_state, extra.get("weight"))
            updates, anchor, drift = (merge(x, whole) for x, whole in zip(new, (updates, anchor, drift), strict=True))
            outer.append(outer_state)
        return updates, StreamingUpdatesState(steps, anchor, drift, inner, tuple(outer))

    def _fragment(self, i: int, steps: jax.Array, part: tuple[Tree, ...], outer: OptState, weight: Any) -> tuple[Any, ...]:
        """What one fragment does in this step: its updates, anchor, drift, and the state of its outer optimizer."""
        updates, params, anchor, drift = part
        first = i * self.period // self.fragments or self.period
        arrival = first + self.delay
        due = steps % self.period == first % self.period
        here = (steps % self.period == arrival % self.period) & (steps >= arrival)
        sent = jax.lax.cond(due, lambda: self._send(updates, params, anchor, drift, weight), lambda: drift)
        landed = jax.lax.cond(here, lambda: self._land(updates, params, anchor, sent, outer), lambda: (updates, anchor, outer))
        return *landed[:2], sent, landed[2]

    def _send(self, updates: Tree, params: Tree, anchor: Tree, drift: Tree, weight: Any) -> Tree:
        mean = mean_over(self, self.axis, moved(params, updates), weight, every=self.period)
        return alike(jax.tree.map(lambda a, m: a - cast(m, a.dtype), anchor, mean), drift)

    def _land(self, updates: Tree, params: Tree, anchor: Tree, drift: Tree, state: OptState) -> tuple[Tree, Tree, OptState]:
        step, outer = self.outer.advance(drift, state, anchor)
        new = jax.tree.map(lambda a, s: a + cast(s, a.dtype), anchor, step)

        def back(a: Any, p: Any, u: Any) -> Any:
            kept, p = number(self.mixing, u.dtype), cast(p, u.dtype)
            return kept * u + (1 - kept) * (cast(a, u.dtype) - p)

        return alike((jax.tree.map(back, new, params, updates), new, outer), (updates, anchor, state))

    def _masks(self, params: Tree) -> list[Tree]:
        leaves, structure = jax.tree.flatten(params)
        return [structure.unflatten([i % self.fragments == k for i in range(len(leaves))]) for k in range(self.fragments)]

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return like(state.anchor, params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"inner": (self.inner, state.inner)}

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return self.inner.resolve(state.inner.step).gradient_params(state.inner.inner, params)
