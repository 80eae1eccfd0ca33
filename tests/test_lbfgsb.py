"""L-BFGS between bounds: its model by definition, its minima by their conditions and by SciPy's L-BFGS-B."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import gradtx
import gradtx.problems
from gradtx.curvature.lbfgsb import _Model
from gradtx.problems import rosenbrock


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def quadratic(n, seed=0):
    """A and b of half of xᵀAx − bᵀx, with eigenvalues from 1 to 100."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return (q * np.geomspace(1, 100, n)) @ q.T, rng.normal(size=n)


def model(n, pairs, memory=5, seed=1):
    """Some pairs of a quadratic as L-BFGS-B keeps them, and the matrix that BFGS's formula makes of them, the oldest first."""
    a, _ = quadratic(n, seed)
    s = np.random.default_rng(seed).normal(size=(pairs, n))
    y = s @ a
    b = np.eye(n) * ((y[0] @ y[0]) / (s[0] @ y[0]) if pairs else 1)
    for i in reversed(range(pairs)):
        bs = b @ s[i]
        b = b - np.outer(bs, bs) / (s[i] @ bs) + np.outer(y[i], y[i]) / (s[i] @ y[i])
    unit = lambda v: np.pad(v / np.linalg.norm(v, axis=1, keepdims=True), ((0, memory - pairs), (0, 0)))
    scales = np.pad(np.sum(s * y, axis=1) / np.sum(y * y, axis=1), (0, memory - pairs))
    return _Model.of(*(jnp.asarray(v) for v in (unit(s), unit(y), scales))), b


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("pairs", [0, 3, 5])
def test_the_cauchy_point_is_the_first_minimum_on_the_path_and_the_end_the_least_of_the_free(pairs):
    n, rng = 8, np.random.default_rng(2)
    compact, b = model(n, pairs)
    ends_at_bounds = 0
    cauchy_of = jax.jit(lambda *a: compact._cauchy(*a, jnp.concatenate([compact.ys, compact.ss]), jnp.zeros(n, bool)))
    end_of = jax.jit(compact.minimized)
    for _ in range(5):
        low, high = -rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, n)
        high[0], low[1] = np.inf, -np.inf
        x = np.clip(rng.normal(size=n), low, high)
        g = rng.normal(size=n) * 5
        g[2] = 0
        on_path = lambda t, x=x, g=g, low=low, high=high: np.clip(x - t * g, low, high)
        value = lambda z, x=x, g=g: g @ (z - x) + (z - x) @ b @ (z - x) / 2
        times = np.linspace(0, 2, 10_001)
        values = np.array([value(on_path(t)) for t in times])
        first = np.argmax(np.diff(values) >= 0)
        cauchy, end = (np.asarray(f(x, g, low, high)) for f in (cauchy_of, end_of))
        assert np.min([np.abs(cauchy - on_path(t)).max() for t in times[max(first - 1, 0) : first + 2]]) < 1e-3
        assert value(cauchy) <= values[first] + 1e-9
        free = (cauchy > low) & (cauchy < high)
        np.testing.assert_array_equal(end[~free], cauchy[~free])
        rest = g + b @ (cauchy - x)
        newton = cauchy.copy()
        newton[free] -= np.linalg.solve(b[np.ix_(free, free)], rest[free])
        if (np.clip(newton, low, high) - x) @ g < 0:
            np.testing.assert_allclose(end, np.clip(newton, low, high), atol=1e-9)
        ends_at_bounds += (~free).sum()
    assert ends_at_bounds > 5


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("half", [0.3, pytest.param(0.05, marks=pytest.mark.full), pytest.param(None, marks=pytest.mark.full)])
def test_a_quadratic_in_a_box_ends_where_its_conditions_hold(half):
    a, b = quadratic(20)
    bounds = () if half is None else (-half, half)
    result = gradtx.minimize(
        lambda x: 0.5 * x @ jnp.asarray(a) @ x - jnp.asarray(b) @ x, jnp.zeros(20), gradtx.lbfgsb(*bounds), grad_tol=1e-6
    )
    x = np.asarray(result.x)
    g = a @ x - b
    assert result.success
    inside = np.abs(x) < (np.inf if half is None else half)
    np.testing.assert_allclose(g[inside], 0, atol=1e-6)
    assert (g[~inside] * x[~inside] < 0).all()  # pressed against its bound
    assert (~inside).any() == (half is not None)
    np.testing.assert_allclose(result.grad_norm, np.max(np.abs(x - np.clip(x - g, *(bounds or (-np.inf, np.inf))))), atol=1e-14)


def both(problem, start, low, high):
    """What ours and SciPy's make of a problem between bounds."""
    tx = gradtx.lbfgsb(jnp.asarray(low), jnp.asarray(high))
    ours = gradtx.minimize(problem, jnp.asarray(start), tx, max_steps=5000)
    value_and_grad = jax.jit(jax.value_and_grad(problem))
    theirs = scipy.optimize.minimize(
        lambda x: tuple(np.asarray(v, float) for v in value_and_grad(x)),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=scipy.optimize.Bounds(low, high),
        options={"gtol": 1e-5, "ftol": 0, "maxiter": 5000, "maxfun": 10**5},
    )
    return ours, theirs


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "high",
    [
        pytest.param([0.5, 2.0], id="first active"),
        pytest.param([2.0, 0.25], id="second active", marks=pytest.mark.full),
        pytest.param([3.0, 3.0], id="none active", marks=pytest.mark.full),
    ],
)
def test_rosenbrock_in_a_box_is_scipys_with_no_more_evaluations(high):
    ours, theirs = both(rosenbrock, np.array([-1.2, 0.2]), np.array([-2.0, -2.0]), np.array(high))
    assert ours.success
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)
    assert int(ours.evaluations) <= 1.2 * theirs.nfev


