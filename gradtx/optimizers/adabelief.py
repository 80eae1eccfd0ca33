"""AdaBelief: Adam divided by how surprising the gradients are."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import add, blend, ratio, surprise
from gradtx.combinators.share import let, recall
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.pointwise import identity, offset, scale, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, NonNegative


@optimizer
def scale_by_belief(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-16,
    eps_root: NonNegative = 1e-16,
    *,
    nesterov: bool = False,
) -> Transform:
    """AdaBelief's direction: $u = \\hat\\mu / (\\sqrt{\\hat\\nu} + \\varepsilon)$ with $\\nu \\leftarrow \\beta_2\\nu + (1-\\beta_2)(g - \\mu)^2 + \\varepsilon_r$.

    Args:
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, added to $\\nu$ at every step, and so remembered.
        nesterov: Nadam's first moment in the numerator.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zhuang et al. (2020), AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients, arXiv:2010.07468.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_belief()
        scale_by_belief()
    """
    # What is added behind the average at every step is the same as this much in front of it.
    remembered = offset(eps_root / (1 - b2))
    squares = chain(square(), remembered, named("nu", ema(b2)), bias_correction(b2), sqrt())
    mu = named("mu", ema(b1))
    if nesterov:
        ahead = blend(b1, chain(recall("mu"), bias_correction(b1, ahead=1)), bias_correction(b1))
        unforeseen = add(identity(), chain(recall("mu"), scale(-1.0)))
        return let("mu", mu, ratio(ahead, chain(unforeseen, squares), eps))
    return chain(ratio(mu, chain(surprise(), squares), eps), bias_correction(b1))


@optimizer
def adabelief(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-16,
    eps_root: NonNegative = 1e-16,
    *,
    nesterov: bool = False,
) -> Transform:
    """AdaBelief: Adam with $(g - \\mu)^2$ in place of $g^2$: large steps where the gradient is as expected.

    $\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / (\\sqrt{\\hat\\nu} + \\varepsilon)$ with $\\nu \\leftarrow \\beta_2\\nu + (1-\\beta_2)(g - \\mu)^2 + \\varepsilon_r$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, added to $\\nu$ at every step.
        nesterov: Nadam's first moment in the numerator.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zhuang et al. (2020), AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients, arXiv:2010.07468.

    Example:
        >>> import gradtx
        >>> gradtx.adabelief(1e-3)
        adabelief(learning_rate=0.001)
    """
    return chain(scale_by_belief(b1, b2, eps, eps_root, nesterov=nesterov), scale_by_learning_rate(learning_rate))
