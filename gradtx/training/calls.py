"""The compiled calls of a training: one step each, or a scan over several."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.training.data import Batches, named_leaves
from gradtx.training.run import Run
from gradtx.training.step import training_step

# Calls between two looks at their losses: so long the batches are kept, to say which one was bad, and the device isn't waited for.
PENDING = 64


class Calls:
    """Advances a run over its data and gathers what the steps measure."""

    def __init__(self, run: Run, loss: Callable[..., Any], source: Any, nonfinite: str) -> None:
        self.run, self.source, self.nonfinite = run, source, nonfinite
        self.arrays = jax.tree.map(jnp.asarray, source.data) if isinstance(source, Batches) else None
        self.one, self.many = compiled(loss, self.arrays is not None)
        # The optimizer with its numbers on the device: as Python's they would be moved there at each call.
        self.given: Any = None
        self.optimizer: Any = None
        self.items: Iterator[Any] | None = None
        self.held: list[Any] = []  # the next item, taken to see whether there is one
        self.pending: list[tuple[int, int, int, list[Any], dict[str, jax.Array]]] = []
        self.seen: dict[str, list[np.ndarray]] = {}

    def advance(self, steps: int) -> bool:
        """At most so many steps in one call; whether the epoch ended with it."""
        if self.items is None:
            self._begin_epoch()
        run, items = self.run, self._take(steps)
        if run.optimizer is not self.given:
            self.given, self.optimizer = run.optimizer, jax.tree.map(jnp.asarray, run.optimizer)
        arguments = (run.state, self.optimizer, self.arrays)
        if len(items) == 1:
            run.state, measured = self.one(*arguments, items[0])
        else:
            run.state, measured = self.many(*arguments, jax.tree.map(lambda *x: np.stack(x), *items))
        self.pending.append((run.step, run.epoch, run.batch, items, measured))
        run.step, run.batch = run.step + len(items), run.batch + len(items)
        if len(self.pending) >= PENDING:
            self._look()
        if self.held:
            return False
        self.items, run.epoch, run.batch = None, run.epoch + 1, 0
        return True

    @property
    def any(self) -> bool:
        """Whether there were steps since `means` was asked."""
        return bool(self.pending or self.seen)

    def means(self) -> dict[str, float]:
        """Of what the steps measured since the last time, those left out not counted."""
        self._look()
        seen = {n: np.concatenate(x).astype(np.float64) for n, x in self.seen.items()}
        good = _good(seen)
        self.seen = {}
        return {n: float(x[good].mean()) if good.any() else float("nan") for n, x in seen.items()}

    def _begin_epoch(self) -> None:
        run, source = self.run, self.source
        self.items = iter(source.rows(run.epoch) if self.arrays is not None else source)
        if self.arrays is None and self.items is source and run.epoch > 0:
            raise ValueError(
                "data: an iterator can be gone through once only; give a list or a loader, or train for one epoch."
            )
        self.held = list(itertools.islice(self.items, run.batch, run.batch + 1))
        if not self.held:
            raise ValueError(f"data: there is no batch {run.batch} in epoch {run.epoch}.")

    def _take(self, most: int) -> list[Any]:
        """The next batches that have the same shapes."""
        assert self.items is not None
        items: list[Any] = []
        while self.held and len(items) < most and (not items or _shapes(self.held[0]) == _shapes(items[0])):
            items, self.held = items + self.held, list(itertools.islice(self.items, 1))
        return items

    def _look(self) -> None:
        """Fetches what was measured, and looks for what is not finite."""
        pending, self.pending = self.pending, []
        for step, epoch, batch, items, measured in pending:
            values = {n: np.atleast_1d(np.asarray(x)) for n, x in measured.items()}
            good = _good(values)
            if self.nonfinite == "raise" and not good.all():
                i = int(np.argmin(good))
                self._complain({n: float(x[i]) for n, x in values.items()}, step + i, epoch, batch + i, items[i])
            for n, x in values.items():
                self.seen.setdefault(n, []).append(x)

    def _complain(self, values: dict[str, float], step: int, epoch: int, batch: int, item: Any) -> None:
        what = "the loss" if not np.isfinite(values["loss"]) else "the gradient's norm"
        value = values["loss"] if what == "the loss" else values["grad_norm"]
        bad = []
        for name, x in named_leaves(self.source.take(item) if self.arrays is not None else item).items():
            x = np.asarray(x)
            if jnp.issubdtype(x.dtype, jnp.inexact) and not np.isfinite(x.astype(np.float64)).all():
                row = int(np.argwhere(~np.isfinite(x.astype(np.float64)))[0][0]) if x.ndim else 0
                example = f" (example {int(item[row])} of the data)" if self.arrays is not None else ""
                bad.append(f"its array [{name}] is not finite at row {row}{example}")
        why = "; ".join(bad) or (
            "all of the batch is finite, so a step may have been too large: a lower learning rate or clip_by_global_norm may help, and "
            "nonfinite='skip' leaves such steps out"
        )
        error = FloatingPointError(
            f"fit: {what} is {value} at step {step}, batch {batch} of epoch {epoch}: {why}. The step was left out."
        )
        error.run = self.run  # type: ignore[attr-defined]
        raise error


@functools.lru_cache(maxsize=16)
def compiled(loss: Callable[..., Any], by_rows: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A step, and a scan over steps; another `fit` with the same loss doesn't compile again."""

    def one(state: Any, optimizer: Any, arrays: Any, item: Any) -> Any:
        return training_step(loss, state, optimizer, jax.tree.map(lambda x: x[item], arrays) if by_rows else item)

    def many(state: Any, optimizer: Any, arrays: Any, items: Any) -> Any:
        return jax.lax.scan(lambda state, item: one(state, optimizer, arrays, item), state, items)

    return jax.jit(one, donate_argnums=0), jax.jit(many, donate_argnums=0)


def _good(values: dict[str, np.ndarray]) -> np.ndarray:
    return np.isfinite(values["loss"]) & np.isfinite(values["grad_norm"])


def _shapes(item: Any) -> Any:
    return [np.shape(x) for x in jax.tree.leaves(item)]
