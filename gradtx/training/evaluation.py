"""Measuring the parameters on data that isn't trained on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.points import evaluation_params
from gradtx.training.data import Batches
from gradtx.training.run import Run


class Evaluation:
    """Means over the examples of a data set, batch by batch, of the parameters to evaluate."""

    def __init__(self, loss: Callable[..., Any], evaluate: Callable[..., Any] | None, source: Any, simple: bool) -> None:
        measure = evaluate or getattr(loss, "evaluate", None) or (loss if simple else None)
        if measure is None:
            raise ValueError(
                "fit: validation needs evaluate, a function (params, batch), with state= where there is one: the loss takes a state or a key, "
                "and so may differ in training."
            )
        self.measure, self.source = _compiled(measure, isinstance(source, Batches)), source
        self.arrays = jax.tree.map(jnp.asarray, source.data) if isinstance(source, Batches) else None

    def __call__(self, run: Run) -> dict[str, float]:
        """What is measured, its names after `val_`."""
        total, count = {}, 0
        for item in self.source.rows(0) if self.arrays is not None else self.source:
            size = len(jax.tree.leaves(item)[0])
            measured = jax.device_get(self.measure(run.state, run.optimizer, self.arrays, item))
            total = {n: total.get(n, 0.0) + size * float(x) for n, x in measured.items()}
            count += size
        if not count:
            raise ValueError("fit: validation gave no batch; an iterator can be gone through once only.")
        return {f"val_{n}": x / count for n, x in total.items()}


@functools.lru_cache(maxsize=16)
def _compiled(measure: Callable[..., Any], by_rows: bool) -> Callable[..., Any]:
    def on_batch(state: Any, optimizer: Any, arrays: Any, item: Any) -> dict[str, jax.Array]:
        params = evaluation_params(optimizer, state.opt_state, state.params)
        extra = {} if state.model_state is None else {"state": state.model_state}
        returned = measure(params, jax.tree.map(lambda x: x[item], arrays) if by_rows else item, **extra)
        value, more = returned if isinstance(returned, tuple) else (returned, {})
        measured = (value if isinstance(value, dict) else {"loss": value}) | more
        for name, x in measured.items():
            if np.shape(x) != ():
                raise TypeError(f"fit: evaluate must measure numbers, {name!r} has the shape {list(np.shape(x))}.")
        return measured

    return jax.jit(on_batch)
