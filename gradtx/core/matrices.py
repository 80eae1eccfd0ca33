"""Which axes of an array make it a matrix, for methods that work on matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax

from gradtx.core.node import Node, StaticTree
from gradtx.core.trees import Tree, map_updates


class DimensionNumbers(Node):
    """How an array is read as a matrix, or as a batch of them: which axes it sums over, and which it gives.

    A layer $y = xW$ sums over the rows of $W$ and gives its columns. Several axes are read as one; axes in neither are a
    batch, each of whose matrices is treated by itself. (Optax's `MuonDimensionNumbers` and `GaLoreDimensionNumbers`.)

    Args:
        reduction_axis: the axis, or axes, that become the rows; from the end if negative.
        output_axis: the axis, or axes, that become the columns.

    Example:
        >>> import gradtx
        >>> heads = gradtx.DimensionNumbers(0, (1, 2))  # a projection stored as [embedding, heads, size of a head]
        >>> tx = gradtx.muon(0.02, muon_weight_dimension_numbers={"query": heads, "norm": None})
    """

    reduction_axis: int | tuple[int, ...] = -2
    output_axis: int | tuple[int, ...] = -1

    def axes(self, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The axes of an array of `ndim` axes: those of the batch, of the rows and of the columns."""
        rows, columns = _axes(self.reduction_axis, ndim), _axes(self.output_axis, ndim)
        if set(rows) & set(columns) or not all(0 <= i < ndim for i in rows + columns):
            raise ValueError(f"{self!r}: the axes {rows} and {columns} make no matrix of an array of {ndim} axes.")
        return tuple(i for i in range(ndim) if i not in rows + columns), rows, columns


# One for every array of two and more axes; a tree of them, with None for what is no matrix; a function from the parameters to such a
# tree; or None: arrays of exactly two axes are matrices. What is empty or has fewer than two axes never is one.
Dimensions = Any


def _axes(axis: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(i + ndim if i < 0 else i for i in axes)


def spread(dimensions: Dimensions, tree: Tree) -> Tree:
    """For each array of `tree` how it is read as a matrix; None if it isn't."""
    if not jax.tree.leaves(tree):
        return tree
    if isinstance(dimensions, StaticTree):
        dimensions = dimensions.tree
    if dimensions is None:
        return jax.tree.map(lambda x: DimensionNumbers() if x.ndim == 2 and x.size else None, tree)
    if callable(dimensions):
        dimensions = dimensions(tree)

    def below(numbers: Any, part: Tree) -> Tree:
        return jax.tree.map(lambda x: numbers if x.ndim > 1 and x.size else None, part)

    return jax.tree.map(below, dimensions, tree, is_leaf=lambda d: d is None or isinstance(d, DimensionNumbers))


class label_matrices(Node):
    """Labels each parameter by whether it is read as a matrix: for `partition`.

    Args:
        matrix: the label of matrices.
        other: the label of all else.
        dimensions: how arrays are read as matrices.

    Returns:
        A function from parameters to a tree of labels.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.label_matrices("muon", "adam")({"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)})
        {'bias': 'adam', 'kernel': 'muon'}
    """

    matrix: str
    other: str
    dimensions: Dimensions = None

    def __call__(self, params: Tree) -> Tree:
        numbers = spread(self.dimensions, params)
        return jax.tree.map(lambda _, d: self.other if d is None else self.matrix, params, numbers)


def to_matrix(x: Any, numbers: DimensionNumbers) -> Any:
    """The matrix or matrices: the batch in front, then rows and columns."""
    batch, rows, columns = numbers.axes(x.ndim)
    sizes = [math.prod(x.shape[i] for i in axes) for axes in (rows, columns)]
    return x.transpose(batch + rows + columns).reshape(*(x.shape[i] for i in batch), *sizes)


def from_matrix(matrix: Any, shape: tuple[int, ...], numbers: DimensionNumbers) -> Any:
    """The array of `shape` whose matrix it is."""
    order = sum(numbers.axes(len(shape)), ())
    back = sorted(range(len(shape)), key=lambda i: order[i])
    return matrix.reshape([shape[i] for i in order]).transpose(back)


def map_matrices(who: Any, f: Callable[..., Any], dimensions: Dimensions, updates: Tree, *rest: Tree) -> Tree:
    """Maps a function of matrices over those updates that are read as such; the others stay as they are."""

    def one(u: Any, numbers: Any, *more: Any) -> Any:
        if numbers is None:
            return u
        return from_matrix(f(to_matrix(u, numbers), *more), u.shape, numbers)

    return map_updates(who, one, updates, spread(dimensions, updates), *rest)


def adjoint(x: Any) -> Any:
    """The conjugate transpose of each matrix."""
    return x.mT.conj()
