"""Schedule-free learning: an average in place of a decaying rate."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.fields import Interval
from gradtx.core.number import cast, number, wide
from gradtx.core.transform import Transform, check_stage, saturating_increment
from gradtx.core.trees import Tree
from gradtx.core.whole import copied, need_params, scalar
from gradtx.typing import DType, Hyper, NonNegative

Share = Annotated[Any, Interval(0, 1, open_low=True)]


class ScheduleFreeState(NamedTuple):
    """The share of the average in the parameters, the sum of the weights, the steps taken, the largest rate, the base's state, and z."""

    b1: jax.Array
    weight_sum: jax.Array
    step_count: jax.Array
    max_lr: jax.Array
    base_optimizer_state: Any
    z: Tree


class schedule_free(Transform):
    """Schedule-free: gradients at $y = \\beta x + (1-\\beta) z$, steps on $z$, and $x$ the weighted average of $z$.

    $z_{t+1} = z_t + u_t(y_t)$, $x_{t+1} = (1 - c_{t+1})\\,x_t + c_{t+1} z_{t+1}$, $c_{t+1} = w_t / \\sum_{i \\le t} w_i$, $w_t = (\\max_{i \\le t} \\eta_i)^r$.

    The parameters are $y$, as in Optax and the authors' code. `evaluation_params` gives $x$: judge and deploy that.

    Args:
        base_optimizer: what makes the steps $u_t$, its learning rate included; without momentum, whose place the average takes.
        learning_rate: $\\eta$, the same as the base's, a number or a schedule; only the weights depend on it.
        b1: $\\beta$ in (0, 1], a number or a schedule.
        weight_lr_power: $r$.
        state_dtype: dtype of $z$; float32 or wider if None (Optax: the parameters').
        warmup_steps: the base's steps and $\\eta$ are multiplied by $\\min((t + 1) / w, 1)$, as the authors do; none with 0.

    Returns:
        A transformation with the state `ScheduleFreeState(b1, weight_sum, step_count, max_lr, base_optimizer_state, z)`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.
        TypeError: `base_optimizer` is no transformation.

    References:
        Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky (2024), The Road Less Scheduled, arXiv:2405.15682.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.schedule_free(gradtx.sgd(1.0), 1.0, b1=0.5)
        >>> params = jnp.array(0.0)
        >>> state = tx.init(params)
        >>> for _ in range(2):
        ...     updates, state = tx.update(jnp.array(-1.0), state, params)
        ...     params = params + updates
        >>> float(params), float(gradtx.evaluation_params(tx, state, params))  # z is 2
        (1.75, 1.5)
    """

    base_optimizer: Transform
    learning_rate: NonNegative
    b1: Share = 0.9
    weight_lr_power: Hyper = 2.0
    state_dtype: DType = None
    warmup_steps: NonNegative = 0.0

    def check(self) -> None:
        check_stage(self, self.base_optimizer)

    def start(self, params: Tree) -> ScheduleFreeState:
        base, count = self.base_optimizer.start(params), jnp.zeros((), jnp.int32)
        z = copied(params, self.state_dtype)
        return ScheduleFreeState(scalar(params, self.b1), scalar(params), count, scalar(params), base, z)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.weight_sum.dtype
        need_params(self, params)
        updates, base = self.base_optimizer.apply(updates, state.base_optimizer_state, params, **extra)

        count = saturating_increment(state.step_count)
        warmup = jnp.asarray(number(self.warmup_steps, dtype), dtype)
        warmed = jnp.minimum(count.astype(dtype) / jnp.where(warmup > 0, warmup, 1.0), 1.0)
        max_lr = jnp.maximum(state.max_lr, number(self.learning_rate, dtype) * warmed)
        # While the rate is zero there is nothing to weigh, and a power of zero has no derivative.
        weight = jnp.where(max_lr > 0, jnp.where(max_lr > 0, max_lr, 1.0) ** number(self.weight_lr_power, dtype), 0.0)
        weight_sum = state.weight_sum + weight
        share = weight / jnp.where(weight_sum > 0, weight_sum, 1.0)
        b1 = jnp.asarray(number(self.b1, dtype), dtype)

        def to_y(y: Any, z: Any, new_z: Any) -> Any:
            d = new_z.dtype
            x = _average(cast(y, d), cast(z, d), number(state.b1, d))
            x = x + number(share, d) * (new_z - x)
            return new_z + number(b1, d) * (x - new_z) - cast(y, d)

        z = jax.tree.map(lambda m, u: cast(m, u.dtype) + number(warmed, u.dtype) * u, state.z, updates)
        out = jax.tree.map(to_y, params, state.z, z)
        kept = jax.tree.map(lambda new, old: cast(new, old.dtype), z, state.z)
        return out, ScheduleFreeState(b1, weight_sum, count, max_lr, base, kept)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        def one(y: Any, z: Any) -> Any:
            d = wide(z.dtype)
            return cast(_average(cast(y, d), cast(z, d), number(state.b1, d)), y.dtype)

        return jax.tree.map(one, params, state.z)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"base_optimizer": (self.base_optimizer, state.base_optimizer_state)}


def _average(y: Any, z: Any, b1: Any) -> Any:
    """x, of which y is the share b1: it need not be kept."""
    return z + (y - z) / b1
