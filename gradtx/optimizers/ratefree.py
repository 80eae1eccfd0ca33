"""Methods that find their own learning rate: DoG, DoWG, COCOB, D-Adaptation, Prodigy."""

from __future__ import annotations

from typing import Any

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.select import Where
from gradtx.core.transform import Transform
from gradtx.transforms.betting import scale_by_cocob
from gradtx.transforms.dadapt import scale_by_dadapt_adam, scale_by_prodigy
from gradtx.transforms.decay import add_decayed_weights
from gradtx.transforms.distance import scale_by_dog, scale_by_dowg
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.typing import Decay, NonNegative, Positive


@optimizer
def dog(
    learning_rate: NonNegative = 1.0,
    init_step: Any = ("heuristic", 1e-6),
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative | None = None,
    mask: Where | None = None,
) -> Transform:
    """Distance over gradients: $\\theta \\leftarrow \\theta - \\eta\\,\\frac{\\max_{i \\le t} \\|\\theta_i - \\theta_0\\|}{\\sqrt{\\sum_{i \\le t} \\|g_i\\|^2 + \\varepsilon}}\\,g$.

    The paper judges it by an average: `chain(dog(), ema_params(0.9999))`.

    Args:
        learning_rate: $\\eta \\ge 0$, a factor, a number or a schedule; 1 as published.
        init_step: how the first step is made, a static pair: `("distance", r)`, `("heuristic", r)` for a distance of
            $r (1 + \\|\\theta_0\\|)$ (published: 1e-6), or `("learning_rate", rate)`. To sweep the number use `scale_by_dog`, where it is a leaf.
        eps: $\\varepsilon \\ge 0$.
        weight_decay: $\\lambda \\ge 0$, added to the gradient as $\\lambda\\theta$; none if None.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Ivgi, Hinder, Carmon (2023), DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule, arXiv:2302.12022.

    Example:
        >>> import gradtx
        >>> gradtx.dog(init_step=("distance", 1e-3))
        dog(init_step=('distance', 0.001))
    """
    decay = add_decayed_weights(0.0 if weight_decay is None else weight_decay, mask)
    return chain(decay, scale_by_dog(init_step, eps), scale_by_learning_rate(learning_rate))


@optimizer
def dowg(
    learning_rate: NonNegative = 1.0,
    init_estim_sq_dist: NonNegative | None = None,
    eps: NonNegative = 1e-4,
    weight_decay: NonNegative | None = None,
    mask: Where | None = None,
) -> Transform:
    """Distance over weighted gradients: $\\theta \\leftarrow \\theta - \\eta\\,\\frac{\\bar r_t^2}{\\sqrt{v_t} + \\varepsilon}\\,g$, $v_t = v_{t-1} + \\bar r_t^2 \\|g\\|^2$, $\\bar r_t = \\max_{i \\le t} \\|\\theta_i - \\theta_0\\|$.

    Args:
        learning_rate: $\\eta \\ge 0$, a factor, a number or a schedule; 1 as published.
        init_estim_sq_dist: $\\bar r_0^2 \\ge 0$; `eps` if None.
        eps: $\\varepsilon \\ge 0$.
        weight_decay: $\\lambda \\ge 0$, added to the gradient as $\\lambda\\theta$; none if None.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Khaled, Mishchenko, Jin (2023), DoWG Unleashed: An Efficient Universal Parameter-Free Gradient Descent Method, arXiv:2305.16284.

    Example:
        >>> import gradtx
        >>> gradtx.dowg()
        dowg()
    """
    decay = add_decayed_weights(0.0 if weight_decay is None else weight_decay, mask)
    return chain(decay, scale_by_dowg(init_estim_sq_dist, eps), scale_by_learning_rate(learning_rate))


@optimizer
def cocob(
    learning_rate: NonNegative = 1.0,
    alpha: NonNegative = 100.0,
    eps: NonNegative = 1e-8,
    weight_decay: NonNegative = 0.0,
    mask: Where | None = None,
) -> Transform:
    """Coin betting: $\\theta \\leftarrow \\theta_0 + \\frac{C\\,(L + R)}{L \\max(G + L, \\alpha L)}$ for each parameter; see `scale_by_cocob`.

    Args:
        learning_rate: a factor of the gradients, a number or a schedule. Being constant it cancels, unless it is as small as `eps`: kept
            for Optax's sake.
        alpha: $\\alpha$, how much of the first stakes is held back.
        eps: the first $L$.
        weight_decay: $\\lambda \\ge 0$, added to the gradient as $\\lambda\\theta$.
        mask: which parameters decay (see `add_decayed_weights`); all if None.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Orabona, Tommasi (2017), Training Deep Networks without Learning Rates Through Coin Betting, arXiv:1705.07795.

    Example:
        >>> import gradtx
        >>> gradtx.cocob()
        cocob()
    """
    gradients = scale_by_learning_rate(learning_rate, flip_sign=False)
    return chain(add_decayed_weights(weight_decay, mask), gradients, scale_by_cocob(alpha, eps))