def boxes(problem):
    """Without bounds; round start and minimum; between the two, so that the minimum is outside; every other parameter kept from it."""
    start = np.array(problem.start)
    at = np.array(problem.at[0]) if problem.at else start
    whole = np.full(len(start), np.inf)
    yield -whole, whole
    for other, room in ((at, 1.0), ((start + at) / 2, 0.1)):
        yield np.minimum(start, other) - room, np.maximum(start, other) + room
    yield np.where(np.arange(len(start)) % 2 == 0, at + 0.1 * np.abs(at) + 0.05, -np.inf), whole


@pytest.mark.full
@pytest.mark.usefixtures("x64")
@pytest.mark.filterwarnings("ignore")
def test_as_many_problems_are_solved_between_bounds_as_by_scipy_with_no_more_evaluations():
    solved, ratios, active = np.zeros(2, int), [], 0
    for problem in (p for p in vars(gradtx.problems).values() if isinstance(p, gradtx.problems.Problem)):
        for low, high in boxes(problem):
            start = np.clip(problem.start, low, high)
            if not np.isfinite(problem(jnp.asarray(start))):
                continue
            with np.errstate(all="ignore"):
                ours, theirs = both(problem.function, start, low, high)
            values = np.array([float(ours.fun), float(theirs.fun)])
            flat = np.array([ours.success, np.max(np.abs(theirs.x - np.clip(theirs.x - theirs.jac, low, high))) <= 1e-5])
            good = flat & (values <= values.min() + 1e-6 * (1 + abs(values.min())))
            solved += good
            if good.all():
                ratios.append(int(ours.evaluations) / theirs.nfev)
                active += bool(((np.asarray(ours.x) == low) | (np.asarray(ours.x) == high)).any())
    assert solved[0] >= solved[1]
    assert np.median(ratios) <= 1.2
    assert active > 30


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("n", [4, pytest.param(300, marks=pytest.mark.full)])
def test_the_solution_is_differentiated_with_the_parameters_at_bounds_held(n):
    a, b = quadratic(n)
    f = lambda x, b: 0.5 * x @ jnp.asarray(a) @ x - b @ x
    solve = lambda b, high: (
        gradtx.minimize(lambda x: f(x, b), jnp.zeros(n), gradtx.lbfgsb(-0.1, high), grad_tol=1e-7, max_steps=5000).x
    )
    db = np.cos(np.arange(n))
    x, along = map(np.asarray, jax.jvp(solve, (jnp.asarray(b), 0.2), (jnp.asarray(db), 1.0)))
    free = (x > -0.1) & (x < 0.2)
    assert 0 < free.sum() < n
    inner, at_high = np.linalg.inv(a[np.ix_(free, free)]), np.where(x == 0.2, 1.0, 0.0)
    by_b, by_high = np.zeros(n), at_high.copy()
    by_b[free] = inner @ db[free]
    by_high[free] = -inner @ (a @ at_high)[free]
    np.testing.assert_allclose(along, by_b + by_high, atol=1e-8)
    back = jax.grad(lambda b, high: db @ solve(b, high), (0, 1))(jnp.asarray(b), 0.2)
    np.testing.assert_allclose(back[0], by_b, atol=1e-8)  # the matrix is symmetric
    np.testing.assert_allclose(back[1], db @ by_high, atol=1e-8)


def test_trees_are_kept_in_bounds_of_their_own_from_a_start_outside():
    f = lambda p: jnp.sum((p["a"] - 3.0) ** 2) + jnp.sum((p["b"] + 1.0) ** 2)
    tx = gradtx.lbfgsb({"a": jnp.array([0.0, 1.0, 2.0]), "b": 0.1}, {"a": jnp.array([1.0, 2.0, 4.0]), "b": 5.0})
    result = gradtx.minimize(f, {"a": jnp.full(3, -7.0), "b": jnp.float32(0.7)}, tx)
    assert result.success
    np.testing.assert_allclose(result.x["a"], [1, 2, 3], rtol=1e-6)
    assert result.x["b"] == jnp.float32(0.1)  # exactly


def test_a_solution_at_the_start_is_one_and_bounds_are_mapped_over():
    f = lambda x: jnp.sum(x)
    assert gradtx.minimize(f, jnp.zeros(2), gradtx.lbfgsb(0.0)).steps == 0
    highs = jnp.array([1.0, 2.0, 5.0])
    many = jax.vmap(lambda high: gradtx.minimize(lambda x: jnp.sum((x - 3) ** 2), jnp.zeros(2), gradtx.lbfgsb(0.0, high)))(
        highs
    )
    assert many.success == [True] * 3
    np.testing.assert_allclose(many.x, [[1, 1], [2, 2], [3, 3]], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gradtx.lbfgsb(1.0, 0.0), ValueError, r"lower = 1.0 is over upper = 0.0"),
        (lambda: gradtx.lbfgsb(jnp.array([0.0, 2.0]), jnp.ones(2)), ValueError, "is over upper"),
        (lambda: gradtx.lbfgsb("low"), TypeError, "'low' is no bound"),
        (lambda: gradtx.lbfgsb().init(jnp.ones(2, complex)), TypeError, "takes real parameters"),
        (lambda: gradtx.lbfgsb(memory_size=0), ValueError, "memory_size = 0"),
        (
            lambda: gradtx.lbfgsb(jnp.zeros(3)).init(jnp.zeros(2)),
            ValueError,
            r"the parameters have f32\[2\], a bound has f32\[3\]",
        ),
        (lambda: gradtx.lbfgsb({"a": 0.0}).init({"b": jnp.zeros(2)}), ValueError, "at b the parameters have"),
    ],
)
def test_bad_input_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()
