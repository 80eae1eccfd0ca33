"""Averages of the parameters: trained as ever, judged at the average."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.fields import Interval
from gradtx.core.number import cast, number, real_of
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import copied, mixed, moved, need_params, scalar
from gradtx.typing import Fraction

Steps = Annotated[Any, Interval(0, schedulable=False)]
Period = Annotated[Any, Interval(1, schedulable=False)]


class EmaParamsState(NamedTuple):
    """The weight that the start still has, and the average."""

    product: jax.Array
    average: Tree


class ema_params(Transform):
    """Averages the parameters exponentially: $\\bar\\theta \\leftarrow b\\,\\bar\\theta + (1 - b)\\,\\theta$ with $\\theta$ after the step. Hands the updates on.

    Put it last in a chain: what comes behind it would move the parameters unseen. `evaluation_params` gives the average.

    Args:
        decay: $b$ in [0, 1], a number or a schedule. A warm-up is a schedule, such as TensorFlow's $\\min(b, (1 + t)/(10 + t))$.
        debias: forget the start, as Adam's correction does: divides by $1 - \\prod b$, so that the first average is $\\theta_1$ and not
            mostly $\\theta_0$.

    Returns:
        A transformation with the state `EmaParamsState(product, average)`; the average is in float32 or wider.

    Raises:
        ValueError: `decay` is outside [0, 1]; `update` was called without parameters.

    References:
        Polyak, Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 30.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.sgd(1.0), gradtx.ema_params(0.75))
        >>> params = jnp.array(4.0)
        >>> updates, state = tx.update(jnp.array(4.0), tx.init(params), params)
        >>> params = params + updates
        >>> float(params), float(gradtx.evaluation_params(tx, state, params))
        (0.0, 3.0)
    """

    decay: Fraction
    debias: bool = False

    def start(self, params: Tree) -> EmaParamsState:
        check_trainable(self, params)
        return EmaParamsState(scalar(params, 1.0), copied(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        average, decay = state.average, number(self.decay, state.product.dtype)
        need_params(self, params)
        product = state.product * decay
        weight = 1 - decay
        if self.debias:
            weight = weight / jnp.where(product < 1, 1 - product, 1.0)
        return updates, EmaParamsState(product, towards(average, moved(params, updates), weight))

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return like(state.average, params)


class SwaParamsState(NamedTuple):
    """The steps taken, how many of their ends are in the average, and the average."""

    step: jax.Array
    averaged: jax.Array
    average: Tree


class swa_params(Transform):
    """Averages the parameters equally: $\\bar\\theta_n = \\frac1n \\sum_{i \\le n} \\theta^{(i)}$ over the ends of the steps $s, s + k, s + 2k, \\dots$. Hands the updates on.

    Stochastic weight averaging, to be used with a constant or cyclic rate. Put it last in a chain. `evaluation_params` gives the
    average, or, before it has begun, the parameters.

    Args:
        start_step: $s \\ge 0$, after how many steps it begins.
        every: $k \\ge 1$, the steps from one to the next, such as the length of a cycle of the rate.

    Returns:
        A transformation with the state `SwaParamsState(step, averaged, average)`; the average is in float32 or wider.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Izmailov, Podoprikhin, Garipov, Vetrov, Wilson (2018), Averaging Weights Leads to Wider Optima and Better Generalization,
        arXiv:1803.05407.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.sgd(0.05, momentum=0.9), gradtx.swa_params(start_step=1000, every=100))[1]
        swa_params(start_step=1000.0, every=100.0)
    """

    start_step: Steps = 0.0
    every: Period = 1.0

    def start(self, params: Tree) -> SwaParamsState:
        check_trainable(self, params)
        return SwaParamsState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), copied(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        averaged, average = state.averaged, state.average
        need_params(self, params)
        step = saturating_increment(state.step)
        count = jnp.where(_due(step, self.start_step, self.every), saturating_increment(averaged), averaged)
        weight = (count - averaged).astype(real_of(average)) / jnp.maximum(count, 1).astype(real_of(average))
        return updates, SwaParamsState(step, count, towards(average, moved(params, updates), weight))

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return jax.tree.map(lambda a, p: jnp.where(state.averaged > 0, a, p), like(state.average, params), params)


class LawaParamsState(NamedTuple):
    """The steps taken, how many snapshots were made, and the latest of them, along a new first axis."""

    step: jax.Array
    taken: jax.Array
    snapshots: Tree


class lawa_params(Transform):
    """Averages the latest snapshots equally: $\\bar\\theta = \\frac1k \\sum_{i > n - k}^{n} \\theta^{(i)}$, one taken every so many steps. Hands the updates on.

    Latest weight averaging: unlike `swa_params` it forgets, and so can be used from the start. Put it last in a chain.
    `evaluation_params` gives the average of those there are, or, before the first, the parameters.

    Args:
        k: how many snapshots are kept, each as large as the parameters.
        every: the steps from one to the next, 1 or more; an epoch in the paper.

    Returns:
        A transformation with the state `LawaParamsState(step, taken, snapshots)`; the snapshots are in float32 or wider.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Kaddour (2022), Stop Wasting My Time! Saving Days of ImageNet and BERT Training with Latest Weight Averaging,
        arXiv:2209.14981.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.adam(1e-3), gradtx.lawa_params(k=6, every=1000))[1]
        lawa_params(k=6, every=1000.0)
    """

    k: int
    every: Period = 1.0

    def check(self) -> None:
        if not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f"lawa_params: k = {self.k!r}; it must be a whole number, 1 or more.")

    def start(self, params: Tree) -> LawaParamsState:
        check_trainable(self, params)
        empty = jax.tree.map(lambda m: jnp.repeat(m[None], self.k, axis=0), full_like(params, 0.0))
        return LawaParamsState(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), empty)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        taken, snapshots = state.taken, state.snapshots
        need_params(self, params)
        step = saturating_increment(state.step)
        due = _due(step, self.every, self.every)

        def one(kept: Any, new: Any) -> Any:
            place = jnp.mod(taken, self.k)
            return kept.at[place].set(jnp.where(due, new, kept[place]))

        kept = jax.tree.map(one, snapshots, moved(params, updates))
        return updates, LawaParamsState(step, jnp.where(due, saturating_increment(taken), taken), kept)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        # Those not taken yet are zeros.
        count = jnp.clip(state.taken, 1, self.k)
        sums = jax.tree.map(lambda s: jnp.sum(s, axis=0) / count.astype(s.dtype), state.snapshots)
        return jax.tree.map(lambda a, p: jnp.where(state.taken > 0, a, p), like(sums, params), params)


def towards(average: Tree, new: Tree, weight: Any) -> Tree:
    """The average moved towards `new` by a weight, which leaves nothing of what has none."""
    return mixed(average, new, 1 - weight, weight)


def like(memory: Tree, params: Tree) -> Tree:
    """A memory in the dtypes of the parameters."""
    return jax.tree.map(lambda m, p: cast(m, p.dtype), memory, params)


def _due(step: jax.Array, first: Any, every: Any) -> jax.Array:
    """Whether a step is the first or a whole number of periods after it."""
    after = step - jnp.asarray(first).astype(step.dtype)
    return (after >= 0) & (jnp.mod(after, jnp.asarray(every).astype(step.dtype)) == 0)
