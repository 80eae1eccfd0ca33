"""A training under way."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gradtx.core.edit import adjust
from gradtx.core.points import evaluation_params
from gradtx.core.transform import Transform
from gradtx.training.step import TrainingState


@dataclasses.dataclass
class Best:
    """The best so far: its step, what it measured, the parameters to evaluate and the model's state."""

    step: int
    score: float
    params: Any
    model_state: Any


@dataclasses.dataclass
class Run:
    """A training under way, as callbacks see it, and what `fit` returns.

    Attributes:
        optimizer: in force; another value of the same structure may be put here between records, without another compilation.
        state: the `TrainingState`.
        step: how many steps are done.
        epoch: the epoch under way, from 0.
        batch: how many batches of it are done.
        records: a dictionary a record: `step`, `epoch`, `seconds`, the means since the last record, validation (`val_…`), and the
            hyperparameters in force by path.
        best: the best by `monitor`, if there is one.
        reason: why it stopped, in words; None while it runs.
    """

    optimizer: Transform
    state: TrainingState
    step: int = 0
    epoch: int = 0
    batch: int = 0
    records: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: Best | None = None
    reason: str | None = None

    @property
    def skipped(self) -> int:
        """How many of these were left out, since the loss or the gradient was not finite."""
        return int(self.state.skipped)

    @property
    def params(self) -> Any:
        """The parameters as they are trained."""
        return self.state.params

    @property
    def evaluation_params(self) -> Any:
        """The parameters to evaluate or deploy: of methods that average, the average."""
        return evaluation_params(self.optimizer, self.state.opt_state, self.state.params)

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The records as columns; NaN where a record lacks a number."""
        names = dict.fromkeys(n for record in self.records for n in record)
        return {n: np.array([record.get(n, np.nan) for record in self.records]) for n in names}

    def adjust(self, **changes: Any) -> None:
        """Sets hyperparameters by name, anywhere in the optimizer, from the next step on: `run.adjust(learning_rate=1e-4)`."""
        self.optimizer = adjust(self.optimizer, **changes)

    def stop(self, reason: str) -> None:
        """Ends the training after this record."""
        self.reason = reason
