"""Gradients averaged over the workers as matrices of low rank."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.keys import own_key
from gradtx.core.matrices import Dimensions, adjoint, check_whole, from_matrix, matrix_shape, spread, to_matrix
from gradtx.core.number import cast, wide
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable
from gradtx.distributed.axis import Axis, check_axis, check_own, mean_over
from gradtx.transforms.dion import orthonormal


class PowerSGDState(NamedTuple):
    """For each parameter what this worker has not sent yet; for each matrix the right factor of the last mean, empty for the others."""

    unsent: Tree
    q: Tree


class powersgd(Transform):
    """The mean of all workers' gradients to low rank: one power step on $M^i = g^i + e^i$, from the last factor $Q$.

    $P = \\mathrm{orth}(\\frac{1}{n}\\sum_i M^i Q)$, $Q \\leftarrow \\frac{1}{n}\\sum_i M^{i\\top} P$, $g \\leftarrow P Q^\\top$, $e^i \\leftarrow M^i - P Q^\\top$. Only $P$ and $Q$ go over the wire.
    What is no matrix, or too small to gain, is averaged as it is.

    Args:
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        rank: of the mean, a whole number from 1 on (published: 1 to 4).
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        seed: of the random first factors, the same on all workers; static.

    Returns:
        A transformation with the state `PowerSGDState(unsent, q)`; `unsent` is a worker's own. If `update` is given `weight`, a number
        a worker, the means are weighted; a worker with 0 keeps what it had not sent.

    Raises:
        TypeError: `axis` is no name.
        ValueError: `rank` is no whole number from 1 on; no such axis is mapped where `update` is called, or the gradients have been added
            up already.

    References:
        Vogels, Karimireddy, Jaggi (2019), PowerSGD: Practical low-rank gradient compression for distributed optimization,
        arXiv:1905.13727.

    Example:
        >>> import gradtx.distributed, jax, jax.numpy as jnp
        >>> tx = gradtx.distributed.powersgd("workers", rank=1)
        >>> gradients = jnp.stack([jnp.ones((4, 6)), 3 * jnp.ones((4, 6))])
        >>> mean = jax.vmap(lambda g: tx.update(g, tx.init(g))[0], axis_name="workers")(gradients)
        >>> bool(jnp.allclose(mean, 2.0))
        True
    """

    axis: Axis
    rank: int = 2
    weight_dimension_numbers: Dimensions = None
    seed: int = 0

    def check(self) -> None:
        check_axis(self, self.axis)
        check_whole(self, "rank")

    def start(self, params: Tree) -> PowerSGDState:
        check_trainable(self, params)
        key = jax.random.key(self.seed)

        def factor(path: Any, p: Any, numbers: Any) -> Any:
            if numbers is None:
                return ()
            *batch, _, columns = matrix_shape(p, numbers)
            return jax.random.normal(own_key(key, path), (*batch, columns, self.rank), jnp.float32).astype(wide(p.dtype))

        return PowerSGDState(full_like(params, 0.0), jax.tree_util.tree_map_with_path(factor, params, self._matrices(params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        check_own(self, self.axis, updates)
        weight = extra.get("weight")

        def one(g: Any, unsent: Any, q: Any, numbers: Any) -> tuple[Any, Any, Any]:
            if numbers is None:
                return mean_over(self, self.axis, g, weight), unsent, q
            m = to_matrix(g + cast(unsent, g.dtype), numbers)
            p = orthonormal(mean_over(self, self.axis, m @ cast(q, g.dtype), weight))
            right = mean_over(self, self.axis, adjoint(m) @ p, weight)
            mean = p @ adjoint(right)
            left_out = from_matrix(m - mean, g.shape, numbers)
            if weight is not None:
                left_out = jnp.where(jnp.asarray(weight) > 0, left_out, cast(unsent, g.dtype))
            return from_matrix(mean, g.shape, numbers), cast(left_out, unsent.dtype), cast(right, q.dtype)

        leaves, structure = jax.tree.flatten(updates)
        rest = [structure.flatten_up_to(tree) for tree in (*state, self._matrices(updates))]
        new = [one(g, *more) for g, *more in zip(leaves, *rest, strict=True)]
        mean, unsent, q = (structure.unflatten([x[i] for x in new]) for i in range(3))
        return mean, PowerSGDState(unsent, q)

    def _matrices(self, tree: Tree) -> Tree:
        """For each array how it is read as a matrix, None where the two factors are no smaller than it."""

        def worth(x: Any, numbers: Any) -> Any:
            if numbers is None:
                return None
            *_, rows, columns = matrix_shape(x, numbers)
            return numbers if self.rank * (rows + columns) < rows * columns else None

        return jax.tree.map(worth, tree, spread(self.weight_dimension_numbers, tree))
