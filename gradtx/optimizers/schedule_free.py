"""Schedule-free gradient descent and AdamW."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.combinators.schedule_free import Share, schedule_free
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.optimizers.rmsprop import scale_by_rms
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.typing import Decay, DType, Hyper, NonNegative


@optimizer
def schedule_free_sgd(
    learning_rate: NonNegative = 1.0,
    warmup_steps: NonNegative | None = None,
    b1: Share = 0.9,
    weight_decay: NonNegative | None = None,
    weight_lr_power: Hyper = 2.0,
    state_dtype: DType = None,
) -> Transform:
    """Schedule-free gradient descent: $z \\leftarrow z - \\eta\\,(g(y) + \\lambda y)$, $x \\leftarrow (1-c)\\,x + c z$, $y = \\beta x + (1-\\beta) z$.

    The parameters are $y$; `evaluation_params` gives $x$, which is to be judged. See `schedule_free`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; larger than gradient descent's, 1 to 50 times.
        warmup_steps: steps over which $\\eta$ rises in a line, from the first one on (Optax's first is 0); none if None.
        b1: $\\beta$ in (0, 1].
        weight_decay: $\\lambda \\ge 0$, taken at $y$; none if None.
        weight_lr_power: the power of the largest rate so far by which a step is weighed in $x$.
        state_dtype: dtype of $z$; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Defazio et al. (2024), The Road Less Scheduled, arXiv:2405.15682.

    Example:
        >>> import gradtx
        >>> gradtx.schedule_free_sgd(0.5, warmup_steps=100)
        schedule_free_sgd(learning_rate=0.5, warmup_steps=100.0)
    """
    base = chain(add_decayed_weights(0.0 if weight_decay is None else weight_decay), scale_by_learning_rate(learning_rate))
    return schedule_free(base, learning_rate, b1, weight_lr_power, state_dtype, 0.0 if warmup_steps is None else warmup_steps)


@optimizer
def schedule_free_adamw(
    learning_rate: NonNegative = 0.0025,
    warmup_steps: NonNegative | None = None,
    b1: Share = 0.9,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    weight_lr_power: Hyper = 2.0,
    state_dtype: DType = None,
) -> Transform:
    """Schedule-free AdamW: $z \\leftarrow z - \\eta\\,(g(y) / (\\sqrt{\\hat\\nu} + \\varepsilon) + \\lambda y)$, $x \\leftarrow (1-c)\\,x + c z$, $y = \\beta x + (1-\\beta) z$.

    The parameters are $y$; `evaluation_params` gives $x$, which is to be judged. See `schedule_free`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; 1 to 10 times Adam's.
        warmup_steps: steps over which $\\eta$ rises in a line, from the first one on (Optax's first is 0); none if None.
        b1: $\\beta$ in (0, 1], in the place of momentum.
        b2: the decay of $\\nu$, in [0, 1).
        eps: $\\varepsilon \\ge 0$.
        weight_decay: $\\lambda \\ge 0$, taken at $y$.
        weight_lr_power: the power of the largest rate so far by which a step is weighed in $x$.
        state_dtype: dtype of $z$; float32 or wider if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Defazio et al. (2024), The Road Less Scheduled, arXiv:2405.15682.

    Example:
        >>> import gradtx
        >>> gradtx.schedule_free_adamw(weight_decay=0.01)
        schedule_free_adamw(weight_decay=0.01)
    """
    base = chain(
        scale_by_rms(b2, eps, eps_in_sqrt=False, bias_correction=True),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
    return schedule_free(base, learning_rate, b1, weight_lr_power, state_dtype, 0.0 if warmup_steps is None else warmup_steps)
