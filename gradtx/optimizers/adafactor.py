"""Adafactor and CAME: adaptive methods whose second moments are a row and a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import ratio, surprise
from gradtx.combinators.route import partition
from gradtx.core.matrices import DimensionNumbers, label_matrices
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.blocks import clip_by_block_rms, scale_by_param_block_rms
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.factored import constant_decay, factored_rms
from gradtx.transforms.pointwise import identity, offset, scale, scale_by_learning_rate, square
from gradtx.typing import Decay, DType, Fraction, NonNegative, Positive


@optimizer
def scale_by_factored_rms(
    factored: bool = True,
    decay_rate: Fraction = 0.8,
    step_offset: NonNegative = 0.0,
    min_dim_size_to_factor: int = 128,
    epsilon: NonNegative = 1e-30,
    decay_rate_fn: Callable[[Any, Any], Any] | None = None,
) -> Transform:
    """Adafactor's direction: $u = g / \\sqrt{\\hat v}$, $\\hat v = r c^\\top / \\bar r$, with $r$, $c$ averages of the rows' and columns' means of $g^2 + \\varepsilon$.

    Args:
        factored: False keeps $\\hat v$ in full.
        decay_rate: $p$ in the decay $1 - t^{-p}$, in [0, 1], a number or a schedule.
        step_offset: steps to leave out of $t$ when going on from a restored state; never below $t = 1$ (see `factored_rms`).
        min_dim_size_to_factor: arrays whose second largest axis is shorter keep $\\hat v$ in full.
        epsilon: $\\varepsilon \\ge 0$, added to the squares.
        decay_rate_fn: `function(count, decay_rate)` gives the decay instead, for one with an upper bound.

    Returns:
        A transformation with a `FactoredState(count, v_row, v_col, v)`.

    Raises:
        ValueError: a number is outside its range.

    References:
        Shazeer, Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_factored_rms(min_dim_size_to_factor=32)
        scale_by_factored_rms(min_dim_size_to_factor=32)
    """
    least = min_dim_size_to_factor if factored else None
    return ratio(identity(), chain(square(), offset(epsilon), factored_rms(decay_rate, step_offset, least, decay_rate_fn)))


@optimizer
def adafactor(
    learning_rate: NonNegative | None = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: Fraction = 0.8,
    decay_offset: NonNegative = 0.0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: Positive | None = 1.0,
    momentum: Decay | None = None,
    dtype_momentum: DType = None,
    weight_decay_rate: NonNegative | None = None,
    eps: NonNegative = 1e-30,
    factored: bool = True,
    weight_decay_mask: Where | None = None,
) -> Transform:
    """Adafactor: $\\theta \\leftarrow \\theta - \\eta\\,\\max(\\mathrm{rms}(\\theta), 10^{-3})\\,u / \\max(1, \\mathrm{rms}(u)/d)$, $u = g / \\sqrt{r c^\\top / \\bar r}$.

    The second moment of an $m \\times n$ matrix is kept in $m + n$ numbers. The paper's $\\eta$ is $\\min(10^{-2}, 1/\\sqrt t)$: give it as a schedule.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; 1 if None.
        min_dim_size_to_factor: arrays whose second largest axis is shorter keep a full second moment, as vectors and scalars do.
        decay_rate: $p$ in the decay $1 - t^{-p}$ of the averages, in [0, 1].
        decay_offset: steps to leave out of $t$ when going on from a restored state. Never below $t = 1$, where Optax gives NaN.
        multiply_by_parameter_scale: False makes the rate absolute.
        clipping_threshold: $d > 0$, on the root mean square of each array's update; None doesn't clip.
        momentum: in [0, 1), an average of the updates, uncorrected; none if None.
        dtype_momentum: dtype of it; float32 or wider if None.
        weight_decay_rate: $\\lambda \\ge 0$; as in Optax it is not multiplied by the learning rate. None doesn't decay.
        eps: added to the squared gradients, not negative.
        factored: False keeps full second moments everywhere.
        weight_decay_mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Shazeer, Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.adafactor(0.1, multiply_by_parameter_scale=False)
        >>> round(float(tx.update(jnp.array(-4.0), tx.init(jnp.array(1.0)), jnp.array(1.0))[0]), 6)
        0.1
    """
    stages: list[Transform] = [scale_by_factored_rms(factored, decay_rate, decay_offset, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        stages.append(clip_by_block_rms(clipping_threshold))
    if learning_rate is not None:
        stages.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        stages.append(scale_by_param_block_rms())
    if momentum is not None:
        stages.append(named("mu", ema(momentum, accumulator_dtype=dtype_momentum)))
    if weight_decay_rate is not None:
        stages.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return chain(*stages, scale(-1.0))


@optimizer
def came(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    b3: Decay = 0.9999,
    eps: NonNegative = 1e-30,
    eps_confidence: NonNegative = 1e-16,
    clipping_threshold: Positive = 1.0,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """CAME: Adafactor's momentum $m$ over the root of its own instability: $\\theta \\leftarrow \\theta - \\eta\\,m / \\sqrt{s}$, $s$ a factored average of $(u - m)^2$.

    $u$ is Adafactor's clipped direction with the constant decay $\\beta_2$, and $m$ its average. Vectors and scalars take $m$ itself, and all
    averages start at zero without correction, as in the authors' code.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $m$, in [0, 1).
        b2: the decay of the second moment, in [0, 1).
        b3: the decay of $s$, in [0, 1).
        eps: added to the squared gradients, not negative.
        eps_confidence: added to $(u - m)^2$, not negative.
        clipping_threshold: of the root mean square of $u$, positive.
        weight_decay: decoupled, multiplied by the learning rate; not negative.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Luo et al. (2023), CAME: Confidence-guided Adaptive Memory Efficient Optimization, arXiv:2307.02047.

    Example:
        >>> import gradtx
        >>> gradtx.came(2e-4, weight_decay=0.01)
        came(learning_rate=0.0002, weight_decay=0.01)
    """
    second = chain(square(), offset(eps), factored_rms(b2, min_dim_size_to_factor=1, decay_rate_fn=constant_decay))
    instability = chain(
        surprise(), square(), offset(eps_confidence), factored_rms(b3, min_dim_size_to_factor=1, decay_rate_fn=constant_decay)
    )
    mu = named("mu", ema(b1))
    by_confidence = partition(
        {"matrix": ratio(mu, instability), "other": mu}, label_matrices("matrix", "other", DimensionNumbers())
    )
    return chain(
        ratio(identity(), second),
        clip_by_block_rms(clipping_threshold),
        by_confidence,
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
