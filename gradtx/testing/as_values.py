"""Properties of the transformation itself: it is a value."""

from __future__ import annotations

import json
import pickle
import re
from typing import Any

import jax
import numpy as np

from gradtx.core.node import Node
from gradtx.core.schedule import function_schedule
from gradtx.core.serial import from_dict, to_dict
from gradtx.core.transform import Transform
from gradtx.testing.expect import expect
from gradtx.testing.numbers import floats_of, hyperparameters, put, say
from gradtx.testing.subject import Subject


def is_a_value(s: Subject) -> None:
    """Copies, pickles, dictionaries and the printed form give an equal transformation; another number another one."""
    functions = _functions(s.tx)
    copies = {
        "replace()": s.tx.replace(),
        "pickle": pickle.loads(pickle.dumps(s.tx)),
        "to_dict": from_dict(json.loads(json.dumps(to_dict(s.tx))), functions),
    }
    if not any(isinstance(x, np.ndarray | jax.Array) for x in jax.tree.leaves(s.tx)):  # arrays print by their shape
        copies["repr"] = eval(repr(s.tx), _names(s.tx) | {"re": re, "inf": float("inf")})
    for way, copy in copies.items():
        expect(copy == s.tx, f"the copy by {way} differs: {copy!r}.")
        expect(hash(copy) == hash(s.tx), f"the copy by {way} has another hash.")
        expect(repr(copy) == repr(s.tx), f"the copy by {way} prints as {copy!r}.")
    for place, value in hyperparameters(s.tx).items():
        other = put(s.tx, place, 0.5 * value if value else 0.25)
        expect(other != s.tx, f"it equals itself with another {say(place)}.")
        expect(put(other, place, value) == s.tx, f"changing {say(place)} and back gives another.")


def compiles_once_for_two_learning_rates(s: Subject) -> None:
    """As an argument of a compiled function it may hold other numbers without a new compilation, and a copy needs none either."""
    for node in _walk(s.tx):
        for name in getattr(node, "_static", ()):
            hint = "annotate it as a number of gradtx.typing, or another value compiles again"
            expect(
                not isinstance(getattr(node, name), float),
                f"{type(node).__name__}.{name} is a float in a static field: {hint}.",
            )
    traces: list[Any] = []

    @jax.jit
    def step(tx: Transform, params: Any) -> Any:
        traces.append(tx)
        return s.update(params, tx.init(params), params, tx)[0]

    params = s.start()
    floats, rebuild = floats_of(s.tx)
    other = rebuild([0.9 * x for x in floats])
    for tx in (s.tx, other):
        step(tx, params)
    expect(len(traces) == 1, "another number in it compiled the step again.")
    if ("learning_rate",) in hyperparameters(s.tx):
        ends = zip(jax.tree.leaves(s.run()), jax.tree.leaves(s.run(other)), strict=True)
        same = all(np.array_equal(a, b) for a, b in ends)
        expect(not same, "another learning rate gave the same run: it is not a leaf, or not used.")

    @jax.jit
    def closed(tx: Transform) -> None:
        traces.append(tx)

    for _ in range(2):
        closed(s.tx.replace())
    expect(len(traces) == 2, "a copy of it compiled again: copies are not equal, or have different hashes.")


def _walk(x: Any) -> Any:
    if isinstance(x, Node):
        yield x
        for name in x._kinds:
            yield from _walk(getattr(x, name))
    elif isinstance(x, tuple):
        for v in x:
            yield from _walk(v)
    elif callable(x):
        yield x


def _functions(tx: Transform) -> dict[str, Any]:
    """The plain functions in it, by the names that `to_dict` writes."""
    return {f"{x.__module__}.{x.__qualname__}": x for x in _walk(tx) if not isinstance(x, Node) and hasattr(x, "__qualname__")}


def _names(tx: Transform) -> dict[str, Any]:
    """What the printed form refers to."""
    parts = [x for x in _walk(tx) if not isinstance(x, function_schedule)]
    return {x.__name__ if hasattr(x, "__name__") else type(x).__name__: x if hasattr(x, "__name__") else type(x) for x in parts}
