"""The numbers inside a transformation: which there are, and the same transformation with others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.fields import Kind
from gradtx.core.node import Node
from gradtx.core.number import is_inexact
from gradtx.core.schedule import Schedule
from gradtx.core.transform import Transform

Place = tuple[Any, ...]


def hyperparameters(tx: Transform) -> dict[Place, float]:
    """The hyperparameters that are numbers (no schedules), by the fields that lead to them."""
    return dict(_found(tx, ()))


def _found(node: Node, place: Place) -> Iterator[tuple[Place, float]]:
    for name, kind in node._kinds.items():
        yield from _of_field(getattr(node, name), kind, (*place, name))


def _of_field(value: Any, kind: Kind, place: Place) -> Iterator[tuple[Place, float]]:
    if isinstance(value, tuple):
        for i, v in enumerate(value):
            yield from _of_field(v, kind, (*place, i))
    elif isinstance(value, Node) and not isinstance(value, Schedule):
        yield from _found(value, place)
    elif value is None or isinstance(value, Schedule) or np.ndim(value):
        return
    elif kind.interval is not None and kind.interval.schedulable:
        yield place, value


def get(x: Any, place: Place) -> Any:
    """What stands at a place."""
    return functools.reduce(lambda x, key: x[key] if isinstance(key, int) else getattr(x, key), place, x)


def put(x: Any, place: Place, value: Any) -> Any:
    """The same with another value at one place."""
    if not place:
        return value
    first, rest = place[0], place[1:]
    if isinstance(first, int):
        return tuple(put(v, rest, value) if i == first else v for i, v in enumerate(x))
    return x.replace(**{first: put(getattr(x, first), rest, value)})


def put_all(tx: Transform, values: dict[Place, Any]) -> Transform:
    """The same with other values at several places."""
    return functools.reduce(lambda tx, item: put(tx, *item), values.items(), tx)


def say(place: Place) -> str:
    return ".".join(map(str, place))


def floats_of(tx: Transform) -> tuple[list[Any], Callable[[list[Any]], Transform]]:
    """All float leaves, those of schedules too, and the transformation as a function of them. Other leaves (keys) stay."""
    leaves, structure = jax.tree.flatten(tx)
    moves = [is_inexact(jnp.asarray(x).dtype) for x in leaves]

    def rebuild(floats: list[Any]) -> Transform:
        new = iter(floats)
        return jax.tree.unflatten(structure, [next(new) if m else x for x, m in zip(leaves, moves, strict=True)])

    return [x for x, m in zip(leaves, moves, strict=True) if m], rebuild
