"""Batch statistics that fit averaged parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp


def refresh_statistics(apply: Callable[[Any, Any, Any], Any], params: Any, statistics: Any, batches: Iterable[Any]) -> Any:
    """The batch statistics of given parameters: of each batch its own, and their plain mean.

    Batch normalization's running means belong to the parameters that were trained; averaged parameters (`evaluation_params`) need others.
    A model moves its statistics by $s \\leftarrow m s + (1 - m) b$. From what one batch makes of $s = 0$ and of $s = 1$ follows $m$, and
    from the first of them $b$; so no momentum has to be known, and none is left in the result.

    Args:
        apply: `(params, statistics, batch) -> statistics`: a pass in training mode.
        params: such as `run.evaluation_params`.
        statistics: a tree like what `apply` takes; only shapes and dtypes count, but for integers and keys, which stay.
        batches: some batches of training data, all of the same size; a hundred are plenty.

    Returns:
        A tree like `statistics`.

    Raises:
        ValueError: there is no batch.

    References:
        Izmailov, Podoprikhin, Garipov, Vetrov, Wilson (2018), Averaging Weights Leads to Wider Optima and Better Generalization,
        arXiv:1803.05407.

    Example:
        >>> import jax.numpy as jnp
        >>> from gradtx.training import refresh_statistics
        >>> apply = lambda p, s, x: {"mean": 0.9 * s["mean"] + 0.1 * jnp.mean(p * x)}
        >>> fresh = refresh_statistics(apply, 2.0, {"mean": jnp.array(55.0)}, [jnp.array([1.0, 3.0]), jnp.array([5.0, 7.0])])
        >>> round(float(fresh["mean"]), 4)
        8.0
    """
    moving = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
    fill = lambda value: jax.tree.map(lambda x: jnp.full_like(x, value) if moving(x) else x, statistics)

    @jax.jit
    def own(batch: Any) -> Any:
        low, high = apply(params, fill(0), batch), apply(params, fill(1), batch)
        # A statistic that doesn't move, m = 1, stays as it is.
        return jax.tree.map(
            lambda s, a, b: jnp.where(b - a < 1, a / jnp.where(b - a < 1, 1 - (b - a), 1), s) if moving(s) else s,
            statistics,
            low,
            high,
        )

    total, count = None, 0
    for batch in batches:
        new = own(batch)
        total = new if total is None else jax.tree.map(lambda t, x: t + x if moving(t) else t, total, new)
        count += 1
    if not count:
        raise ValueError("refresh_statistics: there is no batch.")
    return jax.tree.map(lambda t: t / jnp.asarray(count, t.dtype) if moving(t) else t, total)
