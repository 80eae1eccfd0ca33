"""Muon and its relatives: a momentum made orthogonal."""

from __future__ import annotations

from gradtx.combinators.chain import chain, named
from gradtx.combinators.pair import blend, ratio
from gradtx.combinators.route import partition
from gradtx.core.matrices import Dimensions, label_matrices
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.optimizers.adam import adamw
from gradtx.transforms.accumulators import ema
from gradtx.transforms.bias import bias_correction as corrected
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.dion import scale_by_dion
from gradtx.transforms.momentum import scale_by_momentum
from gradtx.transforms.neurons import neuron_ema
from gradtx.transforms.orthogonal import PRESETS, Coefficients, normalize_rms, orthogonalize, scale_by_shape
from gradtx.transforms.pointwise import identity, scale_by_learning_rate, sign, sqrt, square
from gradtx.typing import Decay, DType, NonNegative


@optimizer
def scale_by_muon(
    ns_coeffs: Coefficients = PRESETS["standard"],
    ns_steps: int = 5,
    beta: Decay = 0.95,
    eps: NonNegative = 1e-8,
    mu_dtype: DType = None,
    *,
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: str = "frobenius",
    weight_dimension_numbers: Dimensions = None,
    bias_correction: bool = True,
) -> Transform:
    """Muon's direction: the momentum $\\mu \\leftarrow \\beta\\mu + (1-\\beta) g$, or Nesterov's, with all its singular values brought near one.

    Args:
        ns_coeffs: $(a, b, c)$ of the Newton–Schulz quintic, or a triple for each step; `"standard"` or `"dion"`.
        ns_steps: how many such steps.
        beta: $\\beta$ in [0, 1), a number or a schedule.
        eps: added to the norm by which the matrix is first divided, not negative.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.
        nesterov: orthogonalize $\\beta\\mu + (1 - \\beta) g$.
        adaptive: keep the gradient's size (see `orthogonalize`).
        preconditioning: `"frobenius"`, `"spectral"`, `"aol"` or `"schatten"` (see `orthogonalize_via_newton_schulz`).
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`). What is none gets its momentum as it is.
        bias_correction: as in Optax correct the averages. With Nesterov that alters the mixture a little in the first steps; Jordan's
            code has none (False).

    Raises:
        ValueError: a number is outside its range, or the coefficients, steps or preconditioning make no sense.

    References:
        Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/.

    Example:
        >>> import gradtx
        >>> gradtx.scale_by_muon(ns_steps=4, preconditioning="aol")
        scale_by_muon(ns_steps=4, preconditioning='aol')
    """
    mu = named("mu", ema(beta, accumulator_dtype=mu_dtype))
    if bias_correction:
        mu = chain(mu, corrected(beta, ahead=1 if nesterov else 0))
    if nesterov:
        mu = blend(beta, mu, corrected(beta) if bias_correction else identity())
    return chain(mu, orthogonalize(ns_coeffs, ns_steps, preconditioning, eps, adaptive, weight_dimension_numbers))


