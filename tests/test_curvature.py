"""Methods that use the function: searches, quasi-Newton, conjugate gradients, Newton, and `minimize` around them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import gradtx
import gradtx.problems
from gradtx.curvature.line import REASONS
from gradtx.problems import rosenbrock
from gradtx.solve import trajectory


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def quadratic(n, seed=0):
    """Half of xᵀAx − bᵀx with distinct eigenvalues from 1 to 100, and its minimum."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    a = (q * np.geomspace(1, 100, n)) @ q.T
    b = rng.normal(size=n)
    return (lambda x: 0.5 * x @ jnp.asarray(a) @ x - jnp.asarray(b) @ x), a, np.linalg.solve(a, b), rng.normal(size=n)


EXACT_BFGS = gradtx.chain(gradtx.scale_by_bfgs(), gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_exact_linesearch())


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("n", [2, 10, 100])
def test_conjugate_gradients_end_in_as_many_steps_as_unknowns(n):
    f, _, minimum, start = quadratic(n)
    path = trajectory(f, gradtx.conjugate_gradient(), jnp.asarray(start), n)
    gaps = np.linalg.norm(np.asarray(path.points) - minimum, axis=1)
    assert gaps[n] < 1e-6 * gaps[0]
    assert gaps[n // 2] > 10 * gaps[n]
    gradients = np.asarray(jax.vmap(jax.grad(f))(path.points))
    if n == 10:  # successive gradients are orthogonal
        cosines = [abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in itertools.pairwise(gradients[:9])]
        assert max(cosines) < 1e-6


@pytest.mark.usefixtures("x64")
def test_bfgs_walks_with_conjugate_gradients_and_ends_with_the_inverse_hessian():
    f, a, minimum, start = quadratic(6)
    x = jnp.asarray(start)
    state = EXACT_BFGS.init(x)
    path = [x]
    for _ in range(7):
        updates, state = EXACT_BFGS.update(jax.grad(f)(x), state, x, value_fn=f)
        x = x + updates
        path.append(x)
    cg = trajectory(f, gradtx.conjugate_gradient(), jnp.asarray(start), 5).points
    np.testing.assert_allclose(np.stack(path[:6]), cg, atol=1e-7)
    np.testing.assert_allclose(path[6], minimum, atol=1e-9)
    np.testing.assert_allclose(gradtx.state_get(state, "inverse_hessian"), np.linalg.inv(a), atol=1e-7)


@pytest.mark.usefixtures("x64")
def test_steepest_descent_with_the_exact_step_shrinks_as_kantorovich_says():
    f = lambda x: 0.5 * (x[0] ** 2 + 100 * x[1] ** 2)
    tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_exact_linesearch())
    values = trajectory(f, tx, jnp.array([100.0, 1.0]), 50).values
    np.testing.assert_allclose(values[1:] / values[:-1], (99 / 101) ** 2, rtol=1e-12)


@pytest.mark.usefixtures("x64")
def test_one_newton_step_solves_a_quadratic():
    f, _, minimum, start = quadratic(10)
    for tx in (gradtx.newton(), gradtx.saddle_free_newton()):
        np.testing.assert_allclose(trajectory(f, tx, jnp.asarray(start), 1).points[1], minimum, atol=1e-10)


@pytest.mark.usefixtures("x64")
def test_gauss_newton_solves_rosenbrock_in_two_steps():
    residuals = lambda x: jnp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
    x, tx = jnp.array([-1.2, 1.0]), gradtx.gauss_newton()
    for wanted in ([1, -3.84], [1, 1]):
        update, _ = tx.update(x, tx.init(x), x, residual_fn=residuals)
        x = x + update
        np.testing.assert_allclose(x, wanted, rtol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_gauss_newton_by_conjugate_gradients_is_the_dense_one_without_its_jacobian(damping):
    residuals = lambda p: {"a": jnp.sin(p["x"][:30]) * p["x"][10:] - 1.0, "b": p["x"] - p["y"]}
    rng = np.random.default_rng(6)
    params = {"x": jnp.asarray(rng.normal(size=40)), "y": jnp.asarray(rng.normal())}
    dense, free = gradtx.gauss_newton(damping), gradtx.gauss_newton_cg(damping, rtol=1e-12)
    direction = lambda tx: tx.update(params, tx.init(params), params, residual_fn=residuals)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-9), direction(free), direction(dense))
    programs = {tx: str(jax.make_jaxpr(lambda tx=tx: direction(tx))()) for tx in (dense, free)}
    assert "70,41" in programs[dense]
    assert "70,41" not in programs[free]
    assert "41,70" not in programs[free]


