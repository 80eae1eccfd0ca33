"""Adam refined by pieces that go before or around any direction: Cautious, Grams, MARS, StableAdamW, Adam-mini, GrokFast."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import add, ratio
from gradtx.combinators.product import cautious, multiply
from gradtx.combinators.share import let, recall
from gradtx.combinators.timing import primed
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import first_moment, scale_by_adam
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.blocks import block_mean, block_sum
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.difference import difference
from gradtx.transforms.limits import at_least
from gradtx.transforms.pointwise import absolute, identity, offset, scale, scale_by_learning_rate, sign, sqrt, square
from gradtx.typing import Decay, DType, NonNegative, Positive


@optimizer
def cautious_adamw(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 1e-4,
    mask: Where | None = None,
) -> Transform:
    """Cautious AdamW: AdamW that moves only the numbers on which momentum and gradient agree (see `cautious`); all of them decay.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Liang, Chen, Liu, Liu (2024), Cautious Optimizers: Improving Training with One Line of Code, arXiv:2411.16085.

    Example:
        >>> import gradtx
        >>> gradtx.cautious_adamw(1e-3)
        cautious_adamw(learning_rate=0.001)
    """
    return chain(
        cautious(scale_by_adam(b1, b2, eps, eps_root, mu_dtype)),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def sign_from_gradient(inner: Transform) -> Transform:
    """Grams' direction: how far from another direction, which way from the gradient: $u \\leftarrow \\operatorname{sign}(g)\\,|u|$.

    Args:
        inner: what gives the size, such as `scale_by_adam()`.

    Raises:
        TypeError: `inner` is no transformation.

    References:
        Cao, Li, Song (2024), Grams: Gradient Descent with Adaptive Momentum Scaling, arXiv:2412.17107.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sign_from_gradient(gradtx.ema(0.5, initial=3.0))
        >>> float(tx.update(jnp.array(-1.0), tx.init(jnp.array(0.0)))[0])
        -1.0
    """
    return multiply(sign(), chain(inner, absolute()))


@optimizer
def grams(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """Grams: $\\theta \\leftarrow \\theta - \\eta\\,(\\operatorname{sign}(g)\\,|a| + \\lambda\\theta)$, with $a$ Adam's direction.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Cao, Li, Song (2024), Grams: Gradient Descent with Adaptive Momentum Scaling, arXiv:2412.17107.

    Example:
        >>> import gradtx
        >>> gradtx.grams(1e-3)
        grams(learning_rate=0.001)
    """
    return chain(
        sign_from_gradient(scale_by_adam(b1, b2, eps, eps_root, mu_dtype)),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def reduce_variance(gamma: NonNegative = 0.025, b1: Decay = 0.95, max_norm: Positive | None = 1.0) -> Transform:
    """MARS' gradient, in front of any method: $c_t = g_t + \\gamma\\,\\frac{b_1}{1 - b_1}\\,(g_t - g_{t-1})$, each array scaled down to a norm of at most $C$.

    It is the approximate form, in which $g_{t-1}$ is the last gradient on the last batch; the exact one has it anew on this batch. At the
    first step nothing is added (the authors' code takes $g_0 = 0$).

    Args:
        gamma: $\\gamma \\ge 0$.
        b1: $b_1$ in [0, 1), the decay of the first moment that comes behind.
        max_norm: $C > 0$; no clipping if None.

    Raises:
        ValueError: a number is outside its range.

    References:
        Yuan, Liu, Wu, Zhou, Gu (2024), MARS: Unleashing the Power of Variance Reduction for Training Large Models, arXiv:2411.10438.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.reduce_variance(b1=0.9), gradtx.lion(1e-4, b1=0.9))[0]
        reduce_variance(b1=0.9)
    """
    corrected = add(identity(), chain(difference(), scale(gamma * b1 / (1 - b1))))
    if max_norm is None:
        return corrected
    excess = chain(square(), block_sum(), sqrt(), scale(1 / max_norm), at_least(1.0))
    return chain(corrected, ratio(identity(), excess))


@optimizer
def mars(
    learning_rate: NonNegative,
    b1: Decay = 0.95,
    b2: Decay = 0.99,
    eps: NonNegative = 1e-8,
    gamma: NonNegative = 0.025,
    max_norm: Positive | None = 1.0,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """MARS-AdamW: AdamW on variance-reduced gradients (see `reduce_variance`), in its approximate form.

    The authors' code leaves vectors and scalars to AdamW: `partition` by `label_matrices` does that.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        gamma: how much of the change of gradients is added, not negative.
        max_norm: the largest norm of each array's corrected gradient, positive; no clipping if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Yuan, Liu, Wu, Zhou, Gu (2024), MARS: Unleashing the Power of Variance Reduction for Training Large Models, arXiv:2411.10438.

    Example:
        >>> import gradtx
        >>> gradtx.mars(3e-3)
        mars(learning_rate=0.003)
    """
    return chain(
        reduce_variance(gamma, b1, max_norm),
        scale_by_adam(b1, b2, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def stable_adamw(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.99,
    eps: NonNegative = 1e-6,
    weight_decay: NonNegative = 1e-4,
    mask: Where | None = None,
) -> Transform:
    """StableAdamW: AdamW that slows down each array where its gradients surprise the second moment.

    $\\theta \\leftarrow \\theta - \\frac{\\eta}{\\max(1, R)}\\left(\\hat\\mu / (\\sqrt{\\hat\\nu} + \\varepsilon) + \\lambda\\theta\\right)$ with $R^2 = \\operatorname{mean}(g^2 / \\max(\\hat\\nu, \\varepsilon^2))$.
    It takes the place of gradient clipping.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Wortsman et al. (2023), Stable and low-precision training for large-scale vision-language models, arXiv:2304.13013.

    Example:
        >>> import gradtx
        >>> gradtx.stable_adamw(1e-3)
        stable_adamw(learning_rate=0.001)
    """
    nu = recall("nu")
    adams = ratio(first_moment(b1), chain(nu, sqrt()), eps)
    relative = ratio(identity(), chain(nu, at_least(eps**2), sqrt()))
    surprise = chain(relative, square(), block_mean(), sqrt(), at_least(1.0))
    slowed = ratio(chain(adams, add_decayed_weights(weight_decay, mask)), surprise)
    second = chain(square(), named("nu", ema(b2)), bias_correction(b2))
    return chain(let("nu", second, slowed), scale_by_learning_rate(learning_rate))


@optimizer
def adam_mini(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    eps_root: NonNegative = 0.0,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    keep_axis: int | None = None,
) -> Transform:
    """Adam-mini: AdamW with one second moment a block, the average of its mean square: half of Adam's memory.

    $\\nu \\leftarrow b_2\\nu + (1-b_2)\\operatorname{mean}(g^2)$; $\\theta \\leftarrow \\theta - \\eta\\,(\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon) + \\lambda\\theta)$. A block is
    an array or, with `keep_axis`, what has the same index along an axis. The paper's blocks are those of the Hessian: output
    neurons (in Flax `keep_axis=-1`), heads of queries and keys; join the two by `partition`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; the decay is multiplied by it.
        b1: the decay of $\\mu$, in [0, 1).
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        eps_root: $\\varepsilon_r \\ge 0$, inside it.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        keep_axis: the axis along which blocks are told apart; None makes every array one.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Zhang et al. (2024), Adam-mini: Use Fewer Learning Rates To Gain More, arXiv:2406.16793.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.adam_mini(1e-3, keep_axis=-1)
        >>> gradtx.state_get(tx.init(jnp.ones((3, 4))), "nu").shape
        (1, 4)
    """
    second = chain(square(), block_mean(keep_axis), named("nu", ema(b2)), bias_correction(b2), offset(eps_root), sqrt())
    return chain(
        ratio(first_moment(b1, mu_dtype), second, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@optimizer
def grokfast(alpha: Decay = 0.98, lamb: NonNegative = 2.0) -> Transform:
    """GrokFast, in front of any method: amplifies what changes slowly, $u = g + \\lambda h$ with $h \\leftarrow \\alpha h + (1-\\alpha) g$ from $h_1 = g_1$.

    Args:
        alpha: $\\alpha$ in [0, 1).
        lamb: $\\lambda \\ge 0$.

    Raises:
        ValueError: a number is outside its range.

    References:
        Lee, Kang, Kim, Lee (2024), Grokfast: Accelerated Grokking by Amplifying Slow Gradients, arXiv:2405.20233.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.grokfast(), gradtx.sgd(1.0))
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0])
        -3.0
    """
    return add(identity(), chain(named("slow", primed(ema(alpha))), scale(lamb)))


@optimizer
def decoupled_weight_decay(weight_decay: NonNegative, mask: Where | None = None) -> Transform:
    """Fully decoupled decay, the last stage behind the learning rate: $u \\leftarrow u - \\lambda\\theta$. A rate that is swept or falls leaves it alone.

    Args:
        weight_decay: $\\lambda \\ge 0$, a number or a schedule; 1e-2 of `adamw` at a rate of 1e-3 is 1e-5 here.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: `weight_decay` is negative or not finite; `update` was called without parameters.

    References:
        Loshchilov, Hutter (2017), Decoupled Weight Decay Regularization, arXiv:1711.05101, Algorithm 2.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.adam(0.1), gradtx.decoupled_weight_decay(0.5))
        >>> params = jnp.array(2.0)
        >>> float(tx.update(jnp.array(0.0), tx.init(params), params)[0])
        -1.0
    """
    return chain(scale(-1.0), add_decayed_weights(weight_decay, mask), scale(-1.0))
