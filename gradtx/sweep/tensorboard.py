"""A sweep as TensorBoard shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradtx.sweep.progress import Event


def tensorboard(writer: Callable[[str], Any]) -> Callable[[Event], None]:
    """A callback that writes a sweep for TensorBoard while it runs: each trial is a run with its curves, and has its hyperparameters at its end.

    One run a trial, so that TensorBoard draws the curves of all in one picture. A sweep that goes on from its folder is written
    from there on.

    Args:
        writer: from a trial's name, such as `"trial 7"`, to its writer: a `SummaryWriter` of `torch.utils.tensorboard` or of
            `tensorboardX`, or whatever has their `add_scalar`, `add_hparams`, `flush` and `close`. All trials' writers are open until
            their trials end.

    Returns:
        The callback, for one sweep.

    Raises:
        TypeError: `writer` is a writer and no function that makes one.

    Example:
        >>> import gradtx
        >>> from gradtx.problems import beale
        >>> from gradtx.sweep import minimizing, run, tensorboard, trials
        >>> class Printing:
        ...     def add_scalar(self, name, value, step):
        ...         print(step, name)
        ...     def add_hparams(self, values, scores):
        ...         print(values, list(scores))
        ...     def flush(self): ...
        ...     def close(self): ...
        >>> told = tensorboard(lambda trial: Printing())
        >>> results = run(minimizing(beale), trials(gradtx.adam, learning_rate=[0.1]), 100, every=50, callbacks=[told])
        50 loss
        50 train
        100 loss
        100 train
        {'optimizer': 'adam', 'learning_rate': 0.1, 'setting': 0, 'seed': 0} ['final/loss', 'final/train']
    """
    if not callable(writer):
        raise TypeError(f"tensorboard: writer is {writer!r}; give a function from a trial's name to its writer.")
    writers: dict[int, Any] = {}
    ended: set[int] = set()

    def write(event: Event) -> None:
        report = event.report
        for i in range(len(report.alive)):
            if i in ended:
                continue
            measured = {n: float(v[i]) for n, v in event.measured.items()}
            if i not in writers:
                writers[i] = writer(f"trial {i}")
            own = writers[i]
            for name, value in measured.items():
                own.add_scalar(name, value, report.step)
            if report.alive[i] and report.step < report.steps:
                own.flush()
                continue
            values = {n: _plain(c[i]) for n, c in report.columns.items() if c[i] is not None}
            own.add_hparams(values, {f"final/{n}": v for n, v in measured.items()})
            own.close()
            ended.add(i)

    return write


def _plain(x: Any) -> Any:
    """What TensorBoard takes for a hyperparameter; all else as it prints."""
    x = x.item() if isinstance(x, np.generic) else x
    return x if isinstance(x, bool | int | float | str) else str(x)
