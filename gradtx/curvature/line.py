"""A function along a line, and what every line search begins with and remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.transform import full_like
from gradtx.core.trees import Tree
from gradtx.core.whole import inner_product, need, need_params, scaled

# How a search ended.
FOUND, NO_DESCENT, NO_STEP, NOT_FINITE = 0, 1, 2, 3
REASONS = {
    FOUND: "a step was found",
    NO_DESCENT: "the direction does not descend",
    NO_STEP: "no step satisfied the conditions",
    NOT_FINITE: "the function or its gradient is not finite where the search began",
}


class LineSearchState(NamedTuple):
    """What a line search remembers.

    Attributes:
        learning_rate: the last step, in units of the direction; 0 if the search failed.
        value: the function's value after it.
        grad: its gradient there, in float32 or wider.
        previous: the value before it; infinite before the first step.
        evaluations: of the function in the last search, those at its start not counted.
        status: how it ended; see `REASONS`.
    """

    learning_rate: jax.Array
    value: jax.Array
    grad: Tree
    previous: jax.Array
    evaluations: jax.Array
    status: jax.Array


class Point(NamedTuple):
    """A place on the line: the step, the value, the slope, the gradient."""

    step: jax.Array
    value: jax.Array
    slope: jax.Array
    grad: Tree


def start_state(params: Tree) -> LineSearchState:
    """The state before the first search."""
    grad = full_like(params, 0.0, None)
    infinite = lambda: jnp.full((), jnp.inf, inner_product(grad, grad).dtype)
    zero = lambda: jnp.zeros((), jnp.int32)
    return LineSearchState(jnp.zeros_like(infinite()), infinite(), grad, infinite(), zero(), zero())


class Line:
    """The function from a place in a direction: `start`, and `at(step)`."""

    def __init__(
        self,
        who: Any,
        updates: Tree,
        params: Tree | None,
        extra: dict[str, Any],
        onto: Callable[[Tree], Tree] = lambda there: there,
    ) -> None:
        self.params, self.direction, self.onto = need_params(who, params), updates, onto
        self.function = jax.value_and_grad(need(who, extra, "value_fn"))
        value, grad = extra.get("value"), extra.get("grad")
        if value is None or grad is None:
            value, grad = self.function(self.params)
        self.dtype = inner_product(updates, updates).dtype
        grad = jax.tree.map(lambda g, u: cast(jnp.asarray(g), u.dtype), grad, updates)
        zero = jnp.zeros((), self.dtype)
        self.start = Point(zero, cast(jnp.asarray(value), self.dtype), inner_product(grad, updates), grad)

    def at(self, step: jax.Array) -> Point:
        """The function so far along the direction."""
        return self.moved(scaled(self.direction, step))._replace(step=step)

    def moved(self, by: Tree) -> Point:
        """The function at the end of any move; its slope is still that along the line."""
        there = self.onto(jax.tree.map(lambda p, u: cast(cast(p, u.dtype) + u, p.dtype), self.params, by))
        value, grad = self.function(there)
        grad = jax.tree.map(lambda g, u: cast(g, u.dtype), grad, self.direction)
        return Point(jnp.ones((), self.dtype), cast(value, self.dtype), inner_product(grad, self.direction), grad)

    def status(self) -> jax.Array:
        """Whether a search can begin."""
        finite = jnp.isfinite(self.start.value) & jnp.isfinite(self.start.slope)
        return jnp.where(finite, jnp.where(self.start.slope < 0, FOUND, NO_DESCENT), NOT_FINITE)

    def finished(self, reached: Point, evaluations: jax.Array, status: jax.Array) -> tuple[Tree, LineSearchState]:
        """The update and the state after a search; no step if it failed."""
        found = status == FOUND
        end = jax.tree.map(lambda a, b: jnp.where(found, a, b), reached, self.start)
        new = LineSearchState(end.step, end.value, end.grad, self.start.value, evaluations, status.astype(jnp.int32))
        update = jax.tree.map(lambda u: jnp.where(found, u, 0), scaled(self.direction, end.step))
        return update, new


def first_step(strategy: str, state: LineSearchState, line: Line) -> jax.Array:
    """Where a search begins."""
    one = jnp.ones((), line.dtype)
    if strategy == "one":
        return one
    if strategy == "keep":
        return jnp.where(state.learning_rate > 0, state.learning_rate, one)
    # The step at which a parabola with this slope would fall as far as the function fell last time; at first, as far as half the gradient's norm.
    norm = jnp.sqrt(inner_product(line.start.grad, line.start.grad))
    fell = jnp.where(jnp.isfinite(state.previous), state.previous - line.start.value, norm / 2)
    step = 2.02 * fell / jnp.where(line.start.slope < 0, -line.start.slope, 1)
    return jnp.where((step > 0) & (step < 1), step, one)


def check_strategy(who: Any, strategy: str) -> None:
    """Raises for another name."""
    if strategy not in ("interpolate", "keep", "one"):
        raise ValueError(
            f"{type(who).__name__}: initial_guess_strategy = {strategy!r}; it must be 'interpolate', 'keep' or 'one'."
        )
