"""Gradient descent with noise."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.noise import add_noise
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.typing import Hyper, Key, NonNegative


@optimizer
def noisy_sgd(learning_rate: NonNegative, eta: NonNegative = 0.01, gamma: Hyper = 0.55, key: Key = None) -> Transform:
    """Gradient descent with fading noise: $\\theta \\leftarrow \\theta - \\alpha\\,(g + \\mathcal N(0, \\eta / (1 + t)^\\gamma))$, $t$ from 0.

    Args:
        learning_rate: $\\alpha \\ge 0$, a number or a schedule.
        eta: $\\eta \\ge 0$, the variance at the first step.
        gamma: $\\gamma$, how fast it fades.
        key: a seed or a random key; 0 if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Neelakantan et al. (2015), Adding Gradient Noise Improves Learning for Very Deep Networks, arXiv:1511.06807.

    Example:
        >>> import gradtx
        >>> gradtx.noisy_sgd(0.1, key=42)
        noisy_sgd(learning_rate=0.1, key=42)
    """
    return chain(add_noise(eta, gamma, 0 if key is None else key), scale_by_learning_rate(learning_rate))
