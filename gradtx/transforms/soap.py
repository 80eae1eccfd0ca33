"""Adam in the eigenbasis of Shampoo's preconditioners."""

from __future__ import annotations

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
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import scalar
from gradtx.typing import Decay, NonNegative


class SoapState(NamedTuple):
    """The calls so far, and the products of both decays; the first moment and, in the basis of each matrix, the second.

    For each matrix the averages and the basis of its sides, `[batch, n, n]`: they belong to their parameter but have not its
    axes. `mu` and `nu` have; but `nu` is in the basis, whose axes are not the parameter's, so it is better replicated.
    """

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    products: tuple[jax.Array, ...]
    mu: Tree
    nu: Tree
    statistics: Tree
    bases: Tree


class scale_by_soap(Transform):
    """SOAP's direction: Adam on $Q_L^\\top G Q_R$, turned back, with $Q_L$, $Q_R$ eigenvectors of averages of $GG^\\top$ and $G^\\top G$.

    The first call only makes the basis, from its gradient, and emits zero, as the authors' code does; from then on a power step and a
    QR decomposition follow the averages. $\\mu$ is kept unturned, $\\nu$ in the basis of its time. (Their code also sorts the basis by its
    eigenvalues each time, and adds $\\varepsilon$ before the correction.)

    Args:
        b1: the decay of $\\mu$, in [0, 1), a number or a schedule.
        b2: the decay of $\\nu$, in [0, 1).
        shampoo_beta: the decay of the averages of $GG^\\top$ and $G^\\top G$, in [0, 1); that of $\\nu$ if None.
        eps: outside the root, not negative.
        update_every: the basis is renewed every so many steps.
        max_size: a longer side keeps the standard basis.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`); the others stay as they are.

    Returns:
        A transformation with the state `SoapState`. Derivatives pass through the basis; where eigenvalues coincide, and it has none, they take it
        for constant.

    Raises:
        ValueError: a number is outside its range.

    References:
        Vyas et al. (2024), SOAP: Improving and Stabilizing Shampoo using Adam, arXiv:2409.11321.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_soap()
        >>> update, state = tx.update(jnp.eye(2), tx.init(jnp.eye(2)))
        >>> update, state = tx.update(jnp.eye(2), state)
        >>> [round(float(u), 4) for u in jnp.diag(update)]
        [1.0, 1.0]
    """

    b1: Decay = 0.95
    b2: Decay = 0.95
    shampoo_beta: Decay | None = None
    eps: NonNegative = 1e-8
    update_every: int = 10
    max_size: int = 10000
    weight_dimension_numbers: Dimensions = None

    def check(self) -> None:
        check_whole(self, "update_every", "max_size")

    def start(self, params: Tree) -> SoapState:
        check_trainable(self, params)
        numbers = self._numbers(params)

        def squares(make: Any) -> Tree:
            def one(p: Any, n: Any) -> tuple[Any, ...]:
                return () if n is None else square_arrays(p, n, self.max_size, make)

            return jax.tree.map(one, params, numbers)

        products = scalar(params, 1.0), scalar(params, 1.0)
        nu = jax.tree.map(lambda p: jnp.zeros_like(p, dtype=real(p.dtype)), params)
        return SoapState(
            jnp.zeros((), jnp.int32), products, full_like(params, 0.0), nu, squares(jnp.zeros), squares(identities)
        )

    def _numbers(self, tree: Tree) -> Tree:
        return spread(within(self.max_size, self.weight_dimension_numbers), tree)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        first = state.count == 0
        what = jnp.where(first, 0, jnp.where(state.count % self.update_every == 0, 1, 2))
        dtype = state.products[0].dtype
        decays = [number(b, dtype) for b in (self.b1, self.b2)]
        products = tuple(jnp.where(first, p, p * b) for p, b in zip(state.products, decays, strict=True))
        weights = [jnp.maximum(1 - p, tiny(dtype)) for p in products]

        def one(u: Any, numbers: Any, mu: Any, nu: Any, sums: Any, bases: Any) -> tuple[Any, Any, Any, Any, Any]:
            if numbers is None:
                return u, mu, nu, sums, bases
            b1, b2 = number(self.b1, u.dtype), number(self.b2, nu.dtype)
            beta = number(self.b2 if self.shampoo_beta is None else self.shampoo_beta, u.dtype)
            back = tuple(map(adjoint, bases))

            def turned(x: Any) -> Any:
                return from_matrix(self._turn(to_matrix(x, numbers), back, bases), x.shape, numbers)

            in_basis = turned(u)
            squares = jnp.real(in_basis * in_basis.conj())
            mu = jnp.where(first, mu, b1 * mu + (1 - b1) * u)
            nu = jnp.where(first, nu, b2 * nu + (1 - b2) * squares)
            size = jnp.sqrt(jnp.maximum(nu / number(weights[1], nu.dtype), tiny(nu.dtype))) + number(self.eps, nu.dtype)
            out = turned(mu) / number(weights[0], u.dtype) / cast(size, u.dtype)
            out = from_matrix(self._turn(to_matrix(out, numbers), bases, back), u.shape, numbers)
            g = to_matrix(u, numbers)
            new = chosen(statistics(g), g.shape, self.max_size)
            sums = tuple(beta * s + (1 - beta) * x for s, x in zip(sums, new, strict=True))
            bases = jax.lax.switch(
                what,
                [
                    lambda: tuple(map(eigenvectors, sums)),
                    lambda: tuple(_power_step(s, q) for s, q in zip(sums, bases, strict=True)),
                    lambda: bases,
                ],
            )
            return jnp.where(first, jnp.zeros_like(out), out), mu, nu, sums, bases

        leaves, structure = jax.tree.flatten(updates)
        rest = [structure.flatten_up_to(t) for t in (self._numbers(updates), *state[2:])]
        new = [one(u, *more) for u, *more in zip(leaves, *rest, strict=True)]
        out, *memories = (structure.unflatten([n[i] for n in new]) for i in range(5))
        return out, SoapState(saturating_increment(state.count), products, *memories)

    def _turn(self, x: Any, left: tuple[Any, ...], right: tuple[Any, ...]) -> Any:
        """The matrix between a left and a right factor, each with an entry only for the sides that have a basis."""
        rows, columns = (n <= self.max_size for n in x.shape[-2:])
        return sandwich(x, (*left[:rows], *right[len(right) - columns :]), self.max_size)


