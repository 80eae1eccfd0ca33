"""Adding the updates to the parameters."""

from __future__ import annotations

from typing import Any

from gradtx.core.number import cast, widest
from gradtx.core.trees import FLOAT0, Tree, as_arrays, map_updates


class _Apply:
    sides = ("the parameters have", "the updates have")

    def __repr__(self) -> str:
        return "apply_updates"


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """Adds the updates to the parameters: $\\theta \\leftarrow \\theta + u$, in float32 or wider, rounded once to the parameters' dtype.

    Args:
        params: any tree of arrays.
        updates: a tree like it; where it has no gradient (float0, as `jax.grad` gives for integers) nothing changes.

    Returns:
        The new parameters, with the dtypes of the old.

    Raises:
        ValueError: the trees or the shapes differ; says where.

    Example:
        >>> import gradtx
        >>> gradtx.apply_updates({"w": 1.0}, {"w": -0.25})
        {'w': Array(0.75, dtype=float32, weak_type=True)}
    """

    def add(p: Any, u: Any) -> Any:
        if u.dtype == FLOAT0:
            return p
        if u.shape != p.shape:
            raise ValueError("the shapes differ")
        if p.dtype == u.dtype:
            return p + u
        dtype = widest(p.dtype, u.dtype)
        return cast(cast(p, dtype) + cast(u, dtype), p.dtype)

    return map_updates(_Apply(), add, as_arrays(params), as_arrays(updates))
