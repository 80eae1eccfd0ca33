"""How values print: as a user would write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

_SHORT = {"float": "f", "bfloat": "bf", "int": "i", "uint": "u", "complex": "c", "bool": "bool"}


def show(value: Any) -> str:
    """One value: functions by name, arrays by dtype and shape, concrete scalars by what they are."""
    if isinstance(value, np.ndarray | jax.Array):
        return show_array(value)
    if isinstance(value, tuple):
        inner = ", ".join(map(show, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Callable) and hasattr(value, "__name__"):
        return value.__name__
    return repr(value)


def show_array(x: Any) -> str:
    """`f32[4,6]`, and `f32(0.1)` for a scalar that has a value."""
    name = dtype_name(x.dtype)
    if x.ndim == 0 and not isinstance(x, Tracer) and name != "key":
        return f"{name}({np.asarray(x).item()!r})" if x.dtype.itemsize > 4 else f"{name}({float(x):.7g})"
    return f"{name}[{','.join(map(str, x.shape))}]"


def dtype_name(dtype: Any) -> str:
    name = str(dtype)
    if name.startswith("key"):
        return "key"
    kind = name.rstrip("0123456789_")
    return _SHORT.get(kind, kind) + name[len(kind) :]
