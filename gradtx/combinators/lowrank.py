"""Any optimizer in a subspace of the gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import Dimensions, adjoint, check_whole, from_matrix, matrix_shape, spread, to_matrix
from gradtx.core.number import cast, number, wide
from gradtx.core.transform import Transform, check_stage, saturating_increment
from gradtx.core.trees import Tree, check_trainable, map_updates
from gradtx.typing import Hyper


class LowRankState(NamedTuple):
    """The steps taken; each matrix's projector, `[batch, side, rank]`, empty for what is no matrix; the inner state, of the projected arrays.

    The inner state's memories belong to their parameters but have the projected shapes, `[batch, rank, n]` or `[batch, m, rank]`: shard the side
    that is left as the parameter's axis, replicate the rest.
    """

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    projector: Tree
    inner_state: Any


class low_rank(Transform):
    """Runs a transformation on gradients projected to a low rank: $u = s\\,P\\,t(P^\\top G)$, with $P$ the leading singular vectors of a gradient.

    The inner memories are as small as the projected gradients. What is no matrix goes through `inner` unprojected. Parameters and
    `value_fn` are projected too; but what `inner` does to parameters (weight decay) it does within the subspace only, so put
    `add_decayed_weights` behind.

    Args:
        inner: any transformation whose memories have the shapes of what it is given.
        rank: the rank, at most that of the matrix.
        update_every: $P$ is taken anew, from the gradient of that step, every so many steps; `inner` keeps its memories.
        scale: $s$, on the projected matrices; a number or a schedule.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        side: `"short"` projects the shorter side, as published, which makes the smallest projector; `"long"` the longer one (Optax), which
            makes the smallest memories.

    Returns:
        A transformation with the state `LowRankState(count, projector, inner_state)`.

    Raises:
        ValueError: `rank` or `update_every` is no whole number from 1 on, or `side` something else.
        TypeError: `inner` is no transformation.

    References:
        Zhao et al. (2024), GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection, arXiv:2403.03507.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.low_rank(gradtx.scale_by_lion(), rank=4)
        >>> gradtx.state_get(tx.init(jnp.ones((8, 100))), "mu").shape
        (4, 100)
    """

    inner: Transform
    rank: int = 128
    update_every: int = 200
    scale: Hyper = 1.0
    weight_dimension_numbers: Dimensions = None
    side: str = "short"

    sides = ("the updates have", "the state has")

    def check(self) -> None:
        check_stage(self, self.inner)
        check_whole(self, "rank", "update_every")
        if self.side not in ("short", "long"):
            raise ValueError(f"low_rank: side = {self.side!r}; it must be 'short' or 'long'.")

    def _numbers(self, tree: Tree) -> Tree:
        return spread(self.weight_dimension_numbers, tree)

    def _rows(self, shape: tuple[int, ...]) -> bool:
        """Whether the rows are projected, not the columns."""
        rows, columns = shape[-2:]
        return rows == columns or (rows < columns) == (self.side == "short")

    def start(self, params: Tree) -> LowRankState:
        check_trainable(self, params)
        numbers = self._numbers(params)

        def projector(p: Any, n: Any) -> Any:
            if n is None:
                return jnp.zeros((0,), wide(p.dtype))
            *batch, rows, columns = shape = matrix_shape(p, n)
            side = rows if self._rows(shape) else columns
            return jnp.zeros((*batch, side, min(self.rank, rows, columns)), wide(p.dtype))

        projectors = jax.tree.map(projector, params, numbers)
        return LowRankState(
            jnp.zeros((), jnp.int32), projectors, self.inner.start(jax.tree.map(self._down, params, projectors, numbers))
        )

    def _down(self, x: Any, projector: Any, numbers: Any) -> Any:
        """Into the subspace."""
        if numbers is None:
            return x
        x = to_matrix(x, numbers)
        p = cast(projector, x.dtype)
        return adjoint(p) @ x if self._rows(x.shape) else x @ p

    def _up(self, x: Any, like: Any, projector: Any, numbers: Any) -> Any:
        """Out of it, to the shape of `like`."""
        if numbers is None:
            return x
        p = cast(projector, x.dtype)
        return from_matrix(p @ x if self._rows(matrix_shape(like, numbers)) else x @ adjoint(p), like.shape, numbers)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        numbers = self._numbers(updates)
        due = state.count % self.update_every == 0

        def renewed(u: Any, projector: Any, n: Any) -> Any:
            if n is None:
                return projector
            return jax.lax.cond(due, lambda: cast(self._leading(to_matrix(u, n)), projector.dtype), lambda: projector)

        projectors = map_updates(self, renewed, updates, state.projector, numbers)

        def down(tree: Tree) -> Tree:
            return jax.tree.map(self._down, tree, projectors, numbers)

        part = None if params is None else down(params)
        extra = {k: down(v) if _alike(v, updates) else v for k, v in extra.items()}
        if params is not None and callable(value_fn := extra.get("value_fn")):
            extra["value_fn"] = lambda low: value_fn(self._moved(params, low, part, projectors, numbers))
        low, inner_state = self.inner.apply(down(updates), state.inner_state, part, **extra)
        scales = {d: number(self.scale, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}

        def up(u: Any, x: Any, projector: Any, n: Any) -> Any:
            return x if n is None else scales[u.dtype] * self._up(x, u, projector, n)

        out = jax.tree.map(up, updates, low, projectors, numbers)
        return out, LowRankState(saturating_increment(state.count), projectors, inner_state)

    def _leading(self, x: Any) -> Any:
        """The leading singular vectors of the side that is projected.

        Each is turned to have its largest entry real and positive: the sign that a decomposition happens to give would turn
        what the inner memory kept from the last subspace.
        """
        left, _, right = jnp.linalg.svd(x, full_matrices=False)
        vectors = (left if self._rows(x.shape) else adjoint(right))[..., : self.rank]
        largest = jnp.take_along_axis(vectors, jnp.argmax(jnp.abs(vectors), axis=-2, keepdims=True), axis=-2)
        return vectors * jnp.sign(largest).conj()

    def _moved(self, params: Tree, low: Tree, origin: Tree, projectors: Tree, numbers: Tree) -> Tree:
        """The parameters moved as far as `low` is from `origin` within the subspace."""

        def one(p: Any, a: Any, b: Any, projector: Any, n: Any) -> Any:
            return a if n is None else p + self._up(a - b, p, projector, n)

        return jax.tree.map(one, params, low, origin, projectors, numbers)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return self._seen(self.inner.gradient_params, state, params)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return self._seen(self.inner.evaluation_params, state, params)

    def _seen(self, where: Any, state: Any, params: Tree) -> Tree:
        numbers = self._numbers(params)
        low = jax.tree.map(self._down, params, state.projector, numbers)
        return self._moved(params, where(state.inner_state, low), low, state.projector, numbers)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


def _alike(x: Any, updates: Tree) -> bool:
    """Whether an extra argument is a tree of arrays like the updates."""
    if jax.tree.structure(x) != jax.tree.structure(updates):
        return False
    return all(getattr(a, "shape", None) == b.shape for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(updates), strict=True))
