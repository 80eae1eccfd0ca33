"""Late gradients, simulated: a ring buffer of readings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.average import like
from gradtx.core.keys import key_data
from gradtx.core.number import cast
from gradtx.core.transform import Transform, check_stage, full_like, saturating_increment
from gradtx.core.trees import Tree
from gradtx.core.whole import copied, need_params
from gradtx.distributed.readings import Reading, late
from gradtx.typing import Key


def uniform_delay(key: jax.Array, most: int) -> jax.Array:
    """A delay from 0 to `most`, each as likely: for the `draw` of `delayed`.

    Args:
        key: a random key.
        most: the longest delay.

    Returns:
        A scalar of int32.

    Example:
        >>> import jax
        >>> from gradtx.distributed import uniform_delay
        >>> int(uniform_delay(jax.random.key(0), 0))
        0
    """
    return jax.random.randint(key, (), 0, most + 1)


class DelayedState(NamedTuple):
    """The sum of the gradients so far and their number, the delay and the reading of the next, the last readings, the key as data, and the
    state of the inner optimizer."""

    gradients: Tree
    arrived: jax.Array
    delay: jax.Array
    taken: Reading
    readings: Reading
    rng_key: jax.Array
    inner_state: Any


class delayed(Transform):
    """Gradients that arrive late: at each step the one that was taken $\\tau$ steps ago, $u_t(\\nabla f(\\theta_{t - \\tau}))$.

    What asynchronous workers do, but the same at each run: with $n$ workers that take turns, $\\tau = n - 1$. `gradient_params` gives the
    point of $\\tau$ steps ago, the start while there were fewer; the library's own loops take the gradient there. The inner optimizer
    gets three extra arguments with it: `stale_params`, where it was taken, `missed`, the sum of the gradients that arrived since, and
    `staleness`, their number $\\tau$. It keeps `delay` copies and one of the parameters, and as many of the sum; in a
    compiled loop a step writes one of them.

    Args:
        inner: the optimizer that gets the late gradients.
        delay: $\\tau \\ge 0$ in steps, a whole number; the longest if `draw` is given.
        draw: a random delay for each step: `draw(key, delay)` gives a whole number, which is cut to what can be, as `uniform_delay` does.
            It is static: give it a name.
        key: a seed or a random key, for `draw`. It is a leaf: map over it for many runs.

    Returns:
        A transformation with the state `DelayedState(gradients, arrived, delay, taken, readings, rng_key, inner_state)`.

    Raises:
        ValueError: `delay` is no whole number from 0 on; `inner` takes a gradient per example; `update` was called without parameters.
        TypeError: `inner` is no transformation, or `draw` can't be called.

    References:
        Agarwal, Duchi (2011), Distributed Delayed Stochastic Optimization, NeurIPS.

    Example:
        >>> import gradtx
        >>> from gradtx.distributed import delayed
        >>> from gradtx.solve import trajectory
        >>> run = trajectory(lambda x: x**2, delayed(gradtx.sgd(0.25), 2), 4.0, 4)
        >>> run.points.tolist()  # three steps with the gradient at 4, then one with that at 2
        [4.0, 2.0, 0.0, -2.0, -3.0]
    """

    inner: Transform
    delay: int
    draw: Callable[[jax.Array, int], Any] | None = None
    key: Key = 0

    def check(self) -> None:
        check_stage(self, self.inner)
        if isinstance(self.delay, bool) or not isinstance(self.delay, int) or self.delay < 0:
            raise ValueError(f"delayed: delay = {self.delay!r}; it must be a whole number from 0 on.")
        if self.draw is not None and not callable(self.draw):
            raise TypeError(f"delayed: draw = {self.draw!r} can't be called; uniform_delay can.")
        if self.inner.per_example:
            raise ValueError(
                f"delayed: {self.inner!r} takes a gradient per example; put what makes one of them in front of delayed."
            )

    def start(self, params: Tree) -> DelayedState:
        inner_state, key = self.inner.start(params), key_data(self.key)
        # Each a buffer of its own, so that the state can be donated.
        arrived, delay, step = (jnp.zeros((), jnp.int32) for _ in range(3))
        taken = Reading(copied(self.inner.gradient_params(inner_state, params)), full_like(params, 0.0), step)
        readings = jax.tree.map(lambda x: jnp.broadcast_to(x, (self._slots, *x.shape)), taken)
        return DelayedState(full_like(params, 0.0), arrived, delay, taken, readings, key, inner_state)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        extra = {**extra, **late(self._taken(state, params), state.gradients, state.arrived)}
        out, inner_state = self.inner.apply(updates, state.inner_state, params, **extra)
        gradients = jax.tree.map(lambda s, u: s + cast(u, s.dtype), state.gradients, updates)
        # Written first and then read for the next step: were it read in the next step, before that one writes, the compiler would
        # write into a copy of the whole buffer.
        slot, now = jnp.mod(state.arrived, self._slots), self._now(state, params)
        readings = jax.tree.map(lambda kept, new: jax.lax.dynamic_update_index_in_dim(kept, new, slot, 0), state.readings, now)
        arrived = saturating_increment(state.arrived)
        delay = self._drawn(state.rng_key, arrived)
        slot = jnp.mod(arrived - delay, self._slots)
        taken = jax.tree.map(lambda kept: jax.lax.dynamic_index_in_dim(kept, slot, keepdims=False), readings)
        return out, DelayedState(gradients, arrived, delay, taken, readings, state.rng_key, inner_state)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return like(self._taken(state, params).params, params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"inner": (self.inner, state.inner_state)}

    @property
    def _slots(self) -> int:
        return max(self.delay, 1)

    def _now(self, state: Any, params: Tree) -> Reading:
        """What a worker reads before this step."""
        point = copied(self.inner.gradient_params(state.inner_state, params))
        return Reading(point, state.gradients, state.arrived)

    def _taken(self, state: Any, params: Tree) -> Reading:
        """The reading at which the gradient of this step is taken."""
        now = self._now(state, params)
        return jax.tree.map(lambda new, old: jnp.where(state.delay == 0, new, old), now, state.taken)

    def _drawn(self, rng_key: jax.Array, step: jax.Array) -> jax.Array:
        """The delay of a step: never more than there were steps."""
        delay = jnp.asarray(self.delay, jnp.int32)
        if self.draw is not None:
            key = jax.random.fold_in(jax.random.wrap_key_data(rng_key), step)
            delay = jnp.clip(jnp.asarray(self.draw(key, self.delay)).astype(jnp.int32), 0, delay)
        return jnp.minimum(delay, step)
