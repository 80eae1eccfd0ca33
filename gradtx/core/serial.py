"""Transformations as plain dictionaries: names and numbers, fit for JSON. Loading runs no code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from gradtx.core.node import Node, StaticTree, type_name


def to_dict(tx: Node) -> dict[str, Any]:
    """A transformation or schedule as a dictionary that `json.dumps` takes.

    Args:
        tx: any value of the library, or of your own classes. Functions in it are written by name.

    Returns:
        `{"type": name, field: value, …}`, nested; arrays with dtype and numbers.

    Raises:
        TypeError: it holds traced values, or something that is no number, name, function or transformation.

    Example:
        >>> import gradtx
        >>> gradtx.to_dict(gradtx.sgd(0.1, momentum=0.9))["momentum"]
        0.9
    """
    return _out(tx, type(tx).__name__)


def from_dict(data: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """The value that `to_dict` wrote.

    Args:
        data: the dictionary.
        functions: for each name of a function in it, the function: none is imported or looked up.

    Returns:
        An equal transformation or schedule.

    Raises:
        ValueError: an unknown type, a missing function, a field that the type doesn't have.

    Example:
        >>> import gradtx
        >>> tx = gradtx.chain(gradtx.clip(1.0), gradtx.adam(gradtx.cosine_decay_schedule(1e-3, 100)))
        >>> gradtx.from_dict(gradtx.to_dict(tx)) == tx
        True
    """
    return _in(data, functions or {})


def _out(x: Any, where: str) -> Any:
    if isinstance(x, Node):
        return {"type": type_name(type(x)), **{n: _out(getattr(x, n), f"{where}.{n}") for n in x._kinds}}
    if isinstance(x, StaticTree):
        return {"tree": _out_tree(x.tree, where)}
    if isinstance(x, Tracer):
        raise TypeError(f"to_dict: {where} is traced; take the dictionary outside jit, vmap and grad.")
    if isinstance(x, np.ndarray | jax.Array):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return {"key": np.asarray(jax.random.key_data(x)).tolist()}
        numbers = np.asarray(x)
        wide = numbers.astype(np.float64) if jnp.issubdtype(numbers.dtype, jnp.floating) else numbers
        return {"array": wide.tolist(), "dtype": numbers.dtype.name}
    if isinstance(x, tuple):
        return [_out(v, f"{where}[{i}]") for i, v in enumerate(x)]
    if isinstance(x, re.Pattern):
        return {"regex": x.pattern, "flags": x.flags}
    if x is None or isinstance(x, bool | int | float | str):
        return x
    if callable(x) and hasattr(x, "__qualname__"):
        return {"function": f"{x.__module__}.{x.__qualname__}"}
    raise TypeError(f"to_dict: {where} = {x!r} has no plain form.")


def _out_tree(x: Any, where: str) -> Any:
    if isinstance(x, dict):
        return {"dict": [[k, _out_tree(v, where)] for k, v in x.items()]}
    if isinstance(x, tuple | list):
        return {type(x).__name__: [_out_tree(v, where) for v in x]}
    return _out(x, where)


def _in(x: Any, functions: Mapping[str, Callable[..., Any]]) -> Any:
    if isinstance(x, list):
        return tuple(_in(v, functions) for v in x)
    if not isinstance(x, Mapping):
        return x
    if "type" in x:  # first of all: a field of a node may be called as one of the marks below
        return _in_node(x, functions)
    if "tree" in x:
        return StaticTree.of(_in_tree(x["tree"], functions))
    if "array" in x:
        return jnp.asarray(np.asarray(x["array"]), dtype=x["dtype"])
    if "key" in x:
        return jax.random.wrap_key_data(jnp.asarray(x["key"], jnp.uint32))
    if "regex" in x:
        return re.compile(x["regex"], x["flags"])
    if "function" in x:
        if x["function"] not in functions:
            raise ValueError(
                f"from_dict: the function {x['function']!r} is needed: from_dict(data, functions={{{x['function']!r}: ...}})."
            )
        return functions[x["function"]]
    raise ValueError(f"from_dict: {dict(x)!r} is nothing that to_dict writes.")


def _in_node(x: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Node:
    cls = Node.registry.get(x["type"])
    if cls is None:
        raise ValueError(f"from_dict: unknown type {x['type']!r}. Import the module that defines it before loading.")
    fields = {k: _in(v, functions) for k, v in x.items() if k != "type"}
    if set(fields) != set(cls._kinds):
        raise ValueError(f"from_dict: {cls.__name__} has the fields {list(cls._kinds)}, the dictionary {list(fields)}.")
    node = object.__new__(cls)
    node._set(**fields)
    return node


def _in_tree(x: Any, functions: Mapping[str, Callable[..., Any]]) -> Any:
    if isinstance(x, Mapping):
        if "dict" in x:
            return {k: _in_tree(v, functions) for k, v in x["dict"]}
        for kind in (tuple, list):
            if kind.__name__ in x:
                return kind(_in_tree(v, functions) for v in x[kind.__name__])
    return _in(x, functions)
