"""The strong Wolfe search: an interval that shrinks around a step with enough decrease and little slope."""

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


class scale_by_zoom_linesearch(Transform):
    """Scales the updates by a step $\\alpha$ that satisfies the strong Wolfe conditions $f(\\theta + \\alpha u) \\le f(\\theta) + c_1 \\alpha\\, g^\\top u$ and $|\\nabla f(\\theta + \\alpha u)^\\top u| \\le c_2 |g^\\top u|$.

    The search is Moré and Thuente's: cubic and parabolic steps in an interval that is known to hold a good one. Where the function isn't finite
    it goes back half way. The updates that come in must descend; if none is found the parameters stay, and the state says why.

    Args:
        max_linesearch_steps: evaluations at most; 1 or more.
        max_learning_rate: the largest step, over 0.
        slope_rtol: $c_1$ in (0, 1).
        curv_rtol: $c_2$ in $(c_1, 1)$: 0.9 for quasi-Newton directions, 0.1 to 0.4 for conjugate gradients.
        stepsize_precision: the search gives up when the interval is relatively this small.
        initial_guess_strategy: "interpolate": the step of a parabola that falls as the function did last, at most 1; "keep": the last step;
            "one".

    Returns:
        A transformation with the state `LineSearchState`. Its update takes `value_fn`, and `value` and `grad` at the parameters (which are
        computed if missing).

    Raises:
        ValueError: an argument is out of range, or `update` was called without the parameters or `value_fn`.

    References:
        Moré, Thuente (1994), Line Search Algorithms with Guaranteed Sufficient Decrease.
        Nocedal, Wright (2006), Numerical Optimization, chapter 3.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_zoom_linesearch())
        >>> f, x = lambda x: 2 * x**2, jnp.array(1.0)
        >>> update, state = tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)
        >>> bool(abs(4 * (x + update)) <= 0.9 * 4), int(gradtx.state_get(state, "status"))
        (True, 0)
    """

    max_linesearch_steps: int = 30
    max_learning_rate: Positive = 1e10
    slope_rtol: Fraction = 1e-4
    curv_rtol: Fraction = 0.9
    stepsize_precision: NonNegative = 1e-10
    initial_guess_strategy: str = "interpolate"

    def check(self) -> None:
        check_whole(self, "max_linesearch_steps")
        check_strategy(self, self.initial_guess_strategy)

    def start(self, params: Tree) -> LineSearchState:
        check_trainable(self, params)
        return start_state(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        line = Line(self, updates, params, extra)
        names = ("max_learning_rate", "slope_rtol", "curv_rtol", "stepsize_precision")
        most, c1, c2, precision = (number(getattr(self, name), line.dtype) for name in names)
        first = jnp.minimum(first_step(self.initial_guess_strategy, state, line), most)
        status = line.status()
        search = zoom(line, first, most, c1, c2, precision, jnp.where(status == FOUND, self.max_linesearch_steps, 0))
        status = jnp.where((status == FOUND) & ~search.found, NO_STEP, status)
        return line.finished(search.point, search.tried, status)


def zoom(line: Line, first: Any, most: Any, c1: Any, c2: Any, precision: Any, tries: Any) -> Search:
    """Moré and Thuente's search from the step `first`, as far as the step `most`."""

    def going(search: Search) -> jax.Array:
        return ~search.found & ~search.stuck & (search.tried < tries)

    begin = Search.begin(line, first, most)
    return jax.lax.while_loop(going, lambda search: search.advanced(line, c1, c2, precision, most), begin)


class Search(NamedTuple):
    """Two ends of an interval with a good step between them once `bracketed`; `best` is the one with the lowest value."""

    best: Point
    other: Point
    step: jax.Array  # to be tried next
    low: jax.Array
    high: jax.Array
    cap: jax.Array  # no further: the function isn't finite there
    width: jax.Array
    width_before: jax.Array
    bracketed: jax.Array
    first_stage: jax.Array
    found: jax.Array
    stuck: jax.Array
    at_most: jax.Array  # the longest step decreases enough, and the function still falls there
    tried: jax.Array
    point: Point  # the last that was tried

    @classmethod
    def begin(cls, line: Line, first: jax.Array, most: jax.Array) -> Search:
        zero, no, yes = jnp.zeros_like(first), jnp.asarray(False), jnp.asarray(True)
        start = line.start
        flat = Point(start.step, start.value, start.slope, ())
        return cls(
            flat, flat, first, zero, 5 * first, most, most, 2 * most, no, yes, no, no, no, jnp.zeros((), jnp.int32), start
        )

    def advanced(self, line: Line, c1: Any, c2: Any, precision: Any, most: jax.Array) -> Search:
        """After one more evaluation."""
        p = line.at(self.step)
        start = line.start
        bound = start.value + c1 * p.step * start.slope
        finite = jnp.isfinite(p.value) & jnp.isfinite(p.slope)
        found = finite & (p.value <= bound) & (jnp.abs(p.slope) <= -c2 * start.slope)
        first_stage = self.first_stage & ~(finite & (p.value <= bound) & (p.slope >= 0))
        # In the first stage the search is for a step that decreases enough, on the function less its bound.
        tilted = first_stage & (p.value <= self.best.value) & (p.value > bound)
        tilt = jnp.where(tilted, c1 * start.slope, 0.0)
        lower = lambda q: Point(q.step, q.value - tilt * q.step, q.slope - tilt, ())
        best, other, step, bracketed = _next(lower(self.best), lower(self.other), lower(p), self.bracketed, self.low, self.high)
        back = lambda q: Point(q.step, q.value + tilt * q.step, q.slope + tilt, ())
        best, other = back(best), back(other)
        gap = jnp.abs(other.step - best.step)
        slow = bracketed & (gap >= 0.66 * self.width_before)
        step = jnp.where(slow, best.step + 0.5 * (other.step - best.step), step)
        width_before, width = (jnp.where(bracketed, a, b) for a, b in ((self.width, self.width_before), (gap, self.width)))
        low = jnp.where(bracketed, jnp.minimum(best.step, other.step), step + 1.1 * (step - best.step))
        high = jnp.where(bracketed, jnp.maximum(best.step, other.step), step + 4.0 * (step - best.step))
        step = jnp.clip(step, 0.0, self.cap)
        narrow = bracketed & ((step <= low) | (step >= high) | (high - low <= precision * high))
        at_most = (p.step >= most) & (p.value <= bound) & (p.slope <= c1 * start.slope)
        # Where the function isn't finite: half the way back, and never so far again.
        half = self.best.step + 0.5 * (p.step - self.best.step)
        choose = lambda a, b: jax.tree.map(lambda x, y: jnp.where(finite, x, y), a, b)
        return Search(
            *choose((best, other, step, low, high, self.cap, width, width_before, bracketed, first_stage),
                    (self.best, self.other, half, self.low, p.step, p.step, self.width, self.width_before, self.bracketed, self.first_stage)),
            found=found,
            at_most=finite & at_most,
            stuck=finite & (narrow | at_most) | (half == self.best.step) & ~finite,
            tried=self.tried + 1,
            point=p,
        )  # fmt: skip


def _next(
    x: Point, y: Point, p: Point, bracketed: jax.Array, low: jax.Array, high: jax.Array
) -> tuple[Point, Point, jax.Array, jax.Array]:
    """The interval with a new point in it, and the next step: Moré and Thuente's four cases.

    `x` is the end with the lowest value, `y` the other, `p` the point just tried.
    """
    opposite = p.slope * jnp.sign(x.slope) < 0
    flatter = jnp.abs(p.slope) < jnp.abs(x.slope)
    forward = p.step > x.step
    safe = lambda q: jnp.where(q == 0, 1, q)

    def cubic(a: Point, b: Point) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Of the cubic through two points: theta, gamma² and their scale."""
        theta = 3 * (a.value - b.value) / safe(b.step - a.step) + a.slope + b.slope
        s = jnp.maximum(jnp.maximum(jnp.abs(theta), jnp.abs(a.slope)), jnp.abs(b.slope))
        s = safe(s)
        return theta, s * jnp.sqrt(jnp.maximum(0, (theta / s) ** 2 - (a.slope / s) * (b.slope / s))), s

    theta, gamma, _ = cubic(x, p)
    secant = p.step + p.slope / safe(p.slope - x.slope) * (x.step - p.step)
    # 1: a higher value. The minimum is bracketed; the cubic's if it is nearer to x, else half way to the parabola's.
    g = jnp.where(forward, gamma, -gamma)
    r = ((g - x.slope) + theta) / safe(((g - x.slope) + g) + p.slope)
    c = x.step + r * (p.step - x.step)
    q = x.step + x.slope / safe((x.value - p.value) / safe(p.step - x.step) + x.slope) / 2 * (p.step - x.step)
    higher = jnp.where(jnp.abs(c - x.step) < jnp.abs(q - x.step), c, c + (q - c) / 2)
    # 2: lower, with a slope of the other sign. Bracketed; whichever of cubic and secant is farther from p.
    g = jnp.where(forward, -gamma, gamma)
    r = ((g - p.slope) + theta) / safe(((g - p.slope) + g) + x.slope)
    c2 = p.step + r * (x.step - p.step)
    turned = jnp.where(jnp.abs(c2 - p.step) > jnp.abs(secant - p.step), c2, secant)
    # 3: lower, and flatter. The cubic only if it rises beyond in this direction.
    r = ((g - p.slope) + theta) / safe((g + (x.slope - p.slope)) + g)
    c3 = jnp.where((r < 0) & (g != 0), p.step + r * (x.step - p.step), jnp.where(forward, high, low))
    nearer = jnp.abs(c3 - p.step) < jnp.abs(secant - p.step)
    inside = jnp.where(nearer, c3, secant)
    two_thirds = p.step + 0.66 * (y.step - p.step)
    inside = jnp.where(forward, jnp.minimum(two_thirds, inside), jnp.maximum(two_thirds, inside))
    flat = jnp.where(bracketed, inside, jnp.clip(jnp.where(nearer, secant, c3), jnp.minimum(low, high), jnp.maximum(low, high)))
    # 4: lower, and not flatter: the cubic between p and y, or as far as is allowed.
    theta, gamma, _ = cubic(y, p)
    g = jnp.where(p.step > y.step, -gamma, gamma)
    r = ((g - p.slope) + theta) / safe(((g - p.slope) + g) + y.slope)
    steep = jnp.where(bracketed, p.step + r * (y.step - p.step), jnp.where(forward, high, low))

    rose = p.value > x.value
    step = jnp.where(rose, higher, jnp.where(opposite, turned, jnp.where(flatter, flat, steep)))
    pick = lambda condition, a, b: jax.tree.map(lambda s, t: jnp.where(condition, s, t), a, b)
    other = pick(rose, p, pick(opposite, x, y))
    return pick(rose, x, p), other, step, bracketed | rose | opposite
