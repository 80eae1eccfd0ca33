"""Many optimizers as stacked ones, and a table of what each row is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.edit import adjust
from gradtx.core.node import Node
from gradtx.core.transform import Transform
from gradtx.sweep.space import Space, product, random, space_of


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Frozen:
    """What all rows of a group share: the structure of the optimizer, and its numbers where they don't vary (None where they do)."""

    structure: Any
    constants: tuple[float | None, ...]


@jax.tree_util.register_pytree_with_keys_class
class Trial:
    """One setting as a trainer sees it: `optimizer`, `values` (the extra fields by name) and `seed`.

    A pytree whose leaves are what varies; what all share is in its structure, so that the program is compiled with it as
    constants. Keep it in the carry.
    """

    def __init__(self, varying: Sequence[Any], values: dict[str, Any], seed: Any, frozen: Frozen) -> None:
        self.varying, self.values, self.seed, self.frozen = tuple(varying), values, seed, frozen

    @property
    def optimizer(self) -> Any:
        """The optimizer of this trial."""
        varying = iter(self.varying)
        leaves = [next(varying) if c is None else c for c in self.frozen.constants]
        return jax.tree.unflatten(self.frozen.structure, leaves)

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        names = ("varying", "values", "seed")
        return tuple((jax.tree_util.GetAttrKey(n), getattr(self, n)) for n in names), self.frozen

    def tree_flatten(self) -> tuple[Any, Any]:
        return (self.varying, self.values, self.seed), self.frozen

    @classmethod
    def tree_unflatten(cls, frozen: Frozen, children: Any) -> Trial:
        new = object.__new__(cls)
        (new.varying, new.values, new.seed), new.frozen = children, frozen
        return new


@dataclasses.dataclass(frozen=True)
class Group:
    """Rows whose optimizers have one structure, and so one program."""

    optimizer: Any  # stacked: every leaf has a leading axis of the rows
    rows: np.ndarray
    # Which leaves each swept name stands for.
    where: Mapping[str, tuple[int, ...]]

    def frozen(self) -> tuple[Frozen, list[np.ndarray]]:
        """What the rows share, and the leaves that vary."""
        leaves, structure = jax.tree.flatten(self.optimizer)
        swept = {i for indices in self.where.values() for i in indices}
        constants = tuple(None if i in swept else _constant(x) for i, x in enumerate(leaves))
        return Frozen(structure, constants), [x for x, c in zip(leaves, constants, strict=True) if c is None]

    def position(self, name: str) -> list[int]:
        """Where a swept name's leaves stand among those that vary."""
        constants = self.frozen()[0].constants
        return [sum(c is None for c in constants[:i]) for i in self.where[name]]

    def row(self, i: int) -> Any:
        """One optimizer, its numbers as floats."""
        at = int(np.flatnonzero(self.rows == i)[0])
        return jax.tree.map(lambda x: float(x[at]) if isinstance(x, np.ndarray) and x.ndim == 1 else x[at], self.optimizer)


def _constant(x: Any) -> float | None:
    same = isinstance(x, np.ndarray) and x.ndim == 1 and bool((x == x[0]).all())
    return float(x[0]) if same else None


