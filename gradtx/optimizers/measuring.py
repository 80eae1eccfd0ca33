"""Measurements with a memory, for `tap` and `monitor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradtx.combinators.chain import chain
from gradtx.combinators.tap import measured
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.typing import Decay, DType


@optimizer
def measure_with_ema(
    measure: Callable[[Any], Any], decay: Decay, debias: bool = True, accumulator_dtype: DType = None
) -> Transform:
    """The exponential moving average of a measurement, for `tap` and `monitor`: $m \\leftarrow b\\,m + (1 - b) f(u)$.

    Args:
        measure: $f$, a function of the updates that gives an array or a tree of them; a bool counts as 0 or 1. Static: give it a name.
        decay: $b$ in [0, 1), a number or a schedule.
        debias: divide by the weight of what has been seen.
        accumulator_dtype: dtype of the average; float32 or wider if None.

    Raises:
        ValueError: `decay` is outside [0, 1).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> def is_large(updates):
        ...     return gradtx.global_norm(updates) > 1.0
        >>> tx = gradtx.monitor({"large": gradtx.measure_with_ema(is_large, 0.9)})
        >>> update, state = tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))
        >>> round(float(gradtx.state_get(state, "large")), 6)
        1.0
    """
    average = ema(decay, accumulator_dtype=accumulator_dtype)
    return chain(measured(measure), average, bias_correction(decay)) if debias else chain(measured(measure), average)
