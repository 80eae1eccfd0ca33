"""Lookahead: k steps forward, one step back."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.average import like, towards
from gradtx.core.fields import Interval
from gradtx.core.number import cast
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree
from gradtx.core.whole import copied, moved, need_params
from gradtx.typing import Fraction

Period = Annotated[Any, Interval(1)]


class LookaheadState(NamedTuple):
    """The state of the fast optimizer, the steps since the weights last met, and the slow weights."""

    fast_state: Any
    steps_since_sync: jax.Array
    slow: Tree


class lookahead(Transform):
    """Slow weights follow fast ones: every $k$ steps $\\phi \\leftarrow \\phi + \\alpha\\,(\\theta - \\phi)$, then $\\theta \\leftarrow \\phi$.

    The parameters $\\theta$ are the fast weights; the slow ones are kept in the state and are what `evaluation_params`
    gives. (Optax has both in pairs in place of the parameters.)

    Args:
        fast_optimizer: the optimizer that takes the steps.
        sync_period: $k \\ge 1$ (published: 5 to 10), a number or a schedule.
        slow_step_size: $\\alpha$ in [0, 1] (published: 0.5 to 0.8), a number or a schedule.
        reset_state: let the fast optimizer forget at each meeting.

    Returns:
        A transformation with the state `LookaheadState(fast_state, steps_since_sync, slow)`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.
        TypeError: `fast_optimizer` is no transformation.

    References:
        Zhang, Lucas, Hinton, Ba (2019), Lookahead Optimizer: k steps forward, 1 step back, arXiv:1907.08610.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.lookahead(gradtx.sgd(1.0), sync_period=2, slow_step_size=0.5)
        >>> params, seen = jnp.array(0.0), []
        >>> state = tx.init(params)
        >>> for _ in range(4):
        ...     updates, state = tx.update(jnp.array(-1.0), state, params)
        ...     params = params + updates
        ...     seen.append((float(params), float(gradtx.evaluation_params(tx, state, params))))
        >>> seen
        [(1.0, 0.0), (1.0, 1.0), (2.0, 1.0), (2.0, 2.0)]
    """

    fast_optimizer: Transform
    sync_period: Period
    slow_step_size: Fraction
    reset_state: bool = False

    def check(self) -> None:
        check_stage(self, self.fast_optimizer)

    def start(self, params: Tree) -> LookaheadState:
        return LookaheadState(self.fast_optimizer.start(params), jnp.zeros((), jnp.int32), copied(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        slow = state.slow
        need_params(self, params)
        updates, fast_state = self.fast_optimizer.apply(updates, state.fast_state, params, **extra)
        since = state.steps_since_sync + 1
        meet = since >= jnp.asarray(self.sync_period).astype(since.dtype)
        slow = _either(meet, towards(slow, moved(params, updates), self.slow_step_size), slow)
        back = jax.tree.map(lambda s, p, u: cast(s, u.dtype) - cast(p, u.dtype), slow, params, updates)
        if self.reset_state:
            fast_state = _either(meet, self.fast_optimizer.start(params), fast_state)
        return _either(meet, back, updates), LookaheadState(fast_state, jnp.where(meet, 0, since), slow)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return like(state.slow, params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"fast_optimizer": (self.fast_optimizer, state.fast_state)}


def _either(condition: jax.Array, a: Tree, b: Tree) -> Tree:
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
