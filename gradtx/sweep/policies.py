"""Who goes on: pure functions of what has been measured so far."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class Report:
    """What a policy is told at a rung. Arrays have a row for each trial; less is better in all of them.

    Attributes:
        step: the steps done.
        steps: those of a full trial.
        scores: what was measured at this rung: NaN for trials that no longer run, infinite for diverged ones.
        history: the scores of all rungs so far, this one last: `[trials, rungs]`.
        alive: who is running and hasn't diverged.
        settings: which rows are one setting with several seeds.
        groups: which rows have optimizers of one structure.
        columns: the table, with what a policy has changed.
    """

    step: int
    steps: int
    scores: np.ndarray
    history: np.ndarray
    alive: np.ndarray
    settings: np.ndarray
    groups: np.ndarray
    columns: Mapping[str, np.ndarray]


class Decision(NamedTuple):
    """What a policy answers: who goes on, from whose weights and states (itself if None), and with which new hyperparameters."""

    keep: np.ndarray
    source: np.ndarray | None = None
    changes: Mapping[str, np.ndarray] = {}


@dataclasses.dataclass(frozen=True)
class Policy:
    """A decision and the steps at which it is made. A bare function `Report -> Decision` (or a mask) is a policy too.

    Attributes:
        decide: the pure function.
        rungs: from the number of steps to those at which trials are measured and `decide` is asked; multiples of `every` if None.
        name: with its arguments, as a resumed sweep compares it.
    """

    decide: Callable[[Report], Any]
    rungs: Callable[[int], Sequence[int]] | None = None
    name: str = ""


def full() -> Policy:
    """All trials run to the end."""
    return Policy(lambda report: report.alive, name="full()")


def successive_halving(start: int, eta: float = 3.0) -> Policy:
    """At `start`, `start * eta`, … steps the best 1/eta of the settings go on, judged by the mean over their seeds.

    Args:
        start: the steps before the first selection.
        eta: how much is left out, > 1.

    References:
        Jamieson, Talwalkar (2015), Non-stochastic Best Arm Identification and Hyperparameter Optimization, arXiv:1502.07943.
    """
    _check_halving("successive_halving", start, eta)

    def decide(report: Report) -> np.ndarray:
        if report.step not in _rungs(start, eta, report.steps)[:-1]:
            return report.alive
        return _best(report, np.unique(report.settings), eta, _survived(report, start, eta))

    return Policy(decide, lambda steps: _rungs(start, eta, steps), f"successive_halving({start}, {eta})")


def hyperband(start: int, eta: float = 3.0) -> Policy:
    """Brackets of successive halving that start to select at `start`, `start * eta`, … steps, the last only at the end.

    The trials are dealt out in Hyperband's proportions, in their order: draw them at random, or by Sobol.

    Args:
        start: the steps before the first selection of the most eager bracket.
        eta: how much is left out at each, > 1.

    References:
        Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar (2018), Hyperband: A Novel Bandit-Based Approach to Hyperparameter
        Optimization, arXiv:1603.06560.
    """
    _check_halving("hyperband", start, eta)

    def decide(report: Report) -> np.ndarray:
        rungs = _rungs(start, eta, report.steps)
        keep = report.alive.copy()
        for settings, first in zip(brackets(np.unique(report.settings), len(rungs), eta), rungs, strict=True):
            if report.step in rungs[:-1] and report.step >= first:
                mine = np.isin(report.settings, settings)
                keep &= ~mine | _best(report, settings, eta, _survived(report, first, eta))
        return keep

    return Policy(decide, lambda steps: _rungs(start, eta, steps), f"hyperband({start}, {eta})")


def brackets(settings: np.ndarray, number: int, eta: float) -> list[np.ndarray]:
    """Hyperband's shares: bracket s of s_max..0 gets (s_max + 1) / (s + 1) * eta^s of the settings, the most eager first."""
    shares = np.array([number / (s + 1) * eta**s for s in reversed(range(number))])
    ends = np.round(np.cumsum(shares) / shares.sum() * len(settings)).astype(int)
    return [settings[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def early_stopping(patience: int, min_delta: float = 0.0) -> Policy:
    """A trial stops when its score hasn't improved by more than `min_delta` for `patience` rungs in a row.

    References:
        Prechelt (1998), Early Stopping, But When?
    """
    if patience < 1:
        raise ValueError(f"early_stopping: patience is {patience}; it must be >= 1.")

    def decide(report: Report) -> np.ndarray:
        if report.history.shape[1] <= patience:
            return report.alive
        before = report.history[:, :-patience].min(axis=1, initial=np.inf, where=~np.isnan(report.history[:, :-patience]))
        latest = report.history[:, -patience:].min(axis=1, initial=np.inf, where=~np.isnan(report.history[:, -patience:]))
        return report.alive & (latest < before - min_delta)

    return Policy(decide, name=f"early_stopping({patience}, {min_delta})")


def apart(policy: Policy | Callable[[Report], Any], column: str = "optimizer") -> Policy:
    """The policy, asked about each optimizer apart: no optimizer is left out for another, and each has a winner that ran to the end.

    Args:
        policy: one that only selects, such as `successive_halving(…)` or `hyperband(…)`.
        column: of the table; rows with the same value in it are one part.

    Raises:
        TypeError: at a rung: the policy copies or changes trials.

    Example:
        >>> from gradtx import adam, sgd
        >>> from gradtx.problems import rosenbrock
        >>> from gradtx.sweep import apart, log, minimizing, run, successive_halving, trials
        >>> both = trials(adam, learning_rate=log(1e-6, 1e-4, 4)) + trials(sgd, learning_rate=log(1e-5, 1e-3, 4))
        >>> results = run(minimizing(rosenbrock), both, 20, policy=apart(successive_halving(5, 2)))
        >>> results.trials.columns["optimizer"][results.status == "done"].tolist()
        ['adam', 'sgd']
    """
    inner = as_policy(policy)

    def decide(report: Report) -> np.ndarray:
        keep = np.zeros(len(report.alive), bool)
        for value in dict.fromkeys(report.columns[column]):
            part = np.flatnonzero(report.columns[column] == value)
            of = {f: getattr(report, f)[part] for f in ("scores", "history", "alive", "settings", "groups")}
            answer = inner.decide(dataclasses.replace(report, **of, columns={n: c[part] for n, c in report.columns.items()}))
            if isinstance(answer, Decision):
                raise TypeError(f"apart: {inner.name} copies or changes trials; it takes policies that only select.")
            keep[part] = answer
        return keep

    return Policy(decide, inner.rungs, f"apart({inner.name}, {column!r})")


def population_based(
    names: Sequence[str],
    fraction: float = 0.25,
    factors: Sequence[float] = (0.8, 1.25),
    bounds: Mapping[str, tuple[float, float]] | None = None,
    seed: int = 0,
) -> Policy:
    """Population-based training: the worst take over weights, state and hyperparameters of one of the best, then perturb these.

    Args:
        names: which swept hyperparameters are perturbed.
        fraction: how many of each end, of the trials of one kind.
        factors: each hyperparameter is multiplied by one of these.
        bounds: `{name: (low, high)}` within which it stays.
        seed: of the choices, which depend on it and the step only.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, arXiv:1711.09846.
    """
    if not 0 < fraction <= 0.5:
        raise ValueError(f"population_based: fraction is {fraction}; it must be in (0, 0.5].")
    limits = dict(bounds or {})

    def decide(report: Report) -> Decision:
        generator = np.random.default_rng((seed, report.step))
        source = np.arange(len(report.scores))
        changes = {n: np.asarray(report.columns[n], np.float64).copy() for n in names}
        keep = ~np.isnan(report.scores)  # diverged ones are replaced by copies
        for group in np.unique(report.groups):
            rows = np.flatnonzero(keep & (report.groups == group))
            rows = rows[np.argsort(report.scores[rows], kind="stable")]
            count = math.floor(len(rows) * fraction)
            # The diverged are replaced too, as long as there is someone to copy.
            good = rows[: max(count, 1)]
            good = good[np.isfinite(report.scores[good])]
            if not len(good):
                continue
            worst = [r for i, r in enumerate(rows) if i >= len(rows) - count or not np.isfinite(report.scores[r])]
            for row in worst:
                source[row] = generator.choice(good)
                for name in names:
                    value = changes[name][source[row]] * generator.choice(factors)
                    changes[name][row] = np.clip(value, *limits.get(name, (-np.inf, np.inf)))
        return Decision(keep & (report.alive | (source != np.arange(len(source)))), source, changes)

    return Policy(decide, name=f"population_based({list(names)}, {fraction}, {list(factors)}, {limits}, {seed})")


def as_policy(policy: Any) -> Policy:
    """A policy as it is, a bare function as one that is asked at every rung."""
    if isinstance(policy, Policy):
        return policy
    if callable(policy):
        return Policy(policy, name=getattr(policy, "__qualname__", type(policy).__name__))
    raise TypeError(f"sweep: {policy!r} is no policy; it is a function Report -> Decision, or what full() and its like give.")


def _check_halving(who: str, start: int, eta: float) -> None:
    if start < 1 or not eta > 1:
        raise ValueError(f"{who}: start is {start}, eta {eta}; they must be >= 1 and > 1.")


def _rungs(start: int, eta: float, steps: int) -> list[int]:
    """start, start * eta, … and the end."""
    rungs, k = [], 0
    while (rung := round(start * eta**k)) < steps:
        rungs.append(rung)
        k += 1
    return [*rungs, steps]


def _survived(report: Report, first: int, eta: float) -> int:
    """How many selections there have been, this one included."""
    return sum(first <= r <= report.step for r in _rungs(first, eta, report.steps)[:-1])


def _best(report: Report, settings: np.ndarray, eta: float, selections: int) -> np.ndarray:
    """The rows of the best 1/eta^selections of these settings, by the mean over their seeds."""
    means = np.array([_mean(report, s) for s in settings])
    count = max(1, math.floor(len(settings) / eta**selections + 1e-9))
    chosen = settings[np.argsort(means, kind="stable")[:count]]
    return report.alive & np.isin(report.settings, chosen)


def _mean(report: Report, setting: int) -> float:
    scores = report.scores[report.settings == setting]
    return float("inf") if np.isnan(scores).any() else float(scores.mean())
