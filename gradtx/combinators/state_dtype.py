"""The dtype of each memory by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.fields import to_dtype_name
from gradtx.core.mirrors import Mark
from gradtx.core.number import cast
from gradtx.core.show import show
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree, path_string


class state_dtype(Transform):
    """Keeps memories of a transformation in the dtypes given for their names; arithmetic on them stays as wide as it was.

    In bfloat16 an average with a decay of 0.9 keeps its worth. One with 0.999 does not: its changes are smaller than half the
    spacing of its numbers and are rounded away, so leave second moments in float32.

    Args:
        inner: the transformation.
        dtypes: for each name of a memory its dtype: `{"mu": "bfloat16"}`. A name is a field or key of the state, or several joined by
            slashes, as `state_get` takes; it may stand for several memories (one in each group of `partition`).

    Returns:
        A transformation with the state of `inner`, but for these dtypes. Complex memories stay as they are.

    Raises:
        KeyError: nothing in the state has one of the names; lists those that there are.
        TypeError: a value of `dtypes` is no floating dtype, or `inner` no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.state_dtype(gradtx.adam(1e-3), {"mu": "bfloat16"})
        >>> state = tx.init({"w": jnp.ones(2)})
        >>> gradtx.state_get(state, "mu")["w"].dtype, gradtx.state_get(state, "nu")["w"].dtype
        (dtype(bfloat16), dtype('float32'))
    """

    inner: Transform
    names: tuple[str, ...]
    dtypes: tuple[str, ...]

    def __init__(self, inner: Transform, dtypes: Mapping[str, Any]) -> None:
        wanted = {name: to_dtype_name(dtype, "state_dtype", repr(name)) for name, dtype in dtypes.items()}
        self._set(inner=inner, names=tuple(wanted), dtypes=tuple(wanted.values()))

    def check(self) -> None:
        check_stage(self, self.inner)

    def _arguments(self) -> list[str]:
        return [show(self.inner), show(dict(zip(self.names, self.dtypes, strict=True)))]

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.inner.elementwise

    def start(self, params: Tree) -> Any:
        return self._narrowed(self.inner.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        own = jax.eval_shape(self.inner.start, updates)  # which dtypes it would have by itself
        if jax.tree.structure(own) != jax.tree.structure(state):
            raise TypeError("state_dtype: the state doesn't fit.")  # update finds out where
        state = jax.tree.map(lambda x, like: cast(x, like.dtype), state, own)
        updates, state = self.inner.apply(updates, state, params, **extra)
        return updates, self._narrowed(state)

    def _narrowed(self, state: Any) -> Any:
        prefix = self._wanted()

        def one(dtype: str, memory: Tree) -> Tree:
            return jax.tree.map(lambda x: cast(x, dtype) if dtype and jnp.issubdtype(x.dtype, jnp.floating) else x, memory)

        return jax.tree.map(one, prefix, state)

    def _wanted(self) -> Any:
        """The state with a dtype, or an empty string, in place of each memory: the parameters' own paths are no names of it."""
        marked = self.inner.start(Mark())
        places = jax.tree_util.tree_leaves_with_path(marked, is_leaf=_is_mark)
        where = [path_string(path) for path, _ in places]
        for name in self.names:
            if not any(_stands_in(name, path) for path in where):
                raise KeyError(f"state_dtype: nothing is named {name!r} in the state of {self.inner!r}; there are {where}.")
        given = tuple(zip(self.names, self.dtypes, strict=True))
        return jax.tree_util.tree_map_with_path(
            lambda path, _: next((d for name, d in given if _stands_in(name, path_string(path))), ""), marked, is_leaf=_is_mark
        )

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state)}


def _is_mark(x: Any) -> bool:
    return isinstance(x, Mark)


def _stands_in(name: str, path: str) -> bool:
    return f"/{name}/" in f"/{path}/"
