"""PSGD with Kronecker factors."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.route import partition
from gradtx.core.matrices import Dimensions, label_matrices, within
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import scale_by_adam
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction
from gradtx.transforms.blocks import clip_by_block_rms
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.kron import scale_by_kron
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.typing import Decay, NonNegative, Positive


@optimizer
def kron(
    learning_rate: NonNegative,
    b1: Decay = 0.9,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    precond_lr: NonNegative = 0.1,
    update_every: int = 1,
    max_size: int = 8192,
    clipping_threshold: Positive = 1.1,
    *,
    b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    weight_dimension_numbers: Dimensions = None,
    seed: int = 0,
) -> Transform:
    """PSGD Kron: $\\Theta \\leftarrow \\Theta - \\eta\\,(\\mathrm{clip}(Q_L^* Q_L\\,\\hat\\mu\\,Q_R^* Q_R) + \\lambda\\Theta)$, with triangular $Q_L$, $Q_R$ that whiten the momentum.

    What has no preconditioner (vectors, scalars, matrices with two long sides) takes Adam. (Published code gives vectors and long
    sides a diagonal one, and renews at random steps: see `scale_by_kron`.)

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of $\\mu$, in [0, 1); corrected for its start.
        weight_decay: $\\lambda \\ge 0$, multiplied by the learning rate.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        precond_lr: the step of the preconditioners, not negative.
        update_every: they follow every so many steps.
        max_size: a longer side is left out.
        clipping_threshold: of the root mean square of each matrix's update, positive.
        b2: Adam's $\\beta_2$ in [0, 1).
        eps: Adam's $\\varepsilon \\ge 0$.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        seed: of the noise; static.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Li (2018), Preconditioned Stochastic Gradient Descent, arXiv:1512.04202. Pooladzandi, Li (2024), Curvature-Informed SGD via General
        Purpose Lie-Group Preconditioners, arXiv:2402.11858.

    Example:
        >>> import gradtx
        >>> gradtx.kron(3e-4, weight_decay=0.1)
        kron(learning_rate=0.0003, weight_decay=0.1)
    """
    whitened = chain(
        named("mu", ema(b1)),
        bias_correction(b1),
        scale_by_kron(precond_lr, update_every, max_size, weight_dimension_numbers, seed),
        clip_by_block_rms(clipping_threshold),
    )
    labels = label_matrices("kron", "adam", within(max_size, weight_dimension_numbers))
    return chain(
        partition({"kron": whitened, "adam": scale_by_adam(b1, b2, eps)}, labels),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