@pytest.mark.usefixtures("x64")
def test_levenberg_marquardt_never_climbs_and_ends_at_the_least_squares():
    # Linear residuals: the answer is lstsq's, of full rank or not.
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(9, 4)), rng.normal(size=9)
    for matrix in (a, np.concatenate([a, np.zeros((9, 1))], axis=1)):
        fit = gradtx.SumOfSquares(lambda x, matrix=matrix: jnp.asarray(matrix) @ x - jnp.asarray(b))
        result = gradtx.minimize(fit, jnp.ones(matrix.shape[1]), gradtx.levenberg_marquardt(), grad_tol=1e-10)
        np.testing.assert_allclose(matrix @ result.x, matrix @ np.linalg.lstsq(matrix, b)[0], atol=1e-9)
        assert result.success


@pytest.mark.usefixtures("x64")
def test_newton_is_drawn_into_the_saddle_that_saddle_free_newton_leaves():
    saddle = lambda x: x[0] ** 2 - x[1] ** 2
    start = jnp.array([0.5, 0.1])
    np.testing.assert_allclose(
        trajectory(saddle, gradtx.newton(0.5, shift_to_definite=False), start, 20).points[-1], 0, atol=1e-6
    )
    for tx in (gradtx.saddle_free_newton(0.5), gradtx.newton(0.5)):
        assert trajectory(saddle, tx, start, 20).values[-1] < -1


@pytest.mark.usefixtures("x64")
def test_truncated_newton_leaves_the_saddle_and_solves_a_quadratic_within_its_region():
    saddle = lambda x: x[0] ** 2 - x[1] ** 2
    assert trajectory(saddle, gradtx.truncated_newton(), jnp.array([0.5, 1e-6]), 20).values[-1] < -1
    f, _, minimum, start = quadratic(10)
    tx = gradtx.truncated_newton(initial_radius=100.0)
    x = jnp.asarray(start)
    state = tx.init(x)
    update, _ = tx.update(jax.grad(f)(x), state, x, value_fn=f)
    norm = lambda x: np.linalg.norm(jax.grad(f)(x))
    assert norm(x + update) <= 0.5 * norm(x)  # as far as the inner iteration goes
    near = gradtx.truncated_newton(initial_radius=0.1)
    short, _ = near.update(jax.grad(f)(x), near.init(x), x, value_fn=f)
    np.testing.assert_allclose(np.linalg.norm(short), 0.1, rtol=1e-9)
    result = gradtx.minimize(f, x, tx, grad_tol=1e-9)
    np.testing.assert_allclose(result.x, minimum, atol=1e-8)


@pytest.mark.usefixtures("x64")
def test_much_regularization_makes_newton_gradient_descent():
    f, _, _, start = quadratic(5)
    x = jnp.asarray(start)
    grad = jax.grad(f)(x)
    for alpha in (1e6, 1e8):
        tx = gradtx.newton(regularization=alpha)
        update, _ = tx.update(grad, tx.init(x), x, value_fn=f)
        np.testing.assert_allclose(-alpha * update, grad, rtol=0, atol=100 / alpha * np.linalg.norm(grad))


def hager_zhang(g, old, d, y):
    beta = (y - 2 * d * (y @ y) / (d @ y)) @ g / (d @ y)
    return max(beta, -1 / (np.linalg.norm(d) * min(0.01, np.linalg.norm(old))))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("method", "formula"),
    [
        ("fletcher_reeves", lambda g, o, d: g @ g / (o @ o)),
        ("polak_ribiere", lambda g, o, d: g @ (g - o) / (o @ o)),
        ("polak_ribiere_plus", lambda g, o, d: max(0, g @ (g - o) / (o @ o))),
        ("hestenes_stiefel", lambda g, o, d: g @ (g - o) / (d @ (g - o))),
        ("dai_yuan", lambda g, o, d: g @ g / (d @ (g - o))),
        ("hager_zhang", lambda g, o, d: hager_zhang(g, o, d, g - o)),
    ],
)
@pytest.mark.parametrize("every", [None, 3])
def test_directions_are_those_of_the_formulas(method, formula, every):
    rng = np.random.default_rng(1)
    gradients = np.cumsum(rng.normal(size=(8, 4)), axis=0) * 0.3 + rng.normal(size=4) * 2
    tx = gradtx.scale_by_nonlinear_cg(method, every)
    state, direction, old = tx.init(jnp.zeros(4)), None, None
    for t, g in enumerate(gradients):
        if direction is None or (every and t % every == 0):
            direction = -g
        else:
            direction = -g + formula(g, old, direction) * direction
            if g @ direction >= 0:
                direction = -g
        old = g
        out, state = tx.update(jnp.asarray(g), state)
        np.testing.assert_allclose(-out, direction, rtol=1e-10)


