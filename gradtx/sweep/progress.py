"""What is seen while a sweep runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gradtx.sweep.policies import Report


class Event(NamedTuple):
    """What callbacks are told at each rung.

    Attributes:
        report: what the policy is told, after it has decided.
        metric: by what trials are judged.
        best: the best score so far, as measured.
        trial_steps_per_second: the speed.
        seconds_left: the time left.
        measured: at this rung, by name and as measured: a number for each trial, NaN where one no longer runs.
    """

    report: Report
    metric: str
    best: float
    trial_steps_per_second: float
    seconds_left: float
    measured: Mapping[str, np.ndarray]


def bar(event: Event) -> None:
    """One line on the error stream: how far, how many still run, the best so far, trials x steps a second, the time left."""
    report, width = event.report, 24
    done = report.step / report.steps
    filled = "█" * round(width * done) + "░" * (width - round(width * done))
    line = f"{filled} {report.step}/{report.steps} steps, {report.alive.sum()} trials, best {event.metric} {event.best:.4g}"
    line += f", {event.trial_steps_per_second:,.0f} trials x steps/s, {event.seconds_left:.0f} s left"
    print(f"\r{line:<110}", end="\n" if report.step >= report.steps else "", file=sys.stderr, flush=True)
