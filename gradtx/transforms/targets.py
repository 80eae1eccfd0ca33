"""Slow copies of parameters, outside any optimizer."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, widest
from gradtx.core.trees import Tree, as_arrays, map_updates


class _Tensors:
    """Says who speaks when the two trees differ."""

    sides: ClassVar[tuple[str, str]] = ("the new tensors have", "the old have")

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def incremental_update(new_tensors: Tree, old_tensors: Tree, step_size: Any) -> Tree:
    """Moves a slow copy towards the parameters: $s\\,\\theta_{\\text{new}} + (1 - s)\\,\\theta_{\\text{old}}$ (Polyak averaging, soft target updates).

    Args:
        new_tensors: the parameters.
        old_tensors: the slow copy, a tree like them.
        step_size: $s$, in [0, 1].

    Returns:
        The new copy, in the dtypes of the old; computed in float32 or wider. For a copy that should not lose small changes keep it
        in float32.

    Raises:
        ValueError: the trees or shapes differ; says where.

    References:
        Polyak, Juditsky (1992), Acceleration of stochastic approximation by averaging.

    Example:
        >>> import gradtx
        >>> float(gradtx.incremental_update({"w": 2.0}, {"w": 1.0}, 0.25)["w"])
        1.25
    """

    def one(new: Any, old: Any) -> Any:
        if new.shape != old.shape:
            raise ValueError("the shapes differ")
        dtype = widest(new.dtype, old.dtype)
        size = number(jnp.asarray(step_size), dtype)
        return cast(size * cast(new, dtype) + (1 - size) * cast(old, dtype), old.dtype)

    return map_updates(_Tensors("incremental_update"), one, as_arrays(new_tensors), as_arrays(old_tensors))


def periodic_update(new_tensors: Tree, old_tensors: Tree, steps: Any, update_period: Any) -> Tree:
    """Copies the parameters every so many steps: the new ones if `steps` is a multiple of `update_period`, else the old copy.

    Args:
        new_tensors: the parameters.
        old_tensors: the copy, a tree like them.
        steps: the steps so far.
        update_period: a positive whole number.

    Returns:
        The copy, in the dtypes of the old.

    Raises:
        ValueError: the trees or shapes differ; says where.

    References:
        Mnih et al. (2015), Human-level control through deep reinforcement learning, Nature 518.

    Example:
        >>> import gradtx
        >>> [float(gradtx.periodic_update(2.0, 1.0, steps, 3)) for steps in (2, 3)]
        [1.0, 2.0]
    """
    now = jnp.asarray(steps) % update_period == 0

    def one(new: Any, old: Any) -> Any:
        if new.shape != old.shape:
            raise ValueError("the shapes differ")
        return jax.lax.select(jnp.broadcast_to(now, old.shape), cast(new, old.dtype), old)

    return map_updates(_Tensors("periodic_update"), one, as_arrays(new_tensors), as_arrays(old_tensors))