@jax.custom_jvp
def eigenvectors(a: Any) -> Any:
    """The eigenvectors of each Hermitian matrix, of the largest eigenvalue first."""
    return jnp.linalg.eigh(a, symmetrize_input=False).eigenvectors[..., ::-1]


@eigenvectors.defjvp
def _eigenvectors_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    w, v = jnp.linalg.eigh(primals[0], symmetrize_input=False)
    gaps = w[..., None, :] - w[..., :, None]
    # Within a group of equal eigenvalues the vectors can be any; as constants they are as good as others.
    apart = jnp.abs(gaps) > 10 * jnp.finfo(w.dtype).eps * jnp.max(jnp.abs(w), -1)[..., None, None]
    turning = jnp.where(apart, 1 / jnp.where(apart, gaps, 1), 0)
    out = v @ (cast(turning, v.dtype) * (adjoint(v) @ tangents[0] @ v))
    return v[..., ::-1], out[..., ::-1]


def _power_step(a: Any, q: Any) -> Any:
    """One step of orthogonal iteration. The shift, below rounding, leaves the basis alone where `a` is zero."""
    size = jnp.real(jnp.trace(a, axis1=-2, axis2=-1))[..., None, None]
    shift = jnp.where(size > 0, jnp.finfo(size.dtype).eps * size, 1)
    return jnp.linalg.qr(a @ q + cast(shift, q.dtype) * q).Q