@pytest.mark.usefixtures("x64")
def test_the_improved_fletcher_reeves_descends_by_the_squared_gradient_whatever_was_before():
    tx = gradtx.scale_by_nonlinear_cg("descent_fletcher_reeves")
    state = tx.init(jnp.zeros(4))
    for g in np.random.default_rng(2).normal(size=(10, 4)):
        out, state = tx.update(jnp.asarray(g), state)
        np.testing.assert_allclose(g @ out, g @ g, rtol=1e-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("memory", [1, 3, 20])
def test_lbfgs_is_bfgs_on_the_pairs_that_it_remembers(memory):
    # The matrix by definition: BFGS updates in order, from the scaled identity.
    rng = np.random.default_rng(3)
    xs = rng.normal(size=(7, 3))
    f, a, _, _ = quadratic(3)
    tx = gradtx.scale_by_lbfgs(memory)
    state = tx.init(jnp.asarray(xs[0]))
    for t, x in enumerate(xs):
        g = np.asarray(jax.grad(f)(jnp.asarray(x)))
        out, state = tx.update(jnp.asarray(g), state, jnp.asarray(x))
        pairs = [(xs[i + 1] - xs[i], a @ (xs[i + 1] - xs[i])) for i in range(t)][-memory:]
        h = np.eye(3)
        if pairs:
            s, y = pairs[-1]
            h *= s @ y / (y @ y)
        for s, y in pairs:
            v = np.eye(3) - np.outer(s, y) / (s @ y)
            h = v @ h @ v.T + np.outer(s, s) / (s @ y)
        np.testing.assert_allclose(out, h @ g, rtol=1e-8, atol=1e-10)


SHAPES = {
    "wave": lambda t, a, b, c: (t - a) ** 2 * b + c * jnp.sin(3 * t),
    "kink": lambda t, a, b, c: jnp.abs(t - a) * b + 0.01 * (t - a) ** 2,
    "plateau": lambda t, a, b, c: -b * jnp.tanh(t - a) + 1e-3 * t**2,
    "steep and flat": lambda t, a, b, c: jnp.exp(-b * t) + 0.1 * (t - a) ** 4,
    "with an end": lambda t, a, b, c: -jnp.log(a + b - t) * a - b * jnp.sqrt(t + c),
}


def strong_wolfe(c2, value, slope, step, after, end):
    return (after <= value + 1e-4 * step * slope + 1e-12) & (np.abs(end) <= c2 * np.abs(slope) * (1 + 1e-9))


def wolfe_or_approximately(c2, value, slope, step, after, end):
    flat_enough = end >= c2 * slope * (1 + 1e-9)
    wolfe = after <= value + 0.1 * step * slope + 1e-12
    approximate = (after <= value + 1e-6 * np.abs(value) + 1e-12) & (end <= (2 * 0.1 - 1) * slope * (1 + 1e-9))
    return flat_enough & (wolfe | approximate)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("search", "conditions", "c2"),
    [
        pytest.param(gradtx.scale_by_zoom_linesearch, strong_wolfe, 0.9, id="zoom-0.9"),
        pytest.param(gradtx.scale_by_zoom_linesearch, strong_wolfe, 0.1, id="zoom-0.1"),
        pytest.param(gradtx.scale_by_hager_zhang_linesearch, wolfe_or_approximately, 0.9, id="hager_zhang-0.9"),
        pytest.param(
            gradtx.scale_by_hager_zhang_linesearch, wolfe_or_approximately, 0.1, id="hager_zhang-0.1", marks=pytest.mark.full
        ),
    ],
)
def test_every_accepted_step_satisfies_the_conditions(search, conditions, name, c2):
    tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), search(curv_rtol=c2))

    @jax.jit
    @jax.vmap
    def go(numbers):
        f, zero = lambda t: SHAPES[name](t, *numbers), jnp.zeros(())
        value, slope = jax.value_and_grad(f)(zero)
        update, state = tx.update(slope, tx.init(zero), zero, value_fn=f)
        return value, slope, update, *jax.value_and_grad(f)(update), gradtx.state_get(state, "status")

    numbers = np.random.default_rng(4).uniform(0.1, 3, (200, 3))
    seen = [np.asarray(x) for x in go(jnp.asarray(numbers))]
    value, slope, step, after, end, status = (x[seen[1] < 0] for x in seen)
    # Along the direction, which is as long as the slope is steep.
    found = status == 0
    assert len(found) > 30
    assert conditions(c2, value, -(slope**2), step / -slope, after, end * -slope)[found].all()
    assert (step[~found] == 0).all()
    # At a kink there may be no step with so little slope; everywhere else one is found.
    assert found.all() or name == "kink"
    assert {REASONS[int(s)] for s in status[~found]} <= {"no step satisfied the conditions"}


