"""Local updates: workers train by themselves for a while, then meet at the mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.average import like
from gradtx.core.matrices import check_whole
from gradtx.core.number import cast
from gradtx.core.transform import OptState, Transform, check_stage
from gradtx.core.trees import Tree
from gradtx.core.whole import copied, moved, need_params
from gradtx.distributed.axis import Axis, alike, check_axis, mean_over
from gradtx.optimizers.sgd import sgd
from gradtx.typing import ScalarOrSchedule


class LocalUpdatesState(NamedTuple):
    """The steps taken in this round, what the workers started the round from, and the states of the two optimizers."""

    steps_in_round: jax.Array
    anchor: Tree
    inner: OptState
    outer: OptState


class local_updates(Transform):
    """Each worker takes $H$ steps of its own; then one step of an outer optimizer on $\\Delta = \\theta_{old} - \\frac{1}{n}\\sum_i \\theta^i$.

    All workers go on from where the outer optimizer leads, $\\theta_{old}$ being where they last met. The parameters at the last
    meeting are what `evaluation_params` gives.

    Args:
        inner: the optimizer of a worker.
        outer: the optimizer that takes $\\Delta$ for a gradient, once a round; `sgd(1.0)` goes to the mean.
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        period: $H \\ge 1$, a whole number.

    Returns:
        A transformation with the state `LocalUpdatesState(steps_in_round, anchor, inner, outer)`. If `update` is given `weight`, a
        number a worker, the mean is weighted: 0 for a worker that doesn't take part.

    Raises:
        TypeError: `inner` or `outer` is no transformation, `axis` no name, `period` no whole number.
        ValueError: `period` is less than 1; no such axis is mapped where `update` is called; it got no parameters.

    References:
        Stich (2019), Local SGD converges fast and communicates little, arXiv:1805.09767.

    Example:
        >>> import gradtx.distributed, jax, jax.numpy as jnp
        >>> tx = gradtx.distributed.local_updates(gradtx.sgd(1.0), gradtx.sgd(1.0), "workers", period=1)
        >>> step = lambda params, gradient: tx.update(gradient, tx.init(params), params)[0]
        >>> jax.vmap(step, axis_name="workers")(jnp.array([0.0, 0.0]), jnp.array([1.0, 3.0]))
        Array([-2., -2.], dtype=float32)
    """

    inner: Transform
    outer: Transform
    axis: Axis
    period: int
    own_clock = True

    def check(self) -> None:
        check_stage(self, self.inner)
        check_stage(self, self.outer)
        check_axis(self, self.axis)
        check_whole(self, "period")

    def start(self, params: Tree) -> LocalUpdatesState:
        super().start(params)
        return LocalUpdatesState(jnp.zeros((), jnp.int32), copied(params), self.inner.init(params), self.outer.init(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        updates, inner = self.inner.advance(updates, state.inner, params, **extra)
        steps = state.steps_in_round + 1

        def meet() -> tuple[Tree, Tree, OptState]:
            mean = mean_over(self, self.axis, moved(params, updates), extra.get("weight"), every=self.period)
            drift = jax.tree.map(lambda a, m: a - cast(m, a.dtype), state.anchor, mean)
            step, outer = self.outer.advance(drift, state.outer, state.anchor)
            anchor = jax.tree.map(lambda a, s: a + cast(s, a.dtype), state.anchor, step)
            back = jax.tree.map(lambda a, p, u: cast(a, u.dtype) - cast(p, u.dtype), anchor, params, updates)
            return alike((back, anchor, outer), (updates, state.anchor, state.outer))

        def go_on() -> tuple[Tree, Tree, OptState]:
            return updates, state.anchor, state.outer

        updates, anchor, outer = jax.lax.cond(steps == self.period, meet, go_on)
        return updates, LocalUpdatesState(steps % self.period, anchor, inner, outer)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return like(state.anchor, params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"inner": (self.inner, state.inner), "outer": (self.outer, state.outer)}

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return self.inner.resolve(state.inner.step).gradient_params(state.inner.inner, params)


def local_sgd(learning_rate: ScalarOrSchedule, axis: Axis, period: int) -> local_updates:
    """Local SGD: $H$ steps of SGD a worker, then all go to the mean: $\\theta^i \\leftarrow \\frac{1}{n}\\sum_j \\theta^j$.

    Args:
        learning_rate: of the workers, a number or a schedule of their steps.
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        period: $H \\ge 1$, a whole number.

    Returns:
        The `local_updates` of `sgd(learning_rate)` and `sgd(1.0)`.

    Raises:
        TypeError, ValueError: as `local_updates`.

    References:
        Stich (2019), Local SGD converges fast and communicates little, arXiv:1805.09767.

    Example:
        >>> import gradtx.distributed
        >>> gradtx.distributed.local_sgd(0.1, "workers", period=8)
        local_updates(inner=sgd(learning_rate=0.1), outer=sgd(learning_rate=1.0), axis='workers', period=8)
    """
    return local_updates(sgd(learning_rate), sgd(1.0), axis, period)


def diloco(
    inner: Transform,
    axis: Axis,
    period: int = 500,
    outer_learning_rate: ScalarOrSchedule = 0.7,
    outer_momentum: ScalarOrSchedule = 0.9,
) -> local_updates:
    """DiLoCo: $H$ steps of AdamW a worker, then a step of Nesterov's momentum on how far they have come.

    For another outer optimizer take `local_updates`. Published: `inner` is AdamW with clipping by global norm, warm-up and cosine decay.

    Args:
        inner: the optimizer of a worker.
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        period: $H \\ge 1$, a whole number (published: 500).
        outer_learning_rate: a number or a schedule of the rounds.
        outer_momentum: a number or a schedule of the rounds.

    Returns:
        The `local_updates` of `inner` and `sgd(outer_learning_rate, outer_momentum, nesterov=True)`.

    Raises:
        TypeError, ValueError: as `local_updates`.

    References:
        Douillard, Feng, Rusu, Chhaparia, Donchev, Kuncoro, Ranzato, Szlam, Shen (2023), DiLoCo: Distributed Low-Communication Training
        of Language Models, arXiv:2311.08105.

    Example:
        >>> import gradtx.distributed
        >>> tx = gradtx.distributed.diloco(gradtx.adamw(4e-4), "workers")
        >>> tx.period, tx.outer
        (500, sgd(learning_rate=0.7, momentum=0.9, nesterov=True))
    """
    return local_updates(inner, sgd(outer_learning_rate, outer_momentum, nesterov=True), axis, period)
