"""Two transformations of the same updates, side by side, and one array made of their two."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax

from gradtx.core.number import cast, is_zero, times
from gradtx.core.transform import ByDType, Transform, check_stage
from gradtx.core.trees import Tree, map_updates
from gradtx.typing import Hyper, NonNegative


class PairState(NamedTuple):
    """The states of two transformations side by side."""

    first: Any
    second: Any


class RatioState(NamedTuple):
    """The states of what stands above and below."""

    numerator: Any
    denominator: Any


class Pair(Transform):
    """Two fields hold transformations, named as in `State`; subclasses say how their outputs are joined."""

    State: ClassVar[type[Any]] = PairState
    sides: ClassVar[tuple[str, str]] = ("one side emits", "the other")

    def join(self, a: Any, b: Any) -> Any:
        """One array made of two. The hyperparameters are numbers in the arithmetic of the second."""
        raise NotImplementedError

    def beside(self, first: Tree, extra: dict[str, Any]) -> dict[str, Any]:
        """The extra arguments for the second transformation, which may listen to the first."""
        return extra

    def _both(self) -> tuple[Transform, Transform]:
        one, two = (getattr(self, name) for name in self.State._fields)
        return one, two

    def check(self) -> None:
        for side in self._both():
            check_stage(self, side)

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return all(side.elementwise for side in self._both())

    def start(self, params: Tree) -> Any:
        return self.State(*(side.start(params) for side in self._both()))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        one, two = self._both()
        a, a_state = one.apply(updates, state[0], params, **extra)
        b, b_state = two.apply(updates, state[1], params, **self.beside(a, extra))
        by_dtype = ByDType(self)
        return map_updates(self, lambda x, y: by_dtype[y.dtype].join(x, y), a, b), self.State(a_state, b_state)

    def emits(self, params: Tree) -> Tree:
        return self._both()[0].emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {name: (side, s) for name, side, s in zip(self.State._fields, self._both(), state, strict=True)}


class ratio(Pair):
    """A quotient of two transformations of the same updates: $t_1(u) / (t_2(u) + \\varepsilon)$, the shape of every adaptive method.

    Args:
        numerator: $t_1$, mostly a first moment or `identity()`.
        denominator: $t_2$, mostly the root of a second moment. A `surprise()` in it hears the numerator.
        eps: $\\varepsilon \\ge 0$ outside the root, a number or a schedule. For one inside put `offset` before `sqrt`.

    Returns:
        A transformation with the state `RatioState(numerator, denominator)`.

    Raises:
        ValueError: `eps` is negative or not finite.
        TypeError: `numerator` or `denominator` is no transformation.

    Example:
        >>> import gradtx
        >>> rms = gradtx.chain(gradtx.square(), gradtx.ema(0.9), gradtx.sqrt())
        >>> gradtx.chain(gradtx.ratio(gradtx.identity(), rms, eps=1e-8), gradtx.scale_by_learning_rate(0.01))[1]  # RMSprop
        scale_by_learning_rate(learning_rate=0.01)
    """

    numerator: Transform
    denominator: Transform
    eps: NonNegative = 0.0

    State = RatioState

    def join(self, a: Any, b: Any) -> Any:
        return jax.lax.div(a, cast(b if is_zero(self.eps) else b + self.eps, a.dtype))

    def beside(self, first: Tree, extra: dict[str, Any]) -> dict[str, Any]:
        return {**extra, "numerator": first}


class surprise(Transform):
    """Inside a denominator: the updates less what the numerator made of them, $u - m$. AdaBelief listens to its square.

    Returns:
        A stateless transformation, for the denominator of a `ratio`.

    Raises:
        ValueError: it doesn't stand in the denominator of a `ratio`.

    Example:
        >>> import gradtx
        >>> belief = gradtx.chain(gradtx.surprise(), gradtx.square(), gradtx.ema(0.999), gradtx.sqrt())
        >>> tx = gradtx.ratio(gradtx.ema(0.9), belief, eps=1e-8)
    """

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the numerator has")

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if "numerator" not in extra:
            raise ValueError("surprise() listens to a numerator: put it into the denominator of a ratio.")
        return map_updates(self, lambda u, m: u - m, updates, extra["numerator"]), ()


class blend(Pair):
    """A mixture of two transformations of the same updates: $w\\,t_1(u) + (1 - w)\\,t_2(u)$.

    Args:
        weight: $w$, a number (mostly in [0, 1]) or a schedule.
        first: $t_1$.
        second: $t_2$.

    Returns:
        A transformation with the state `PairState(first, second)`.

    Raises:
        ValueError: `weight` is not finite.
        TypeError: `first` or `second` is no transformation.

    Example:
        >>> import gradtx
        >>> direction = gradtx.blend(0.9, gradtx.lagged(gradtx.ema(0.99)), gradtx.identity())
        >>> gradtx.chain(direction, gradtx.sign(), gradtx.scale_by_learning_rate(1e-4))[1]  # Lion
        sign()
    """

    weight: Hyper
    first: Transform
    second: Transform

    def join(self, a: Any, b: Any) -> Any:
        return jax.lax.add(times(self.weight, a), times(1 - self.weight, b))


class add(Pair):
    """The sum of two transformations of the same updates: $t_1(u) + t_2(u)$.

    Args:
        first: $t_1$.
        second: $t_2$; put `scale(-1.0)` behind it for a difference.

    Returns:
        A transformation with the state `PairState(first, second)`.

    Raises:
        TypeError: `first` or `second` is no transformation.

    Example:
        >>> import gradtx
        >>> of_squares = gradtx.chain(gradtx.square(), gradtx.ema(0.9))
        >>> minus_square = gradtx.chain(gradtx.ema(0.9), gradtx.square(), gradtx.scale(-1.0))
        >>> variance = gradtx.add(of_squares, minus_square)
    """

    first: Transform
    second: Transform

    def join(self, a: Any, b: Any) -> Any:
        return jax.lax.add(a, b)
