"""Backtracking: shorter and shorter steps until one decreases enough."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.number import number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.curvature.line import FOUND, NO_STEP, Line, LineSearchState, start_state
from gradtx.typing import Fraction, Positive


class scale_by_backtracking_linesearch(Transform):
    """Scales the updates by the first step $\\alpha$ of $\\alpha_0, \\rho\\alpha_0, \\rho^2\\alpha_0, \\dots$ with Armijo's decrease $f(\\theta + \\alpha u) \\le f(\\theta) + c_1\\alpha\\, g^\\top u$.

    Args:
        max_backtracking_steps: evaluations at most; 1 or more.
        slope_rtol: $c_1$ in (0, 1).
        decrease_factor: $\\rho$ in (0, 1).
        increase_factor: $\\alpha_0$ is the last step times this, over 0; infinity begins at the largest each time.
        max_learning_rate: $\\alpha_0$ at most, over 0, and at first.

    Returns:
        A transformation with the state `LineSearchState`. Its update takes `value_fn`, and `value` and `grad` at the parameters (which are
        computed if missing).

    Raises:
        ValueError: an argument is out of range, or `update` was called without the parameters or `value_fn`.

    References:
        Armijo (1966), Minimization of Functions Having Lipschitz Continuous First Partial Derivatives.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_backtracking_linesearch(20, decrease_factor=0.5))
        >>> f, x = lambda x: x**2, jnp.array(1.0)
        >>> update, state = tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)
        >>> float(x + update)
        0.0
    """

    max_backtracking_steps: int
    slope_rtol: Fraction = 1e-4
    decrease_factor: Fraction = 0.8
    increase_factor: Positive = 1.5
    max_learning_rate: Positive = 1.0

    def check(self) -> None:
        check_whole(self, "max_backtracking_steps")

    def start(self, params: Tree) -> LineSearchState:
        check_trainable(self, params)
        return start_state(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        line = Line(self, updates, params, extra)
        c1, shrink = number(self.slope_rtol, line.dtype), number(self.decrease_factor, line.dtype)
        most = number(self.max_learning_rate, line.dtype) * jnp.ones((), line.dtype)
        last = jnp.where(state.learning_rate > 0, state.learning_rate * number(self.increase_factor, line.dtype), most)
        status = line.status()

        def enough(p: Any) -> jax.Array:
            return (p.value <= line.start.value + c1 * p.step * line.start.slope) & jnp.isfinite(p.slope)

        def going(carry: Any) -> jax.Array:
            p, count = carry
            return (status == FOUND) & (count < self.max_backtracking_steps) & ((count == 0) | ~enough(p))

        def step(carry: Any) -> Any:
            p, count = carry
            return line.at(jnp.where(count == 0, jnp.minimum(last, most), p.step * shrink)), count + 1

        point, count = jax.lax.while_loop(going, step, (line.start, jnp.zeros((), jnp.int32)))
        status = jnp.where((status == FOUND) & ~enough(point), NO_STEP, status)
        return line.finished(point, count, status)
