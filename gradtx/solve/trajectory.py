"""The path of an optimizer on a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.points import gradient_params
from gradtx.core.transform import Transform
from gradtx.core.updates import apply_updates


class Trajectory(NamedTuple):
    """The points of a run, the start included, and the function's values there."""

    points: Any
    values: jax.Array


@functools.partial(jax.jit, static_argnums=(0, 3))
def trajectory(problem: Callable[[Any], jax.Array], optimizer: Transform, start: Any, steps: int) -> Trajectory:
    """Runs an optimizer on a function and keeps the whole path: $\\theta_{t+1} = \\theta_t + u_t$, as one compiled program.

    The gradient is taken where the optimizer wants it (`gradient_params`). The optimizer and the start are arguments of the compiled
    program: `jax.vmap` over either runs many at once, and another learning rate doesn't compile again.

    Args:
        problem: a `Problem`, or any function from the parameters to a scalar.
        optimizer: any transformation.
        start: the first parameters, a tree of floats.
        steps: how many steps.

    Returns:
        `Trajectory(points, values)`, each with a leading axis of `steps + 1`.

    Example:
        >>> import gradtx
        >>> from gradtx.problems import quadratic_1d
        >>> from gradtx.solve import trajectory
        >>> import jax.numpy as jnp
        >>> [round(float(x), 6) for x in trajectory(quadratic_1d, gradtx.sgd(0.4), jnp.array([1.0]), 3).points[:, 0]]
        [1.0, 0.2, 0.04, 0.008]
    """
    start = jax.tree.map(jnp.asarray, start)

    def step(carry: Any, _: None) -> tuple[Any, Any]:
        params, state = carry
        grads = jax.grad(problem)(gradient_params(optimizer, state, params))
        updates, state = optimizer.update(grads, state, params)
        params = apply_updates(params, updates)
        return (params, state), (params, problem(params))

    _, (points, values) = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    first = problem(start)
    return Trajectory(
        jax.tree.map(lambda p, path: jnp.concatenate([p[None], path]), start, points), jnp.concatenate([first[None], values])
    )
