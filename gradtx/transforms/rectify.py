"""Waiting until a second moment can be trusted."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import scalar
from gradtx.typing import Decay, NonNegative


class RectifyState(NamedTuple):
    """Of the average that is judged: the sum of the weights of all it has seen, and the sum of their sums."""

    weight: jax.Array
    ramp: jax.Array


class rectify(Transform):
    """In a denominator, behind the root of a second moment: divides it by RAdam's $r_t$, or replaces it by 1 while that moment is too young.

    $r_t^2 = \\frac{(\\rho_t - 4)(\\rho_t - 2)\\rho_\\infty}{(\\rho_\\infty - 4)(\\rho_\\infty - 2)\\rho_t}$, with $\\rho_t = \\rho_\\infty - \\frac{2 t b^t}{1 - b^t}$ the length of the
    average and $\\rho_\\infty = \\frac{2}{1 - b} - 1$.

    Args:
        decay: $b$ in [0, 1), that of the average it follows; a number or a schedule.
        threshold: the least $\\rho_t$ at which the denominator counts. It counts only above 4 in any case, where $r_t$ is real.

    Returns:
        A transformation with the state `RectifyState(weight, ramp)`, two numbers for the whole tree.

    Raises:
        ValueError: a number is outside its range.

    References:
        Liu et al. (2019), On the Variance of the Adaptive Learning Rate and Beyond, arXiv:1908.03265.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.rectify(0.999)
        >>> float(tx.update(jnp.array(0.1), tx.init(jnp.array(0.0)))[0])
        1.0
    """

    decay: Decay
    threshold: NonNegative = 5.0

    elementwise = True

    def start(self, params: Tree) -> RectifyState:
        check_trainable(self, params)
        return RectifyState(scalar(params), scalar(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        b, threshold = (number(h, state.weight.dtype) for h in (self.decay, self.threshold))
        # The same rho as above, from sums of positive numbers: with weights b^k of the past k it is 2 Σ(k+1)b^k / Σb^k − 1.
        # As it is written the difference of two numbers near 2000 decides whether it has reached 5.
        weight = 1 + b * state.weight
        ramp = weight + b * state.ramp
        most = 2 / (1 - b) - 1
        # Only under a falling decay is the average longer than one of the present decay could ever become.
        rho = jnp.minimum(2 * ramp / weight - 1, most)
        counts = (rho >= threshold) & (rho > 4)
        inner = jnp.where(counts, (rho - 4) * (rho - 2) * most / jnp.where(counts, (most - 4) * (most - 2) * rho, 1.0), 1.0)
        root = jnp.sqrt(inner)

        def judged(x: Any) -> Any:
            return jnp.where(counts, x / cast(root, x.dtype), 1)

        return jax.tree.map(judged, updates), RectifyState(weight, ramp)
