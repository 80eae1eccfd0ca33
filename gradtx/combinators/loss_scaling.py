"""Scaling the loss so that small gradients survive float16."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.combinators.gate import all_finite, idle
from gradtx.core.fields import Interval
from gradtx.core.number import number, real_of
from gradtx.core.transform import OptState, Transform, check_stage
from gradtx.core.trees import FLOAT0, Tree
from gradtx.typing import Positive


class DynamicLossScalingState(NamedTuple):
    """What the next loss is to be multiplied by, the good steps since the scale last changed, whether the last was good, and the inner state."""

    loss_scale: jax.Array
    fin_steps: jax.Array
    last_finite: jax.Array
    inner_state: OptState


class dynamic_loss_scaling(Transform):
    """Divides gradients by the scale $s$ of the loss that they come from, and adapts $s$: it grows on success, shrinks on overflow.

    The loss is to be multiplied by `state_get(state, "loss_scale")` before its gradient is taken. If that holds an infinity or a
    NaN, the whole step is left out (no memory, no schedule moves) and $s \\leftarrow \\max(b s, s_{\\min})$; after `growth_interval`
    good steps in a row $s \\leftarrow g s$, as long as that is finite. It belongs around the whole optimizer, whatever clips included.

    Args:
        inner: the optimizer; it sees the gradients of the loss itself.
        init_scale: $s$ at first, positive.
        growth_factor: $g \\ge 1$.
        backoff_factor: $b$ in (0, 1).
        growth_interval: good steps before it grows; a positive whole number. (As PyTorch counts; Flax waits for one more.)
        minimum_scale: $s_{\\min} > 0$; the default is Flax's and in effect none.

    Returns:
        A transformation with the state `DynamicLossScalingState(loss_scale, fin_steps, last_finite, inner_state)`.

    Raises:
        TypeError: `inner` is no transformation.
        ValueError: a number is outside its range.

    References:
        Micikevicius et al. (2017), Mixed Precision Training, arXiv:1710.03740. The arguments and defaults are those of PyTorch's
        `GradScaler` and Flax's `DynamicScale`.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> tx = gradtx.dynamic_loss_scaling(gradtx.sgd(0.1), init_scale=1024.0)
        >>> params = jnp.array(3.0)
        >>> state = tx.init(params)
        >>> grads = jax.grad(lambda p: gradtx.state_get(state, "loss_scale") * p**2)(params)
        >>> update, state = tx.update(grads, state, params)
        >>> round(float(update), 6)
        -0.6
    """

    inner: Transform
    init_scale: Positive = 65536.0
    growth_factor: Annotated[Any, Interval(1)] = 2.0
    backoff_factor: Annotated[Any, Interval(0, 1, open_low=True, open_high=True)] = 0.5
    growth_interval: int = 2000
    minimum_scale: Positive = float(np.finfo(np.float32).tiny)

    own_clock = True

    def check(self) -> None:
        check_stage(self, self.inner)
        if not isinstance(self.growth_interval, int) or isinstance(self.growth_interval, bool) or self.growth_interval < 1:
            raise ValueError(
                f"dynamic_loss_scaling: growth_interval = {self.growth_interval!r}; it must be a positive whole number."
            )

    def start(self, params: Tree) -> DynamicLossScalingState:
        scale = jnp.full((), self.init_scale, real_of(params))
        return DynamicLossScalingState(scale, jnp.zeros((), jnp.int32), jnp.ones((), bool), self.inner.init(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = {u.dtype: number(state.loss_scale, u.dtype) for u in jax.tree.leaves(updates) if u.dtype != FLOAT0}
        true = jax.tree.map(lambda u: u if u.dtype == FLOAT0 else u / by_dtype[u.dtype], updates)
        finite = all_finite(true)
        out, inner = jax.lax.cond(
            finite,
            lambda: self.inner.advance(true, state.inner_state, params, **extra),
            lambda: (idle(self.inner, updates, params), state.inner_state),
        )
        good = state.fin_steps + 1
        grows = good == self.growth_interval
        up, down, least = (
            number(h, state.loss_scale.dtype) for h in (self.growth_factor, self.backoff_factor, self.minimum_scale)
        )
        larger = state.loss_scale * up
        larger = jnp.where(grows & jnp.isfinite(larger), larger, state.loss_scale)
        scale = jnp.where(finite, larger, jnp.maximum(state.loss_scale * down, least))
        return out, DynamicLossScalingState(scale, jnp.where(finite & ~grows, good, 0), finite, inner)

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}
