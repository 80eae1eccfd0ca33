"""What to try: values listed or drawn for each name, and the ways of combining them."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Options:
    """An axis that is listed: what `values`, `linear` and `log` give."""

    options: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Distribution:
    """An axis that is drawn from, known by its quantile function: plain and quasi-random draws both go through it."""

    name: str
    quantile: Callable[[float], Any] = dataclasses.field(repr=False)


Axis = Options | Distribution


def values(*options: Any) -> Options:
    """These values, or those of one list: numbers, schedules, and for static fields anything.

    Raises:
        ValueError: there are none.

    Example:
        >>> from gradtx.sweep import values
        >>> values(0.9, 0.99).options
        (0.9, 0.99)
    """
    if len(options) == 1 and isinstance(options[0], list | tuple | range | np.ndarray):
        options = tuple(options[0])
    if not options:
        raise ValueError("values: an axis needs at least one value.")
    return Options(tuple(x.item() if isinstance(x, np.generic) else x for x in options))


def linear(low: float, high: float, number: int) -> Options:
    """`number` values from `low` to `high`, evenly spaced, both included."""
    return values(np.linspace(low, high, _count("linear", number)))


def log(low: float, high: float, number: int) -> Options:
    """`number` values from `low` to `high` with a constant ratio, both included.

    Example:
        >>> from gradtx.sweep import log
        >>> log(0.001, 0.1, 3).options
        (0.001, 0.01, 0.1)
    """
    _positive("log", low, high)
    return values(np.geomspace(low, high, _count("log", number)))


def uniform(low: float, high: float) -> Distribution:
    """Every number between `low` and `high` is as likely."""
    _ordered("uniform", low, high)
    return Distribution(f"uniform({low}, {high})", lambda u: low + u * (high - low))


def loguniform(low: float, high: float) -> Distribution:
    """The logarithm is uniform: as many draws between 1e-5 and 1e-4 as between 1e-2 and 1e-1.

    Example:
        >>> from gradtx.sweep import loguniform
        >>> round(loguniform(1e-4, 1e-2).quantile(0.5), 9)
        0.001
    """
    _positive("loguniform", low, high)
    _ordered("loguniform", low, high)
    return Distribution(f"loguniform({low}, {high})", lambda u: min(max(low * (high / low) ** u, low), high))


def normal(mean: float, deviation: float) -> Distribution:
    """A normal distribution."""
    if not deviation > 0:
        raise ValueError(f"normal: the deviation is {deviation}; it must be > 0.")
    bell = statistics.NormalDist(mean, deviation)
    return Distribution(f"normal({mean}, {deviation})", lambda u: bell.inv_cdf(min(max(u, 1e-12), 1 - 1e-12)))


def integer(low: int, high: int) -> Distribution:
    """Whole numbers from `low` to `high`, both included, all as likely."""
    _ordered("integer", low, high)
    return Distribution(f"integer({low}, {high})", lambda u: min(low + math.floor(u * (high - low + 1)), high))


def choice(*options: Any) -> Distribution:
    """One of these, all as likely; `values` tries every one."""
    listed = values(*options).options
    return Distribution(f"choice{listed}", lambda u: listed[min(math.floor(u * len(listed)), len(listed) - 1)])


@dataclasses.dataclass(frozen=True)
class Space:
    """Settings to try: one value a name and setting. `a * b` is every pair of settings, `a + b` one after the other.

    Example:
        >>> from gradtx.sweep import grid, zipped, values
        >>> len(grid(learning_rate=values(0.1, 0.2, 0.3)) * zipped(b1=values(0.8, 0.9), b2=values(0.99, 0.999)))
        6
    """

    columns: Mapping[str, tuple[Any, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ((),)))

    def __mul__(self, other: Space) -> Space:
        if shared := sorted(set(self.columns) & set(other.columns)):
            raise ValueError(f"product: both spaces have {shared[0]!r}.")
        pairs = list(itertools.product(range(len(self)), range(len(other))))
        first = {n: tuple(c[i] for i, _ in pairs) for n, c in self.columns.items()}
        return Space(first | {n: tuple(c[j] for _, j in pairs) for n, c in other.columns.items()})

    def __add__(self, other: Space) -> Space:
        if set(self.columns) != set(other.columns):
            raise ValueError(f"sum of spaces: one has {sorted(self.columns)}, the other {sorted(other.columns)}.")
        return Space({n: (*c, *other.columns[n]) for n, c in self.columns.items()})


def grid(**axes: Any) -> Space:
    """Every combination of listed values: the last name changes fastest.

    Raises:
        ValueError: an axis is a distribution, or there is none.
    """
    listed = _listed("grid", axes)
    combinations = list(itertools.product(*listed.values()))
    return Space({name: tuple(row[i] for row in combinations) for i, name in enumerate(listed)})


def zipped(**axes: Any) -> Space:
    """The first values together, then the second, and so on.

    Raises:
        ValueError: an axis is a distribution, there is none, or the lengths differ.
    """
    listed = _listed("zipped", axes)
    lengths = {name: len(options) for name, options in listed.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"zipped: the lengths differ: {lengths}.")
    return Space(listed)


def random(samples: int, seed: int = 0, **axes: Any) -> Space:
    """Independent draws from each distribution.

    Raises:
        ValueError: an axis is no distribution, there is none, or `samples` < 1.

    Example:
        >>> from gradtx.sweep import random, uniform
        >>> [round(x, 3) for x in random(2, seed=1, b1=uniform(0.8, 0.9)).columns["b1"]]
        [0.851, 0.895]
    """
    points = np.random.default_rng(seed).random((_count("random", samples), max(len(axes), 1)))
    return _drawn("random", points, axes)


def sobol(samples: int, seed: int = 0, **axes: Any) -> Space:
    """Scrambled Sobol points through each distribution: they fill the space more evenly than random ones. Best in powers of two.

    Raises:
        ModuleNotFoundError: SciPy isn't there; `gradtx[sweep]` has it.
        ValueError: an axis is no distribution, there is none, or `samples` < 1.

    References:
        Sobol (1967), On the distribution of points in a cube. Owen (1998), Scrambling Sobol' and Niederreiter-Xing points.
    """
    try:
        from scipy.stats import qmc
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("sobol needs SciPy: install gradtx[sweep], or draw with random.") from error
    exponent = math.ceil(math.log2(_count("sobol", samples)))
    # The first so many of the next power of two: any prefix of a Sobol sequence is one.
    points = qmc.Sobol(max(len(axes), 1), scramble=True, rng=seed).random_base2(exponent)[:samples]
    return _drawn("sobol", points, axes)


def _drawn(who: str, points: np.ndarray, axes: Mapping[str, Any]) -> Space:
    _some(who, axes)
    for name, axis in axes.items():
        if not isinstance(axis, Distribution):
            raise ValueError(f"{who}: {name} = {axis!r} is no distribution; a list is drawn from with choice(...).")
    return Space(
        {
            name: tuple(axis.quantile(float(u)) for u in column)
            for (name, axis), column in zip(axes.items(), points.T, strict=True)
        }
    )


def _listed(who: str, axes: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    _some(who, axes)
    for name, axis in axes.items():
        if isinstance(axis, Distribution):
            raise ValueError(f"{who}: {name} = {axis.name} has no list of values; draw from it with random(...) or sobol(...).")
    return {name: as_axis(axis).options for name, axis in axes.items()}  # type: ignore[union-attr]


def as_axis(value: Any) -> Axis:
    """An axis as it is, a list or array as its values, anything else as the only one."""
    if isinstance(value, Options | Distribution):
        return value
    return values(value) if isinstance(value, list | np.ndarray | range) else Options((value,))


def space_of(axes: Mapping[str, Any], samples: int, seed: int, sampler: Callable[..., Space]) -> Space | None:
    """Listed axes in all combinations, times joint draws from the distributions."""
    axes = {name: as_axis(axis) for name, axis in axes.items()}
    listed = {n: a for n, a in axes.items() if isinstance(a, Options)}
    drawn = {n: a for n, a in axes.items() if isinstance(a, Distribution)}
    spaces = ([grid(**listed)] if listed else []) + ([sampler(samples, seed, **drawn)] if drawn else [])
    return product(spaces) if spaces else None


def product(spaces: Iterable[Space] | Sequence[Space]) -> Space:
    """Every combination of the settings of several spaces."""
    first, *rest = spaces
    for space in rest:
        first = first * space
    return first


def _some(who: str, axes: Mapping[str, Any]) -> None:
    if not axes:
        raise ValueError(f"{who}: the space is empty; name at least one axis.")


def _count(who: str, number: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise ValueError(f"{who}: the number of values is {number!r}; it must be a whole number >= 1.")
    return int(number)


def _ordered(who: str, low: float, high: float) -> None:
    if not low <= high or not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{who}: the range goes from {low} to {high}; it must be finite and rise.")


def _positive(who: str, low: float, high: float) -> None:
    if not (low > 0 and high > 0):
        raise ValueError(f"{who}: {low} to {high} has no logarithm; both ends must be > 0.")
