"""What the annotation of a field says: is it a leaf, what may it hold, how is it stored."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Number = float | int | np.ndarray | np.generic | jax.Array
ScalarOrSchedule = Number | Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Interval:
    """Marks a hyperparameter: a leaf of the optimizer, and the numbers that it may be."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    schedulable: bool = True

    def contains(self, x: np.ndarray) -> np.ndarray:
        above = x > self.low if self.open_low else x >= self.low
        below = x < self.high if self.open_high else x <= self.high
        return above & below & np.isfinite(x)

    def __str__(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return "finite"
        if self.high == math.inf:
            return f"finite and {'>' if self.open_low else '>='} {self.low:g}"
        return f"in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"


@dataclasses.dataclass(frozen=True)
class Leaf:
    """Marks a leaf that is no hyperparameter: any array, such as a random key."""


@dataclasses.dataclass(frozen=True)
class DTypeName:
    """Marks a floating dtype, kept by its name: hashable, printable, and the same in every process."""


# A hyperparameter of a transformation: a number or a schedule (`ScalarOrSchedule`). To the type checker it is Any, since the
# rule or piece that does arithmetic with it only ever sees a number.
Hyper = Annotated[Any, Interval()]
NonNegative = Annotated[Any, Interval(0)]
Positive = Annotated[Any, Interval(0, open_low=True)]
Decay = Annotated[Any, Interval(0, 1, open_high=True)]
Fraction = Annotated[Any, Interval(0, 1)]
# The same for what can't be scheduled, such as the arguments of a schedule.
Real = Annotated[Any, Interval(schedulable=False)]
NonNegativeReal = Annotated[Any, Interval(0, schedulable=False)]
PositiveReal = Annotated[Any, Interval(0, open_low=True, schedulable=False)]

Key = Annotated[Any, Leaf()]
DType = Annotated[Any, DTypeName()]


@dataclasses.dataclass(frozen=True)
class Kind:
    """How one field is stored."""

    leaf: bool
    interval: Interval | None = None
    dtype: bool = False
    optional: bool = False


def kind_of(annotation: Any, default: Any, node: type) -> Kind:
    """Reads an annotation: hyperparameters, keys, transformations and schedules are leaves, all else is static.

    Without an annotation the default decides: a float, or none at all, makes a hyperparameter.
    """
    if annotation is None:
        return Kind(True, Interval()) if default is dataclasses.MISSING or isinstance(default, float) else Kind(False)
    parts = list(_flat(annotation))
    optional = types.NoneType in parts
    for part in parts:
        if isinstance(part, Interval):
            return Kind(True, part, optional=optional)
        if isinstance(part, Leaf):
            return Kind(True)
        if isinstance(part, DTypeName):
            return Kind(False, dtype=True)
    for part in parts:
        if part is float:
            return Kind(True, Interval(), optional=optional)
        if isinstance(part, type) and (issubclass(part, node) or part is jax.Array):
            return Kind(True)
    return Kind(False)


def _flat(annotation: Any) -> typing.Iterator[Any]:
    """The types and marks inside unions, tuples and Annotated."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from annotation.__metadata__
        if not any(isinstance(m, Interval | Leaf | DTypeName) for m in annotation.__metadata__):
            yield from _flat(annotation.__origin__)
    elif origin in (typing.Union, types.UnionType, tuple):
        for part in typing.get_args(annotation):
            yield from _flat(part)
    else:
        yield annotation


def to_hyper(value: Any, interval: Interval, owner: str, name: str) -> Any:
    """A concrete number is checked and, unless it is an array, becomes a float; a traced one is the user's."""
    if isinstance(value, bool | np.bool_ | str | bytes) or value is None:
        raise TypeError(f"{owner}: {name} = {value!r} is not a number; it must be {interval}.")
    if isinstance(value, int | float | np.number):
        value = float(value)
    elif isinstance(value, Tracer):
        return value
    elif not isinstance(value, np.ndarray | jax.Array):
        raise TypeError(f"{owner}: {name} = {value!r} is not a number; it must be {interval}.")
    numbers = np.asarray(value)
    if numbers.dtype.kind in "iu" and isinstance(value, np.ndarray | jax.Array):
        value = value.astype(jnp.result_type(float))
    elif not jnp.issubdtype(numbers.dtype, jnp.floating):
        raise TypeError(f"{owner}: {name} has dtype {numbers.dtype}; it must be a real number, {interval}.")
    inside = interval.contains(numbers.astype(np.float64))
    if not inside.all():
        at = "" if numbers.ndim == 0 else f" at {tuple(int(i) for i in np.argwhere(~inside)[0])}"
        worst = float(numbers.reshape(-1)[np.flatnonzero(~inside.reshape(-1))[0]])
        raise ValueError(f"{owner}: {name} = {worst:g}{at}; it must be {interval}.")
    return value


def to_dtype_name(value: Any, owner: str, name: str) -> str | None:
    if value is None:
        return None
    try:
        dtype = jnp.dtype(value)
    except TypeError as error:
        raise TypeError(f"{owner}: {name} = {value!r} is not a dtype.") from error
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{owner}: {name} = {dtype.name}; a memory is kept in a floating dtype, such as 'float32'.")
    return dtype.name
