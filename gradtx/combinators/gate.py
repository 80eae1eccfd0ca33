"""What the wrappers share that decide at run time whether their inner transformation steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.transform import Transform
from gradtx.core.trees import FLOAT0, Tree


def idle(inner: Transform, updates: Tree, params: Tree | None) -> Tree:
    """No step: zeros like what `inner` would emit."""

    def zero(u: Any, p: Any) -> Any:
        return u if u.dtype == FLOAT0 else jnp.zeros_like(u, shape=p.shape)

    emitted = inner.resolve(0).emits(updates)
    return jax.tree.map(zero, emitted, params if params is not None and inner.per_example else emitted)


def all_finite(updates: Tree) -> jax.Array:
    """Whether no number of a tree is infinite or NaN."""
    finite = jnp.asarray(True)
    for u in jax.tree.leaves(updates):
        if u.dtype != FLOAT0:
            finite &= jnp.all(jnp.isfinite(u))
    return finite


def outcome(who: Any, name: str, said: Any) -> jax.Array:
    """What a user's condition said: one bool."""
    said = jnp.asarray(said)
    if said.dtype != bool or said.shape != ():
        raise TypeError(f"{type(who).__name__}: {name} must say True or False once, it said {said.dtype}{list(said.shape)}.")
    return said
