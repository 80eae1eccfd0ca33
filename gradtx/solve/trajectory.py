"""The path of an optimizer on a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.edit import adjust
from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.transform import Transform
from gradtx.core.updates import apply_updates


class Trajectory(NamedTuple):
    """A run: its points, the start included, and what goes with each.

    Args:
        points: the parameters, along a leading axis.
        values: the function's values there.
        evaluation_points: where the optimizer wants to be judged; the same but for methods that average.
        evaluation_values: the values there.
        diverged_at: the step that would have left the finite numbers, from 1, or -1 if none did. From then on the run stays
            where it was.
        watched: what `watch` gave at each step; None without.
    """

    points: Any
    values: jax.Array
    evaluation_points: Any
    evaluation_values: jax.Array
    diverged_at: jax.Array
    watched: Any = None


class Step(NamedTuple):
    """What a function that watches a run is shown of a step: the point before it, the gradient, the update, the state after it."""

    params: Any
    gradients: Any
    updates: Any
    state: Any


@functools.partial(jax.jit, static_argnames=("problem", "steps", "every", "watch"))
def trajectory(
    problem: Callable[..., jax.Array],
    optimizer: Transform,
    start: Any,
    steps: int,
    *,
    key: jax.Array | None = None,
    every: int = 1,
    watch: Callable[[Step], Any] | None = None,
) -> Trajectory:
    """Runs an optimizer on a function and keeps the whole path: $\\theta_{t+1} = \\theta_t + u_t$, as one compiled program.

    The gradient is taken where the optimizer wants it (`gradient_params`); it gets `value` and `value_fn` with it. The optimizer and
    the start are arguments of the compiled program: `jax.vmap` over either runs many at once (`trajectories` does), and
    another learning rate doesn't compile again. A step to a point that isn't finite, or at which the function isn't, isn't taken, and
    none after it.

    Args:
        problem: a `Problem`, or any function from the parameters to a scalar. With `key`, a function of the parameters and a key too
            (see `gradtx.problems.noisy`); called without, it gives the value that is recorded.
        optimizer: any transformation.
        start: the first parameters, a tree of floats.
        steps: how many steps.
        key: what the draws of a noisy problem come from.
        every: keep each so manieth point only; it must divide `steps`.
        watch: a function of a `Step` whose results are kept, for the steps that lead to the points that are.

    Returns:
        A `Trajectory`, with a leading axis of `steps / every + 1`, that of `watched` without the one.

    Raises:
        ValueError: `every` doesn't divide `steps`; the problem needs a key or takes none.

    Example:
        >>> import gradtx
        >>> from gradtx.problems import quadratic_1d
        >>> from gradtx.solve import trajectory
        >>> import jax.numpy as jnp
        >>> [round(float(x), 6) for x in trajectory(quadratic_1d, gradtx.sgd(0.4), jnp.array([1.0]), 3).points[:, 0]]
        [1.0, 0.2, 0.04, 0.008]
        >>> int(trajectory(lambda x: x**4, gradtx.sgd(1.0), jnp.array(3.0), 20).diverged_at)
        3
    """
    if steps < 0 or every < 1 or steps % every:
        raise ValueError(f"trajectory: steps = {steps} and every = {every}; every must be at least 1 and divide steps.")
    if key is not None and not _takes_a_key(problem):
        raise ValueError("trajectory: the problem takes no key; gradtx.problems.noisy and mini_batch make some that do.")
    start = jax.tree.map(jnp.asarray, start)
    elsewhere = False  # whether the optimizer is judged elsewhere than at its parameters; known once it is traced

    def step(carry: Any, step_key: Any) -> tuple[Any, Any]:
        nonlocal elsewhere
        params, state, value, count, diverged_at = carry
        function = problem if step_key is None else functools.partial(problem, key=step_key)
        at = gradient_params(optimizer, state, params)
        there, grads = jax.value_and_grad(function)(at)
        updates, new_state = optimizer.update(grads, state, params, value=there, value_fn=function, **_given(key=step_key))
        new = apply_updates(params, updates)
        new_value = problem(new)
        fine = (diverged_at < 0) & _finite((new, new_value))
        keep = lambda a, b: jax.tree.map(lambda x, y: jnp.where(fine, x, y), a, b)
        seen = watch(Step(params, grads, updates, new_state)) if watch else None
        params, state, value = keep((new, new_state, new_value), (params, state, value))
        diverged_at = jnp.where(fine | (diverged_at >= 0), diverged_at, count + 1)
        return (params, state, value, count + 1, diverged_at), seen

    def some_steps(carry: Any, keys: Any) -> tuple[Any, Any]:
        nonlocal elsewhere
        if every > 1:
            carry, _ = jax.lax.scan(lambda c, k: (step(c, k)[0], None), carry, None if keys is None else keys[:-1], every - 1)
        carry, seen = step(carry, None if keys is None else keys[-1])
        params, state, value, *_ = carry
        judged = evaluation_params(optimizer, state, params)
        elsewhere = any(a is not b for a, b in zip(jax.tree.leaves(judged), jax.tree.leaves(params), strict=True))
        return carry, (params, value, (judged, problem(judged)) if elsewhere else None, seen)

    value = problem(start)
    carry = (start, optimizer.init(start), value, jnp.zeros((), jnp.int32), jnp.full((), -1, jnp.int32))
    keys = None if key is None else jax.random.split(key, (steps // every, every))
    carry, (points, values, judged, seen) = jax.lax.scan(some_steps, carry, keys, steps // every)
    first = lambda a, path: jnp.concatenate([a[None], path])
    points, values = jax.tree.map(first, start, points), first(value, values)
    if elsewhere:
        judged = jax.tree.map(first, start, judged[0]), first(value, judged[1])
    evaluation_points, evaluation_values = judged or (points, values)
    return Trajectory(points, values, evaluation_points, evaluation_values, carry[-1], seen)


def trajectories(
    problem: Callable[..., jax.Array],
    optimizer: Transform,
    starts: Any,
    steps: int,
    *,
    keys: jax.Array | None = None,
    every: int = 1,
    watch: Callable[[Step], Any] | None = None,
    **hyperparameters: Any,
) -> Trajectory:
    """Many runs as one compiled program: every combination of hyperparameters, starts and keys.

    Args:
        problem: as in `trajectory`.
        optimizer: as in `trajectory`.
        starts: the first parameters of each run, along a leading axis.
        steps: how many steps.
        keys: those of a noisy problem, along a leading axis.
        every: keep each so manieth point only; `steps` keeps the first and the last.
        watch: as in `trajectory`.
        hyperparameters: the values of a field of the optimizer, by its name, along a leading axis (see `adjust`).

    Returns:
        A `Trajectory` with a leading axis for each hyperparameter in the order given, then one for the starts, then one for the keys.

    Raises:
        ValueError: no field has that name.

    Example:
        >>> import gradtx
        >>> from gradtx.problems import beale
        >>> from gradtx.solve import trajectories
        >>> import jax.numpy as jnp
        >>> rates, decays = jnp.logspace(-4, -2, 5), jnp.array([0.0, 0.9, 0.99])
        >>> starts = jnp.array([beale.start])
        >>> runs = trajectories(
        ...     beale, gradtx.sgd(0.1, momentum=0.9), starts, 100, every=100, learning_rate=rates, momentum=decays)
        >>> runs.points.shape
        (5, 3, 1, 2, 2)
    """
    for name, values in hyperparameters.items():
        adjust(optimizer, **{name: values})  # is checked while it is concrete
    names, values = tuple(hyperparameters), tuple(hyperparameters.values())
    return _many(problem, optimizer, starts, steps, keys, every, watch, names, values)


@functools.partial(jax.jit, static_argnames=("problem", "steps", "every", "watch", "names"))
def _many(
    problem: Any,
    optimizer: Any,
    starts: Any,
    steps: int,
    keys: Any,
    every: int,
    watch: Any,
    names: tuple[str, ...],
    values: Any,
) -> Trajectory:
    def run(values: tuple[Any, ...], start: Any, key: Any) -> Trajectory:
        tx = adjust(optimizer, **dict(zip(names, values, strict=True))) if names else optimizer
        return trajectory(problem, tx, start, steps, key=key, every=every, watch=watch)

    if keys is not None:
        run = jax.vmap(run, (None, None, 0))
    run = jax.vmap(run, (None, 0, None))
    for i in reversed(range(len(names))):
        run = jax.vmap(run, (tuple(0 if j == i else None for j in range(len(names))), None, None))
    return run(values, starts, keys)


def _finite(tree: Any) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]))


def _takes_a_key(problem: Callable[..., Any]) -> bool:
    return "key" in inspect.signature(problem).parameters


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
