"""States as plain dictionaries, fit for JSON and restored without a template. Loading runs no code."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from gradtx.core.node import Node, type_name
from gradtx.core.transform import Accumulator

FORMAT, VERSION = "gradtx state", 1


def state_to_dict(state: Any) -> dict[str, Any]:
    """A state as a dictionary that `json.dumps` takes, of everything it takes to make the state again.

    Args:
        state: the state of any transformation, or any tree of arrays, dictionaries, lists, tuples and named tuples.

    Returns:
        `{"format": "gradtx state", "version": 1, "state": …}`. An array is `{"array": bytes in base64, "dtype": name, "shape":
        […]}`, little-endian and in full precision, bfloat16 and key data too; a named tuple
        `{"type": name, "fields": {…}}`; a dictionary a list of pairs, in order.

    Raises:
        TypeError: it holds traced values, or something that has no plain form; says where.

    Example:
        >>> import gradtx, jax.numpy as jnp, json
        >>> state = gradtx.adam(1e-3).init({"w": jnp.ones(2)})
        >>> text = json.dumps(gradtx.state_to_dict(state))
        >>> gradtx.state_from_dict(json.loads(text)).step
        Array(0, dtype=int32)
    """
    return {"format": FORMAT, "version": VERSION, "state": _out(state, "state")}


def state_from_dict(data: Mapping[str, Any], types: Mapping[str, type[Any]] | None = None) -> Any:
    """The state that `state_to_dict` wrote, without the optimizer or the parameters at hand.

    Named tuples of the library are found by name. Nothing is imported, called by name or unpickled: those of your own or of another
    library must be given.

    Args:
        data: the dictionary.
        types: for each name of a foreign named tuple in it, the class.

    Returns:
        An equal state: the same structure, and arrays with the same bits.

    Raises:
        ValueError: it has another format or version, an unknown type, or fields that its type doesn't have.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> state = gradtx.sgd(0.1, momentum=0.9).init(jnp.ones(2, jnp.bfloat16))
        >>> gradtx.state_get(gradtx.state_from_dict(gradtx.state_to_dict(state)), "trace")
        Array([0., 0.], dtype=float32)
    """
    if data.get("format") != FORMAT or data.get("version") != VERSION:
        raise ValueError(
            f"state_from_dict: this is {data.get('format')!r} of version {data.get('version')!r}, not {FORMAT!r} of version {VERSION}."
        )
    return _in(data["state"], _own_types() | dict(types or {}))


def _out(x: Any, where: str) -> Any:
    if x is None:
        return None
    if isinstance(x, Tracer):
        raise TypeError(f"state_to_dict: {where} is traced; take the dictionary outside jit, vmap and grad.")
    if isinstance(x, np.ndarray | np.generic | jax.Array):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            raise TypeError(f"state_to_dict: {where} is a random key; keep jax.random.key_data(key) in the state.")
        a = np.asarray(x)
        return {"array": base64.b64encode(_little(a).tobytes()).decode(), "dtype": a.dtype.name, "shape": list(a.shape)}
    if hasattr(x, "_fields"):
        return {"type": type_name(type(x)), "fields": {n: _out(v, f"{where}.{n}") for n, v in zip(x._fields, x, strict=True)}}
    if isinstance(x, dict):
        for key in x:
            if not isinstance(key, str | int):
                raise TypeError(
                    f"state_to_dict: {where} has the key {key!r}; only strings and whole numbers have a plain form."
                )
        return {"dict": [[k, _out(v, f"{where}[{k!r}]")] for k, v in x.items()]}
    if type(x) in (tuple, list):
        return {type(x).__name__: [_out(v, f"{where}[{i}]") for i, v in enumerate(x)]}
    raise TypeError(f"state_to_dict: {where} = {x!r} has no plain form; a state holds arrays.")


def _in(x: Any, types: Mapping[str, type[Any]]) -> Any:
    if x is None:
        return None
    if "array" in x:
        flat = np.frombuffer(base64.b64decode(x["array"]), dtype=jnp.dtype(x["dtype"]))
        return jnp.asarray(_little(flat).reshape(x["shape"]))
    if "type" in x:
        return _in_named(x, types)
    if "dict" in x:
        return {k: _in(v, types) for k, v in x["dict"]}
    for kind in (tuple, list):
        if kind.__name__ in x:
            return kind(_in(v, types) for v in x[kind.__name__])
    raise ValueError(f"state_from_dict: {dict(x)!r} is nothing that state_to_dict writes.")


def _in_named(x: Mapping[str, Any], types: Mapping[str, type[Any]]) -> Any:
    cls = types.get(x["type"])
    if cls is None:
        raise ValueError(
            f"state_from_dict: unknown type {x['type']!r}. Import the module of gradtx that defines it, or give your own: "
            f"state_from_dict(data, types={{{x['type']!r}: ...}})."
        )
    fields: Any = getattr(cls, "_fields", ())
    if tuple(x["fields"]) != fields:
        raise ValueError(f"state_from_dict: {x['type']} has the fields {list(fields)}, the dictionary {list(x['fields'])}.")
    return cls(*(_in(v, types) for v in x["fields"].values()))


def _own_types() -> dict[str, type[Any]]:
    """The named tuples of the library's modules that are loaded, and the memories of all accumulators, a user's too."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name == "gradtx" or name.startswith("gradtx."):
            found |= {type_name(x): x for x in vars(module).values() if _is_named_tuple(x) and x.__module__ == name}
    memories = (cls.State for cls in Node.registry.values() if issubclass(cls, Accumulator) and cls is not Accumulator)
    return found | {type_name(x): x for x in memories}


def _is_named_tuple(x: Any) -> bool:
    return isinstance(x, type) and issubclass(x, tuple) and hasattr(x, "_fields")


def _little(a: np.ndarray) -> np.ndarray:
    """The bytes in the order in which they are kept; the same way back."""
    return a if sys.byteorder == "little" else a.byteswap()
