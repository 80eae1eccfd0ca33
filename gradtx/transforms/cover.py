"""A sum of squares kept as one number for each slice along each axis."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable, map_pairs
from gradtx.typing import Fraction


class CoverState(NamedTuple):
    """For each parameter one array an axis, as long as the parameter there and of length 1 on the other axes.

    A parameter's sharding fits them once it is dropped from the axes of length 1. A scalar has a single memory.
    """

    mu: Tree


class cover_sum(Transform):
    """A bound on the sum of all updates: $\\nu_i = b\\,\\min_{r \\ni i} \\mu_r + w\\,u_i$, then $\\mu_r \\leftarrow \\max_{i \\in r} \\nu_i$; emits $\\nu$.

    The sets $r$ are the slices along each axis: rows and columns of a matrix, single numbers of a vector, whose sum is
    exact. SM3's denominator over squares; for updates that are not negative.

    Args:
        decay: $b$ in [0, 1], a number or a schedule. At 1 it sums, $w = 1$; below it averages, $w = 1 - b$.

    Returns:
        A transformation with the state `CoverState(mu)`.

    Raises:
        ValueError: `decay` is outside [0, 1].

    References:
        Anil, Gupta, Koren, Singer (2019), Memory-Efficient Adaptive Optimization, arXiv:1901.11150.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.cover_sum()
        >>> update, state = tx.update(jnp.array([[1.0, 2.0], [0.0, 4.0]]), tx.init(jnp.zeros((2, 2))))
        >>> tx.update(jnp.zeros((2, 2)), state)[0].tolist()
        [[1.0, 2.0], [1.0, 4.0]]
    """

    decay: Fraction = 1.0

    def start(self, params: Tree) -> CoverState:
        check_trainable(self, params)

        def zeros(p: Any) -> tuple[Any, ...]:
            return tuple(jnp.zeros(shape, real(p.dtype)) for shape in _shapes(p.shape))

        return CoverState(jax.tree.map(zeros, params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        decays = {d: number(self.decay, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}

        def one(x: Any, mu: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
            decay = decays[x.dtype]
            least = functools.reduce(jnp.minimum, (cast(m, x.dtype) for m in mu))
            nu = decay * least + _weight(decay) * x
            if not x.size:
                return nu, mu
            others = [tuple(a for a in range(nu.ndim) if m.shape[a] < nu.shape[a]) for m in mu]
            return nu, tuple(cast(jnp.max(nu, axes, keepdims=True), m.dtype) for axes, m in zip(others, mu, strict=True))

        out, mu = map_pairs(self, one, updates, state.mu)
        return out, CoverState(mu)


def _shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    if len(shape) < 2:
        return [shape]
    return [tuple(n if i == axis else 1 for i, n in enumerate(shape)) for axis in range(len(shape))]


def _weight(decay: Any) -> Any:
    if isinstance(decay, float):
        return 1.0 if decay == 1.0 else 1 - decay
    return jnp.where(decay == 1, 1, 1 - decay)
