"""Preconditioners that whiten, each a triangular matrix for the rows and one for the columns."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from gradtx.core.matrices import (
    Dimensions,
    adjoint,
    check_whole,
    chosen,
    from_matrix,
    identities,
    sandwich,
    spread,
    square_arrays,
    statistics,
    to_matrix,
    within,
)
from gradtx.core.number import cast, number, tiny
from gradtx.core.transform import Transform, saturating_increment
from gradtx.core.trees import Tree, check_trainable, path_string
from gradtx.typing import NonNegative


class KronState(NamedTuple):
    """The steps taken, and for each matrix the upper triangular factor of each side, `[batch, n, n]`.

    They belong to their parameter but have not its axes: replicate them, or shard them over their own.
    """

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    factors: Tree


class scale_by_kron(Transform):
    """PSGD's whitened direction: $u = Q_L^* Q_L\\,G\\,Q_R^* Q_R$, with $Q_L$, $Q_R$ such that $\\mathbb E[P G G^* P] = I$ for $P = Q^*Q$.

    They descend the criterion $g^* P g + v^* P^{-1} v$, $v$ normal noise, along the group of triangular matrices: with $A = Q_L G Q_R^*$ and
    $B = Q_L^{-*} V Q_R^{-1}$, $Q_L \\leftarrow Q_L - \\mu\\,\\mathrm{triu}(AA^* - BB^*)\\,Q_L / \\ell$, where $\\ell$ is a lower bound of $\\|AA^* + BB^*\\|_2$ (one power
    step from its largest column); $Q_R$ likewise with $A^*A$ and $B^*B$.

    Args:
        precond_lr: $\\mu \\ge 0$, a number or a schedule.
        update_every: $Q_L$ and $Q_R$ follow every so many steps. (Published code does so at random, ever more seldom, and now and
            then brings the two to the same size, which their product does not see.)
        max_size: a longer side is left out.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`); the others stay as they are.
        seed: of the noise; static. Each matrix and step has its own.

    Returns:
        A transformation with the state `KronState(count, factors)`. While the gradients of a matrix are zero its factors grow by $1 + \\mu$ a step.

    Raises:
        ValueError: a number is outside its range.

    References:
        Li (2018), Preconditioned Stochastic Gradient Descent, arXiv:1512.04202. Pooladzandi, Li (2024), Curvature-Informed SGD via General
        Purpose Lie-Group Preconditioners, arXiv:2402.11858.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_kron(update_every=4)
        scale_by_kron(update_every=4)
    """

    precond_lr: NonNegative = 0.1
    update_every: int = 1
    max_size: int = 8192
    weight_dimension_numbers: Dimensions = None
    seed: int = 0

    def check(self) -> None:
        check_whole(self, "update_every", "max_size")

    def start(self, params: Tree) -> KronState:
        check_trainable(self, params)

        def one(p: Any, numbers: Any) -> tuple[Any, ...]:
            return () if numbers is None else square_arrays(p, numbers, self.max_size, identities)

        return KronState(jnp.zeros((), jnp.int32), jax.tree.map(one, params, self._numbers(params)))

    def _numbers(self, tree: Tree) -> Tree:
        return spread(within(self.max_size, self.weight_dimension_numbers), tree)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        due = state.count % self.update_every == 0

        def one(path: Any, u: Any, numbers: Any, factors: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
            if numbers is None:
                return u, factors
            g = to_matrix(u, numbers)

            def followed() -> tuple[Any, ...]:
                return self._follow(g, probe(self.seed, state.count, path_string(path), g), factors)

            factors = jax.lax.cond(due, followed, lambda: factors)
            size = tuple(adjoint(q) @ q for q in factors)
            return from_matrix(sandwich(g, size, self.max_size), u.shape, numbers), factors

        leaves, structure = jax.tree_util.tree_flatten_with_path(updates)
        rest = [structure.flatten_up_to(t) for t in (self._numbers(updates), state.factors)]
        new = [one(path, u, *more) for (path, u), *more in zip(leaves, *rest, strict=True)]
        out, factors = (structure.unflatten([n[i] for n in new]) for i in range(2))
        return out, KronState(saturating_increment(state.count), factors)

    def _follow(self, g: Any, v: Any, factors: tuple[Any, ...]) -> tuple[Any, ...]:
        rows, columns = (n <= self.max_size for n in g.shape[-2:])
        a, b = g, v
        if rows:
            a, b = factors[0] @ a, solve_triangular(factors[0], b, trans="C")
        if columns:
            a, b = a @ adjoint(factors[-1]), adjoint(solve_triangular(factors[-1], adjoint(b), trans="C"))
        rate = number(self.precond_lr, g.dtype)

        def step(q: Any, seen: Any, noise: Any) -> Any:
            return q - rate / cast(_norm_below(seen + noise), q.dtype) * jnp.triu(seen - noise) @ q

        sides = (chosen(statistics(x), g.shape, self.max_size) for x in (a, b))
        return tuple(step(q, seen, noise) for q, seen, noise in zip(factors, *sides, strict=True))


def probe(seed: int, count: Any, path: str, like: Any) -> Any:
    """The noise of one step for one matrix, drawn in float32 so that it is the same in every precision."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), zlib.crc32(path.encode())), count)
    return jax.random.normal(key, like.shape, jnp.float32).astype(like.dtype)


def _norm_below(x: Any) -> Any:
    """A lower bound of the spectral norm of each Hermitian matrix, exact at rank one."""
    squares = jnp.sum(jnp.real(x * x.conj()), -2)
    column = jnp.take_along_axis(x, jnp.argmax(squares, -1)[..., None, None], -1)
    y = x @ column
    return _length(x @ (y / cast(_length(y), y.dtype)))


def _length(x: Any) -> Any:
    squares = jnp.sum(jnp.real(x * x.conj()), -2, keepdims=True)
    return jnp.sqrt(jnp.maximum(squares, tiny(squares.dtype)))
