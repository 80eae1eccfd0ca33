"""Hyperparameters over time: pytrees that are called with the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.node import Node
from gradtx.core.number import cast, in_dtype


class Schedule(Node):
    """A hyperparameter as a function of the step, counted from 0. Subclasses say what its value is."""

    def at(self, step: jax.Array) -> jax.Array:
        """The value at `step`, a float; the fields are numbers in its dtype. Only `jnp.where`, never Python's `if`."""
        raise NotImplementedError

    def __call__(self, step: Any) -> jax.Array:
        """The value at a step, or at each of an array of steps."""
        dtype = jnp.result_type(float)
        return in_dtype(self, dtype).at(cast(jnp.asarray(step), dtype))


class function_schedule(Schedule):
    """A plain function of the step as a schedule. Wherever a hyperparameter takes a schedule, the bare function will do.

    Args:
        function: takes the step (an integer array, from 0), returns a scalar. It is static: another function is
            another program, so give it a name instead of making a new lambda each time.

    Example:
        >>> import gradtx
        >>> def halving(step):
        ...     return 0.5 ** step
        >>> gradtx.sgd(halving)
        sgd(learning_rate=halving)
    """

    function: Callable[[Any], Any]

    def __call__(self, step: Any) -> jax.Array:
        return cast(jnp.asarray(self.function(jnp.asarray(step))), jnp.result_type(float))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


def as_schedule(value: Any, owner: str, name: str) -> Schedule:
    """A schedule as it is, a plain function wrapped; its output must be real and, unless stacked for `vmap`, a scalar."""
    if isinstance(value, Schedule):
        return value
    wrapped = function_schedule(value)
    try:
        out = jax.eval_shape(lambda step: jnp.asarray(value(step)), jax.ShapeDtypeStruct((), jnp.int32))
    except Exception as error:
        raise TypeError(f"{owner}: {name} = {wrapped!r} can't be called with a traced step: {error}") from error
    if jnp.issubdtype(out.dtype, jnp.complexfloating):
        raise TypeError(f"{owner}: {name} must be real, but the schedule {wrapped!r} gives {out.dtype.name}.")
    check_scalar(out, owner, name, f"the schedule {wrapped!r} gives")
    return wrapped


def check_scalar(x: Any, owner: str, name: str, what: str = "it is") -> None:
    """A hyperparameter in use is one number."""
    shape = getattr(x, "shape", ())
    if shape != ():
        raise ValueError(
            f"{owner}: {name} must be one number where it is used, but {what} an array of shape {tuple(shape)}. "
            "To run many values at once, map over the optimizer with jax.vmap."
        )
