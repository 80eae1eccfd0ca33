"""Penalties that a gradient can't take: their proximal maps, and the steps made of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real, wide
from gradtx.core.prox import Prox
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import need_params, scalar
from gradtx.typing import NonNegative, NonNegativeReal


class prox_l1(Prox):
    """Of $\\lambda \\|x\\|_1$: $\\operatorname{sign}(v) \\max(|v| - \\eta\\lambda, 0)$. Makes zeros.

    Args:
        strength: $\\lambda \\ge 0$.

    Returns:
        A value for `proximal`, `proximal_gradient` and `fista`.

    Raises:
        ValueError: `strength` is negative.

    References:
        Parikh, Boyd (2014), Proximal Algorithms, section 6.5.2.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.prox_l1(0.5).apply(jnp.array([2.0, -0.25]), 1.0).tolist()
        [1.5, -0.0]
    """

    strength: NonNegativeReal

    def apply(self, x: Any, step: Any) -> Any:
        return _soft(x, step * number(self.strength, real(x.dtype)))

    def penalty(self, params: Tree) -> Any:
        return sum(number(self.strength, real(wide(x.dtype))) * jnp.sum(jnp.abs(x)) for x in jax.tree.leaves(params))


class prox_elastic_net(Prox):
    """Of $\\lambda_1 \\|x\\|_1 + \\frac{\\lambda_2}{2}\\|x\\|^2$: L1's map, divided by $1 + \\eta\\lambda_2$.

    Args:
        l1: $\\lambda_1 \\ge 0$.
        l2: $\\lambda_2 \\ge 0$.

    Returns:
        A value for `proximal`, `proximal_gradient` and `fista`.

    Raises:
        ValueError: a strength is negative.

    References:
        Zou, Hastie (2005), Regularization and Variable Selection via the Elastic Net.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.prox_elastic_net(0.5, 1.0).apply(jnp.array([2.5, -0.25]), 1.0).tolist()
        [1.0, -0.0]
    """

    l1: NonNegativeReal
    l2: NonNegativeReal

    def apply(self, x: Any, step: Any) -> Any:
        dtype = real(x.dtype)
        shrunk = _soft(x, step * number(self.l1, dtype))
        return shrunk / cast(jnp.asarray(1 + step * number(self.l2, dtype), dtype), x.dtype)

    def penalty(self, params: Tree) -> Any:
        one = lambda x: (
            number(self.l1, wide(x.dtype)) * jnp.sum(jnp.abs(x)) + number(self.l2, wide(x.dtype)) / 2 * jnp.sum(x * x)
        )
        return sum(one(x) for x in jax.tree.leaves(params))


class prox_group_l1(Prox):
    """Of $\\lambda \\sum_g \\|x_g\\|$: each group times $\\max(1 - \\eta\\lambda / \\|v_g\\|, 0)$. Whole groups become zero.

    Args:
        strength: $\\lambda \\ge 0$.
        axis: the groups are the slices along it; an array without axes is a group of its own.

    Returns:
        A value for `proximal`, `proximal_gradient` and `fista`.

    Raises:
        ValueError: `strength` is negative.

    References:
        Yuan, Lin (2006), Model Selection and Estimation in Regression with Grouped Variables.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> out = gradtx.prox_group_l1(1.0).apply(jnp.array([[3.0, 4.0], [0.3, 0.4]]), 1.0)
        >>> [[round(float(x), 3) for x in row] for row in out]
        [[2.4, 3.2], [0.0, 0.0]]
    """

    strength: NonNegativeReal
    axis: int = -1

    def apply(self, x: Any, step: Any) -> Any:
        size = self._size(x, keepdims=True)
        kept = jnp.maximum(1 - step * number(self.strength, real(x.dtype)) / jnp.where(size > 0, size, 1), 0)
        return x * cast(kept, x.dtype)

    def penalty(self, params: Tree) -> Any:
        return sum(number(self.strength, real(wide(x.dtype))) * jnp.sum(self._size(x)) for x in jax.tree.leaves(params))

    def _size(self, x: Any, keepdims: bool = False) -> Any:
        return jnp.sqrt(jnp.sum(jnp.abs(x) ** 2, axis=self.axis, keepdims=keepdims)) if x.ndim else jnp.abs(x)


class proximal(Transform):
    """Lands on the proximal map of where the updates lead: $u \\leftarrow \\operatorname{prox}_{\\eta h}(\\theta + u) - \\theta$. It stands last in a chain.

    Args:
        prox: a proximal map or a projection.
        learning_rate: $\\eta \\ge 0$, the step that the updates were scaled by, a number or a schedule; projections don't look at it.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        TypeError: `prox` is no proximal map.
        ValueError: `update` was called without parameters.

    References:
        Parikh, Boyd (2014), Proximal Algorithms, section 4.2.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.adam(1.0), gradtx.proximal(gradtx.projection_box(0.0, 0.5)))
        >>> params = jnp.array([0.25, 0.75])
        >>> (params + tx.update(jnp.ones(2), tx.init(params), params)[0]).tolist()
        [0.0, 0.0]
    """

    prox: Prox
    learning_rate: NonNegative = 1.0

    def check(self) -> None:
        check_prox(self, self.prox)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def one(u: Any, p: Any) -> Any:
            p = cast(p, u.dtype)
            return self.prox.apply(p + u, number(self.learning_rate, real(u.dtype))) - p

        return jax.tree.map(one, updates, need_params(self, params)), ()


class FistaState(NamedTuple):
    """The sequence $t$ of FISTA, and the last step $\\theta - \\theta_-$."""

    t: jax.Array
    velocity: Tree


class fista_step(Transform):
    """FISTA's step: from $y = \\theta + \\frac{t_- - 1}{t} (\\theta - \\theta_-)$, where the gradient is taken, to $\\operatorname{prox}_{\\eta h}(y + u)$; $t \\leftarrow \\frac{1 + \\sqrt{1 + 4 t^2}}{2}$.

    Args:
        prox: a proximal map or a projection.
        learning_rate: $\\eta \\ge 0$, the step that the updates were scaled by.

    Returns:
        A transformation with the state `FistaState`, which needs the parameters. Loops that ask `gradient_params` take the gradient at $y$.

    Raises:
        TypeError: `prox` is no proximal map.
        ValueError: `update` was called without parameters.

    References:
        Beck, Teboulle (2009), A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems.

    Example:
        >>> import gradtx
        >>> gradtx.fista_step(gradtx.prox_l1(0.1), 0.5)
        fista_step(prox=prox_l1(strength=0.1), learning_rate=0.5)
    """

    prox: Prox
    learning_rate: NonNegative = 1.0

    def check(self) -> None:
        check_prox(self, self.prox)

    def start(self, params: Tree) -> FistaState:
        check_trainable(self, params)
        return FistaState(scalar(params), full_like(params, 0.0, None))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        ahead = _ahead(state.t)

        def one(u: Any, p: Any, v: Any) -> Any:
            p = cast(p, u.dtype)
            y = p + cast(ahead, u.dtype) * cast(v, u.dtype)
            return self.prox.apply(y + u, number(self.learning_rate, real(u.dtype))) - p

        step = jax.tree.map(one, updates, need_params(self, params), state.velocity)
        velocity = jax.tree.map(lambda s, v: cast(s, v.dtype), step, state.velocity)
        return step, FistaState(_next(state.t), velocity)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        ahead = _ahead(state.t)
        return jax.tree.map(lambda p, v: cast(cast(p, v.dtype) + cast(ahead, v.dtype) * v, p.dtype), params, state.velocity)


def _next(t: jax.Array) -> jax.Array:
    """1, then FISTA's sequence."""
    return (1 + jnp.sqrt(1 + 4 * t * t)) / 2


def _ahead(t: jax.Array) -> jax.Array:
    """How far the next gradient is taken ahead; `t` is that of the last step, 0 before the first."""
    return jnp.maximum(t - 1, 0) / _next(t)


def _soft(x: Any, threshold: Any) -> Any:
    return jnp.sign(x) * cast(jnp.maximum(jnp.abs(x) - threshold, 0), x.dtype)


def check_prox(who: Any, prox: Any) -> None:
    """Raises if it is no proximal map."""
    if not isinstance(prox, Prox):
        raise TypeError(
            f"{type(who).__name__}: prox = {prox!r} is no proximal map; give one such as prox_l1(0.1) or projection_box(0, 1)."
        )
