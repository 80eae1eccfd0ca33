"""What is drawn: optimizers by name, their paths, and the surface under them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.transform import Transform
from gradtx.problems import Problem, Stochastic
from gradtx.solve import Trajectory, trajectory

Optimizers = Transform | Sequence[Transform] | Mapping[str, Transform]
AnyProblem = Problem | Stochastic


def by_name(optimizers: Optimizers) -> dict[str, Transform]:
    """Optimizers under the names they go by in a legend: those given, or the kinds, or where these clash what they print as."""
    if isinstance(optimizers, Transform):
        optimizers = [optimizers]
    if isinstance(optimizers, Mapping):
        named = dict(optimizers)
    else:
        kinds = [type(tx).__name__ for tx in optimizers]
        named = {(k if kinds.count(k) == 1 else repr(tx)): tx for k, tx in zip(kinds, optimizers, strict=True)}
    for name, tx in named.items():
        if not isinstance(tx, Transform):
            raise TypeError(f"{name!r} is {tx!r}, and no optimizer of gradtx; gradtx.interop.from_optax makes one of Optax's.")
    return named


def paths(
    problem: AnyProblem, optimizers: Optimizers, start: Any, steps: int, key: Any = None, **kwargs: Any
) -> dict[str, Any]:
    """The run of each optimizer, as arrays of NumPy."""
    start = jnp.asarray(problem.start if start is None else start, float)
    if start.shape != (problem.dimension,):
        raise ValueError(f"start has the shape {start.shape}; {problem.name} takes {problem.dimension} numbers.")
    if key is None and isinstance(problem, Stochastic):
        key = jax.random.key(0)
    run: Callable[..., Trajectory] = trajectory
    return {
        name: jax.tree.map(np.asarray, run(problem, tx, start, steps, key=key, **kwargs))
        for name, tx in by_name(optimizers).items()
    }


def surface_values(problem: AnyProblem, bounds: Any, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid over the first two coordinates, and the values on it."""
    if problem.dimension != 2:
        raise ValueError(f"{problem.name} has {problem.dimension} dimensions; a surface is drawn over two.")
    (left, right), (low, high) = problem.bounds if bounds is None else bounds
    x, y = np.meshgrid(np.linspace(left, right, n), np.linspace(low, high, n))
    points = jnp.asarray(np.stack([x.ravel(), y.ravel()], axis=1), float)
    return x, y, np.asarray(jax.jit(jax.vmap(lambda v: problem(v)))(points)).reshape(x.shape)


def levels(values: np.ndarray, n: int = 24) -> np.ndarray:
    """Heights of contours: closer together the lower, each with a share of the area."""
    fine = values[np.isfinite(values)]
    shares = np.quantile(fine, np.linspace(0, 1, n + 1) ** 1.6)
    return np.unique(np.append(shares, fine.max()))


def minima(problem: AnyProblem) -> np.ndarray:
    return np.asarray(problem.at, float).reshape(-1, problem.dimension)