@pytest.mark.parametrize(
    "search",
    [
        gradtx.scale_by_zoom_linesearch(),
        gradtx.scale_by_hager_zhang_linesearch(),
        gradtx.scale_by_backtracking_linesearch(20),
    ],
    ids=["zoom", "hager_zhang", "backtracking"],
)
@pytest.mark.parametrize(
    ("f", "sign", "reason"),
    [
        (lambda x: x**2, 1.0, "the direction does not descend"),
        (lambda x: jnp.sqrt(x - 2), -1.0, "the function or its gradient is not finite where the search began"),
        (lambda x: jnp.where(x == 1, 0.0, 1.0) - (x - 1), -1.0, "no step satisfied the conditions"),
    ],
)
def test_a_failing_search_says_why_and_leaves_the_parameters(search, f, sign, reason):
    x = jnp.array(1.0)
    tx = gradtx.chain(gradtx.scale(sign), search)
    update, state = tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)
    assert float(update) == 0
    assert REASONS[int(gradtx.state_get(state, "status"))] == reason


@pytest.mark.usefixtures("x64")
def test_backtracking_takes_the_first_step_that_decreases_enough():
    f = lambda x: x**4
    x = jnp.array(2.0)
    tx = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_backtracking_linesearch(30, 0.1, 0.5))
    update, state = tx.update(jax.grad(f)(x), tx.init(x), x, value_fn=f)
    steps = 0.5 ** np.arange(30)
    first = next(s for s in steps if (2 - s * 32) ** 4 <= 16 - 0.1 * s * 32**2)
    np.testing.assert_allclose(update, -32 * first)
    assert int(gradtx.state_get(state, "evaluations")) == list(steps).index(first) + 1


# minimize

# How many of SciPy's evaluations are allowed; Hager and Zhang's search takes more.
SOLVERS = pytest.mark.parametrize(
    ("tx", "method", "most"),
    [
        pytest.param(gradtx.bfgs(), "BFGS", 1.2, id="bfgs"),
        pytest.param(gradtx.lbfgs(), "L-BFGS-B", 1.2, id="lbfgs"),
        pytest.param(gradtx.nonlinear_cg(), "CG", 1.2, id="cg"),
        pytest.param(gradtx.cg_descent(), "CG", 2.0, id="cg_descent"),
        pytest.param(gradtx.truncated_newton(), "Newton-CG", 1.2, id="truncated_newton"),
    ],
)


@pytest.mark.usefixtures("x64")
@SOLVERS
def test_rosenbrock_takes_no_more_evaluations_than_scipy(tx, method, most):
    ours = gradtx.minimize(rosenbrock, jnp.array(rosenbrock.start), tx)
    value_and_grad = jax.jit(jax.value_and_grad(rosenbrock))
    product = (lambda x, v: np.asarray(jax.jvp(jax.grad(rosenbrock), (x,), (v,))[1])) if method == "Newton-CG" else None
    theirs = scipy.optimize.minimize(
        lambda x: tuple(np.asarray(v, float) for v in value_and_grad(x)),
        rosenbrock.start,
        jac=True,
        hessp=product,
        method=method,
    )
    assert ours.success
    np.testing.assert_allclose(ours.x, [1, 1], atol=1e-4)
    assert int(ours.evaluations) <= most * theirs.nfev
    assert bool(ours.products > 0) is (method == "Newton-CG")


