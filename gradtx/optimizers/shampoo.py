"""Shampoo and SOAP: preconditioners for the rows and the columns of each matrix."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.graft import graft as grafted
from gradtx.combinators.pair import ratio
from gradtx.combinators.route import partition
from gradtx.core.matrices import Dimensions, label_matrices, within
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import scale_by_adam
from gradtx.transforms.accumulators import accumulate, ema
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.momentum import scale_by_momentum
from gradtx.transforms.pointwise import identity, offset, scale_by_learning_rate, sqrt, square
from gradtx.transforms.shampoo import scale_by_shampoo
from gradtx.transforms.soap import scale_by_soap
from gradtx.typing import Decay, Fraction, NonNegative, Positive


@optimizer
def shampoo(
    learning_rate: NonNegative,
    b2: Decay | None = None,
    eps: Positive = 1e-6,
    update_every: int = 1,
    max_size: int = 1024,
    momentum: Fraction | None = None,
    graft: Transform | None = None,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    nesterov: bool = False,
    weight_dimension_numbers: Dimensions = None,
) -> Transform:
    """Shampoo: $\\Theta \\leftarrow \\Theta - \\eta\\,(L + \\varepsilon I)^{-1/4}\\,G\\,(R + \\varepsilon I)^{-1/4}$, $L \\leftarrow L + GG^\\top$, $R \\leftarrow R + G^\\top G$.

    What has no preconditioner (vectors, scalars, matrices with two long sides) takes `graft` itself, or without one Adagrad (with
    $\\beta_2$ RMSprop), which is what Shampoo is for a single number.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b2: averages instead of sums, in [0, 1); sums, as published, if None.
        eps: $\\varepsilon > 0$.
        update_every: the roots are taken anew every so many steps.
        max_size: a longer side is left out, and the other side's exponent is then $-1/2$.
        momentum: of the preconditioned gradients, in [0, 1]; none if None.
        graft: a transformation, such as `scale_by_adam()`, whose length each array's update gets.
        weight_decay: decoupled, multiplied by the learning rate; not negative.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        nesterov: Nesterov's reformulation of the momentum.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Gupta, Koren, Singer (2018), Shampoo: Preconditioned Stochastic Tensor Optimization, arXiv:1802.09568.
        Anil, Gupta, Koren, Regan, Singer (2020), Scalable Second Order Optimization for Deep Learning, arXiv:2002.09018.

    Example:
        >>> import gradtx
        >>> gradtx.shampoo(1e-3, b2=0.999, update_every=10, graft=gradtx.scale_by_adam())
        shampoo(learning_rate=0.001, b2=0.999, update_every=10, graft=scale_by_adam())
    """
    direction = scale_by_shampoo(b2, eps, update_every, max_size, weight_dimension_numbers)
    if graft is None:
        seen = named("nu", accumulate() if b2 is None else ema(b2))
        other = ratio(identity(), chain(square(), seen, offset(eps), sqrt()))
    else:
        direction, other = grafted(graft, direction), graft
    labels = label_matrices("shampoo", "other", within(max_size, weight_dimension_numbers))
    stages: list[Transform] = [partition({"shampoo": direction, "other": other}, labels)]
    if momentum is not None:
        stages.append(scale_by_momentum(momentum, nesterov))
    return chain(*stages, add_decayed_weights(weight_decay, mask), scale_by_learning_rate(learning_rate))


@optimizer
def soap(
    learning_rate: NonNegative,
    b1: Decay = 0.95,
    b2: Decay = 0.95,
    shampoo_beta: Decay | None = None,
    eps: NonNegative = 1e-8,
    update_every: int = 10,
    max_size: int = 10000,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    weight_dimension_numbers: Dimensions = None,
) -> Transform:
    """SOAP: $\\Theta \\leftarrow \\Theta - \\eta\\,(Q_L\\,\\mathrm{adam}(Q_L^\\top G Q_R)\\,Q_R^\\top + \\lambda\\Theta)$, $Q_L$, $Q_R$ eigenvectors of averages of $GG^\\top$, $G^\\top G$.

    What has no basis (vectors, scalars, matrices with two long sides) takes Adam itself. Matrices stand still in the first step, which
    only makes their basis, as in the authors' code.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        b1: the decay of the first moment, in [0, 1).
        b2: the decay of the second moment, in [0, 1).
        shampoo_beta: the decay of the averages of $GG^\\top$ and $G^\\top G$, in [0, 1); the same as `b2` if None.
        eps: outside the root, not negative.
        update_every: the basis is renewed every so many steps.
        max_size: a longer side keeps the standard basis.
        weight_decay: $\\lambda \\ge 0$, multiplied by the learning rate.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Vyas et al. (2024), SOAP: Improving and Stabilizing Shampoo using Adam, arXiv:2409.11321.

    Example:
        >>> import gradtx
        >>> gradtx.soap(3e-3, weight_decay=0.01)
        soap(learning_rate=0.003, weight_decay=0.01)
    """
    turned = scale_by_soap(b1, b2, shampoo_beta, eps, update_every, max_size, weight_dimension_numbers)
    labels = label_matrices("soap", "adam", within(max_size, weight_dimension_numbers))
    return chain(
        partition({"soap": turned, "adam": scale_by_adam(b1, b2, eps)}, labels),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
