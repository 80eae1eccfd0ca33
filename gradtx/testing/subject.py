"""What the properties are asked of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import is_inexact
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.testing.problem import RIPPLES, START, Problem, run_compiled

STEPS = 20
# Of every kind that a tree of parameters may hold: a matrix, a scalar, an array without elements, and nothing.
MIXED = {"w": np.ones((2, 3)), "s": np.ones(()), "e": np.ones((0, 2)), "n": None}


@dataclasses.dataclass(frozen=True)
class Subject:
    """A transformation under test, with the parameters and the extra arguments that suit it.

    Args:
        tx: the transformation.
        point: where runs start; six numbers by default.
        params: the tree on which structure is tested; by default one with a matrix, a scalar, an empty array and a None.
        extra: the extra arguments of `update` as a function of the parameters; by default `value` and `value_fn`.
        drift: how far a parameter of zero may move in one step at a gradient of zero.
    """

    tx: Transform
    point: Tree = dataclasses.field(default_factory=lambda: START)
    params: Tree = dataclasses.field(default_factory=lambda: MIXED)
    extra: Callable[[Tree], dict[str, Any]] | None = None
    drift: float = 0.0

    def start(self, dtype: Any = "float32") -> Tree:
        """Where runs start, in a dtype."""
        return in_dtype_of(self.point, dtype)

    def tree(self, dtype: Any = "float32") -> Tree:
        """The tree on which structure is tested, in a dtype."""
        return in_dtype_of(self.params, dtype)

    def run(self, tx: Transform | None = None, params: Tree | None = None, problem: Problem = RIPPLES) -> Tree:
        """Where a run of the transformation, or of one like it, ends."""
        tx, params = self.tx if tx is None else tx, self.start() if params is None else params
        return run_compiled(tx, params, STEPS, problem, self.extra)

    def update(self, grads: Tree, state: Any, params: Tree, tx: Transform | None = None) -> tuple[Tree, Any]:
        """One step, with the extra arguments."""
        extra = RIPPLES.extra(params, jnp.zeros((), jnp.int32)) if self.extra is None else self.extra(params)
        return (self.tx if tx is None else tx).update(grads, state, params, **extra)


def in_dtype_of(tree: Tree, dtype: Any) -> Tree:
    """The float arrays of a tree in one dtype; others stay."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if is_inexact(jnp.asarray(x).dtype) else jnp.asarray(x), tree)