@dataclasses.dataclass(frozen=True)
class Trials:
    """What to run: stacked optimizers and a table. `a + b` runs both in one sweep.

    Attributes:
        groups: the rows by structure of the optimizer; each group is one compiled program.
        columns: the table: for each name the value in each row; `optimizer`, `setting` (the same for all seeds of it), `seed`.
        extra: the names among the columns that are no fields of an optimizer: the trainer finds them in `trial.values`.
    """

    groups: tuple[Group, ...]
    columns: Mapping[str, np.ndarray]
    extra: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns["seed"])

    @property
    def optimizer(self) -> Any:
        """The stacked optimizer, if all rows have one structure: every leaf has a leading axis of the rows."""
        if len(self.groups) != 1:
            raise ValueError(f"trials: the rows are of {len(self.groups)} structures; take them from groups.")
        return self.groups[0].optimizer

    def row(self, i: int) -> Any:
        """The optimizer of row `i`, ready to use."""
        if not 0 <= i < len(self):
            raise IndexError(f"trials: there is no row {i}; there are {len(self)}.")
        return next(g.row(i) for g in self.groups if i in g.rows)

    def values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The extra fields of these rows."""
        return {n: np.asarray([_number_or(x, n) for x in self.columns[n][rows]]) for n in self.extra}

    def __add__(self, other: Trials) -> Trials:
        if not isinstance(other, Trials):
            return NotImplemented
        first, second = len(self), len(other)
        columns = {}
        for name in [*self.columns, *(n for n in other.columns if n not in self.columns)]:
            a = self.columns.get(name, _objects([None] * first))
            b = other.columns.get(name, _objects([None] * second))
            columns[name] = _objects([*a, *b])
        columns["seed"] = columns["seed"].astype(np.int64)
        columns["setting"] = np.concatenate(
            [self.columns["setting"], other.columns["setting"] + self.columns["setting"].max() + 1]
        )
        moved = [dataclasses.replace(g, rows=g.rows + first) for g in other.groups]
        return Trials(_merged([*self.groups, *moved]), columns, tuple(dict.fromkeys([*self.extra, *other.extra])))


def trials(
    optimizer: Callable[..., Any] | Transform,
    *spaces: Space,
    seeds: int | Sequence[int] = 1,
    samples: int = 32,
    seed: int = 0,
    sampler: Callable[..., Space] = random,
    extra: Mapping[str, Any] | Space | None = None,
    label: str | None = None,
    **axes: Any,
) -> Trials:
    """Stacks the optimizers of a space.

    Args:
        optimizer: a named optimizer such as `adam` (what it needs must be in the space), or one that is made, whose fields are replaced.
            A name is a field of it (`learning_rate`), a path to one (`learning_rate.decay_steps`, `0.max_delta` in a chain), or else
            any field of that name in the composition, as in `adjust`.
        spaces: what `grid`, `zipped`, `random`, `sobol` give, all combined with each other and with the axes.
        seeds: how many seeds for each setting (0, 1, …), or which.
        samples: how many draws are made from the distributions among the axes, jointly.
        seed: of the draws.
        sampler: `random` or `sobol`.
        extra: axes (or a space) of names that are no fields of the optimizer: for initial values, data order, regularisation.
        label: what the table calls it; the optimizer's name if None.
        axes: for each name its axis: `values(...)`, `loguniform(...)`, a list, or one value. Lists are combined in full.

    Raises:
        ValueError: the space is empty, a name is unknown or a value is out of its range.

    Example:
        >>> from gradtx import adamw
        >>> from gradtx.sweep import trials, loguniform, values
        >>> t = trials(adamw, learning_rate=loguniform(1e-5, 1e-1), b2=values(0.99, 0.999), samples=4, seeds=3)
        >>> len(t), t.optimizer.learning_rate.shape
        (24, (24,))
        >>> t.row(0).b2, t.row(12).b2
        (0.99, 0.999)
    """
    drawn = [s for s in [space_of(axes, samples, seed, sampler)] if s is not None]
    own = product([*spaces, *drawn]) if spaces or drawn else Space({})
    if extra is not None and not isinstance(extra, Space):
        extra = space_of(extra, samples, seed + 1, sampler)
    other = Space({}) if extra is None else extra
    whole = product([s for s in (own, other) if s.columns] or [Space({})])
    if len(whole) == 0:
        raise ValueError("trials: the space is empty.")
    which = _seeds(seeds)
    repeat = lambda column: _objects([x for x in column for _ in which])
    columns = {name: repeat(column) for name, column in whole.columns.items()}
    count = len(whole) * len(which)
    name = label or getattr(optimizer, "__name__", type(optimizer).__name__)
    table = {
        "optimizer": _objects([name] * count),
        **columns,
        "setting": np.repeat(np.arange(len(whole)), len(which)),
        "seed": np.tile(np.asarray(which, np.int64), len(whole)),
    }
    if clash := sorted({"optimizer", "setting", "seed"} & set(other.columns)):
        raise ValueError(f"trials: {clash[0]!r} is a column of every table; call the extra field otherwise.")
    return Trials(_groups(optimizer, {n: columns[n] for n in own.columns}, count), table, tuple(other.columns))


def _groups(optimizer: Any, columns: Mapping[str, np.ndarray], count: int) -> tuple[Group, ...]:
    """One stacked optimizer for each combination of what can't be stacked, merged where the structures agree after all."""
    stacks = [n for n, c in columns.items() if all(_is_number(x) for x in c) and _takes_array(optimizer, n, c)]
    others = [n for n in columns if n not in stacks]
    combinations: dict[tuple[Any, ...], list[int]] = {}
    for i in range(count):
        combinations.setdefault(tuple(_hashable(columns[n][i]) for n in others), []).append(i)
    groups = []
    for rows in combinations.values():
        arrays = {n: columns[n][rows].astype(np.float64) for n in stacks}
        tx = made(optimizer, {n: columns[n][rows[0]] for n in others} | arrays)
        leaves, structure = jax.tree.flatten(tx)
        where = {n: tuple(i for i, x in enumerate(leaves) if x is a) for n, a in arrays.items()}
        own = {i for indices in where.values() for i in indices}
        stacked = [x if i in own else _repeated(x, len(rows)) for i, x in enumerate(leaves)]
        groups.append(Group(jax.tree.unflatten(structure, stacked), np.asarray(rows), where))
    return _merged(groups)


