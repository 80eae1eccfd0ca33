"""Correcting an average for having started at zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import number, real_of, tiny
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.typing import Decay


class BiasCorrectionState(NamedTuple):
    """The weight that the start still has in the average: the product of all decays so far."""

    product: jax.Array


class bias_correction(Transform):
    """Divides by the weight of what has been seen: $\\hat m = m / (1 - \\prod_{i \\le t} b_i)$, behind an `ema` of the same decay.

    With a constant decay that is Adam's $m / (1 - b^t)$. Since the product is kept, it is right under a scheduled decay too.

    Args:
        decay: $b$ in [0, 1), that of the average it follows; a number or a schedule.
        ahead: how many steps further to correct: 1 for Nadam's $1 - b^{t+1}$.

    Returns:
        A transformation with the state `BiasCorrectionState(product)`, one number for the whole tree.

    Raises:
        ValueError: `decay` is outside [0, 1), or `ahead` is negative.

    References:
        Kingma, Ba (2014), Adam: A Method for Stochastic Optimization, arXiv:1412.6980, section 3.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.ema(0.9), gradtx.bias_correction(0.9))
        >>> round(float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0]), 6)
        2.0
    """

    decay: Decay
    ahead: int = 0

    elementwise = True

    def check(self) -> None:
        if not isinstance(self.ahead, int) or self.ahead < 0:
            raise ValueError(f"bias_correction: ahead = {self.ahead!r}; it must be a whole number of steps, 0 or more.")

    def start(self, params: Tree) -> BiasCorrectionState:
        check_trainable(self, params)
        return BiasCorrectionState(jnp.ones((), real_of(params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        decay = number(self.decay, state.product.dtype)
        product = state.product * decay
        # The floor matters only if the decay has been 1 so far, and the average therefore zero.
        weight = jnp.maximum(1 - product * decay**self.ahead, tiny(product.dtype))
        by_dtype = {d: number(weight, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}
        return jax.tree.map(lambda u: u / by_dtype[u.dtype], updates), BiasCorrectionState(product)
