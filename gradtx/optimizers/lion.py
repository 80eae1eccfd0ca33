"""Lion: the sign of a momentum."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.memory import lagged
from gradtx.combinators.pair import blend
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.accumulators import ema
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.limits import clip_modulus, tanh
from gradtx.transforms.pointwise import identity, scale, scale_by_learning_rate, sign
from gradtx.typing import Decay, DType, NonNegative


@optimizer
def scale_by_lion(
    b1: Decay = 0.9,
    b2: Decay = 0.99,
    mu_dtype: DType = None,
    *,
    mode: str = "hard",
    smooth_beta: NonNegative = 1.0,
) -> Transform:
    """Lion's direction: $u = \\operatorname{sign}(\\beta_1\\mu + (1-\\beta_1) g)$, then $\\mu \\leftarrow \\beta_2\\mu + (1-\\beta_2) g$.

    Args:
        b1: $\\beta_1$ in [0, 1), how much of the direction is memory.
        b2: $\\beta_2$ in [0, 1), how long the memory is.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        mode: `"hard"` takes the sign; `"smooth"` $\\tanh(\\kappa x)$ instead, `"refined"` $x$ itself where $|x| < 1$.
        smooth_beta: $\\kappa \\ge 0$, for `"smooth"`.

    Raises:
        ValueError: a number is outside its range, or there is no such `mode`.

    References:
        Chen et al. (2023), Symbolic Discovery of Optimization Algorithms, arXiv:2302.06675.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_lion()
        scale_by_lion()
    """
    signs = {"hard": sign(), "smooth": chain(scale(smooth_beta), tanh()), "refined": clip_modulus(1.0)}
    if mode not in signs:
        raise ValueError(f"scale_by_lion: mode = {mode!r}; it must be one of {list(signs)}.")
    return chain(blend(b1, named("mu", lagged(ema(b2, accumulator_dtype=mu_dtype))), identity()), signs[mode])


@optimizer
def lion(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    b2: Decay = 0.99,
    mu_dtype: DType = None,
    weight_decay: NonNegative = 1e-3,
    mask: Where | None = None,
    *,
    mode: str = "hard",
    smooth_beta: NonNegative = 1.0,
) -> Transform:
    """Lion: $\\theta \\leftarrow \\theta - \\eta\\,(\\operatorname{sign}(\\beta_1\\mu + (1-\\beta_1) g) + \\lambda\\theta)$, then $\\mu \\leftarrow \\beta_2\\mu + (1-\\beta_2) g$.

    Its steps are larger than Adam's: the authors advise a rate 3 to 10 times smaller and a decay as much larger.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: $\\beta_1$ in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        weight_decay: $\\lambda \\ge 0$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        mode: what takes the place of the sign (see `scale_by_lion`).
        smooth_beta: the steepness of a `"smooth"` one, not negative.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Chen et al. (2023), Symbolic Discovery of Optimization Algorithms, arXiv:2302.06675.

    Example:
        >>> import gradtx
        >>> gradtx.lion(1e-4)
        lion(learning_rate=0.0001)
    """
    return chain(
        scale_by_lion(b1, b2, mu_dtype, mode=mode, smooth_beta=smooth_beta),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
