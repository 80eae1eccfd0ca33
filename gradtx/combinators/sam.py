"""Sharpness-aware minimization: the gradient is taken where it is worst nearby."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.transform import OptState, Transform, check_stage, full_like
from gradtx.core.trees import Tree
from gradtx.core.whole import need, need_params


class SAMState(NamedTuple):
    """The steps since the optimizer's last, both optimizers' states, and how far the ascent has gone."""

    steps_since_sync: jax.Array
    opt_state: OptState
    adv_state: OptState
    offset: Tree


class sam(Transform):
    """Ascends first, then descends from where it was: $\\epsilon = \\rho\\,g / \\|g\\|$, $\\theta \\leftarrow \\theta - \\eta\\,\\nabla f(\\theta + \\epsilon)$.

    By default each call is one gradient. Every call but the `sync_period`-th climbs: the update is zero, the ascent is kept in the
    state, and `gradient_params` gives $\\theta + \\epsilon$, where the next gradient is to be taken; gradtx's loops do. (Optax
    moves the parameters themselves instead; here they are always what they should be judged by.) In opaque mode each call is a whole step, for
    loops that can't be told where to take the gradient: it takes the further gradients itself.

    Args:
        optimizer: descends. Its schedules count its own steps.
        adv_optimizer: ascends; SAM's is `chain(normalize(), sgd(rho))`, with $\\rho$ of 0.05 as published. Its updates are turned round.
        sync_period: calls a step, all but one of them ascents; 2 is SAM.
        reset_state: the ascent starts with a new state each time.
        opaque_mode: call with the extra argument `grad_fn`, a function of the parameters and the number of the ascent, or with
            `value_fn`, a function of the parameters.

    Returns:
        A transformation with the state `SAMState(steps_since_sync, opt_state, adv_state, offset)`. Since the optimizers step at times of
        their own it can't stand inside an `@optimizer` rule.

    Raises:
        ValueError: `sync_period` is less than 1; `update` was called without parameters, or in opaque mode without a function.
        TypeError: one of the optimizers is no transformation.

    References:
        Foret, Kleiner, Mobahi, Neyshabur (2020), Sharpness-Aware Minimization for Efficiently Improving Generalization,
        arXiv:2010.01412.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sam(gradtx.sgd(0.5), gradtx.chain(gradtx.normalize(), gradtx.sgd(0.25)))
        >>> params = jnp.array(1.0)
        >>> updates, state = tx.update(params, tx.init(params), params)  # the gradient of x²/2
        >>> at = gradtx.gradient_params(tx, state, params)
        >>> float(updates), float(at)
        (0.0, 1.25)
        >>> float(tx.update(at, state, params)[0])
        -0.625
    """

    optimizer: Transform
    adv_optimizer: Transform
    sync_period: int = 2
    reset_state: bool = True
    opaque_mode: bool = False

    own_clock = True

    def check(self) -> None:
        check_stage(self, self.optimizer)
        check_stage(self, self.adv_optimizer)
        if not isinstance(self.sync_period, int) or self.sync_period < 1:
            raise ValueError(f"sam: sync_period = {self.sync_period!r}; it must be a whole number, 1 or more.")

    def start(self, params: Tree) -> SAMState:
        offset = () if self.opaque_mode else full_like(params, 0.0)
        return SAMState(jnp.zeros((), jnp.int32), self.optimizer.init(params), self.adv_optimizer.init(params), offset)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        since = state.steps_since_sync
        need_params(self, params)
        if self.opaque_mode:
            return self._whole_step(updates, state, params, extra)

        def climb(updates: Tree) -> tuple[Tree, SAMState]:
            offset, adv_state = self._ascend(updates, state.adv_state, params, state.offset, extra)
            return jax.tree.map(jnp.zeros_like, updates), SAMState(since + 1, state.opt_state, adv_state, offset)

        def descend(updates: Tree) -> tuple[Tree, SAMState]:
            steps, opt_state = self.optimizer.update(updates, state.opt_state, params, **extra)
            adv_state = self.adv_optimizer.init(params) if self.reset_state else state.adv_state
            offset = jax.tree.map(jnp.zeros_like, state.offset)
            steps = jax.tree.map(lambda s, u: cast(s, u.dtype), steps, updates)
            return steps, SAMState(jnp.zeros_like(since), opt_state, adv_state, offset)

        return jax.lax.cond(since >= self.sync_period - 1, descend, climb, updates)

    def _whole_step(self, updates: Tree, state: Any, params: Any, extra: dict[str, Any]) -> tuple[Tree, SAMState]:
        grad_fn = extra.get("grad_fn")
        if grad_fn is None:
            value_fn = need(self, extra, "value_fn")
            grad_fn = lambda at, _: jax.tree.map(jnp.conj, jax.grad(value_fn)(at))
        grads, adv_state, offset = updates, state.adv_state, full_like(params, 0.0)
        for i in range(self.sync_period - 1):
            offset, adv_state = self._ascend(grads, adv_state, params, offset, extra)
            grads = jax.tree.map(lambda g, u: cast(g, u.dtype), grad_fn(_beside(params, offset), i), updates)
        steps, opt_state = self.optimizer.update(grads, state.opt_state, params, **extra)
        if self.reset_state:
            adv_state = self.adv_optimizer.init(params)
        steps = jax.tree.map(lambda s, u: cast(s, u.dtype), steps, updates)
        return steps, SAMState(state.steps_since_sync, opt_state, adv_state, ())

    def _ascend(self, grads: Tree, adv_state: Any, params: Tree, offset: Tree, extra: dict[str, Any]) -> tuple[Tree, Any]:
        down, adv_state = self.adv_optimizer.update(grads, adv_state, _beside(params, offset), **extra)
        return jax.tree.map(lambda o, d: o - cast(d, o.dtype), offset, down), adv_state

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        params = super().gradient_params(state, params)
        return params if self.opaque_mode else _beside(params, state.offset)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"optimizer": (self.optimizer, state.opt_state), "adv_optimizer": (self.adv_optimizer, state.adv_state)}


def _beside(params: Tree, offset: Tree) -> Tree:
    """The parameters moved by an offset kept in float32 or wider, in their own dtype."""
    return jax.tree.map(lambda p, o: cast(cast(p, o.dtype) + o, p.dtype), params, offset)