def _merged(groups: Sequence[Group]) -> tuple[Group, ...]:
    by_structure: dict[Any, list[Group]] = {}
    for g in groups:
        leaves, structure = jax.tree.flatten(g.optimizer)
        by_structure.setdefault((structure, tuple((x.shape[1:], str(x.dtype)) for x in leaves)), []).append(g)
    out = []
    for same in by_structure.values():
        join = lambda *xs: (np if isinstance(xs[0], np.ndarray) else jnp).concatenate(xs)
        where: dict[str, tuple[int, ...]] = {}
        for g in same:
            where |= {n: tuple(sorted({*where.get(n, ()), *i})) for n, i in g.where.items()}
        rows = np.concatenate([g.rows for g in same])
        optimizer = same[0].optimizer if len(same) == 1 else jax.tree.map(join, *(g.optimizer for g in same))
        order = np.argsort(rows)
        if (order != np.arange(len(rows))).any():
            optimizer = jax.tree.map(lambda x, o=order: x[o], optimizer)
        out.append(Group(optimizer, rows[order], where))
    return tuple(out)


def made(optimizer: Any, fields: Mapping[str, Any]) -> Any:
    """The optimizer with these values: by name at the top, by path, or by name anywhere."""
    if not isinstance(optimizer, Node):
        top = {n: v for n, v in fields.items() if "." not in n}
        kinds = getattr(optimizer, "_kinds", None)
        if kinds is not None and (unknown := sorted(set(top) - set(kinds))):
            raise ValueError(f"trials: {optimizer.__name__} has no field {unknown[0]!r}; it has {list(kinds)}.")
        tx = optimizer(**top)
        if not isinstance(tx, Node):
            raise TypeError(
                f"trials: {optimizer!r} makes {tx!r}, which is no optimizer of gradtx; Optax's go in by from_optax."
            )
        fields = {n: v for n, v in fields.items() if "." in n}
    else:
        tx = optimizer
    for name, value in fields.items():
        tx = _placed(tx, name.split("."), value, name)
    return tx


def _placed(x: Any, path: Sequence[str], value: Any, name: str) -> Any:
    head, *rest = path
    if isinstance(x, tuple) and head.isdigit() and int(head) < len(x):
        i = int(head)
        return (*x[:i], _placed(x[i], rest, value, name) if rest else value, *x[i + 1 :])
    if isinstance(x, Node):
        if head in x._kinds:
            return x.replace(**{head: _placed(getattr(x, head), rest, value, name) if rest else value})
        stages = [n for n in x._data if isinstance(getattr(x, n), tuple)]
        if head.isdigit() and stages:
            return x.replace(**{stages[0]: _placed(getattr(x, stages[0]), path, value, name)})
        if not rest:
            return adjust(x, **{head: value})
        raise ValueError(f"trials: {name!r}: {type(x).__name__} has no field {head!r}; it has {list(x._kinds)}.")
    raise ValueError(f"trials: {name!r}: {x!r} has no field {head!r}.")


def _takes_array(optimizer: Any, name: str, column: np.ndarray) -> bool:
    """Whether a number of this name is a leaf; where it selects code, each value is a program of its own."""
    head = name.split(".")
    kinds = getattr(optimizer, "_kinds", {})
    if len(head) == 1 and head[0] in kinds:
        return kinds[head[0]].leaf
    try:
        made(optimizer, {name: np.asarray([column[0]], np.float64)})
    except TypeError:
        return False
    return True


def _repeated(x: Any, count: int) -> Any:
    if _is_number(x):
        return np.full(count, float(x))
    return jnp.broadcast_to(x, (count, *x.shape)) if isinstance(x, jax.Array) else np.broadcast_to(x, (count, *np.shape(x)))


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float | np.number) and not isinstance(x, bool)


def _number_or(x: Any, name: str) -> float:
    if x is None:
        return float("nan")
    if isinstance(x, bool) or _is_number(x):
        return x
    raise TypeError(f"trials: the extra field {name!r} is {x!r}; it must be a number.")


def _hashable(x: Any) -> Any:
    try:
        hash(x)
    except TypeError:
        return id(x)
    return (type(x), x)


def _objects(items: Sequence[Any]) -> np.ndarray:
    """A column: numbers as numbers, all else as it is."""
    items = [x.item() if isinstance(x, np.generic) else x for x in items]
    if items and len(kinds := {type(x) for x in items}) == 1 and kinds <= {float, int}:
        return np.asarray(items)
    out = np.empty(len(items), object)
    for i, x in enumerate(items):
        out[i] = x
    return out


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    which = list(range(seeds)) if isinstance(seeds, int) else [int(s) for s in seeds]
    if not which:
        raise ValueError("trials: there must be at least one seed.")
    return which
