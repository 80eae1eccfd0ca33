"""Hager and Zhang's search: secant steps in an interval, and conditions that survive rounding."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.number import number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.curvature.line import FOUND, NO_STEP, Line, LineSearchState, Point, check_strategy, first_step, start_state
from gradtx.typing import Fraction, NonNegative, Positive

# The paper's theta (where an interval is cut whose far end is too high), gamma (the part of its width that secant steps may leave)
# and rho (how much farther the next step is while there is no interval yet).
CUT, WIDTH_LEFT, FARTHER = 0.5, 0.66, 5.0
# What the step that is tried next is: one in search of an interval, the first or second secant step of a round, or half way.
BRACKET, FIRST, SECOND, HALF = range(4)


class scale_by_hager_zhang_linesearch(Transform):
    """Scales the updates by a step $\\alpha$ that satisfies Wolfe's conditions, $\\phi(\\alpha) \\le \\phi(0) + \\delta\\alpha\\phi'(0)$ and $\\phi'(\\alpha) \\ge \\sigma\\phi'(0)$ with $\\phi(\\alpha) = f(\\theta + \\alpha u)$, or the approximate ones, $(2\\delta - 1)\\phi'(0) \\ge \\phi'(\\alpha) \\ge \\sigma\\phi'(0)$ and $\\phi(\\alpha) \\le \\phi(0) + \\varepsilon|\\phi(0)|$.

    The approximate ones look at slopes where values differ by no more than rounding, so that the search gets nearer to a minimum than one that
    compares values. The interval is the paper's: slope downwards and value low at its near end, slope upwards at its far end; each round takes a
    double secant step, and halves where that left more than 0.66 of the width. Where the function isn't finite it is taken to be too high.

    Args:
        max_linesearch_steps: evaluations at most; 1 or more.
        max_learning_rate: the largest step, over 0.
        slope_rtol: $\\delta$ in (0, 0.5).
        curv_rtol: $\\sigma$ in $[\\delta, 1)$.
        value_rtol: $\\varepsilon \\ge 0$; 0 leaves only steps that don't climb.
        stepsize_precision: the search gives up when the interval is relatively this small.
        initial_guess_strategy: as in `scale_by_zoom_linesearch`.

    Returns:
        A transformation with the state `LineSearchState`. Its update takes `value_fn`, and `value` and `grad` at the parameters (which are
        computed if missing).

    Raises:
        ValueError: an argument is out of range, or `update` was called without the parameters or `value_fn`.

    References:
        Hager, Zhang (2005), A New Conjugate Gradient Method with Guaranteed Descent and an Efficient Line Search. Hager, Zhang (2006), Algorithm
        851: CG_DESCENT. While there is no interval the search goes back to the last low point, not to 0 (their step B2).

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_hager_zhang_linesearch())
        >>> f, x = lambda x: 2 * (x - 3) ** 2, jnp.array(1.0)
        >>> update, state = tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)
        >>> bool(f(x + update) < f(x)), int(gradtx.state_get(state, "status"))
        (True, 0)
    """

    max_linesearch_steps: int = 30
    max_learning_rate: Positive = 1e10
    slope_rtol: Fraction = 0.1
    curv_rtol: Fraction = 0.9
    value_rtol: NonNegative = 1e-6
    stepsize_precision: NonNegative = 1e-10
    initial_guess_strategy: str = "interpolate"

    def check(self) -> None:
        check_whole(self, "max_linesearch_steps")
        check_strategy(self, self.initial_guess_strategy)
        c1, c2 = self.slope_rtol, self.curv_rtol
        if isinstance(c1, float) and isinstance(c2, float) and not (0 < c1 < 0.5 and c1 <= c2 < 1):
            raise ValueError(
                f"scale_by_hager_zhang_linesearch: slope_rtol = {c1:g} and curv_rtol = {c2:g}; slope_rtol must be in (0, 0.5), and "
                "curv_rtol from there to under 1."
            )

    def start(self, params: Tree) -> LineSearchState:
        check_trainable(self, params)
        return start_state(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        line = Line(self, updates, params, extra)
        names = ("max_learning_rate", "slope_rtol", "curv_rtol", "value_rtol", "stepsize_precision")
        most, c1, c2, eps, precision = (number(getattr(self, name), line.dtype) for name in names)
        first = jnp.minimum(first_step(self.initial_guess_strategy, state, line), most)
        status = line.status()

        def going(search: _Search) -> jax.Array:
            return (status == FOUND) & ~search.found & ~search.stuck & (search.tried < self.max_linesearch_steps)

        search = jax.lax.while_loop(going, lambda s: s.advanced(line, c1, c2, eps, precision, most), _Search.begin(line, first))
        status = jnp.where((status == FOUND) & ~search.found, NO_STEP, status)
        return line.finished(search.point, search.tried, status)


class _Search(NamedTuple):
    """An interval from `near` to `far`; while `far` slopes downwards it is too high, and while it is infinite there is none yet."""

    near: Point
    far: Point
    width: jax.Array  # at the begin of the round
    stage: jax.Array
    step: jax.Array  # to be tried next
    found: jax.Array
    stuck: jax.Array
    tried: jax.Array
    point: Point  # the last that was tried

    @classmethod
    def begin(cls, line: Line, first: jax.Array) -> _Search:
        start, infinite, no = line.start._replace(grad=()), jnp.full_like(first, jnp.inf), jnp.asarray(False)
        count = jnp.zeros((), jnp.int32)
        return cls(start, start._replace(step=infinite), infinite, count + BRACKET, first, no, no, count, line.start)

    def advanced(self, line: Line, c1: Any, c2: Any, eps: Any, precision: Any, most: Any) -> _Search:
        """After one more evaluation."""
        p, start = line.at(self.step), line.start
        finite = jnp.isfinite(p.value) & jnp.isfinite(p.slope)
        low = finite & (p.value <= start.value + eps * jnp.abs(start.value))
        rising = finite & (p.slope >= 0)
        decreased = p.value <= start.value + c1 * p.step * start.slope
        flatter = p.slope <= (2 * c1 - 1) * start.slope
        found = finite & (p.slope >= c2 * start.slope) & (decreased | (low & flatter))

        # The paper's update: an end that is low and slopes downwards is a near one, all else far ones.
        tried = Point(p.step, p.value, jnp.where(finite, p.slope, -jnp.inf), ())
        pick = lambda condition, a, b: jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
        inner = low & ~rising
        near, far = pick(inner, tried, self.near), pick(inner, self.far, tried)
        there_is_none, too_high = jnp.isinf(far.step), far.slope < 0
        width = far.step - near.step
        half = near.step + 0.5 * width

        within = lambda c: (c > near.step) & (c < far.step)
        # A second secant step, through the new end and the old one that it took the place of, unless the far end was too high.
        second = pick(inner, _secant(self.near, near), _secant(self.far, far))
        takes_second = (self.stage == FIRST) & within(second)
        # Otherwise the round is over: half way if it left too much of the interval, or else the first secant step of another.
        left = (self.stage != BRACKET) & (self.stage != HALF) & (width > WIDTH_LEFT * self.width)
        first = _secant(near, far)
        halves = left | ~within(first)
        step = jnp.where(takes_second, second, jnp.where(halves, half, first))
        stage = jnp.where(takes_second, SECOND, jnp.where(halves, HALF, FIRST))
        # With no interval the stage stays; with one that is cut there is no second secant step after the first.
        waits = there_is_none | too_high
        stage = jnp.where(waits, jnp.where(self.stage == FIRST, SECOND, self.stage), stage).astype(jnp.int32)
        cut = near.step + CUT * width
        step = jnp.where(there_is_none, jnp.minimum(FARTHER * p.step, most), jnp.where(too_high, cut, step))
        begins = ~waits & ~takes_second & ~left
        at_most = there_is_none & (p.step >= most)
        narrow = ~there_is_none & ((width <= precision * far.step) | ~within(step))
        return _Search(near, far, jnp.where(begins, width, self.width), stage, step, found, at_most | narrow, self.tried + 1, p)


def _secant(a: Point, b: Point) -> jax.Array:
    """Where a parabola with these slopes is level; not finite if nowhere."""
    return (a.step * b.slope - b.step * a.slope) / (b.slope - a.slope)
