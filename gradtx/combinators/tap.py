"""Measurements at a point of a chain, kept in the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.chain import chain
from gradtx.core.number import is_inexact, wide
from gradtx.core.show import show
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree


class measured(Transform):
    """A function of the updates in place of the updates: the first stage of a measurement with a memory.

    Args:
        measure: `measure(updates)` gives a tree of arrays. It is static: give it a name.

    Returns:
        A stateless transformation, for the `measure` of a `tap`, alone or at the front of a `chain`. What isn't a float becomes float32.

    Raises:
        TypeError: `measure` can't be called.

    Example:
        >>> import gradtx
        >>> slow = gradtx.chain(gradtx.measured(gradtx.global_norm), gradtx.ema(0.9), gradtx.bias_correction(0.9))
        >>> gradtx.tap("norm", slow).name
        'norm'
    """

    measure: Callable[[Tree], Tree]

    def check(self) -> None:
        if not callable(self.measure):
            raise TypeError(f"measured: measure = {self.measure!r} can't be called.")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return self._of(updates), ()

    def emits(self, params: Tree) -> Tree:
        return blank(self._of, jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, wide(p.dtype)), params))

    def _of(self, updates: Tree) -> Tree:
        # A tree without leaves has nothing to measure: a group without members, or the mark by which `mirrors` looks for parameters.
        if not jax.tree.leaves(updates):
            return ()
        return jax.tree.map(_as_float, self.measure(updates))


class SnapshotState(NamedTuple):
    """The last measurement under its name, and what the measure remembers."""

    measurement: dict[str, Tree]
    measure_state: Any


class tap(Transform):
    """Records a measurement of the updates that pass, and hands them on: $u \\leftarrow u$.

    The measurement is zero before the first step, has the same structure ever after, and is read by `state_get(state, name)`.

    Args:
        name: any string, different from the other names in the state.
        measure: a function of the updates, such as `global_norm`, that gives an array or a tree of them (static: give it a name);
            or, for one with a memory, a transformation that begins with `measured` (see `measure_with_ema`).

    Returns:
        A transformation with the state `SnapshotState(measurement, measure_state)`.

    Raises:
        TypeError: `name` is no string, or `measure` neither a function nor a transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.tap("norm", gradtx.global_norm), gradtx.clip_by_global_norm(1.0), gradtx.sgd(0.1))
        >>> update, state = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))
        >>> float(gradtx.state_get(state, "norm"))
        5.0
    """

    name: str
    measure: Transform

    def __init__(self, name: str, measure: Transform | Callable[[Tree], Tree]) -> None:
        if callable(measure) and not isinstance(measure, Transform | type):
            measure = measured(measure)
        self._set(name=name, measure=measure)

    def check(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"tap: name = {self.name!r} must be a string.")
        check_stage(self, self.measure)

    def _arguments(self) -> list[str]:
        return [repr(self.name), show(self.measure.measure if isinstance(self.measure, measured) else self.measure)]

    def start(self, params: Tree) -> SnapshotState:
        made = jax.tree.map(lambda x: jnp.zeros_like(x, dtype=wide(x.dtype)), self.measure.emits(params))
        return SnapshotState({self.name: made}, self.measure.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        made, memory = self.measure.apply(updates, state.measure_state, params, **extra)
        return updates, SnapshotState({self.name: made}, memory)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {self.name: (self.measure, state.measure_state)}

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return params

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return params


def snapshot(measure_name: str, measure: Callable[[Tree], Tree]) -> tap:
    """Optax's name for a `tap` with a function.

    Args:
        measure_name: the name under which `state_get` finds the measurement.
        measure: a function of the updates.

    Returns:
        `tap(measure_name, measure)`.

    Example:
        >>> import gradtx
        >>> gradtx.snapshot("norm", gradtx.global_norm)
        tap('norm', global_norm)
    """
    return tap(measure_name, measure)


def monitor(measures: Mapping[str, Transform | Callable[[Tree], Tree]]) -> chain:
    """Several taps at one point. Unlike Optax's its state has its final structure from the start, and so can be scanned.

    Args:
        measures: for each name what `tap` takes: a function of the updates, or a transformation such as `measure_with_ema`.

    Returns:
        A chain of taps; `state_get(state, name)` reads each.

    Raises:
        TypeError: a name is no string, or a measure neither a function nor a transformation.

    Example:
        >>> import gradtx
        >>> gradtx.monitor({"norm": gradtx.global_norm, "slow": gradtx.measure_with_ema(gradtx.global_norm, 0.9)})
        chain(tap('norm', global_norm), tap('slow', measure_with_ema(measure=global_norm, decay=0.9)))
    """
    return chain(*(tap(name, measure) for name, measure in measures.items()))


def blank(function: Callable[..., Any], *arguments: Tree) -> Tree:
    """Zeros like what a function would give: the state before it was first called."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(function, *arguments))


def _as_float(x: Any) -> jax.Array:
    """Never of a weak type, so that the state keeps its types."""
    x = jnp.asarray(x)
    return jnp.asarray(x, x.dtype if is_inexact(x.dtype) else jnp.float32)
