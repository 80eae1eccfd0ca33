"""Which axes of an array make it a matrix, for methods that work on matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.node import Node, StaticTree
from gradtx.core.number import wide
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

    def one(numbers: Any, x: Any) -> Any:
        if numbers is None or x.ndim < 2 or not x.size:
            return None
        numbers.axes(x.ndim)  # raises if they make no matrix of it
        return numbers

    def below(numbers: Any, part: Tree) -> Tree:
        return jax.tree.map(lambda x: one(numbers, x), part)

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
    return x.transpose(sum(numbers.axes(x.ndim), ())).reshape(matrix_shape(x, numbers))


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


class within(Node):
    """Reads as matrices those that have a side of at most `max_size`: a side longer than that is not preconditioned.

    Args:
        max_size: the longest side for which an array of its square is kept.
        dimensions: how arrays are read as matrices.
    """

    max_size: int
    dimensions: Dimensions = None

    def __call__(self, params: Tree) -> Tree:
        def short(p: Any, numbers: Any) -> Any:
            if numbers is None:
                return None
            return numbers if min(matrix_shape(p, numbers)[-2:]) <= self.max_size else None

        return jax.tree.map(short, params, spread(self.dimensions, params))


def matrix_shape(x: Any, numbers: DimensionNumbers) -> tuple[int, ...]:
    """The shape of `to_matrix(x, numbers)`."""
    batch, rows, columns = numbers.axes(x.ndim)
    return *(x.shape[i] for i in batch), *(math.prod(x.shape[i] for i in axes) for axes in (rows, columns))


def statistics(x: Any) -> tuple[Any, Any]:
    """The products of a matrix with itself over its columns and over its rows: $GG^*$ and $G^*G$."""
    return x @ adjoint(x), adjoint(x) @ x


def square_arrays(
    p: Any, numbers: DimensionNumbers, max_size: int, make: Callable[[tuple[int, ...], Any], Any]
) -> tuple[Any, ...]:
    """An array `[batch, n, n]` for each side of a matrix that is short enough."""
    shape = matrix_shape(p, numbers)
    return tuple(make((*shape[:-2], n, n), wide(p.dtype)) for n in chosen(shape[-2:], shape, max_size))


def identities(shape: tuple[int, ...], dtype: Any) -> Any:
    return jnp.broadcast_to(jnp.eye(shape[-1], dtype=dtype), shape)


def chosen(pair: tuple[Any, ...], shape: tuple[int, ...], max_size: int) -> tuple[Any, ...]:
    """Of one thing a side those of the sides that are short enough."""
    return tuple(x for x, n in zip(pair, shape[-2:], strict=True) if n <= max_size)


def sandwich(x: Any, sides: tuple[Any, ...], max_size: int) -> Any:
    """The matrix between the arrays of its sides, $AXB$; a side that has none is left out."""
    left, right = (n <= max_size for n in x.shape[-2:])
    x = sides[0] @ x if left else x
    return x @ sides[-1] if right else x


def check_whole(who: Any, *names: str) -> None:
    """Raises unless the named fields are whole numbers from 1 on."""
    for name in names:
        value = getattr(who, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{type(who).__name__}: {name} = {value!r}; it must be a whole number from 1 on.")
