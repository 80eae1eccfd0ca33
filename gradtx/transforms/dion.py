"""Orthogonal updates of low rank, with what they leave out kept for later."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import Dimensions, adjoint, check_whole, from_matrix, matrix_shape, spread, to_matrix
from gradtx.core.number import cast, number, tiny, wide
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable, path_string
from gradtx.typing import Decay


class DionState(NamedTuple):
    """The momentum, like the parameters; and each matrix's basis, `[batch, inputs, rank]`, empty for what is no matrix.

    The basis belongs to its parameter but has not its axes: replicate it, or shard only the axis of the inputs.
    """

    mu: Tree
    q: Tree


class scale_by_dion(Transform):
    """Dion's direction: one power step finds the momentum's leading directions, which go out orthogonal and are then taken off it.

    For $B = \\mu + g$ (outputs by inputs) and the last basis $Q$: $P = \\mathrm{qr}(BQ)$, $R = B^\\top P$, $\\mu \\leftarrow B - (1-\\beta) P R^\\top$, $Q \\leftarrow R$ with
    columns of length one, $u = \\sqrt{n/m}\\,P Q^\\top$ for $m$ inputs and $n$ outputs.

    Args:
        rank: the rank of the updates, at most that of the matrix.
        beta: $\\beta$ in [0, 1), how much of what went out stays; a number or a schedule.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`); the others stay as they are.
        seed: of the random first bases; static.

    Returns:
        A transformation with the state `DionState(mu, q)`. A zero momentum gives zero and leaves the basis; derivatives with respect to
        hyperparameters exist while $BQ$ has full rank or is zero.

    Raises:
        ValueError: `beta` is outside [0, 1), or `rank` no whole number from 1 on.

    References:
        Ahn, Xu, Abreu, Langford (2025), Dion: Distributed Orthonormalized Updates, arXiv:2504.05295.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_dion(rank=1)
        >>> update, _ = tx.update(jnp.eye(3), tx.init(jnp.eye(3)))
        >>> int(jnp.linalg.matrix_rank(update))
        1
    """

    rank: int = 128
    beta: Decay = 0.95
    weight_dimension_numbers: Dimensions = None
    seed: int = 0

    def check(self) -> None:
        check_whole(self, "rank")

    def start(self, params: Tree) -> DionState:
        check_trainable(self, params)
        key = jax.random.key(self.seed)

        def basis(path: Any, p: Any, numbers: Any) -> Any:
            if numbers is None:
                return ()
            *batch, rows, columns = matrix_shape(p, numbers)
            own = jax.random.fold_in(key, zlib.crc32(path_string(path).encode()))
            return jax.random.normal(own, (*batch, rows, min(self.rank, rows, columns)), jnp.float32).astype(wide(p.dtype))

        numbers = spread(self.weight_dimension_numbers, params)
        return DionState(full_like(params, 0.0), jax.tree_util.tree_map_with_path(basis, params, numbers))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        betas = {d: number(self.beta, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}

        def one(u: Any, mu: Any, q: Any, numbers: Any) -> tuple[Any, Any, Any]:
            if numbers is None:
                return u, mu, q
            b = (to_matrix(cast(mu, u.dtype) + u, numbers)).mT
            p = orthonormal(b @ cast(q, u.dtype))
            r = adjoint(b) @ p
            mu = cast(from_matrix((b - (1 - betas[u.dtype]) * p @ adjoint(r)).mT, u.shape, numbers), mu.dtype)
            squares = jnp.sum(jnp.real(r * r.conj()), -2, keepdims=True)
            new = r / cast(jnp.sqrt(jnp.maximum(squares, tiny(squares.dtype))), r.dtype)
            out = (p @ adjoint(new)).mT * (b.shape[-2] / b.shape[-1]) ** 0.5
            seen = squares > tiny(squares.dtype)
            return from_matrix(out, u.shape, numbers), mu, cast(jnp.where(seen, new, cast(q, u.dtype)), q.dtype)

        leaves, structure = jax.tree.flatten(updates)
        rest = [structure.flatten_up_to(t) for t in (*state, spread(self.weight_dimension_numbers, updates))]
        new = [one(u, *more) for u, *more in zip(leaves, *rest, strict=True)]
        out, mu, q = (structure.unflatten([n[i] for n in new]) for i in range(3))
        return out, DionState(mu, q)


def orthonormal(x: Any) -> Any:
    """An orthonormal basis of the columns of each tall matrix; of a zero one the first axes, so that derivatives are finite."""
    some = jnp.any(x != 0, (-2, -1), keepdims=True)
    return jnp.linalg.qr(jnp.where(some, x, jnp.broadcast_to(jnp.eye(*x.shape[-2:], dtype=x.dtype), x.shape))).Q
