"""The rules for numbers: arithmetic in float32 or wider, a hyperparameter rounded into it once."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.node import Node


@functools.cache
def wide(dtype: Any) -> np.dtype:
    """The dtype in which arithmetic on `dtype` runs: float32 or wider. Independent of JAX's promotion mode."""
    d = np.dtype(dtype)
    if d.kind == "c":
        return d
    return d if d.kind == "f" and d.itemsize >= 4 else np.dtype(np.float32)


@functools.cache
def real(dtype: Any) -> np.dtype:
    """The real dtype of that arithmetic."""
    return np.dtype(jnp.finfo(wide(dtype)).dtype)


def real_of(tree: Any) -> np.dtype:
    """The real dtype for one number that goes with a whole tree: the widest that its leaves need."""
    return max((real(x.dtype) for x in jax.tree.leaves(tree)), key=lambda d: d.itemsize, default=np.dtype(np.float32))


@functools.cache
def widest(a: Any, b: Any) -> np.dtype:
    """The dtype for arithmetic between a memory and an update of the same kind."""
    return max(wide(a), wide(b), key=lambda d: (d.kind == "c", d.itemsize))


@functools.cache
def is_inexact(dtype: Any) -> bool:
    """Whether arrays of this dtype can be trained."""
    return jnp.issubdtype(dtype, jnp.inexact)


def cast(x: Any, dtype: Any) -> Any:
    """A cast that costs nothing where it isn't one."""
    return x if x.dtype == dtype else x.astype(dtype)


def number(h: Any, dtype: Any) -> Any:
    """A hyperparameter in the arithmetic of `dtype`, rounded once, so that `1 - b` is the same traced, closed over and mapped.

    A concrete number stays a Python float (rounded): it costs no equation and promotes nothing.
    """
    if isinstance(h, float | int):
        return float(real(dtype).type(h))
    return h if h.dtype == dtype else jax.lax.convert_element_type(h, dtype)


def times(h: Any, x: Any) -> Any:
    """`h * x` for a hyperparameter in the arithmetic of `x`: by lax, which traces in half the time of Python's operator."""
    if x.dtype.kind != "f":
        return h * x
    return jax.lax.mul(x, h if hasattr(h, "dtype") else x.dtype.type(h))


@functools.cache
def tiny(dtype: Any) -> Any:
    """The smallest normal number of a real dtype."""
    return np.dtype(dtype).type(jnp.finfo(dtype).tiny)


def is_zero(h: Any) -> bool:
    """Whether a hyperparameter is known to be zero, so that what it would add need not be computed."""
    return isinstance(h, float) and h == 0.0


N = TypeVar("N", bound=Node)


def in_dtype(node: N, dtype: Any) -> N:
    """The same node with its hyperparameters rounded into the arithmetic of `dtype`."""
    changes = {
        name: _numbers(getattr(node, name), dtype)
        for name, kind in node._kinds.items()
        if kind.interval is not None and getattr(node, name) is not None
    }
    return node._rebuilt(changes) if changes else node


def _numbers(h: Any, dtype: Any) -> Any:
    return tuple(number(x, dtype) for x in h) if isinstance(h, tuple) else number(h, dtype)
