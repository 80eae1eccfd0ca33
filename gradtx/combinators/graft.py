"""One method's step length in another's direction."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from gradtx.combinators.pair import Pair
from gradtx.core.number import cast, tiny
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree


class GraftState(NamedTuple):
    """The states of what gives the length and of what gives the direction."""

    magnitude: Any
    direction: Any


class graft(Pair):
    """The direction of one transformation with the length of another, array by array: $u = t_2(g)\\,\\|t_1(g)\\| / \\|t_2(g)\\|$.

    It lends a method without a natural step length (Shampoo) that of one whose learning rates are known (Adam).

    Args:
        magnitude: $t_1$.
        direction: $t_2$. Where it emits zero the update is zero.

    Returns:
        A transformation with the state `GraftState(magnitude, direction)`.

    Raises:
        TypeError: `magnitude` or `direction` is no transformation.

    References:
        Agarwal, Anil, Hazan, Koren, Zhang (2020), Disentangling Adaptive Gradient Methods from Learning Rates, arXiv:2002.11803.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.graft(gradtx.identity(), gradtx.sign())
        >>> update, _ = tx.update(jnp.array([3.0, -4.0]), tx.init(jnp.zeros(2)))
        >>> [round(float(u), 4) for u in update]
        [3.5355, -3.5355]
    """

    magnitude: Transform
    direction: Transform

    State = GraftState

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return False

    def join(self, a: Any, b: Any) -> Any:
        norm = _norm(b)
        norm = jnp.where(norm > 2 * tiny(norm.dtype) ** 0.5, norm, 1)  # zero stays zero, and its derivatives small
        return b * cast(_norm(a) / norm, b.dtype)

    def emits(self, params: Tree) -> Tree:
        return self.direction.emits(params)


def _norm(x: Any) -> Any:
    squares = jnp.sum(jnp.real(x * x.conj()) if jnp.iscomplexobj(x) else x * x)
    return jnp.sqrt(jnp.maximum(squares, tiny(squares.dtype)))
