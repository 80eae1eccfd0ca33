"""A rate for each parameter, by its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from gradtx.core.number import number
from gradtx.core.select import matches
from gradtx.core.show import show
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, path_string
from gradtx.typing import Hyper


class scale_by_path(Transform):
    """Multiplies the updates of the parameters whose path matches: $u \\leftarrow s_i\\,u$; the others stay.

    Args:
        factors: for each glob on the path its factor, a finite number or a schedule. The first that matches counts.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: a factor is not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.sgd(1.0), gradtx.scale_by_path({"head/*": 10.0, "*/bias": 2.0}))
        >>> params = {"body": {"bias": jnp.ones(1), "kernel": jnp.ones(1)}, "head": {"bias": jnp.ones(1)}}
        >>> tx.update(params, tx.init(params), params)[0]
        {'body': {'bias': Array([-2.], dtype=float32), 'kernel': Array([-1.], dtype=float32)}, 'head': {'bias': Array([-10.], dtype=float32)}}
    """

    globs: tuple[str, ...]
    factors: Hyper

    def __init__(self, factors: Mapping[str, Any]) -> None:
        self._set(globs=tuple(factors), factors=tuple(factors.values()))

    def check(self) -> None:
        for glob in self.globs:
            if not isinstance(glob, str):
                raise TypeError(f"scale_by_path: {glob!r} is no glob on a path, such as '*/bias'.")

    def _arguments(self) -> list[str]:
        return [show(dict(zip(self.globs, self.factors, strict=True)))]

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def scaled(path: Any, u: Any) -> Any:
            for glob, factor in zip(self.globs, self.factors, strict=True):
                if matches(glob, path_string(path)):
                    return u * number(factor, u.dtype)
            return u

        return jax.tree_util.tree_map_with_path(scaled, updates), ()
