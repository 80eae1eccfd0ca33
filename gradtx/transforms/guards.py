"""Replacing updates by zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.transform import Transform
from gradtx.core.trees import FLOAT0, Tree, check_trainable


class ZeroNansState(NamedTuple):
    """For each parameter whether the last update held a NaN."""

    found_nan: Tree


class zero_nans(Transform):
    """Replaces NaN by zero: $u \\leftarrow 0$ where $u$ is NaN. At the front of a chain it keeps NaN out of every memory behind it.

    Returns:
        A transformation with the state `ZeroNansState(found_nan)`, a tree of bools: where the last step met one.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.zero_nans()
        >>> update, state = tx.update(jnp.array([jnp.nan, 1.0]), tx.init(jnp.zeros(2)))
        >>> update.tolist(), bool(state.inner.found_nan)
        ([0.0, 1.0], True)
    """

    def start(self, params: Tree) -> ZeroNansState:
        check_trainable(self, params)
        return ZeroNansState(jax.tree.map(lambda p: jnp.zeros((), bool), params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        found = jax.tree.map(lambda u: jnp.any(jnp.isnan(u)), updates)
        return jax.tree.map(lambda u: jnp.where(jnp.isnan(u), jnp.zeros_like(u), u), updates), ZeroNansState(found)


class set_to_zero(Transform):
    """Freezes: $u \\leftarrow 0$. In a group of `partition` it freezes those parameters, of any dtype, without state.

    Returns:
        A stateless transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.partition({"frozen/*": gradtx.set_to_zero(), "*": gradtx.sgd(0.1)})
        >>> params = {"frozen": {"w": jnp.ones(1)}, "w": jnp.ones(1)}
        >>> tx.update(params, tx.init(params), params)[0]
        {'frozen': {'w': Array([0.], dtype=float32)}, 'w': Array([-0.1], dtype=float32)}
    """

    elementwise = True

    def start(self, params: Tree) -> tuple[()]:
        return ()

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return jax.tree.map(lambda u: u if u.dtype == FLOAT0 else jnp.zeros_like(u), updates), ()