@optimizer
def muon(
    learning_rate: NonNegative,
    ns_coeffs: Coefficients = PRESETS["standard"],
    ns_steps: int = 5,
    beta: Decay = 0.95,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    weight_decay_mask: Where | None = None,
    mu_dtype: DType = None,
    *,
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: str = "frobenius",
    adam_b1: Decay = 0.9,
    adam_b2: Decay = 0.999,
    adam_eps_root: NonNegative = 0.0,
    adam_weight_decay: NonNegative = 0.0,
    adam_learning_rate: NonNegative | None = None,
    muon_weight_dimension_numbers: Dimensions = None,
    consistent_rms: NonNegative | None = None,
    bias_correction: bool = True,
) -> Transform:
    """Muon: $\\Theta \\leftarrow \\Theta - \\eta\\,(s\\,\\mathrm{orth}(\\beta\\mu + (1-\\beta) g) + \\lambda\\Theta)$ for matrices, AdamW for all else.

    The shape's factor $s$ is $\\sqrt{\\max(1, n/m)}$ for $m$ inputs and $n$ outputs, or with `consistent_rms` $r\\sqrt{\\max(m, n)}$. Embeddings and
    the last layer are better left to AdamW: give them None in `muon_weight_dimension_numbers`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        ns_coeffs: $(a, b, c)$ of the Newton–Schulz quintic, or a triple for each step; `"standard"` or `"dion"`.
        ns_steps: how many such steps.
        beta: $\\beta$ in [0, 1).
        eps: added to the norm by which a matrix is first divided, and in AdamW outside the root; not negative.
        weight_decay: $\\lambda \\ge 0$ of the matrices, multiplied by the learning rate.
        weight_decay_mask: which of them decay (see `add_decayed_weights`); all if None.
        mu_dtype: dtype of the first moments; float32 or wider if None.
        nesterov: Nesterov's momentum, in AdamW too.
        adaptive: keep the gradient's size (see `orthogonalize`).
        preconditioning: `"frobenius"`, `"spectral"`, `"aol"` or `"schatten"`.
        adam_b1: AdamW's $\\beta_1$ in [0, 1).
        adam_b2: AdamW's $\\beta_2$ in [0, 1).
        adam_eps_root: AdamW's $\\varepsilon$ inside the root, not negative.
        adam_weight_decay: AdamW's decay, not negative.
        adam_learning_rate: AdamW's rate; the same as `learning_rate` if None.
        muon_weight_dimension_numbers: which arrays are matrices, and how: one `DimensionNumbers` for all of two and more axes, a tree of
            them with None for those that aren't, or a function from the parameters to one. If None those of exactly two axes.
        consistent_rms: $r$; 0.2 gives updates of about AdamW's size (Moonlight), so that one rate serves both.
        bias_correction: as in Optax; False as in Jordan's code (see `scale_by_muon`).

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks, https://kellerjordan.github.io/posts/muon/.
        Liu et al. (2025), Muon is Scalable for LLM Training, arXiv:2502.16982.

    Example:
        >>> import gradtx
        >>> gradtx.muon(3e-4, weight_decay=0.1, consistent_rms=0.2)
        muon(learning_rate=0.0003, weight_decay=0.1, consistent_rms=0.2)
    """
    numbers = muon_weight_dimension_numbers
    direction = chain(
        scale_by_muon(
            ns_coeffs,
            ns_steps,
            beta,
            eps,
            mu_dtype,
            nesterov=nesterov,
            adaptive=adaptive,
            preconditioning=preconditioning,
            weight_dimension_numbers=numbers,
            bias_correction=bias_correction,
        ),
        scale_by_shape(numbers, consistent_rms),
        add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_learning_rate(learning_rate),
    )
    rate = learning_rate if adam_learning_rate is None else adam_learning_rate
    other = adamw(rate, adam_b1, adam_b2, eps, adam_eps_root, mu_dtype, adam_weight_decay, nesterov=nesterov)
    return partition({"muon": direction, "adam": other}, label_matrices("muon", "adam", numbers))


