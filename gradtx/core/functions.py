"""A user's own functions as transformations."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree


class stateless(Transform):
    """A function of the updates as a transformation.

    Args:
        function: `function(updates, params)` gives the new updates, a tree like the old. It is static; give it a name.

    Returns:
        A transformation without state. It sees the updates in float32 or wider; `params` is None if the caller gave none.

    Example:
        >>> import gradtx, jax
        >>> def double(updates, params):
        ...     return jax.tree.map(lambda u: 2 * u, updates)
        >>> gradtx.chain(gradtx.stateless(double), gradtx.sgd(0.1))
        chain(stateless(function=double), sgd(learning_rate=0.1))
    """

    function: Callable[[Tree, Tree | None], Tree]

    def check(self) -> None:
        if not callable(self.function):
            raise TypeError(f"stateless: function = {self.function!r} can't be called.")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return self.function(updates, params), ()


class from_functions(Transform):
    """An `(init, update)` pair as a transformation.

    Args:
        init_function: `init(params)` gives the state, a tree of arrays.
        update_function: `update(updates, state, params)` gives the new updates and state; if it takes `**extra` it gets the
            extra arguments too.

    Returns:
        A transformation. Its update sees float32 or wider.

    Raises:
        TypeError: one of them can't be called.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> def start(params):
        ...     return jnp.zeros((), jnp.int32)
        >>> def warm(updates, calls, params):
        ...     return jax.tree.map(lambda u: u * jnp.minimum(1.0, (calls + 1) / 10), updates), calls + 1
        >>> tx = gradtx.chain(gradtx.from_functions(start, warm), gradtx.sgd(1.0))
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0])
        -0.10000000149011612
    """

    init_function: Callable[[Tree], Any]
    update_function: Callable[..., tuple[Tree, Any]]

    def check(self) -> None:
        for name in ("init_function", "update_function"):
            if not callable(getattr(self, name)):
                raise TypeError(f"from_functions: {name} = {getattr(self, name)!r} can't be called.")

    def start(self, params: Tree) -> Any:
        return self.init_function(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        takes = inspect.signature(self.update_function).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in takes):
            extra = {}
        return self.update_function(updates, state, params, **extra)
