"""Steps measured by the size of each layer: LARS, LAMB, Fromage, NovoGrad."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio
from gradtx.combinators.route import masked
from gradtx.combinators.timing import primed
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import scale_by_adam
from gradtx.transforms.accumulators import ema
from gradtx.transforms.blocks import block_sum, scale_by_trust_ratio
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.momentum import scale_by_momentum
from gradtx.transforms.pointwise import identity, offset, scale, scale_by_learning_rate, sqrt, square
from gradtx.typing import Decay, DType, Fraction, NonNegative


@optimizer
def lars(
    learning_rate: NonNegative,
    weight_decay: NonNegative = 0.0,
    weight_decay_mask: Where = True,
    trust_coefficient: NonNegative = 1e-3,
    eps: NonNegative = 0.0,
    trust_ratio_mask: Where = True,
    momentum: Fraction = 0.9,
    nesterov: bool = False,
) -> Transform:
    """LARS: $m \\leftarrow \\gamma m + \\eta\\,c\\,\\frac{\\|\\theta\\|}{\\|d\\| + \\varepsilon}\\,d$ with $d = g + \\lambda\\theta$, by array; $\\theta \\leftarrow \\theta - m$.

    The paper divides by $\\|g\\| + \\lambda\\|\\theta\\|$ instead of $\\|g + \\lambda\\theta\\|$; without decay they are the same. Where a norm is zero the ratio is 1.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; it stands inside the momentum.
        weight_decay: $\\lambda \\ge 0$.
        weight_decay_mask: which parameters decay (see `masked`).
        trust_coefficient: $c \\ge 0$.
        eps: $\\varepsilon \\ge 0$.
        trust_ratio_mask: which parameters are scaled; biases and norms often are not.
        momentum: $\\gamma$ in [0, 1].
        nesterov: Nesterov's reformulation of the momentum.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        You, Gitman, Ginsburg (2017), Large Batch Training of Convolutional Networks, arXiv:1708.03888.

    Example:
        >>> import gradtx
        >>> gradtx.lars(0.1, weight_decay=1e-4, trust_ratio_mask="*/kernel")
        lars(learning_rate=0.1, weight_decay=0.0001, trust_ratio_mask='*/kernel')
    """
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        masked(scale_by_trust_ratio(trust_coefficient=trust_coefficient, eps=eps), trust_ratio_mask),
        scale_by_learning_rate(learning_rate),
        scale_by_momentum(momentum, nesterov),
    )


@optimizer
def lamb(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-6,
    eps_root: NonNegative = 0.0,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """LAMB: $\\theta \\leftarrow \\theta - \\eta\\,\\frac{\\|\\theta\\|}{\\|d\\|}\\,d$ with $d = \\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon) + \\lambda\\theta$, by array.

    The ratio is 1 where a norm is zero, and not bounded otherwise.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        You et al. (2019), Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, arXiv:1904.00962.

    Example:
        >>> import gradtx
        >>> gradtx.lamb(1e-3, weight_decay=0.01)
        lamb(learning_rate=0.001, weight_decay=0.01)
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def fromage(learning_rate: NonNegative, min_norm: NonNegative = 1e-6) -> Transform:
    """Fromage: $\\theta \\leftarrow \\frac{1}{\\sqrt{1 + \\eta^2}}\\left(\\theta - \\eta\\,\\frac{\\|\\theta\\|}{\\|g\\|}\\,g\\right)$, by array.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        min_norm: both norms are at least this, not negative.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Bernstein, Vahdat, Yue, Liu (2020), On the distance between two neural networks and the stability of learning,
        arXiv:2002.03432.

    Example:
        >>> import gradtx
        >>> gradtx.fromage(0.01)
        fromage(learning_rate=0.01)
    """
    root = (1 + learning_rate**2) ** 0.5
    # 1 − 1/root, without the cancellation.
    shrinks = learning_rate**2 / (root * (1 + root))
    return chain(scale_by_trust_ratio(min_norm), scale(learning_rate / root), add_decayed_weights(shrinks), scale(-1.0))


@optimizer
def scale_by_novograd(
    b1: Decay = 0.9,
    b2: Decay = 0.25,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    weight_decay: NonNegative = 0.0,
    mu_dtype: DType = None,
) -> Transform:
    """NovoGrad's direction, by array: $\\nu \\leftarrow b_2\\nu + (1-b_2)\\|g\\|^2$ from $\\nu_1 = \\|g_1\\|^2$; $\\mu \\leftarrow b_1\\mu + \\frac{g}{\\sqrt{\\nu + \\varepsilon_r} + \\varepsilon} + \\lambda\\theta$; $u = \\mu$.

    Args:
        b1: $b_1$ in [0, 1).
        b2: $b_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        weight_decay: $\\lambda \\ge 0$.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Ginsburg et al. (2019), Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training of Deep Networks,
        arXiv:1905.11286.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_novograd()
        scale_by_novograd()
    """
    size = chain(square(), block_sum(), named("nu", primed(ema(b2))), offset(eps_root), sqrt())
    mu = named("mu", scale_by_momentum(b1, accumulator_dtype=mu_dtype))
    return chain(ratio(identity(), size, eps), add_decayed_weights(weight_decay), mu)


@optimizer
def novograd(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.25,
    eps: NonNegative = 1e-6,
    eps_root: NonNegative = 0.0,
    weight_decay: NonNegative = 0.0,
) -> Transform:
    """NovoGrad: $\\theta \\leftarrow \\theta - \\eta\\mu$ with $\\mu \\leftarrow b_1\\mu + \\frac{g}{\\sqrt{\\nu + \\varepsilon_r} + \\varepsilon} + \\lambda\\theta$ and $\\nu$ an average of $\\|g\\|^2$, one number an array.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        weight_decay: $\\lambda \\ge 0$.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Ginsburg et al. (2019), Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training of Deep Networks,
        arXiv:1905.11286.

    Example:
        >>> import gradtx
        >>> gradtx.novograd(0.01)
        novograd(learning_rate=0.01)
    """
    return chain(scale_by_novograd(b1, b2, eps, eps_root, weight_decay), scale_by_learning_rate(learning_rate))
