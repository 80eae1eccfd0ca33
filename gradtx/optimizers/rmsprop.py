"""RMSprop: Adagrad with a memory that fades."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import add, ratio
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction as corrected
from gradtx.transforms.momentum import scale_by_momentum
from gradtx.transforms.pointwise import identity, offset, scale, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, Fraction, NonNegative


@optimizer
def scale_by_rms(
    decay: Decay = 0.9,
    eps: NonNegative = 1e-8,
    initial_scale: NonNegative = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Transform:
    """Divides by the root mean square of the recent gradients: $\\nu \\leftarrow b\\nu + (1-b) g^2$; $u = g / \\sqrt{\\nu + \\varepsilon}$.

    In a chain it makes whatever comes behind it independent of the scale of each coordinate's gradients.

    Args:
        decay: $b$ in [0, 1), a number or a schedule.
        eps: $\\varepsilon \\ge 0$.
        initial_scale: $\\nu_0 \\ge 0$.
        eps_in_sqrt: False puts it outside the root, as PyTorch does: $g / (\\sqrt\\nu + \\varepsilon)$.
        bias_correction: correct $\\nu$ for its start.

    Raises:
        ValueError: a number is outside its range.

    References:
        Tieleman, Hinton (2012), Lecture 6.5: RMSprop, Coursera.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_rms(decay=0.99), gradtx.scale_by_momentum(0.9), gradtx.scale_by_learning_rate(1e-3))[0]
        scale_by_rms(decay=0.99)
    """
    nu = named("nu", ema(decay, initial_scale))
    seen = chain(square(), nu, corrected(decay)) if bias_correction else chain(square(), nu)
    return _over_root(seen, eps, eps_in_sqrt)


@optimizer
def scale_by_stddev(
    decay: Decay = 0.9,
    eps: NonNegative = 1e-8,
    initial_scale: NonNegative = 0.0,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Transform:
    """Divides by the standard deviation of the recent gradients: $u = g / \\sqrt{\\nu - \\mu^2 + \\varepsilon}$, with $\\mu$, $\\nu$ the averages of $g$, $g^2$.

    Args:
        decay: of both averages, in [0, 1), a number or a schedule.
        eps: $\\varepsilon \\ge 0$.
        initial_scale: $\\nu_0 \\ge 0$.
        eps_in_sqrt: False puts it outside the root.
        bias_correction: correct both averages for their start.

    Raises:
        ValueError: a number is outside its range.

    References:
        Graves (2013), Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850, section 4.2.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_stddev()
        scale_by_stddev()
    """
    mu, nu = named("mu", ema(decay)), named("nu", ema(decay, initial_scale))
    if bias_correction:
        mu, nu = chain(mu, corrected(decay)), chain(nu, corrected(decay))
    return _over_root(add(chain(square(), nu), chain(mu, square(), scale(-1.0))), eps, eps_in_sqrt)


def _over_root(seen: Transform, eps: NonNegative, eps_in_sqrt: bool) -> Transform:
    if eps_in_sqrt:
        return ratio(identity(), chain(seen, offset(eps), sqrt()))
    return ratio(identity(), chain(seen, sqrt()), eps)


@optimizer
def rmsprop(
    learning_rate: NonNegative,
    decay: Decay = 0.9,
    eps: NonNegative = 1e-8,
    initial_scale: NonNegative = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: Fraction | None = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> Transform:
    """RMSprop: $\\nu \\leftarrow b\\nu + (1-b) g^2$; $\\theta \\leftarrow \\theta - \\eta\\,g / \\sqrt{\\nu + \\varepsilon}$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        decay: $b$ in [0, 1). 0.9 as in Hinton's lecture; PyTorch's `alpha` is 0.99.
        eps: $\\varepsilon \\ge 0$.
        initial_scale: $\\nu_0 \\ge 0$.
        eps_in_sqrt: $\\varepsilon$ inside the root, as in Optax and Keras; PyTorch has it outside (False).
        centered: divide by the standard deviation instead: $\\nu - \\mu^2$ in place of $\\nu$.
        momentum: in [0, 1], of the steps; none if None. The learning rate stands inside it, as in Optax and Keras; where it falls, PyTorch's
            is `chain(scale_by_rms(...), scale_by_momentum(...), scale_by_learning_rate(...))`.
        nesterov: Nesterov's reformulation of that momentum.
        bias_correction: correct the averages for their start.

    Raises:
        ValueError: a number is outside its range.

    References:
        Tieleman, Hinton (2012), Lecture 6.5: RMSprop, Coursera. Graves (2013), arXiv:1308.0850 (centered).

    Example:
        >>> import gradtx
        >>> gradtx.rmsprop(1e-3, momentum=0.9)
        rmsprop(learning_rate=0.001, momentum=0.9)
    """
    by_size = (scale_by_stddev if centered else scale_by_rms)(decay, eps, initial_scale, eps_in_sqrt, bias_correction)
    if momentum is None:
        return chain(by_size, scale_by_learning_rate(learning_rate))
    return chain(by_size, scale_by_learning_rate(learning_rate), scale_by_momentum(momentum, nesterov))
