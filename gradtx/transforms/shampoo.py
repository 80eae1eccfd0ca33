"""Shampoo: a preconditioner for the rows and one for the columns."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

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
from gradtx.core.number import cast, number, real, tiny
from gradtx.core.transform import Transform, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.typing import Decay, Positive


class ShampooState(NamedTuple):
    """The steps taken; for each matrix a square array a preconditioned side, `[batch, n, n]`, and its inverse root.

    They belong to their parameter but have not its axes: replicate them, or shard them over their own.
    """

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    statistics: Tree
    roots: Tree


class scale_by_shampoo(Transform):
    """Shampoo's direction: $L \\leftarrow L + GG^\\top$, $R \\leftarrow R + G^\\top G$; $u = (L + \\varepsilon I)^{-1/4}\\,G\\,(R + \\varepsilon I)^{-1/4}$.

    Args:
        b2: averages instead of sums, $L \\leftarrow \\beta_2 L + (1 - \\beta_2) GG^\\top$ without correction; in [0, 1), a number or a schedule. Sums if None.
        eps: $\\varepsilon > 0$.
        update_every: the roots are taken anew every so many steps; the sums take in each one.
        max_size: a longer side is left out, and the other side's exponent is then $-1/2$; a matrix without sides stays as it is.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`); the others stay as they are.

    Returns:
        A transformation with the state `ShampooState(count, statistics, roots)`.

    Note:
        On a CPU, jaxlib 0.10.2 can stand still for good where `vmap` makes two decompositions of many matrices each that run at once
        (as with SOAP and every other method that decomposes). `jax.lax.map` doesn't, and is as fast; `gradtx.sweep` uses it there.

    Raises:
        ValueError: a number is outside its range.

    References:
        Gupta, Koren, Singer (2018), Shampoo: Preconditioned Stochastic Tensor Optimization, arXiv:1802.09568.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_shampoo(eps=1e-12)
        >>> update, _ = tx.update(jnp.diag(jnp.array([4.0, 9.0])), tx.init(jnp.zeros((2, 2))))
        >>> [round(float(u), 4) for u in jnp.diag(update)]
        [1.0, 1.0]
    """

    b2: Decay | None = None
    eps: Positive = 1e-6
    update_every: int = 1
    max_size: int = 1024
    weight_dimension_numbers: Dimensions = None

    def check(self) -> None:
        check_whole(self, "update_every", "max_size")

    def start(self, params: Tree) -> ShampooState:
        check_trainable(self, params)

        def squares(make: Any) -> Tree:
            def one(p: Any, numbers: Any) -> tuple[Any, ...]:
                return () if numbers is None else square_arrays(p, numbers, self.max_size, make)

            return jax.tree.map(one, params, self._numbers(params))

        return ShampooState(jnp.zeros((), jnp.int32), squares(jnp.zeros), squares(identities))

    def _numbers(self, tree: Tree) -> Tree:
        return spread(within(self.max_size, self.weight_dimension_numbers), tree)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        due = state.count % self.update_every == 0

        def one(u: Any, numbers: Any, sums: tuple[Any, ...], roots: tuple[Any, ...]) -> tuple[Any, Any, Any]:
            if numbers is None:
                return u, sums, roots
            g = to_matrix(u, numbers)
            eps = number(self.eps, real(u.dtype))
            sums = tuple(self._fold(s, x) for s, x in zip(sums, chosen(statistics(g), g.shape, self.max_size), strict=True))

            def anew() -> tuple[Any, ...]:
                return tuple(matrix_inverse_pth_root(s, 2 * len(sums), eps) for s in sums)

            roots = anew() if self.update_every == 1 else jax.lax.cond(due, anew, lambda: roots)
            out = sandwich(g, roots, self.max_size)
            return from_matrix(out, u.shape, numbers), sums, roots

        leaves, structure = jax.tree.flatten(updates)
        rest = [structure.flatten_up_to(t) for t in (self._numbers(updates), state.statistics, state.roots)]
        new = [one(u, *more) for u, *more in zip(leaves, *rest, strict=True)]
        out, sums, roots = (structure.unflatten([n[i] for n in new]) for i in range(3))
        return out, ShampooState(saturating_increment(state.count), sums, roots)

    def _fold(self, memory: Any, x: Any) -> Any:
        if self.b2 is None:
            return memory + x
        b2 = number(self.b2, x.dtype)
        return b2 * memory + (1 - b2) * x


def matrix_inverse_pth_root(matrix: Any, p: float, ridge_epsilon: Any = 0.0) -> Any:
    """The root $(A + \\varepsilon I)^{-1/p}$ of each Hermitian, positive semidefinite matrix, by its eigenvalues.

    Its derivative is finite where eigenvalues coincide too, since the root's own is (Daleckii and Krein's divided differences).

    Args:
        matrix: $A$, `[..., n, n]`, in float32 or wider. What rounding makes of an eigenvalue below zero counts as zero.
        p: any positive number.
        ridge_epsilon: $\\varepsilon \\ge 0$. (Optax's is relative to the largest eigenvalue, and its method a coupled Newton iteration.)

    Returns:
        An array like `matrix`.

    References:
        Higham (2008), Functions of Matrices, theorem 3.11.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> root = gradtx.matrix_inverse_pth_root(jnp.diag(jnp.array([16.0, 81.0])), 4)
        >>> [round(float(x), 4) for x in jnp.diag(root)]
        [0.5, 0.3333]
    """
    return _inverse_root(float(p), matrix, jnp.asarray(ridge_epsilon, real(matrix.dtype)))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _inverse_root(p: float, a: Any, ridge: Any) -> Any:
    w, v = _eigh(a, ridge)
    return (v * cast(w ** (-1 / p), v.dtype)[..., None, :]) @ adjoint(v)


@_inverse_root.defjvp
def _inverse_root_jvp(p: float, primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    (a, ridge), (da, dridge) = primals, tangents
    w, v = _eigh(a, ridge)
    f = w ** (-1 / p)
    x, y = w[..., :, None], w[..., None, :]
    apart = jnp.abs(x - y) > 1e-4 * jnp.maximum(x, y)
    middle = (x + y) / 2
    slope = jnp.where(apart, (f[..., :, None] - f[..., None, :]) / jnp.where(apart, x - y, 1), -1 / p * middle ** (-1 / p - 1))
    inner = adjoint(v) @ (da + cast(dridge, da.dtype) * jnp.eye(a.shape[-1], dtype=da.dtype)) @ v
    return (v * cast(f, v.dtype)[..., None, :]) @ adjoint(v), v @ (cast(slope, v.dtype) * inner) @ adjoint(v)


def _eigh(a: Any, ridge: Any) -> tuple[Any, Any]:
    w, v = jnp.linalg.eigh(a, symmetrize_input=False)
    return jnp.maximum(jnp.maximum(w, 0) + ridge, tiny(w.dtype)), v
