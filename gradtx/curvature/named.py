"""Named methods that use the function, each a direction and a search."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform
from gradtx.curvature.bfgs import scale_by_bfgs
from gradtx.curvature.conjugate import scale_by_nonlinear_cg
from gradtx.curvature.exact import scale_by_exact_linesearch
from gradtx.curvature.gauss_newton import levenberg_marquardt_step, scale_by_gauss_newton
from gradtx.curvature.gauss_newton_cg import scale_by_gauss_newton_cg
from gradtx.curvature.hager_zhang import scale_by_hager_zhang_linesearch
from gradtx.curvature.lbfgs import scale_by_lbfgs
from gradtx.curvature.lbfgsb import lbfgsb_step
from gradtx.curvature.newton import scale_by_newton, scale_by_saddle_free_newton
from gradtx.curvature.truncated import truncated_newton_step
from gradtx.curvature.zoom import scale_by_zoom_linesearch
from gradtx.transforms.pointwise import scale_by_learning_rate
from gradtx.transforms.projections import Bound
from gradtx.typing import Fraction, NonNegative, Positive


@optimizer
def lbfgs(
    memory_size: int = 10, scale_init_precond: bool = True, curv_rtol: Fraction = 0.9, max_linesearch_steps: int = 30
) -> Transform:
    """L-BFGS with a strong Wolfe search: $\\theta \\leftarrow \\theta - \\alpha H g$.

    Unlike Optax's it has no rate beside the search; for a fixed one write `chain(scale_by_lbfgs(), scale_by_learning_rate(lr))`.

    Args:
        memory_size: pairs that make $H$, 1 or more.
        scale_init_precond: see `scale_by_lbfgs`.
        curv_rtol: $c_2$ of the search.
        max_linesearch_steps: evaluations a search at most.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `value_fn`.

    References:
        Liu, Nocedal (1989), On the Limited Memory BFGS Method for Large Scale Optimization. Moré, Thuente (1994).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> result = gradtx.minimize(lambda x: jnp.sum((x - 1) ** 4), jnp.zeros(3), gradtx.lbfgs(), grad_tol=1e-4)
        >>> result.success, bool(jnp.all(jnp.abs(result.x - 1) < 0.1))
        (True, True)
    """
    return chain(
        scale_by_lbfgs(memory_size, scale_init_precond),
        scale_by_learning_rate(1.0),
        scale_by_zoom_linesearch(max_linesearch_steps, curv_rtol=curv_rtol),
    )


@optimizer
def lbfgsb(
    lower: Bound = None,
    upper: Bound = None,
    memory_size: int = 10,
    curv_rtol: Fraction = 0.9,
    max_linesearch_steps: int = 30,
) -> Transform:
    """L-BFGS-B: L-BFGS between bounds; see `lbfgsb_step`.

    In `minimize` `grad_tol` is compared with the projected gradient, and a start outside goes to the nearest point inside.

    Args:
        lower: the least that each parameter may be: a number, or a tree like the parameters with numbers or arrays; None for no bound.
        upper: the largest, likewise.
        memory_size: pairs that make the matrix, 1 or more.
        curv_rtol: $c_2$ of the search.
        max_linesearch_steps: evaluations a search at most.

    Raises:
        ValueError: `lower` is over `upper`; an argument is out of range; `update` was called without the parameters or `value_fn`.

    References:
        Byrd, Lu, Nocedal, Zhu (1995), A Limited Memory Algorithm for Bound Constrained Optimization.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> f = lambda x: jnp.sum((x - jnp.array([0.5, 3.0])) ** 2)
        >>> gradtx.minimize(f, jnp.zeros(2), gradtx.lbfgsb(0.0, 1.0)).x.tolist()
        [0.5, 1.0]
    """
    return lbfgsb_step(lower, upper, memory_size, curv_rtol, max_linesearch_steps)


@optimizer
def bfgs(scale_initial: bool = False, curv_rtol: Fraction = 0.9, max_linesearch_steps: int = 30) -> Transform:
    """BFGS with a strong Wolfe search: $\\theta \\leftarrow \\theta - \\alpha H g$; for up to some hundred parameters.

    Args:
        scale_initial: see `scale_by_bfgs`.
        curv_rtol: $c_2$ of the search.
        max_linesearch_steps: evaluations a search at most.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `value_fn`.

    References:
        Nocedal, Wright (2006), Numerical Optimization, chapter 6.

    Example:
        >>> import gradtx
        >>> from gradtx.problems import rosenbrock
        >>> result = gradtx.minimize(rosenbrock, rosenbrock.start, gradtx.bfgs(), grad_tol=1e-3)
        >>> [round(float(x), 2) for x in result.x], result.reason
        ([1.0, 1.0], 'the gradient is below grad_tol')
    """
    return chain(
        scale_by_bfgs(scale_initial),
        scale_by_learning_rate(1.0),
        scale_by_zoom_linesearch(max_linesearch_steps, curv_rtol=curv_rtol),
    )


@optimizer
def nonlinear_cg(
    method: str = "polak_ribiere_plus",
    restart_every: int | None = None,
    curv_rtol: Fraction = 0.4,
    max_linesearch_steps: int = 30,
) -> Transform:
    """Nonlinear conjugate gradients with a strong Wolfe search; see `scale_by_nonlinear_cg`.

    Args:
        method: the formula of $\\beta$.
        restart_every: steps between restarts; None for none but where the direction would not descend.
        curv_rtol: $c_2$ of the search; under 0.5 Fletcher and Reeves' directions descend.
        max_linesearch_steps: evaluations a search at most.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `value_fn`.

    References:
        Nocedal, Wright (2006), Numerical Optimization, section 5.2.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.minimize(lambda x: jnp.sum(x**2), jnp.ones(3), gradtx.nonlinear_cg()).success
        True
    """
    return chain(
        scale_by_nonlinear_cg(method, restart_every),
        scale_by_learning_rate(1.0),
        scale_by_zoom_linesearch(max_linesearch_steps, curv_rtol=curv_rtol),
    )


@optimizer
def cg_descent(curv_rtol: Fraction = 0.9, max_linesearch_steps: int = 50) -> Transform:
    """CG_DESCENT: Hager and Zhang's conjugate gradients with their search, which goes on where values differ only by rounding.

    Args:
        curv_rtol: $\\sigma$ of the search, from 0.1 to under 1.
        max_linesearch_steps: evaluations a search at most.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `value_fn`.

    References:
        Hager, Zhang (2005), A New Conjugate Gradient Method with Guaranteed Descent and an Efficient Line Search.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.minimize(lambda x: jnp.sum((x - 1) ** 2), jnp.zeros(3), gradtx.cg_descent()).x.tolist()
        [1.0, 1.0, 1.0]
    """
    return chain(
        scale_by_nonlinear_cg("hager_zhang"),
        scale_by_learning_rate(1.0),
        scale_by_hager_zhang_linesearch(max_linesearch_steps, curv_rtol=curv_rtol),
    )


@optimizer
def conjugate_gradient() -> Transform:
    """Conjugate gradients for quadratics, with the exact step: ends in as many steps as the Hessian has distinct eigenvalues.

    Raises:
        ValueError: `update` was called without the parameters or `value_fn`.

    References:
        Hestenes, Stiefel (1952), Methods of Conjugate Gradients for Solving Linear Systems.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> f = lambda x: x[0] ** 2 + 10 * x[1] ** 2
        >>> gradtx.minimize(f, jnp.array([3.0, 1.0]), gradtx.conjugate_gradient()).steps.item()
        2
    """
    return chain(scale_by_nonlinear_cg("fletcher_reeves"), scale_by_learning_rate(1.0), scale_by_exact_linesearch())


@optimizer
def newton(learning_rate: NonNegative = 1.0, regularization: NonNegative = 0.0, shift_to_definite: bool = True) -> Transform:
    """Newton's method: $\\theta \\leftarrow \\theta - \\eta\\,(H + \\alpha I)^{-1} g$; see `scale_by_newton`.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule; 1 is the full step.
        regularization: the least $\\alpha \\ge 0$.
        shift_to_definite: raise $\\alpha$ until the matrix is positive definite; without, the method is drawn into saddles.

    Raises:
        ValueError: a number is outside its range; `update` was called without the parameters or `value_fn`.

    References:
        Nocedal, Wright (2006), Numerical Optimization, chapter 3.

    Example:
        >>> import gradtx
        >>> gradtx.newton(regularization=1e-3)
        newton(regularization=0.001)
    """
    return chain(scale_by_newton(regularization, shift_to_definite), scale_by_learning_rate(learning_rate))


@optimizer
def saddle_free_newton(learning_rate: NonNegative = 1.0, damping: NonNegative = 0.0) -> Transform:
    """Saddle-free Newton: $\\theta \\leftarrow \\theta - \\eta\\,(|H| + \\alpha I)^{-1} g$.

    Args:
        learning_rate: $\\eta \\ge 0$, a number or a schedule.
        damping: $\\alpha \\ge 0$.

    Raises:
        ValueError: a number is outside its range; `update` was called without the parameters or `value_fn`.

    References:
        Dauphin et al. (2014), arXiv:1406.2572.

    Example:
        >>> import gradtx
        >>> gradtx.saddle_free_newton(0.5)
        saddle_free_newton(learning_rate=0.5)
    """
    return chain(scale_by_saddle_free_newton(damping), scale_by_learning_rate(learning_rate))


@optimizer
def gauss_newton(damping: NonNegative = 0.0) -> Transform:
    """Gauss and Newton's method with full steps: $\\theta \\leftarrow \\theta - (J^\\top J + \\lambda I)^{-1} J^\\top r$.

    Args:
        damping: $\\lambda \\ge 0$, a number or a schedule.

    Raises:
        ValueError: a number is outside its range; `update` was called without the parameters or `residual_fn`.

    References:
        Nocedal, Wright (2006), Numerical Optimization, section 10.3.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> rosenbrock = gradtx.SumOfSquares(lambda x: jnp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
        >>> gradtx.minimize(rosenbrock, jnp.array([-1.2, 1.0]), gradtx.gauss_newton(), grad_tol=1e-3).steps.item()
        2
    """
    return chain(scale_by_gauss_newton(damping), scale_by_learning_rate(1.0))


@optimizer
def gauss_newton_cg(damping: NonNegative = 0.0, rtol: Fraction = 1e-6, max_products: int = 200) -> Transform:
    """Gauss and Newton's method for many parameters: full steps by conjugate gradients; see `scale_by_gauss_newton_cg`.

    Args:
        damping: $\\lambda \\ge 0$, a number or a schedule.
        rtol: of the conjugate gradients, in [0, 1].
        max_products: of them, a step at most; 1 or more.

    Raises:
        ValueError: a number is outside its range; `update` was called without the parameters or `residual_fn`.

    References:
        Nocedal, Wright (2006), Numerical Optimization, section 10.3.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> rosenbrock = gradtx.SumOfSquares(lambda x: jnp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
        >>> gradtx.minimize(rosenbrock, jnp.array([-1.2, 1.0]), gradtx.gauss_newton_cg(), grad_tol=1e-2).success
        True
    """
    return chain(scale_by_gauss_newton_cg(damping, rtol, max_products), scale_by_learning_rate(1.0))


@optimizer
def levenberg_marquardt(initial_damping: Positive = 1e-3, max_trials: int = 40) -> Transform:
    """Levenberg and Marquardt's method for sums of squares: between Gauss and Newton's step and a short one downhill.

    Args:
        initial_damping: the first damping, over 0; small where the start is good.
        max_trials: evaluations of the residuals a step at most.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `residual_fn`.

    References:
        Moré (1978), The Levenberg–Marquardt Algorithm: Implementation and Theory.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> x, y = jnp.arange(5.0), 2 * jnp.exp(-0.3 * jnp.arange(5.0))
        >>> fit = gradtx.SumOfSquares(lambda p: p[0] * jnp.exp(-p[1] * x) - y)
        >>> gradtx.minimize(fit, jnp.array([1.0, 1.0]), gradtx.levenberg_marquardt()).x.round(3).tolist()
        [2.0, 0.30000001192092896]
    """
    return levenberg_marquardt_step(initial_damping, max_trials)


@optimizer
def truncated_newton(
    initial_radius: Positive = 1.0, max_radius: Positive = 1e10, max_products: int = 200, max_trials: int = 20
) -> Transform:
    """Truncated Newton with a region of trust: Newton's steps for many parameters, by products with the Hessian; leaves saddles.

    Args:
        initial_radius: of the region, over 0.
        max_radius: over 0.
        max_products: with the Hessian, a step; 1 or more.
        max_trials: radii tried a step; 1 or more.

    Raises:
        ValueError: an argument is out of range; `update` was called without the parameters or `value_fn`.

    References:
        Steihaug (1983), The Conjugate Gradient Method and Trust Regions in Large Scale Optimization.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> result = gradtx.minimize(lambda x: jnp.sum((x - 1) ** 4), jnp.zeros(3), gradtx.truncated_newton(), grad_tol=1e-4)
        >>> result.success, bool(result.products > 0)
        (True, True)
    """
    return truncated_newton_step(initial_radius, max_radius, max_products, max_trials)
