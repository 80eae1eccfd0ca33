"""Random keys in a state: kept as data, and one for each parameter."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.trees import path_string


def key_data(key: Any) -> jax.Array:
    """The data of a key, given as one, as its data, or as a seed."""
    if hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(key)
    if hasattr(key, "dtype") and key.dtype == jnp.uint32 and key.ndim == 1:
        return jnp.asarray(key)
    return jax.random.key_data(jax.random.key(key))


def own_key(key: jax.Array, path: Any) -> jax.Array:
    """A parameter's own key, from its path: two groups that start from one seed draw different numbers."""
    return jax.random.fold_in(key, zlib.crc32(path_string(path).encode()))
