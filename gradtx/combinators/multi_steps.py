"""Gradient accumulation: one step after every k calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.chain import chain
from gradtx.combinators.gate import idle, outcome
from gradtx.combinators.tap import blank
from gradtx.core.number import cast, number, wide, widest
from gradtx.core.schedule import Schedule, as_schedule
from gradtx.core.transform import OptState, Transform, check_stage, full_like
from gradtx.core.trees import Tree, map_updates
from gradtx.typing import DType

# `should_skip_update_fn(updates, gradient_step, params)` says whether, and gives a tree of arrays to keep in the state.
ShouldSkip = Callable[[Tree, Any, Tree | None], tuple[Any, Tree]]


class MultiStepsState(NamedTuple):
    """Calls since the last step, whether the last call stepped, the inner state, the sum so far, and what the skipping said.

    `acc_grads` is `()` if every call steps, `skip_state` if nothing can be skipped.
    """

    mini_step: jax.Array
    has_updated: jax.Array
    inner_opt_state: OptState
    acc_grads: Any
    skip_state: Any

    @property
    def gradient_step(self) -> jax.Array:
        """The steps of the inner optimizer."""
        return self.inner_opt_state.step


class constant_k(Schedule):
    """The same number of calls for every step. Where `MultiSteps` takes a schedule, the bare integer makes one.

    Args:
        k: a positive whole number. It is static.

    Raises:
        ValueError: `k` is no positive whole number.
    """

    k: int

    def check(self) -> None:
        if not isinstance(self.k, int) or isinstance(self.k, bool) or self.k < 1:
            raise ValueError(
                f"MultiSteps: every_k_schedule = {self.k!r}; it must be a positive whole number, or a schedule of them."
            )

    def __call__(self, step: Any) -> jax.Array:
        return jnp.full(jnp.shape(step), self.k, jnp.result_type(float))

    def __repr__(self) -> str:
        return repr(self.k)


class MultiSteps(Transform):
    """Gradient accumulation: k calls of `update` make one step of the optimizer on the mean of their gradients; the others give zero.

    The optimizer's memories, schedules and step count move once every k calls. Extra arguments (`value`, …) reach it from the last
    of them. With the integer 1 there is no accumulator, and nothing is computed that the optimizer alone would not. It is a
    transformation like any other: Optax's `gradient_transformation()` has no counterpart.

    Args:
        opt: the optimizer.
        every_k_schedule: k, a positive whole number (static), or a schedule of them, which counts the optimizer's steps and is rounded.
        use_grad_mean: False gives the optimizer the sum.
        should_skip_update_fn: calls to leave out, as if they had not been: `skip_not_finite`, `skip_large_updates` with a threshold, or
            any function `(updates, gradient_step, params)` that says whether and gives a tree of arrays, kept as `skip_state`. Static.
        accumulator_dtype: dtype of the sum; float32 or wider if None.

    Returns:
        A transformation with the state `MultiStepsState(mini_step, has_updated, inner_opt_state, acc_grads, skip_state)`.
        `state_get(state, "has_updated")` says whether the last call stepped, wherever the transformation stands; in Optax that is
        computed from the counts, and stays true when the call after a step is skipped.

    Raises:
        TypeError: `opt` is no transformation, or the skipping says something else than a bool.
        ValueError: `every_k_schedule` is no positive whole number; the gradients don't have the shapes of the parameters.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.MultiSteps(gradtx.sgd(1.0), every_k_schedule=2)
        >>> first, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> second, state = tx.update(jnp.array(3.0), state)
        >>> float(first), float(second), bool(tx.has_updated(state))
        (0.0, -2.0, True)
    """

    opt: Transform
    every_k_schedule: Schedule
    use_grad_mean: bool = True
    should_skip_update_fn: ShouldSkip | None = None
    accumulator_dtype: DType = None

    own_clock = True
    sides: ClassVar[tuple[str, str]] = ("the state has", "the updates have")

    def __init__(
        self,
        opt: Transform,
        every_k_schedule: int | Schedule | Callable[[Any], Any],
        use_grad_mean: bool = True,
        should_skip_update_fn: ShouldSkip | None = None,
        accumulator_dtype: DType = None,
    ) -> None:
        self._set(
            opt=opt,
            every_k_schedule=every_k_schedule,
            use_grad_mean=use_grad_mean,
            should_skip_update_fn=should_skip_update_fn,
            accumulator_dtype=accumulator_dtype,
        )

    def check(self) -> None:
        check_stage(self, self.opt)
        k: Any = self.every_k_schedule
        k = as_schedule(k, "MultiSteps", "every_k_schedule") if callable(k) else constant_k(k)
        object.__setattr__(self, "every_k_schedule", k)

    def has_updated(self, state: OptState) -> jax.Array:
        """Whether the call that gave this state stepped."""
        return state.inner.has_updated

    def start(self, params: Tree) -> MultiStepsState:
        super().start(params)
        total = () if self._always else full_like(params, 0.0, self.accumulator_dtype)
        inner = self.opt.init(params)
        seen: Any = ()
        asked = self.should_skip_update_fn
        # A tree without leaves may be the mark by which `mirrors` looks for parameters: the function isn't asked about it.
        if asked is not None and jax.tree.leaves(params):
            updates = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, wide(p.dtype)), params)
            seen = blank(lambda *args: asked(*args)[1], updates, inner.step, params)
        return MultiStepsState(jnp.zeros((), jnp.int32), jnp.zeros((), bool), inner, total, seen)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        k = self._k(state.gradient_step)
        skip, seen = self._skip(updates, state, params)
        total = updates if self._always else map_updates(self, _added, state.acc_grads, updates)

        def step() -> tuple[Tree, MultiStepsState]:
            out, inner = self.opt.advance(self._mean(total, updates, k), state.inner_opt_state, params, **extra)
            sums = jax.tree.map(jnp.zeros_like, state.acc_grads)
            return out, MultiStepsState(jnp.zeros((), jnp.int32), jnp.ones((), bool), inner, sums, seen)

        def wait() -> tuple[Tree, MultiStepsState]:
            count = jnp.where(skip, state.mini_step, state.mini_step + 1)
            sums = state.acc_grads if self._always else jax.tree.map(lambda a, b: jnp.where(skip, a, b), state.acc_grads, total)
            out = idle(self.opt, updates, params)
            return out, MultiStepsState(count, jnp.zeros((), bool), state.inner_opt_state, sums, seen)

        if self._always and self.should_skip_update_fn is None:
            return step()
        return jax.lax.cond(~skip & (state.mini_step + 1 >= k), step, wait)

    def emits(self, params: Tree) -> Tree:
        return self.opt.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.opt, state.inner_opt_state)}

    @property
    def _always(self) -> bool:
        return self.every_k_schedule == constant_k(1)

    def _k(self, gradient_step: jax.Array) -> Any:
        return jnp.maximum(jnp.round(self.every_k_schedule(gradient_step)), 1).astype(jnp.int32)

    def _skip(self, updates: Tree, state: Any, params: Tree | None) -> tuple[jax.Array, Any]:
        if self.should_skip_update_fn is None or not jax.tree.leaves(updates):
            return jnp.zeros((), bool), ()
        skip, seen = self.should_skip_update_fn(updates, state.gradient_step, params)
        seen = jax.tree.map(lambda x, kept: jnp.asarray(x, kept.dtype), seen, state.skip_state)
        return outcome(self, "should_skip_update_fn", skip), seen

    def _mean(self, total: Tree, updates: Tree, k: Any) -> Tree:
        if self._always:
            return total
        divisor = k.astype(jnp.result_type(float))

        def one(s: Any, u: Any) -> Any:
            s = cast(s, u.dtype)
            return s / number(divisor, u.dtype) if self.use_grad_mean else s

        return jax.tree.map(one, total, updates)


def apply_every(k: int = 1) -> MultiSteps:
    """Adds up k updates and emits the sum, zeros in between. What stands around it in a chain moves at every call.

    To let an optimizer see one gradient every k calls, put it into `MultiSteps` instead.

    Args:
        k: a positive whole number.

    Returns:
        `MultiSteps` over the empty chain, with `use_grad_mean=False`.

    Raises:
        ValueError: `k` is no positive whole number.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.scale(-0.5), gradtx.apply_every(2))
        >>> first, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
        >>> float(first), float(tx.update(jnp.array(3.0), state)[0])
        (0.0, -2.0)
    """
    return MultiSteps(chain(), k, use_grad_mean=False)


def _added(a: Any, u: Any) -> Any:
    if a.shape != u.shape:
        raise ValueError("the shapes differ")
    both = widest(a.dtype, u.dtype)
    return cast(cast(a, both) + cast(u, both), a.dtype)