@optimizer
def adamuon(
    learning_rate: NonNegative,
    beta: Decay = 0.95,
    b2: Decay = 0.95,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    ns_coeffs: Coefficients = PRESETS["standard"],
    ns_steps: int = 5,
    nesterov: bool = False,
    adam_b1: Decay = 0.9,
    adam_b2: Decay = 0.999,
    weight_dimension_numbers: Dimensions = None,
    consistent_rms: NonNegative = 0.2,
) -> Transform:
    """AdaMuon: $O = \\mathrm{orth}(\\operatorname{sign}\\mu)$, $\\nu \\leftarrow \\beta_2\\nu + (1-\\beta_2) O^2$; $\\Theta \\leftarrow \\Theta - \\eta\\,(r\\,\\hat O / \\mathrm{rms}(\\hat O) + \\lambda\\Theta)$, $\\hat O = O / (\\sqrt\\nu + \\varepsilon)$.

    $\\mu \\leftarrow \\beta\\mu + g$. Arrays that are no matrices take AdamW with the same rate and decay.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        beta: $\\beta$ in [0, 1).
        b2: $\\beta_2$ in [0, 1); the paper has $\\beta_2 = \\beta$. Without correction, as there: the rescaling makes up for it.
        eps: $\\varepsilon \\ge 0$, outside the root.
        weight_decay: $\\lambda \\ge 0$, multiplied by the learning rate.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        ns_coeffs: $(a, b, c)$ of the Newton–Schulz quintic, or a triple for each step; `"standard"` or `"dion"`.
        ns_steps: how many such steps.
        nesterov: Nesterov's momentum, as in the authors' first code (which has no sign yet, and corrects $\\nu$).
        adam_b1: AdamW's $\\beta_1$ in [0, 1).
        adam_b2: AdamW's $\\beta_2$ in [0, 1).
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        consistent_rms: $r \\ge 0$, the root mean square of each matrix's update.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Si, Zhang, Shen (2025), AdaMuon: Adaptive Muon Optimizer, arXiv:2507.11005.

    Example:
        >>> import gradtx
        >>> gradtx.adamuon(1e-3, weight_decay=0.1)
        adamuon(learning_rate=0.001, weight_decay=0.1)
    """
    numbers = weight_dimension_numbers
    direction = chain(
        named("mu", scale_by_momentum(beta, nesterov)),
        sign(),
        orthogonalize(ns_coeffs, ns_steps, eps=eps, weight_dimension_numbers=numbers),
        ratio(identity(), chain(square(), named("nu", ema(b2)), sqrt()), eps),
        normalize_rms(consistent_rms, numbers),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
    other = adamw(learning_rate, adam_b1, adam_b2, eps, weight_decay=weight_decay, mask=mask)
    return partition({"muon": direction, "adam": other}, label_matrices("muon", "adam", numbers))


@optimizer
def normuon(
    learning_rate: NonNegative,
    beta: Decay = 0.95,
    b2: Decay = 0.95,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    ns_coeffs: Coefficients = PRESETS["standard"],
    ns_steps: int = 5,
    nesterov: bool = False,
    adam_b1: Decay = 0.9,
    adam_b2: Decay = 0.999,
    weight_dimension_numbers: Dimensions = None,
    consistent_rms: NonNegative = 0.2,
) -> Transform:
    """NorMuon: $O = \\mathrm{orth}(\\mu)$ over the root of a second moment with one number a neuron; $\\Theta \\leftarrow \\Theta - \\eta\\,(r\\,\\hat O / \\mathrm{rms}(\\hat O) + \\lambda\\Theta)$.

    $\\mu \\leftarrow \\beta\\mu + (1-\\beta) g$, $\\nu_j \\leftarrow \\beta_2\\nu_j + (1-\\beta_2)\\,\\mathrm{mean}_i\\,O_{ij}^2$, $\\hat O_{ij} = O_{ij} / (\\sqrt{\\nu_j} + \\varepsilon)$, for input $i$ and output $j$ (the paper's
    matrices are transposed). Arrays that are no matrices take AdamW with the same rate and decay.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        beta: $\\beta$ in [0, 1).
        b2: $\\beta_2$ in [0, 1).
        eps: $\\varepsilon \\ge 0$, outside the root.
        weight_decay: $\\lambda \\ge 0$, multiplied by the learning rate.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        ns_coeffs: $(a, b, c)$ of the Newton–Schulz quintic, or a triple for each step; `"standard"` or `"dion"`.
        ns_steps: how many such steps.
        nesterov: Nesterov's momentum, as in the authors' code; the paper's algorithm has none.
        adam_b1: AdamW's $\\beta_1$ in [0, 1).
        adam_b2: AdamW's $\\beta_2$ in [0, 1).
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        consistent_rms: $r \\ge 0$, the root mean square of each matrix's update. (The authors' code gives it the length that $O$ had, times Muon's shape factor.)

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Li et al. (2025), NorMuon: Making Muon more efficient and scalable, arXiv:2510.05491.

    Example:
        >>> import gradtx
        >>> gradtx.normuon(1e-3, weight_decay=0.1)
        normuon(learning_rate=0.001, weight_decay=0.1)
    """
    numbers = weight_dimension_numbers
    mu = named("mu", ema(beta))
    direction = chain(
        blend(beta, mu, identity()) if nesterov else mu,
        orthogonalize(ns_coeffs, ns_steps, eps=eps, weight_dimension_numbers=numbers),
        ratio(identity(), chain(square(), neuron_ema(b2, numbers), sqrt()), eps),
        normalize_rms(consistent_rms, numbers),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
    other = adamw(learning_rate, adam_b1, adam_b2, eps, weight_decay=weight_decay, mask=mask)
    return partition({"muon": direction, "adam": other}, label_matrices("muon", "adam", numbers))


@optimizer
def dion(
    learning_rate: NonNegative,
    rank: int = 128,
    beta: Decay = 0.95,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
    *,
    adam_b1: Decay = 0.9,
    adam_b2: Decay = 0.999,
    eps: NonNegative = 1e-8,
    adam_learning_rate: NonNegative | None = None,
    weight_dimension_numbers: Dimensions = None,
    seed: int = 0,
) -> Transform:
    """Dion: $\\Theta \\leftarrow \\Theta - \\eta\\,(\\sqrt{n/m}\\,P Q^\\top + \\lambda\\Theta)$ for matrices of $m$ inputs and $n$ outputs, AdamW for all else.

    $PQ^\\top$ is an orthogonal update of rank $r$ out of the momentum, from which only what went out fades (see `scale_by_dion`).

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        rank: $r$, at most that of the matrix; the paper takes a quarter to a half of the shorter side, or all of it.
        beta: in [0, 1), how much of what went out stays in the momentum.
        weight_decay: $\\lambda \\ge 0$, multiplied by the learning rate.
        mask: which parameters decay (see `add_decayed_weights`); all if None.
        adam_b1: AdamW's $\\beta_1$ in [0, 1).
        adam_b2: AdamW's $\\beta_2$ in [0, 1).
        eps: AdamW's $\\varepsilon \\ge 0$, outside the root.
        adam_learning_rate: AdamW's rate; the same as `learning_rate` if None.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).
        seed: of the random first bases; static.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters though they decay.

    References:
        Ahn, Xu, Abreu, Langford (2025), Dion: Distributed Orthonormalized Updates, arXiv:2504.05295.

    Example:
        >>> import gradtx
        >>> gradtx.dion(0.01, rank=64)
        dion(learning_rate=0.01, rank=64)
    """
    direction = chain(
        scale_by_dion(rank, beta, weight_dimension_numbers, seed),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
    rate = learning_rate if adam_learning_rate is None else adam_learning_rate
    other = adamw(rate, adam_b1, adam_b2, eps, weight_decay=weight_decay, mask=mask)
    return partition({"dion": direction, "adam": other}, label_matrices("dion", "adam", weight_dimension_numbers))