OPTIONS = {"L-BFGS-B": {"gtol": 1e-5, "ftol": 0, "maxfun": 10**5}, "Newton-CG": {"xtol": 1e-12}}


def against_scipy(tx, method, problems):
    """How many of the problems are solved by ours and by SciPy's, and the median ratio of evaluations where both are."""
    solved, ratios = np.zeros(2, int), []
    for problem in problems:
        value_and_grad = jax.jit(jax.value_and_grad(problem))
        ours = gradtx.minimize(problem, jnp.array(problem.start), tx, max_steps=5000)
        options = {"maxiter": 5000} | OPTIONS.get(method, {"gtol": 1e-5})
        product = jax.jit(lambda x, v, f=problem: jax.jvp(jax.grad(f), (x,), (v,))[1])
        with np.errstate(all="ignore"):
            theirs = scipy.optimize.minimize(
                lambda x, f=value_and_grad: tuple(np.asarray(v, float) for v in f(x)),
                np.array(problem.start),
                jac=True,
                method=method,
                hessp=(lambda x, v, f=product: np.asarray(f(x, v))) if method == "Newton-CG" else None,
                options=options,
            )
        best = min(float(ours.fun), float(theirs.fun))
        low = np.array([float(ours.fun), float(theirs.fun)]) <= best + 1e-6 * (1 + abs(best))
        flat = np.array([ours.success, np.max(np.abs(theirs.jac)) <= 1e-5])
        solved += low & flat
        if (low & flat).all():
            ratios.append(int(ours.evaluations) / theirs.nfev)
    return *solved, np.median(ratios)


@pytest.mark.full
@pytest.mark.usefixtures("x64")
@pytest.mark.filterwarnings("ignore")
@SOLVERS
def test_as_many_problems_are_solved_as_by_scipy_with_no_more_evaluations(tx, method, most):
    # The set of Moré, Garbow and Hillstrom, and the library's other problems.
    problems = {p.name: p for p in vars(gradtx.problems).values() if isinstance(p, gradtx.problems.Problem)}
    ours, theirs, ratio = against_scipy(tx, method, problems.values())
    assert ours >= theirs
    assert ratio <= most


def test_first_order_optimizers_and_averages_work_too():
    f = lambda x: jnp.sum((x - 3) ** 2)
    for tx in (gradtx.adam(0.1), gradtx.nesterov(0.05), gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.sgd(0.1))):
        result = gradtx.minimize(f, jnp.zeros(2), tx, grad_tol=1e-3, max_steps=5000)
        assert result.success
        np.testing.assert_allclose(result.x, 3, atol=1e-3)


def test_starts_and_data_are_mapped_over():
    f = lambda x, a: jnp.sum((x - a) ** 2 * (1 + 0.1 * x**2))
    a = jnp.array([0.5, 1.0, 2.0])
    batch = jax.vmap(lambda a: gradtx.minimize(lambda x: f(x, a), jnp.ones(2), gradtx.bfgs(), grad_tol=1e-4))(a)
    assert batch.success == [True] * 3
    for i in range(3):
        one = gradtx.minimize(lambda x, i=i: f(x, a[i]), jnp.ones(2), gradtx.bfgs(), grad_tol=1e-4)
        np.testing.assert_allclose(batch.x[i], one.x, rtol=1e-4)
        assert int(batch.steps[i]) == int(one.steps)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("n", [pytest.param(3, marks=pytest.mark.full), 300])
def test_the_solution_is_differentiated_not_the_way_to_it(n):
    # Ridge regression: x(λ) = (A + λI)⁻¹ b, whose derivative is −(A + λI)⁻² b.
    f, a, _, start = quadratic(n)
    b = a @ np.linalg.solve(a, np.asarray(-jax.grad(f)(jnp.zeros(n))))
    solve = lambda strength: (
        gradtx.minimize(lambda x: f(x) + strength / 2 * x @ x, jnp.asarray(start), gradtx.lbfgs(), grad_tol=1e-10).x
    )
    m = np.linalg.inv(a + 2.0 * np.eye(n))
    np.testing.assert_allclose(solve(2.0), m @ b, atol=1e-8)
    np.testing.assert_allclose(jax.jvp(solve, (2.0,), (1.0,))[1], -m @ m @ b, atol=1e-6)
    weights = np.arange(n) / n
    np.testing.assert_allclose(jax.grad(lambda s: weights @ solve(s))(2.0), -weights @ m @ m @ b, rtol=1e-6)


