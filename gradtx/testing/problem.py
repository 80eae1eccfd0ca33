"""What a transformation is run on: functions of any tree of arrays that change from step to step, and one loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, is_inexact
from gradtx.core.points import gradient_params
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.updates import apply_updates

START = np.array([1.5, -0.7, 0.3, 2.0, -1.2, 0.05])
CURVATURE = np.array([1.0, 0.5, 2.0, 0.1, 1.5, 3.0])


@dataclasses.dataclass(frozen=True)
class Problem:
    """A function of one array and the step, and its gradient; over a tree the values add up."""

    value_at: Callable[[Any, Any], Any]
    gradient_at: Callable[[Any, Any], Any]

    def value(self, params: Tree, step: Any) -> jax.Array:
        terms = [self.value_at(x, step) for x in jax.tree.leaves(params) if is_inexact(x.dtype)]
        dtype = jnp.result_type(float)
        return jnp.sum(jnp.stack([jnp.zeros((), dtype), *(cast(v, dtype) for v in terms)]))

    def gradient(self, params: Tree, step: Any) -> Tree:
        return jax.tree.map(lambda x: self.gradient_at(x, step), params)

    def extra(self, params: Tree, step: Any) -> dict[str, Any]:
        """The extra arguments that a method may ask for."""
        return {"value": self.value(params, step), "value_fn": lambda other: self.value(other, step)}


def rippled_value(x: Any, step: Any) -> Any:
    """A bowl with ripples under a changing force, for NumPy and JAX arrays of any shape alike."""
    xp, (c, p, t) = _constants(x, step)
    return xp.sum(c * x * x / 2 - 0.1 * xp.cos(3 * x) + 0.5 * xp.cos(t + p) * x)


def rippled_gradient(x: Any, step: Any) -> Any:
    """The gradient of `rippled_value`."""
    xp, (c, p, t) = _constants(x, step)
    return c * x + 0.3 * xp.sin(3 * x) + 0.5 * xp.cos(t + p)


def _constants(x: Any, step: Any) -> tuple[Any, Any]:
    xp = np if isinstance(x, np.ndarray) else jnp
    return xp, (xp.asarray(a, x.dtype) for a in (np.resize(CURVATURE, x.shape), np.arange(x.size).reshape(x.shape), step))


def _bowl_value(x: Any, step: Any) -> Any:
    return jnp.sum(jnp.real(x * jnp.conj(x)) * _steepness(x, step)) / 2


def _bowl_gradient(x: Any, step: Any) -> Any:
    return x * cast(_steepness(x, step), x.dtype)


def _steepness(x: Any, step: Any) -> Any:
    """Another for each number at each step, so that the gradients seen as matrices span all directions."""
    _, (c, p, t) = _constants(jnp.real(x), step)
    return c * (1 + 0.5 * jnp.cos(t + p))


def _flat_value(x: Any, step: Any) -> Any:
    return jnp.zeros((), jnp.finfo(x.dtype).dtype)


def _flat_gradient(x: Any, step: Any) -> Any:
    return jnp.zeros_like(x)


RIPPLES = Problem(rippled_value, rippled_gradient)
BOWL = Problem(_bowl_value, _bowl_gradient)  # that of a complex number, too
FLAT = Problem(_flat_value, _flat_gradient)


def run(
    tx: Transform, params: Tree, steps: int, problem: Problem = RIPPLES, extra: Callable[[Tree], dict[str, Any]] | None = None
) -> Tree:
    """The last point of a run in one `lax.scan`, with the gradient where the optimizer wants it.

    Args:
        tx: any transformation.
        params: where it starts.
        steps: how many.
        problem: what it minimizes.
        extra: the extra arguments as a function of the parameters; the value and its function if None.
    """

    def step(carry: tuple[Tree, Any], t: jax.Array) -> tuple[tuple[Tree, Any], None]:
        x, state = carry
        at = gradient_params(tx, state, x)
        more = problem.extra(at, t) if extra is None else extra(at)
        updates, state = tx.update(problem.gradient(at, t), state, x, **more)
        return (apply_updates(x, updates), state), None

    return jax.lax.scan(step, (params, tx.init(params)), jnp.arange(steps))[0][0]


# One compilation for all runs whose optimizers differ in numbers only.
run_compiled = jax.jit(run, static_argnames=("steps", "problem", "extra"))
