"""Averaging without a centre: each worker talks to its neighbours only."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.number import cast, number, real
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import need_params
from gradtx.distributed.axis import alike, check_axis, from_neighbours
from gradtx.typing import Fraction


class GossipState(NamedTuple):
    """The steps since the workers last talked."""

    steps_since_meeting: jax.Array


class gossip_averaging(Transform):
    """Mixes each worker's parameters with its two neighbours' in a ring: $u^i \\leftarrow u^i + \\sum_j W_{ij}\\theta^j - \\theta^i$.

    $W$ has $1 - 2w$ on its diagonal and $w$ beside it: it is doubly stochastic, so the mean over the workers is kept, and
    their spread shrinks at each meeting by at least the second largest modulus of its eigenvalues $1 - 2w + 2w\\cos(2\\pi k/n)$. Put it last
    in a chain: what stands before is the optimizer of a worker.

    Args:
        axis: the name of the mapped axis over which the workers are spread.
        neighbour_weight: $w$ in [0, 1], a number or a schedule; above 1/2 the spread may grow.
        period: in every how many steps they talk, a whole number $\\ge 1$.

    Returns:
        A transformation with the state `GossipState(steps_since_meeting)`. If `update` is given `weight`, a number a worker, a
        link is as strong as the product of the weights at its ends: a worker with 0 isn't talked to, and the mean is still kept.

    Raises:
        TypeError: `axis` is no name, or `period` no whole number.
        ValueError: a number is outside its range; no such axis is mapped where `update` is called; it got no parameters.

    References:
        Lian, Zhang, Zhang, Hsieh, Zhang, Liu (2017), Can decentralized algorithms outperform centralized algorithms?,
        arXiv:1705.09056.

    Example:
        >>> import gradtx.distributed, jax, jax.numpy as jnp
        >>> tx = gradtx.distributed.gossip_averaging("workers", neighbour_weight=0.25)
        >>> step = lambda params: tx.update(jnp.zeros(()), tx.init(params), params)[0]
        >>> jax.vmap(step, axis_name="workers")(jnp.array([4.0, 0.0, 0.0, 0.0]))
        Array([-2.,  1.,  0.,  1.], dtype=float32)
    """

    axis: str
    neighbour_weight: Fraction = 1 / 3
    period: int = 1
    elementwise = True

    def check(self) -> None:
        check_axis(self, self.axis)
        check_whole(self, "period")

    def start(self, params: Tree) -> GossipState:
        check_trainable(self, params)
        return GossipState(jnp.zeros((), jnp.int32))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)

        def talk() -> Tree:
            own = jax.tree.map(lambda p, u: cast(p, u.dtype), params, updates)
            weight = jnp.asarray(extra.get("weight", 1.0))
            left, right = from_neighbours(self, self.axis, (own, weight), self.period)

            def mix(u: Any, p: Any, a: Any, b: Any) -> Any:
                w, d = number(self.neighbour_weight, u.dtype), real(u.dtype)
                here, before, after = (cast(x, d) for x in (weight, left[1], right[1]))
                return u + w * here * (before * (a - p) + after * (b - p))

            return jax.tree.map(mix, updates, own, left[0], right[0])

        updates = jax.lax.cond(state.steps_since_meeting == 0, talk, lambda: alike(updates, params))
        return updates, GossipState((state.steps_since_meeting + 1) % self.period)
