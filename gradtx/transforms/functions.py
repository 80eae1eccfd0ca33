"""Optax's names for turning functions into transformations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, map_updates


class stateless_with_tree_map(Transform):
    """A function of one array as a transformation: $u \\leftarrow f(u, \\theta)$ for each parameter.

    Args:
        function: `function(update, param)` gives the new update; it sees the update in float32 or wider, the parameter in its own dtype, or
            None if the caller gave none. Static: give it a name.

    Returns:
        A stateless transformation.

    Raises:
        TypeError: `function` can't be called.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> def towards_zero(update, param):
        ...     return update + 0.5 * param
        >>> tx = gradtx.stateless_with_tree_map(towards_zero)
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(4.0)), jnp.array(4.0))[0])
        3.0
    """

    function: Callable[[Any, Any], Any]

    def check(self) -> None:
        if not callable(self.function):
            raise TypeError(f"stateless_with_tree_map: function = {self.function!r} can't be called.")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if params is None:
            return jax.tree.map(lambda u: self.function(u, None), updates), ()
        return map_updates(self, self.function, updates, params), ()


def with_extra_args_support(tx: Transform) -> Transform:
    """The transformation itself: all of them take extra arguments and hand them on. For code written for Optax.

    Args:
        tx: any transformation.

    Returns:
        `tx`.

    Raises:
        TypeError: it is no transformation.

    Example:
        >>> import gradtx
        >>> gradtx.with_extra_args_support(gradtx.sgd(0.1))
        sgd(learning_rate=0.1)
    """
    if not isinstance(tx, Transform):
        raise TypeError(f"with_extra_args_support: {tx!r} is no transformation. Wrap Optax's with gradtx.interop.from_optax.")
    return tx
