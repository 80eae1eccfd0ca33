"""A bar while a training runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from gradtx.training.run import Run


@contextlib.contextmanager
def shown(progress: bool, run: Run, epochs: int | None, steps: int | None) -> Iterator[Callable[[], None]]:
    """What to call after each step; it shows how far the run is, and its last record."""
    if not progress:
        yield lambda: None
        return
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("fit: progress needs rich, an extra: pip install 'gradtx[cli]'.") from error
    text = TextColumn("{task.description}")
    with Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=epochs if steps is None else steps)

        def show() -> None:
            last = run.records[-1] if run.records else {}
            words = [f"{n} {x:.4g}" for n, x in last.items() if n == "loss" or n.startswith("val_")]
            unit = "epochs" if steps is None else "steps"
            bar.update(task, completed=run.epoch if steps is None else run.step, description=" ".join([unit, *words]))

        yield show
        show()
