"""GaLore: Adam on projected gradients."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.combinators.lowrank import low_rank
from gradtx.core.matrices import Dimensions
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import scale_by_adam
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.typing import Hyper, NonNegative


@optimizer
def galore(
    learning_rate: NonNegative,
    rank: int = 128,
    update_proj_gap: int = 200,
    scale: Hyper = 1.0,
    base_optimizer: Transform | None = None,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    weight_dimension_numbers: Dimensions = None,
    *,
    side: str = "short",
) -> Transform:
    """GaLore: $\\Theta \\leftarrow \\Theta - \\eta\\,(s\\,P\\,\\mathrm{adam}(P^\\top G) + \\lambda\\Theta)$, $P$ the leading singular vectors of every $k$th gradient.

    Adam's memories are those of the projected gradients. What is no matrix takes Adam itself.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        rank: of the projection, at most that of the matrix.
        update_proj_gap: $k$.
        scale: $s$, on matrices only; the paper takes 0.25 (its $\\alpha$).
        base_optimizer: what runs in the subspace; `scale_by_adam()` if None.
        weight_decay: $\\lambda \\ge 0$, of the whole parameter, multiplied by the learning rate.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        side: which side is projected: `"short"` as published, or `"long"` as in Optax (see `low_rank`).

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Zhao et al. (2024), GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection, arXiv:2403.03507.

    Example:
        >>> import gradtx
        >>> gradtx.galore(1e-2, rank=16, scale=0.25)
        galore(learning_rate=0.01, rank=16, scale=0.25)
    """
    inner = scale_by_adam() if base_optimizer is None else base_optimizer
    return chain(
        low_rank(inner, rank, update_proj_gap, scale, weight_dimension_numbers, side),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
