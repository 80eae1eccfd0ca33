"""Differentially private gradient descent."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.optimizers.sgd import sgd
from gradtx.transforms.privacy import differentially_private_aggregate
from gradtx.typing import Fraction, Key, NonNegative


@optimizer
def dpsgd(
    learning_rate: NonNegative,
    l2_norm_clip: NonNegative,
    noise_multiplier: NonNegative,
    seed: Key,
    momentum: Fraction | None = None,
    nesterov: bool = False,
) -> Transform:
    """DP-SGD: gradient descent on clipped and noisy means, $\\theta \\leftarrow \\theta - \\frac{\\eta}{B}\\left(\\sum_i g_i \\min(1, c / \\|g_i\\|) + \\mathcal N(0, \\sigma^2 c^2)\\right)$.

    Its updates are one gradient per example, with the examples along a first axis: `jax.vmap(jax.grad(loss), (None, 0))(params, batch)`.
    What privacy a run has is for an accountant to say; this is the mechanism alone.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        l2_norm_clip: $c \\ge 0$, for each example over all parameters together.
        noise_multiplier: $\\sigma \\ge 0$, the standard deviation of the noise over $c$.
        seed: a seed or a random key. It is a leaf: map over it for many runs.
        momentum: in [0, 1], of the noisy means; none if None.
        nesterov: Nesterov's reformulation of it.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters, or with gradients that have no axis of examples.

    References:
        Abadi et al. (2016), Deep Learning with Differential Privacy, arXiv:1607.00133.

    Example:
        >>> import gradtx
        >>> gradtx.dpsgd(0.1, l2_norm_clip=1.0, noise_multiplier=1.1, seed=0)
        dpsgd(learning_rate=0.1, l2_norm_clip=1.0, noise_multiplier=1.1, seed=0)
    """
    return chain(differentially_private_aggregate(l2_norm_clip, noise_multiplier, seed), sgd(learning_rate, momentum, nesterov))
