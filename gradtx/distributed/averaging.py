"""Synchronous data parallelism: the gradient of the joined batch."""

from __future__ import annotations

from typing import Any

from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.distributed.axis import Axis, alike, check_axis, check_own, mean_over


class average_gradients(Transform):
    """The mean of all workers' gradients: $g \\leftarrow \\frac{1}{n}\\sum_i g^i$, or $\\sum_i w^i g^i / \\sum_i w^i$.

    Put it first in a chain, and every worker takes the step that one alone would take on the joined batch.

    Args:
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.

    Returns:
        A stateless transformation. If `update` is given `weight`, a number a worker, the mean is weighted: by the number of
        examples where batches are uneven, by 0 for a worker that doesn't take part.

    Raises:
        TypeError: `axis` is no name.
        ValueError: no such axis is mapped where `update` is called, or the gradients have been added up already.

    Example:
        >>> import gradtx.distributed, jax, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.distributed.average_gradients("workers"), gradtx.sgd(1.0))
        >>> step = lambda gradient: tx.update(gradient, tx.init(gradient))[0]
        >>> jax.vmap(step, axis_name="workers")(jnp.array([1.0, 3.0]))
        Array([-2., -2.], dtype=float32)
    """

    axis: Axis
    elementwise = True

    def check(self) -> None:
        check_axis(self, self.axis)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        check_own(self, self.axis, updates)
        mean = mean_over(self, self.axis, updates, extra.get("weight"))
        # Where all workers hold the same parameters the updates are the same; where each has its own they are the worker's.
        return mean if params is None else alike(mean, params), ()