def test_what_comes_besides_the_value_is_given_back():
    result = gradtx.minimize(lambda x: (x**2, {"twice": 2 * x}), jnp.array(1.0), gradtx.newton(), has_aux=True)
    assert float(result.aux["twice"]) == 2 * float(result.x)


def test_a_run_ends_for_a_reason_in_words():
    f = lambda x: jnp.sum(x**2)
    go = lambda **how: gradtx.minimize(f, jnp.ones(2), gradtx.sgd(0.1), **how)
    assert go(max_steps=3).reason == "max_steps are done"
    assert go(grad_tol=0.0, step_tol=1e-3).reason == "the step is below step_tol"
    assert go(grad_tol=0.0, value_tol=1e-3).reason == "the change of the value is below value_tol"
    assert go(max_seconds=1e-9).reason == "max_seconds are over"
    seen = []
    stopped = go(callback=lambda p: (seen.append(float(p.fun)), int(p.steps) == 4)[1])
    assert stopped.reason == "the callback said so"
    np.testing.assert_allclose(seen, 2 * 0.64 ** np.arange(1, 5), rtol=1e-5)
    away = gradtx.minimize(lambda x: -(x**4), jnp.array(1.0), gradtx.sgd(10.0))
    assert away.reason == "the function or its gradient is not finite"
    assert bool(jnp.isfinite(away.x))
    assert not away.success


def test_trees_and_dtypes_stay():
    start = {"a": jnp.ones(3), "b": (jnp.ones((2, 2)),)}
    f = lambda p: jnp.sum(p["a"] ** 2) + jnp.sum((p["b"][0] - 2) ** 4)
    for tx in (gradtx.bfgs(), gradtx.lbfgs(), gradtx.nonlinear_cg(), gradtx.newton(0.5), gradtx.truncated_newton()):
        result = gradtx.minimize(f, start, tx, grad_tol=1e-3)
        assert result.success, (tx, result.reason)
        assert jax.tree.map(lambda x: (x.shape, x.dtype), result.x) == jax.tree.map(lambda x: (x.shape, x.dtype), start)


