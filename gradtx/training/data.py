"""The order in which examples are seen: a function of the seed and the epoch alone, so that a run goes on where it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.trees import path_string


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """Arrays, and for each epoch the rows of each batch.

    Attributes:
        data: a tree of arrays with the examples along the first axis.
        rows: from the number of the epoch to the rows of its batches, in order: integer arrays `[size]`.
    """

    data: Any
    rows: Callable[[int], list[np.ndarray]]

    def __post_init__(self) -> None:
        lengths = {f"[{n}]": np.shape(x)[:1] for n, x in named_leaves(self.data).items()}
        if len(set(lengths.values())) != 1 or () in lengths.values():
            told = ", ".join(f"{n}: {v[0] if v else 'no axis'}" for n, v in lengths.items()) or "no arrays"
            raise ValueError(f"data: the arrays must have as many examples along their first axes; there are {told}.")
        if self.examples == 0:
            raise ValueError("data: there are no examples.")

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(jax.tree.leaves(self.data)[0])

    def epoch(self, number: int) -> Iterator[Any]:
        """The batches of an epoch, as trees like `data`."""
        return map(self.take, self.rows(number))

    def take(self, rows: Any) -> Any:
        """The batch of these rows."""
        return jax.tree.map(lambda x: x[rows], self.data)


def minibatches(data: Any, size: int, *, seed: int = 0, shuffle: bool = True, last: str = "keep") -> Batches:
    """Batches in a new order each epoch.

    Args:
        data: a tree of arrays with the examples along the first axis.
        size: examples a batch; 1 is one sample a step.
        seed: of the orders: epoch $e$ has `jax.random.permutation(jax.random.fold_in(jax.random.key(seed), e), examples)`.
        shuffle: False keeps the order of the data.
        last: what becomes of the examples left over at an epoch's end: "keep" makes a smaller batch of them (which compiles a second time),
            "drop" leaves them out of this epoch.

    Returns:
        `Batches`.

    Raises:
        ValueError: the arrays have different lengths, or there are fewer examples than a batch takes.

    Example:
        >>> import numpy as np
        >>> from gradtx.training import minibatches
        >>> [batch.tolist() for batch in minibatches(np.arange(5), 2, shuffle=False).epoch(0)]
        [[0, 1], [2, 3], [4]]
    """
    if last not in ("keep", "drop"):
        raise ValueError(f"minibatches: last is {last!r}; it must be 'keep' or 'drop'.")

    def rows(epoch: int) -> list[np.ndarray]:
        return _cut(_order(seed, epoch, count) if shuffle else np.arange(count, dtype=np.int32), size, last)

    batches = Batches(data, rows)
    count = batches.examples
    _check_size("minibatches", size, count)
    return batches


def full_batch(data: Any) -> Batches:
    """All examples at each step.

    Example:
        >>> import numpy as np
        >>> from gradtx.training import full_batch
        >>> [batch.tolist() for batch in full_batch(np.arange(3)).epoch(7)]
        [[0, 1, 2]]
    """
    batches = Batches(data, lambda epoch: [np.arange(batches.examples, dtype=np.int32)])
    return batches


def curriculum(data: Any, size: int, difficulty: Any, pace: Callable[[int], Any], *, seed: int = 0) -> Batches:
    """Easy examples first: in epoch $e$ the easiest part `pace(e)` of them, shuffled.

    Args:
        data: a tree of arrays with the examples along the first axis.
        size: examples a batch; what is left over at an epoch's end is left out, unless it is all there is.
        difficulty: one number an example, `[examples]`; of equals the first is the easier.
        pace: from the epoch to the part that is used, in (0, 1]: a schedule such as `gradtx.linear_schedule(0.2, 1.0, 10)`.
        seed: of the orders.

    Returns:
        `Batches`.

    Raises:
        ValueError: the lengths differ, a difficulty is NaN, or the pace leaves (0, 1].

    References:
        Bengio, Louradour, Collobert, Weston (2009), Curriculum Learning.
        Hacohen, Weinshall (2019), On The Power of Curriculum Learning in Training Deep Networks, arXiv:1904.03626.

    Example:
        >>> import gradtx, numpy as np
        >>> from gradtx.training import curriculum
        >>> batches = curriculum(np.arange(8), 2, -np.arange(8), gradtx.linear_schedule(0.25, 1.0, 3))
        >>> [sorted(np.concatenate(list(batches.epoch(e))).tolist()) for e in (0, 1)]
        [[6, 7], [4, 5, 6, 7]]
    """
    rank = np.argsort(np.argsort(np.asarray(difficulty), kind="stable"))

    def rows(epoch: int) -> list[np.ndarray]:
        part = float(pace(epoch))
        if not 0 < part <= 1:
            raise ValueError(f"curriculum: the pace is {part} in epoch {epoch}; it must be over 0 and at most 1.")
        # Of an order of all, since one of each number of examples would compile anew.
        order = _order(seed, epoch, len(rank))
        order = order[rank[order] < max(1, round(part * len(rank)))]
        return _cut(order, size, "drop") or [order]

    batches = Batches(data, rows)
    if np.shape(difficulty) != (batches.examples,) or np.isnan(difficulty).any():
        raise ValueError(
            f"curriculum: difficulty must be {batches.examples} numbers, one an example and none NaN; it is {list(np.shape(difficulty))}."
        )
    _check_size("curriculum", size, batches.examples)
    return batches


def as_source(data: Any) -> Any:
    """What `fit` goes through: `Batches`, an iterable over batches, or arrays, which are one batch."""
    if isinstance(data, Batches):
        return data
    if isinstance(data, tuple | dict) or hasattr(data, "shape"):
        if others := [type(x).__name__ for x in jax.tree.leaves(data) if not hasattr(x, "shape")]:
            raise TypeError(f"data: a tuple or a dictionary must hold arrays; this holds {others}.")
        return full_batch(data)
    if not hasattr(data, "__iter__"):
        raise TypeError(f"data: {data!r} is neither arrays nor something that gives batches; see minibatches.")
    return data


def named_leaves(tree: Any) -> dict[str, Any]:
    """The arrays of a tree by path."""
    return {path_string(p): x for p, x in jax.tree_util.tree_leaves_with_path(tree)}


def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    key = jax.random.fold_in(jax.random.key(seed), epoch)
    return np.asarray(jax.random.permutation(key, jnp.arange(count, dtype=jnp.int32)))


def _cut(order: np.ndarray, size: int, last: str) -> list[np.ndarray]:
    end = len(order) if last == "keep" else len(order) // size * size
    return [order[i : i + size] for i in range(0, end, size)]


def _check_size(who: str, size: int, count: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= count:
        raise ValueError(f"{who}: size is {size!r}; of {count} examples a batch can take 1 to {count}.")
