"""Adam: a first moment over the root of a second."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import blend, ratio
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.nesterov import dozat_moment
from gradtx.transforms.pointwise import offset, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, DType, NonNegative


def first_moment(b1: Decay, mu_dtype: DType = None, nesterov: bool = False, ahead: int = 1) -> Transform:
    """Adam's corrected average $\\hat\\mu$, or Nadam's mixture of it and the gradient."""
    mu = named("mu", ema(b1, accumulator_dtype=mu_dtype))
    if nesterov:
        return blend(b1, chain(mu, bias_correction(b1, ahead)), bias_correction(b1))
    return chain(mu, bias_correction(b1))


@optimizer
def scale_by_adam(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    *,
    nesterov: bool = False,
) -> Transform:
    """Adam's direction: $u = \\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$, with $\\hat\\mu$, $\\hat\\nu$ the corrected averages of $g$, $g^2$.

    Args:
        b1: the decay of $\\mu$, in [0, 1), a number or a schedule.
        b2: the decay of $\\nu$, in [0, 1), a number or a schedule.
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: Nadam's first moment, as in `scale_by_nadam`.

    Raises:
        ValueError: a number is outside its range.

    References:
        Kingma, Ba (2014), Adam: A Method for Stochastic Optimization, arXiv:1412.6980.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.scale_by_adam(), gradtx.scale_by_learning_rate(1e-3))[1]
        scale_by_adam()
    """
    first = first_moment(b1, mu_dtype, nesterov)
    second = chain(square(), named("nu", ema(b2)), bias_correction(b2), offset(eps_root), sqrt())
    return ratio(first, second, eps)


@optimizer
def adam(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    *,
    nesterov: bool = False,
) -> Transform:
    """Adam: $\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$.

    $\\mu \\leftarrow \\beta_1\\mu + (1-\\beta_1) g$, $\\nu \\leftarrow \\beta_2\\nu + (1-\\beta_2) g^2$, $\\hat\\mu = \\mu / (1 - \\beta_1^t)$, $\\hat\\nu = \\nu / (1 - \\beta_2^t)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: $\\beta_1$ in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root and after the correction, as in Algorithm 1 of the paper, Optax and PyTorch. Keras adds it before
            the correction, the $\\hat\\varepsilon$ of the paper's section 2: see `docs/conventions.md` for the composition.
        eps_root: $\\varepsilon_r \\ge 0$, inside the root.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: Nadam's first moment (then it is `nadam`).

    Raises:
        ValueError: a number is outside its range.

    References:
        Kingma, Ba (2014), Adam: A Method for Stochastic Optimization, arXiv:1412.6980.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.adam(0.1)
        >>> round(float(tx.update(jnp.array(-4.0), tx.init(jnp.array(0.0)))[0]), 6)
        0.1
    """
    return chain(scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov), scale_by_learning_rate(learning_rate))


@optimizer
def adamw(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 1e-4,
    mask: Where | None = None,
    *,
    nesterov: bool = False,
) -> Transform:
    """Adam with decoupled weight decay: $\\theta \\leftarrow \\theta - \\eta\\,(\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon) + \\lambda\\theta)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it, as in Optax and PyTorch.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$; 1e-4 as in Optax, 1e-2 in PyTorch.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        nesterov: Nadam's first moment.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Loshchilov, Hutter (2017), Decoupled Weight Decay Regularization, arXiv:1711.05101.

    Example:
        >>> import gradtx
        >>> gradtx.adamw(3e-4, weight_decay=0.1, mask="*/kernel")
        adamw(learning_rate=0.0003, weight_decay=0.1, mask='*/kernel')
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def scale_by_nadam(
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    *,
    ahead: int = 1,
) -> Transform:
    """Adam's direction with Nesterov's first moment: $\\beta_1\\mu / (1 - \\beta_1^{t+1}) + (1 - \\beta_1) g / (1 - \\beta_1^t)$ in place of $\\hat\\mu$.

    Args:
        b1: $\\beta_1$ in [0, 1).
        b2: the decay of the second moment, in [0, 1).
        eps: outside the root, not negative.
        eps_root: inside the root, not negative.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        ahead: 1 corrects $\\mu$ with $t + 1$ (Dozat's form, Optax's), 0 with $t$ (Ruder's).

    Raises:
        ValueError: a number is outside its range.

    References:
        Dozat (2016), Incorporating Nesterov Momentum into Adam, ICLR workshop. Ruder (2016), arXiv:1609.04747.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_nadam(ahead=0)
        scale_by_nadam(ahead=0)
    """
    second = chain(square(), named("nu", ema(b2)), bias_correction(b2), offset(eps_root), sqrt())
    return ratio(first_moment(b1, mu_dtype, nesterov=True, ahead=ahead), second, eps)


@optimizer
def nadam(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    *,
    ahead: int = 1,
    momentum_decay: NonNegative | None = None,
) -> Transform:
    """Adam with Nesterov momentum: $\\theta \\leftarrow \\theta - \\frac{\\eta}{\\sqrt{\\hat\\nu} + \\varepsilon}\\left(\\frac{\\beta_1\\mu}{1 - \\beta_1^{t+1}} + \\frac{(1 - \\beta_1) g}{1 - \\beta_1^t}\\right)$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: $\\beta_1$ in [0, 1); constant by default, as in Optax.
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: inside the root, not negative.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        ahead: 1 corrects $\\mu$ with $t + 1$ (Dozat's form, Optax's), 0 with $t$ (Ruder's); without `momentum_decay`, which brings its own.
        momentum_decay: lets the weights of the mixture rise by Dozat's $0.96^{\\psi t}$ (see `dozat_moment`): 0.004 makes it PyTorch's NAdam,
            1 Keras's. None is Optax's.

    Raises:
        ValueError: a number is outside its range.

    References:
        Dozat (2016), Incorporating Nesterov Momentum into Adam, ICLR workshop. Ruder (2016), An overview of gradient descent
        optimization algorithms, arXiv:1609.04747.

    Example:
        >>> import gradtx
        >>> gradtx.nadam(1e-3)
        nadam(learning_rate=0.001)
    """
    if momentum_decay is None:
        direction = scale_by_nadam(b1, b2, eps, eps_root, mu_dtype, ahead=ahead)
    else:
        second = chain(square(), named("nu", ema(b2)), bias_correction(b2), offset(eps_root), sqrt())
        direction = ratio(dozat_moment(b1, momentum_decay, mu_dtype), second, eps)
    return chain(direction, scale_by_learning_rate(learning_rate))


@optimizer
def nadamw(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 1e-4,
    mask: Where | None = None,
    *,
    nesterov: bool = True,
) -> Transform:
    """Nadam with decoupled weight decay: `adamw` with Nesterov's first moment.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        nesterov: False makes it `adamw`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Dozat (2016), Incorporating Nesterov Momentum into Adam, ICLR workshop. Loshchilov, Hutter (2017), arXiv:1711.05101.

    Example:
        >>> import gradtx
        >>> gradtx.nadamw(1e-3)
        nadamw(learning_rate=0.001)
    """
    return adamw(learning_rate, b1, b2, eps, eps_root, mu_dtype, weight_decay, mask, nesterov=nesterov)
