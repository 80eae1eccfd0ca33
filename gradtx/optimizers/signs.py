"""Steps that know only the signs of the gradients: sign descent, Signum, Rprop."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.pointwise import scale, scale_by_learning_rate, sign
from gradtx.transforms.rprop import scale_by_rprop
from gradtx.typing import Decay, DType, NonNegative, Positive


@optimizer
def scale_by_sign() -> Transform:
    """The sign of each number: $u = \\operatorname{sign}(g)$. Optax's name for `sign`.

    References:
        Bernstein, Wang, Azizzadenesheli, Anandkumar (2018), signSGD: Compressed Optimisation for Non-Convex Problems, arXiv:1802.04434.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.scale_by_sign()
        >>> float(tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))[0])
        -1.0
    """
    return sign()


@optimizer
def sign_sgd(learning_rate: NonNegative) -> Transform:
    """Sign descent: $\\theta \\leftarrow \\theta - \\eta\\operatorname{sign}(g)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.

    Raises:
        ValueError: `learning_rate` is negative or not finite.

    References:
        Bernstein, Wang, Azizzadenesheli, Anandkumar (2018), signSGD: Compressed Optimisation for Non-Convex Problems, arXiv:1802.04434.

    Example:
        >>> import gradtx
        >>> gradtx.sign_sgd(0.01)
        sign_sgd(learning_rate=0.01)
    """
    return chain(scale_by_sign(), scale_by_learning_rate(learning_rate))


@optimizer
def signum(learning_rate: NonNegative, beta: Decay = 0.9, accumulator_dtype: DType = None) -> Transform:
    """Signum: $m \\leftarrow \\beta m + (1-\\beta) g$; $\\theta \\leftarrow \\theta - \\eta\\operatorname{sign}(m)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        beta: $\\beta$ in [0, 1).
        accumulator_dtype: dtype of $m$; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Bernstein, Wang, Azizzadenesheli, Anandkumar (2018), signSGD: Compressed Optimisation for Non-Convex Problems, arXiv:1802.04434.

    Example:
        >>> import gradtx
        >>> gradtx.signum(0.01)
        signum(learning_rate=0.01)
    """
    mu = named("mu", ema(beta, accumulator_dtype=accumulator_dtype))
    return chain(mu, scale_by_sign(), scale_by_learning_rate(learning_rate))


@optimizer
def rprop(
    learning_rate: NonNegative,
    eta_minus: NonNegative = 0.5,
    eta_plus: Positive = 1.2,
    min_step_size: NonNegative = 1e-6,
    max_step_size: Positive = 50.0,
) -> Transform:
    """Rprop: $\\theta \\leftarrow \\theta - s\\operatorname{sign}(g)$, with a step size $s$ for each number that grows while its sign stays and shrinks when it turns.

    For full batches: noise in the signs makes the steps small. (It is iRprop⁻, as in PyTorch and Optax; see `scale_by_rprop`.)

    Args:
        learning_rate: the first step size, not negative. A schedule counts by its first value only.
        eta_minus: by which it shrinks, not negative.
        eta_plus: by which it grows, positive.
        min_step_size: the least, not negative.
        max_step_size: the largest, positive.

    Raises:
        ValueError: a number is outside its range.

    References:
        Riedmiller, Braun (1993), A direct adaptive method for faster backpropagation learning: the RPROP algorithm, ICNN. Igel, Hüsken
        (2000), Improving the Rprop learning algorithm.

    Example:
        >>> import gradtx
        >>> gradtx.rprop(0.01)
        rprop(learning_rate=0.01)
    """
    return chain(scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size), scale(-1.0))
