"""Reducing the learning rate when a value stops falling."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.fields import Interval
from gradtx.core.number import number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import need, scalar, scaled
from gradtx.typing import Fraction, NonNegative


class ReduceLROnPlateauState(NamedTuple):
    """The factor in force, the best value, checks without improvement, checks still to wait, and the mean of the values since the last check."""

    scale: jax.Array
    best_value: jax.Array
    plateau_count: jax.Array
    cooldown_count: jax.Array
    count: jax.Array  # type: ignore[assignment]
    avg_value: jax.Array


class reduce_on_plateau(Transform):
    """Scales the updates down each time a value has stopped falling: $u \\leftarrow s\\,u$, $s \\leftarrow \\max(f s, s_{\\min})$ on a plateau.

    Put it behind an optimizer, and call `update(..., value=loss)`. Every `accumulation_size` calls their mean value is checked. It is an
    improvement if it lies below the best by more than `rtol` $|\\text{best}|$ + `atol`; Optax and PyTorch multiply the best by 1 - rtol
    instead, which for a negative best is a threshold above it: there a value that slowly rises counts as improving for ever.

    Args:
        factor: $f$ in (0, 1), a number or a schedule.
        patience: checks without improvement before the reduction; a positive whole number.
        rtol: in [0, 1].
        atol: not negative.
        cooldown: checks after a reduction in which none is counted; a whole number.
        accumulation_size: calls for each check. 1 for a validation loss, more for the noisy loss of batches.
        min_scale: $s_{\\min} \\ge 0$.

    Returns:
        A transformation with the state `ReduceLROnPlateauState(scale, best_value, plateau_count, cooldown_count, count, avg_value)`.

    Raises:
        ValueError: a number is outside its range, or both tolerances are zero; `update` was called without `value`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.sgd(1.0), gradtx.reduce_on_plateau(factor=0.5, patience=1))
        >>> update, state = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)), value=-3.0)
        >>> float(update), float(tx.update(jnp.array(1.0), state, value=-2.9)[0])
        (-1.0, -0.5)
    """

    factor: Annotated[Any, Interval(0, 1, open_low=True, open_high=True)] = 0.1
    patience: int = 10
    rtol: Fraction = 1e-4
    atol: NonNegative = 0.0
    cooldown: int = 0
    accumulation_size: int = 1
    min_scale: NonNegative = 0.0

    elementwise = True

    def check(self) -> None:
        for name, least in (("patience", 1), ("cooldown", 0), ("accumulation_size", 1)):
            n = getattr(self, name)
            if not isinstance(n, int) or isinstance(n, bool) or n < least:
                raise ValueError(f"reduce_on_plateau: {name} = {n!r}; it must be a whole number, {least} or more.")
        if isinstance(self.rtol, float) and isinstance(self.atol, float) and self.rtol == self.atol == 0:
            raise ValueError("reduce_on_plateau: rtol and atol are both 0; one must be positive.")

    def start(self, params: Tree) -> ReduceLROnPlateauState:
        check_trainable(self, params)
        bad, waiting, count = (jnp.zeros((), jnp.int32) for _ in range(3))
        return ReduceLROnPlateauState(scalar(params, 1.0), scalar(params, jnp.inf), bad, waiting, count, scalar(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        value = jnp.asarray(need(self, extra, "value"), state.scale.dtype)
        if value.shape != ():
            raise ValueError(f"reduce_on_plateau: the value must be one number, it has the shape {value.shape}.")
        count = state.count + 1
        mean = state.avg_value + (value - state.avg_value) / count.astype(value.dtype)
        seen = state._replace(count=count, avg_value=mean)
        due = count == self.accumulation_size
        state = jax.tree.map(lambda a, b: jnp.where(due, a, b), self._checked(seen), seen)
        return scaled(updates, state.scale), state

    def _checked(self, state: ReduceLROnPlateauState) -> ReduceLROnPlateauState:
        """After comparing the mean with the best."""
        dtype = state.scale.dtype
        factor, rtol, atol, least = (number(h, dtype) for h in (self.factor, self.rtol, self.atol, self.min_scale))
        best = state.best_value
        # Infinity, the best at first, less a part of itself would be NaN.
        wanted = jnp.where(jnp.isfinite(best), best - rtol * jnp.abs(best) - atol, best)
        better = state.avg_value < wanted
        waiting = state.cooldown_count > 0
        bad = jnp.where(better | waiting, 0, state.plateau_count + 1)
        reduce = bad == self.patience
        return ReduceLROnPlateauState(
            scale=jnp.where(reduce, jnp.maximum(state.scale * factor, least), state.scale),
            best_value=jnp.where(better, state.avg_value, best),
            plateau_count=jnp.where(reduce, 0, bad),
            cooldown_count=jnp.where(waiting, state.cooldown_count - 1, jnp.where(reduce, self.cooldown, 0)),
            count=jnp.zeros_like(state.count),
            avg_value=jnp.zeros_like(state.avg_value),
        )
