"""Step sizes from the distance travelled."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import copied, inner_product, need_params, scalar, scaled
from gradtx.transforms.pointwise import floored
from gradtx.typing import NonNegative

_INIT_STEPS = ("distance", "learning_rate", "heuristic")


class DoGState(NamedTuple):
    """The first parameters, the largest distance from them so far, and the sum of the squared norms of the gradients."""

    init_params: Tree
    max_dist: jax.Array
    sum_sq_norm_grads: jax.Array


class scale_by_dog(Transform):
    """Distance over gradients: $u \\leftarrow \\frac{\\max_{i \\le t} \\|\\theta_i - \\theta_0\\|}{\\sqrt{\\sum_{i \\le t} \\|u_i\\|^2 + \\varepsilon}}\\,u$.

    Args:
        init_step: how the first step is made, a pair of one of these names and a number, which is a leaf: `"distance"`: the number stands
            for the distance at first; `"heuristic"`: the number times $1 + \\|\\theta_0\\|$ does; `"learning_rate"`: it is the
            step size as long as there has been no gradient.
        eps: $\\varepsilon \\ge 0$.

    Returns:
        A transformation with the state `DoGState(init_params, max_dist, sum_sq_norm_grads)`.

    Raises:
        ValueError: a number is outside its range, or the name another; `update` was called without parameters.

    References:
        Ivgi, Hinder, Carmon (2023), DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule, arXiv:2302.12022.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_dog(("distance", 0.5))
        >>> round(float(tx.update(jnp.array(4.0), tx.init(jnp.array(1.0)), jnp.array(1.0))[0]), 6)
        0.5
    """

    rule: str
    amount: NonNegative
    eps: NonNegative

    def __init__(self, init_step: tuple[str, NonNegative] = ("heuristic", 1e-6), eps: NonNegative = 1e-8) -> None:
        rule, amount = init_step
        self._set(rule=rule, amount=amount, eps=eps)

    def check(self) -> None:
        if self.rule not in _INIT_STEPS:
            raise ValueError(f"scale_by_dog: init_step = {(self.rule, self.amount)}; the first must be one of {_INIT_STEPS}.")

    def _arguments(self) -> list[str]:
        return [f"init_step={(self.rule, self.amount)!r}", f"eps={self.eps!r}"]

    def start(self, params: Tree) -> DoGState:
        check_trainable(self, params)
        first = scalar(params, 0.0 if self.rule == "learning_rate" else self.amount)
        if self.rule == "heuristic":
            first = first * (1 + jnp.sqrt(inner_product(params, params)))
        return DoGState(copied(params), first, scalar(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.max_dist.dtype
        need_params(self, params)
        squares = state.sum_sq_norm_grads + inner_product(updates, updates)
        distance = jnp.maximum(state.max_dist, jnp.sqrt(floored(_squared_distance(state.init_params, params))))
        rate = distance / jnp.sqrt(floored(squares + number(self.eps, dtype)))
        if self.rule == "learning_rate":
            rate = jnp.where(state.sum_sq_norm_grads == 0, number(self.amount, dtype), rate)
        return scaled(updates, rate), DoGState(state.init_params, distance, squares)


class DoWGState(NamedTuple):
    """The first parameters, the weighted sum of the squared norms of the gradients, and the largest squared distance so far."""

    init_params: Tree
    weighted_sq_norm_grads: jax.Array
    estim_sq_dist: jax.Array


class scale_by_dowg(Transform):
    """Distance over weighted gradients: $\\bar r_t = \\max_{i \\le t} \\|\\theta_i - \\theta_0\\|$, $v_t = v_{t-1} + \\bar r_t^2 \\|u_t\\|^2$; $u \\leftarrow \\frac{\\bar r_t^2}{\\sqrt{v_t} + \\varepsilon}\\,u$.

    Args:
        init_estim_sq_dist: $\\bar r_0^2 \\ge 0$; `eps` if None.
        eps: $\\varepsilon \\ge 0$.

    Returns:
        A transformation with the state `DoWGState(init_params, weighted_sq_norm_grads, estim_sq_dist)`.

    Raises:
        ValueError: a number is negative; `update` was called without parameters.

    References:
        Khaled, Mishchenko, Jin (2023), DoWG Unleashed: An Efficient Universal Parameter-Free Gradient Descent Method, arXiv:2305.16284.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_dowg(0.25, eps=0.0)
        >>> float(tx.update(jnp.array(4.0), tx.init(jnp.array(1.0)), jnp.array(1.0))[0])
        0.5
    """

    init_estim_sq_dist: NonNegative | None = None
    eps: NonNegative = 1e-4

    def start(self, params: Tree) -> DoWGState:
        check_trainable(self, params)
        first = self.eps if self.init_estim_sq_dist is None else self.init_estim_sq_dist
        return DoWGState(copied(params), scalar(params), scalar(params, first))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.estim_sq_dist.dtype
        need_params(self, params)
        squared = jnp.maximum(state.estim_sq_dist, _squared_distance(state.init_params, params))
        weighted = state.weighted_sq_norm_grads + squared * inner_product(updates, updates)
        rate = squared / (jnp.sqrt(floored(weighted)) + number(self.eps, dtype))
        return scaled(updates, rate), DoWGState(state.init_params, weighted, squared)


def _squared_distance(start: Tree, params: Tree) -> jax.Array:
    way = jax.tree.map(lambda a, p: a - cast(p, a.dtype), start, params)
    return inner_product(way, way)