@optimizer
def dadapt_adamw(
    learning_rate: NonNegative = 1.0,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NonNegative = 1e-8,
    estim_lr0: Positive = 1e-6,
    weight_decay: NonNegative = 0.0,
) -> Transform:
    """Adam at D-Adaptation's rate: $\\mu \\leftarrow \\beta_1\\mu + (1-\\beta_1) \\gamma d\\,g$; $\\theta \\leftarrow \\theta - \\frac{\\mu}{\\sqrt\\nu + \\varepsilon} - \\lambda\\gamma d\\,\\theta$.

    $s \\leftarrow \\sqrt{\\beta_2}\\,s + (1-\\sqrt{\\beta_2}) \\gamma d\\,g$, $r \\leftarrow \\sqrt{\\beta_2}\\,r + (1-\\sqrt{\\beta_2}) \\gamma d\\,\\langle g, \\frac{s}{\\sqrt\\nu + \\varepsilon}\\rangle$ (with $s$, $\\nu$ of before),
    $d \\leftarrow \\max\\left(d, \\frac{r}{(1-\\sqrt{\\beta_2}) \\|s\\|_1}\\right)$. $\\gamma$ contains Adam's bias correction, as in Optax; the authors' code leaves that out by default.

    Args:
        learning_rate: $\\gamma \\ge 0$, a factor, a number or a schedule; 1 as published.
        betas: $\\beta_1$ and $\\beta_2$ in [0, 1), numbers or schedules.
        eps: $\\varepsilon \\ge 0$.
        estim_lr0: $d_0 > 0$, smaller than any rate that is likely to be needed.
        weight_decay: $\\lambda \\ge 0$.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Defazio, Mishchenko (2023), Learning-Rate-Free Learning by D-Adaptation, arXiv:2301.07733.

    Example:
        >>> import gradtx
        >>> gradtx.dadapt_adamw(weight_decay=0.01)
        dadapt_adamw(weight_decay=0.01)
    """
    return chain(scale_by_dadapt_adam(learning_rate, betas, eps, estim_lr0, weight_decay), scale_by_learning_rate(1.0))


@optimizer
def prodigy(
    learning_rate: NonNegative = 1.0,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    beta3: Decay | None = None,
    eps: NonNegative = 1e-8,
    estim_lr0: Positive = 1e-6,
    estim_lr_coef: NonNegative = 1.0,
    weight_decay: NonNegative = 0.0,
    safeguard_warmup: bool = False,
) -> Transform:
    """Adam at Prodigy's rate: $\\mu$, $\\nu$ the averages of $d g$, $d^2 g^2$; $\\theta \\leftarrow \\theta - \\gamma d \\left(\\frac{\\mu}{\\sqrt\\nu + d\\varepsilon} + \\lambda\\theta\\right)$.

    $r \\leftarrow \\beta_3 r + \\gamma d^2 \\langle g, \\theta_0 - \\theta\\rangle$, $s \\leftarrow \\beta_3 s + \\gamma d^2 g$, $d \\leftarrow \\max(d, c\\,r / \\|s\\|_1)$. $\\gamma$ contains Adam's bias correction, as in
    Optax; the authors' code leaves that out by default. Beside $\\varepsilon$ stands the new $d$, as in both.

    Args:
        learning_rate: $\\gamma \\ge 0$, a factor, a number or a schedule; 1 as published, with a cosine decay.
        betas: $\\beta_1$ and $\\beta_2$ in [0, 1), numbers or schedules.
        beta3: $\\beta_3$ in [0, 1); $\\sqrt{\\beta_2}$ if None.
        eps: $\\varepsilon \\ge 0$.
        estim_lr0: $d_0 > 0$, smaller than any rate that is likely to be needed.
        estim_lr_coef: $c \\ge 0$.
        weight_decay: $\\lambda \\ge 0$.
        safeguard_warmup: leave $\\gamma$ and the bias correction out of $s$ ($d^2 g$), which keeps $d$ small during a warm-up.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters.

    References:
        Mishchenko, Defazio (2023), Prodigy: An Expeditiously Adaptive Parameter-Free Learner, arXiv:2306.06101.

    Example:
        >>> import gradtx
        >>> gradtx.prodigy(weight_decay=0.01)
        prodigy(weight_decay=0.01)
    """
    direction = scale_by_prodigy(learning_rate, betas, beta3, eps, estim_lr0, estim_lr_coef, weight_decay, safeguard_warmup)
    return chain(direction, scale_by_learning_rate(1.0))
