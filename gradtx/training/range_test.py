"""The learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.edit import adjust
from gradtx.core.transform import Transform
from gradtx.training.loop import fit
from gradtx.training.run import Run


class RangeTest(NamedTuple):
    """What a range test saw, up to where the loss rose for good.

    Attributes:
        rates: the learning rates, rising, `[steps]`.
        losses: at each of them, `[steps]`.
        smooth: their running mean, bias-corrected.
        steepest: the rate at which the smooth loss fell most, the first few steps left out, where the mean is still noise; a common choice
            for the highest rate of a schedule.
        limit: the rate at which the smooth loss was lowest; above it training becomes unstable.
        hyperparameter: what rose.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    steepest: float
    limit: float
    hyperparameter: str = "learning_rate"


def range_test(
    loss: Callable[..., Any],
    params: Any,
    optimizer: Transform,
    data: Any,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    hyperparameter: str = "learning_rate",
    smoothing: float = 0.9,
    model_state: Any = None,
    key: jax.Array | None = None,
) -> RangeTest:
    """Trains while the learning rate rises by the same factor each step, until the loss has risen far or is not finite.

    Far is three times as much over its lowest as the first loss is.

    Args:
        loss, params, data, model_state, key: as `fit` takes them. What is given isn't changed.
        optimizer: one with the hyperparameter.
        lowest: the first rate, over 0.
        highest: the last, over `lowest`.
        steps: how many, 10 or more.
        hyperparameter: what rises.
        smoothing: the decay of the running mean, in [0, 1).

    Returns:
        A `RangeTest`; `gradtx.plotting.range_test` draws it.

    Raises:
        ValueError: a number is out of range, or the optimizer has no such hyperparameter.

    References:
        Smith (2017), Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.training import range_test
        >>> seen = range_test(lambda p, batch: jnp.sum(p**2), jnp.ones(3), gradtx.sgd(0.1), [0], lowest=1e-4, highest=10.0)
        >>> 0.01 < seen.steepest < 1 < seen.limit  # above a rate of 1 the square diverges; the running mean tells a little later
        True
    """
    if not 0 < lowest < highest < np.inf:
        raise ValueError(f"range_test: the rates go from {lowest!r} to {highest!r}; they must be over 0 and rise.")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 10:
        raise ValueError(f"range_test: steps is {steps!r}; it must be a whole number, 10 or more.")
    if not 0 <= smoothing < 1:
        raise ValueError(f"range_test: smoothing is {smoothing!r}; it must be in [0, 1).")
    rates, losses, smooth = np.geomspace(lowest, highest, steps), np.full(steps, np.nan), np.full(steps, np.nan)
    mean = 0.0

    def look(run: Run) -> None:
        nonlocal mean
        i, value = run.step - 1, run.records[-1]["loss"]
        mean = smoothing * mean + (1 - smoothing) * value
        losses[i], smooth[i] = value, mean / (1 - smoothing ** (i + 1))
        lowest_yet = np.nanmin(smooth)
        if run.skipped or smooth[i] - lowest_yet > 3 * (losses[0] - lowest_yet) > 0:
            run.stop("the loss rose")
        elif run.step < steps:
            run.adjust(**{hyperparameter: float(rates[i + 1])})

    first = adjust(optimizer, **{hyperparameter: lowest})
    # A loss of the caller's may not be the one that a training in progress has: the module, if it is one, stays as it is.
    params = jax.tree.map(jnp.array, params)
    fit(loss, params, first, data, steps=steps, every=1, model_state=model_state, key=key, nonfinite="skip", callbacks=[look])
    seen = np.isfinite(smooth)
    rates, losses, smooth = rates[seen], losses[seen], smooth[seen]
    if len(rates) < 3:
        raise ValueError(f"range_test: the loss rose at once, at a rate of {lowest:g}; begin lower.")
    slope = np.gradient(smooth, np.log(rates))
    end = max(2, int(np.argmin(smooth)) + 1)
    begin = min(round(2 / (1 - smoothing)), end - 1)
    steepest = begin + int(np.argmin(slope[begin:end]))
    return RangeTest(rates, losses, smooth, float(rates[steepest]), float(rates[end - 1]), hyperparameter)