def test_a_schedule_a_clip_and_groups_work_around_a_search():
    f = lambda p: jnp.sum((p["a"] - 1) ** 2) + jnp.sum((p["b"] - 2) ** 2)
    start = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
    tx = gradtx.chain(
        gradtx.scale_by_lbfgs(), gradtx.clip(0.5), gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_zoom_linesearch()
    )
    assert gradtx.minimize(f, start, tx, grad_tol=1e-3).success


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: gradtx.minimize(lambda x: x, jnp.ones(2), gradtx.bfgs()),
            TypeError,
            r"one real number, it gives float32\[2\]",
        ),
        (lambda: gradtx.minimize(lambda x: (x, x), 1.0, gradtx.bfgs()), TypeError, "one real number, it gives tuple"),
        (lambda: gradtx.minimize(lambda x: x * 1j, 1.0, gradtx.bfgs()), TypeError, r"it gives complex64\[\]"),
        (lambda: gradtx.minimize(3, 1.0, gradtx.bfgs()), TypeError, "fun is 3; it must be a function"),
        (lambda: gradtx.minimize(jnp.sum, 1.0, gradtx.bfgs(), callback=3), TypeError, "callback is 3"),
        (lambda: gradtx.minimize(jnp.sum, 1.0, gradtx.bfgs(), max_seconds=-1), ValueError, "max_seconds is -1"),
        (
            lambda: gradtx.minimize(jnp.sum, {"a": jnp.ones(2, int)}, gradtx.bfgs()),
            TypeError,
            r"start is int32\[2\] at a; give fl",
        ),
        (
            lambda: jax.jit(lambda x: gradtx.minimize(jnp.sum, x, gradtx.bfgs(), max_seconds=1.0).x)(jnp.ones(2)),
            ValueError,
            "can't be used inside jit",
        ),
        (lambda: gradtx.minimize(lambda x: x, 1.0, "bfgs"), TypeError, "optimizer is 'bfgs'"),
        (lambda: gradtx.minimize(jnp.log, jnp.array(-1.0), gradtx.bfgs()), ValueError, "is nan at the start"),
        (lambda: gradtx.minimize(jnp.sum, jnp.ones(2), gradtx.bfgs(), grad_tol=-1), ValueError, "grad_tol is -1"),
        (lambda: gradtx.minimize(jnp.sum, jnp.ones(2), gradtx.bfgs(), max_steps=1.5), ValueError, "max_steps is 1.5"),
        (lambda: gradtx.minimize(jnp.sum, jnp.ones(2), gradtx.bfgs(), has_aux=True), TypeError, "must give a pair"),
        (lambda: gradtx.scale_by_lbfgs(0), ValueError, "memory_size = 0"),
        (lambda: gradtx.scale_by_nonlinear_cg("newton"), ValueError, "method = 'newton'"),
        (lambda: gradtx.scale_by_nonlinear_cg(restart_every=0), ValueError, "restart_every = 0"),
        (lambda: gradtx.scale_by_zoom_linesearch(0), ValueError, "max_linesearch_steps = 0"),
        (lambda: gradtx.scale_by_zoom_linesearch(initial_guess_strategy="two"), ValueError, "initial_guess_strategy = 'two'"),
        (lambda: gradtx.scale_by_backtracking_linesearch(0), ValueError, "max_backtracking_steps = 0"),
        (lambda: gradtx.truncated_newton_step(max_products=0), ValueError, "max_products = 0"),
        (lambda: gradtx.levenberg_marquardt_step(max_trials=0), ValueError, "max_trials = 0"),
        (lambda: gradtx.scale_by_gauss_newton_cg(max_products=0), ValueError, "max_products = 0"),
        (lambda: gradtx.scale_by_hager_zhang_linesearch(0), ValueError, "max_linesearch_steps = 0"),
        (lambda: gradtx.scale_by_hager_zhang_linesearch(slope_rtol=0.5), ValueError, "slope_rtol = 0.5 and curv_rtol = 0.9"),
        (lambda: gradtx.scale_by_hager_zhang_linesearch(curv_rtol=0.05), ValueError, "slope_rtol = 0.1 and curv_rtol = 0.05"),
        (lambda: gradtx.minimize(jnp.sum, jnp.ones(2), gradtx.gauss_newton()), ValueError, "residual_fn"),
        (lambda: gradtx.newton().update(jnp.ones(2), gradtx.newton().init(jnp.ones(2)), jnp.ones(2)), ValueError, "value_fn"),
    ],
)
def test_bad_input_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    ("f", "start", "tx", "reason"),
    [
        (jnp.sqrt, 0.0, gradtx.bfgs(), "the function or its gradient is not finite"),
        (jnp.sqrt, 0.0, gradtx.sgd(0.1), "the function or its gradient is not finite"),
        (jnp.square, 1.0, gradtx.scale_by_zoom_linesearch(), "the search failed: the direction does not descend"),
        (jnp.square, 1.0, gradtx.scale_by_hager_zhang_linesearch(), "the search failed: the direction does not descend"),
        (lambda x: -x, 1.0, gradtx.bfgs(), "the search failed: no step satisfied the conditions"),
    ],
    ids=["gradient", "gradient of sgd", "upwards", "upwards, Hager and Zhang", "without end"],
)
def test_a_run_that_fails_says_why_and_stays(f, start, tx, reason):
    result = gradtx.minimize(f, start, tx)
    assert (result.success, result.reason) == (False, reason)
    assert float(result.x) == start


def test_a_start_that_is_not_finite_is_told_of_a_lane():
    f = lambda x: jnp.log(x) ** 2
    batch = jax.vmap(lambda x: gradtx.minimize(f, x, gradtx.bfgs(), grad_tol=1e-3))(jnp.array([2.0, -1.0]))
    assert batch.success == [True, False]
    assert batch.reason[1] == "the function or its gradient is not finite"


def test_a_gradient_that_does_not_match_its_function_is_found():
    @jax.custom_jvp
    def wrong(x):
        return jnp.sum(x**2)

    wrong.defjvp(lambda p, t: (jnp.sum(p[0] ** 2), 3 * p[0] @ t[0]))
    with pytest.raises(ValueError, match=r"component 0 of the gradient is 3, finite differences say (2|1.99)"):
        gradtx.minimize(wrong, jnp.ones(2), gradtx.bfgs(), check_gradient=True)
    assert gradtx.minimize(lambda x: jnp.sum(x**2), jnp.ones(2), gradtx.bfgs(), check_gradient=True).success
