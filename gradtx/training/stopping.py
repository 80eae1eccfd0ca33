"""When to stop: functions of the run that give the reason, or None."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradtx.training.run import Run


def early_stopping(
    metric: str = "val_loss", *, patience: int = 5, min_delta: float = 0.0, mode: str = "min"
) -> Callable[[Run], str | None]:
    """Stops when a number of the records hasn't become better for a while. `fit(..., monitor=metric)` keeps the best parameters.

    Args:
        metric: the name of the number.
        patience: so many records in a row without improvement end the run; 1 or more.
        min_delta: an improvement is one by more than this over the best so far; 0 or more.
        mode: "min" or "max".

    Returns:
        A condition for `fit(..., stop=[...])`; it reads the records only, so that a resumed run stops where an uninterrupted one does.

    References:
        Prechelt (1998), Early Stopping: But When?

    Example:
        >>> import gradtx
        >>> from gradtx.training import early_stopping, fit
        >>> run = fit(lambda p, batch: abs(p), 1.0, gradtx.sgd(0.4), [0], steps=100, stop=[early_stopping("loss", min_delta=1e-3, patience=3)])
        >>> run.step, run.reason
        (6, 'loss has not improved for 3 records: the best was 0.2 at step 3')
    """
    if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
        raise ValueError(f"early_stopping: patience is {patience!r}; it must be a whole number, 1 or more.")
    if not min_delta >= 0:
        raise ValueError(f"early_stopping: min_delta is {min_delta!r}; it must be 0 or more.")
    if mode not in ("min", "max"):
        raise ValueError(f"early_stopping: mode is {mode!r}; it must be 'min' or 'max'.")
    sign = -1 if mode == "max" else 1

    def condition(run: Run) -> str | None:
        history = run.history
        if metric not in history:
            raise ValueError(f"early_stopping: metric is {metric!r}; the records have {sorted(history)}.")
        best, at = np.inf, -1
        for i, x in enumerate(sign * history[metric]):
            if x < best - min_delta or at < 0:
                best, at = (x, i) if np.isfinite(x) else (np.inf, i)
        if len(run.records) - 1 - at < patience:
            return None
        return f"{metric} has not improved for {patience} records: the best was {sign * best:.4g} at step {run.records[at]['step']}"

    return condition


def gradient_below(tolerance: float) -> Callable[[Run], str | None]:
    """Stops when the gradient's norm, the mean since the last record, is below a tolerance.

    Args:
        tolerance: over 0. (Give `fit(..., every=1)` to look at each step.)

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.training import fit, gradient_below
        >>> run = fit(lambda p, batch: p**2, jnp.array(1.0), gradtx.sgd(0.25), [0], steps=99, stop=[gradient_below(0.1)])
        >>> run.step, run.reason
        (6, 'the gradient norm 0.0625 is below 0.1')
    """
    if not tolerance > 0:
        raise ValueError(f"gradient_below: tolerance is {tolerance!r}; it must be over 0.")

    def condition(run: Run) -> str | None:
        norm = run.records[-1]["grad_norm"]
        return f"the gradient norm {norm:.4g} is below {tolerance:g}" if norm < tolerance else None

    return condition


def time_limit(seconds: float) -> Callable[[Run], str | None]:
    """Stops at the first record after so many seconds of training; those before a resume count.

    Args:
        seconds: over 0.
    """
    if not seconds > 0:
        raise ValueError(f"time_limit: seconds is {seconds!r}; it must be over 0.")

    def condition(run: Run) -> str | None:
        return f"the {seconds:g} seconds are over" if run.records[-1]["seconds"] >= seconds else None

    return condition
