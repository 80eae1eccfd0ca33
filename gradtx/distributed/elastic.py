"""Elastic averaging: workers roam, each tied to a common centre."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.average import like
from gradtx.combinators.chain import chain
from gradtx.core.matrices import check_whole
from gradtx.core.number import cast, number, real
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import copied, need_params
from gradtx.distributed.axis import Axis, alike, check_axis, size_of, sum_over
from gradtx.optimizers.sgd import nesterov, sgd
from gradtx.typing import Fraction, NonNegative


class ElasticAveragingState(NamedTuple):
    """The steps since the workers last met the centre, and the centre."""

    steps_since_meeting: jax.Array
    centre: Tree


class elastic_averaging(Transform):
    """Ties each worker to a centre that all share: every $\\tau$ steps $u^i \\leftarrow u^i - \\alpha(\\theta^i - \\tilde\\theta)$ and $\\tilde\\theta \\leftarrow \\tilde\\theta + \\sum_i \\alpha(\\theta^i - \\tilde\\theta)$.

    Put it last in a chain: what stands before is the optimizer of a worker. Both lines read the old $\\theta^i$ and
    $\\tilde\\theta$. $\\alpha = \\beta / n$ for $n$ workers. The centre is what `evaluation_params` gives; workers must start
    from the same parameters.

    Args:
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        moving_rate: $\\beta \\ge 0$, a number or a schedule.
        period: $\\tau \\ge 1$, a whole number.

    Returns:
        A transformation with the state `ElasticAveragingState(steps_since_meeting, centre)`. If `update` is given `weight`, a
        number a worker, that worker's tie is so much as strong: 0 for one that doesn't take part.

    Raises:
        TypeError: `axis` is no name, or `period` no whole number.
        ValueError: a number is outside its range; no such axis is mapped where `update` is called; it got no parameters.

    References:
        Zhang, Choromanska, LeCun (2015), Deep learning with Elastic Averaging SGD, arXiv:1412.6651.

    Example:
        >>> import gradtx.distributed, jax, jax.numpy as jnp
        >>> tie = gradtx.distributed.elastic_averaging("workers", moving_rate=1.0, period=1)
        >>> state = tie.init(jnp.array(0.0))
        >>> step = lambda params: tie.update(jnp.array(0.0), state, params)
        >>> updates, after = jax.vmap(step, axis_name="workers", out_axes=(0, None))(jnp.array([1.0, 3.0]))
        >>> updates.tolist(), float(gradtx.state_get(after, "centre"))
        ([-0.5, -1.5], 2.0)
    """

    axis: Axis
    moving_rate: NonNegative = 0.9
    period: int = 100
    elementwise = True

    def check(self) -> None:
        check_axis(self, self.axis)
        check_whole(self, "period")

    def start(self, params: Tree) -> ElasticAveragingState:
        super().start(params)
        return ElasticAveragingState(jnp.zeros((), jnp.int32), copied(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        n = size_of(self, self.axis)

        def meet() -> tuple[Tree, Tree]:
            def pull(p: Any, c: Any) -> Any:
                return number(self.moving_rate, real(c.dtype)) / n * (cast(p, c.dtype) - c)

            pulls = jax.tree.map(pull, params, state.centre)
            weight = extra.get("weight")
            drawn = sum_over(self, self.axis, pulls, weight, every=self.period)
            centre = jax.tree.map(lambda c, d: c + d, state.centre, drawn)
            own = pulls if weight is None else jax.tree.map(lambda d: cast(jnp.asarray(weight), real(d.dtype)) * d, pulls)
            moved = jax.tree.map(lambda u, d: u - cast(d, u.dtype), updates, own)
            return moved, alike(centre, state.centre)

        def roam() -> tuple[Tree, Tree]:
            return alike(updates, params), state.centre

        updates, centre = jax.lax.cond(state.steps_since_meeting == 0, meet, roam)
        return updates, ElasticAveragingState((state.steps_since_meeting + 1) % self.period, centre)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return like(state.centre, params)


@optimizer
def easgd(learning_rate: NonNegative, axis: Axis, moving_rate: NonNegative = 0.9, period: int = 100) -> Transform:
    """Elastic averaging SGD: $\\theta^i \\leftarrow \\theta^i - \\eta g^i - \\alpha(\\theta^i - \\tilde\\theta)$, the tie every $\\tau$ steps.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        moving_rate: $\\beta = n\\alpha \\ge 0$, a number or a schedule.
        period: $\\tau \\ge 1$, a whole number.

    Raises:
        TypeError, ValueError: as `elastic_averaging`.

    References:
        Zhang, Choromanska, LeCun (2015), Deep learning with Elastic Averaging SGD, arXiv:1412.6651.

    Example:
        >>> import gradtx.distributed
        >>> gradtx.distributed.easgd(0.1, "workers")
        easgd(learning_rate=0.1, axis='workers')
    """
    return chain(sgd(learning_rate), elastic_averaging(axis, moving_rate, period))


@optimizer
def eamsgd(
    learning_rate: NonNegative, axis: Axis, momentum: Fraction = 0.99, moving_rate: NonNegative = 0.9, period: int = 100
) -> Transform:
    """Elastic averaging SGD with Nesterov's momentum: $v^i \\leftarrow \\delta v^i - \\eta \\nabla f(\\theta^i + \\delta v^i)$, $\\theta^i \\leftarrow \\theta^i + v^i - \\alpha(\\theta^i - \\tilde\\theta)$.

    The gradient is to be taken at `gradient_params`, as for `nesterov`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule (published: 0.01 and below).
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        momentum: $\\delta$ in [0, 1], a number or a schedule.
        moving_rate: $\\beta = n\\alpha \\ge 0$, a number or a schedule.
        period: $\\tau \\ge 1$, a whole number.

    Raises:
        TypeError, ValueError: as `elastic_averaging`.

    References:
        Zhang, Choromanska, LeCun (2015), Deep learning with Elastic Averaging SGD, arXiv:1412.6651.

    Example:
        >>> import gradtx.distributed
        >>> gradtx.distributed.eamsgd(0.01, "workers", period=10)
        eamsgd(learning_rate=0.01, axis='workers', period=10)
    """
    return chain(nesterov(learning_rate, momentum), elastic_averaging(axis, moving_rate, period))
