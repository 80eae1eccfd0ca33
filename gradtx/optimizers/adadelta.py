"""Adadelta: steps in the units of the parameters."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.memory import feedback
from gradtx.combinators.pair import ratio
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.pointwise import identity, offset, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, NonNegative


@optimizer
def scale_by_adadelta(rho: Decay = 0.9, eps: NonNegative = 1e-6) -> Transform:
    """Rescales by the running size of its own output over that of the gradients.

    $E_g \\leftarrow \\rho E_g + (1-\\rho) g^2$; $u = g\\,\\sqrt{E_x + \\varepsilon} / \\sqrt{E_g + \\varepsilon}$; $E_x \\leftarrow \\rho E_x + (1-\\rho) u^2$.

    Args:
        rho: $\\rho$ in [0, 1), a number or a schedule.
        eps: $\\varepsilon \\ge 0$, inside both roots; it starts the motion, so 0 never moves.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.scale_by_adadelta(rho=0.95), gradtx.scale_by_learning_rate(1.0))[0]
        scale_by_adadelta(rho=0.95)
    """
    rms = chain(offset(eps), sqrt())
    by_gradients = ratio(identity(), chain(square(), named("e_g", ema(rho)), rms))
    return chain(by_gradients, named("e_x", feedback(square(), ema(rho), rms)))


@optimizer
def adadelta(
    learning_rate: NonNegative = 1.0,
    rho: Decay = 0.9,
    eps: NonNegative = 1e-6,
    weight_decay: NonNegative = 0.0,
    weight_decay_mask: Where | None = None,
) -> Transform:
    """Adadelta: $\\theta \\leftarrow \\theta - \\eta\\,g\\,\\sqrt{E_x + \\varepsilon} / \\sqrt{E_g + \\varepsilon}$, with $E_x$, $E_g$ the averages of squared steps and gradients.

    Args:
        learning_rate: $\\eta \\ge 0$; 1 as published, where Optax leaves out rate and sign.
        rho: the decay of both averages, in [0, 1).
        eps: $\\varepsilon \\ge 0$, inside both roots.
        weight_decay: $\\lambda \\ge 0$, added to the gradient as $\\lambda\\theta$ first.
        weight_decay_mask: which parameters decay; all if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701.

    Example:
        >>> import gradtx
        >>> gradtx.adadelta()
        adadelta()
    """
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_adadelta(rho, eps),
        scale_by_learning_rate(learning_rate),
    )
