"""Proximal maps by their definition, projections by theirs, and the methods made of them against scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import gradtx

MAPS = {
    "l1": gradtx.prox_l1(0.7),
    "elastic net": gradtx.prox_elastic_net(0.4, 1.3),
    "groups": gradtx.prox_group_l1(0.9),
}
SETS = {
    "box": (gradtx.projection_box(-0.5, 1.0), lambda x: (x >= -0.5).all() and (x <= 1.0).all()),
    "half-space": (gradtx.projection_box(0, np.inf), lambda x: (x >= 0).all()),
    "ball": (gradtx.projection_l2_ball(1.5), lambda x: np.linalg.norm(x) <= 1.5 + 1e-9),
    "simplex": (gradtx.projection_simplex(2.0), lambda x: (x >= 0).all() and abs(x.sum() - 2) < 1e-9),
}


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("step", [0.3, 1.0])
def test_a_proximal_map_minimizes_what_defines_it(name, step):
    rng = np.random.default_rng(0)
    prox = MAPS[name]
    for _ in range(20):
        v = jnp.asarray(2 * rng.normal(size=(3, 2)))
        x = prox.apply(v, step)
        value = lambda x, v=v: float(prox.penalty(x)) + float(jnp.sum((x - v) ** 2)) / (2 * step)
        around = [value(x + jnp.asarray(size * rng.normal(size=(3, 2)))) for size in (1e-3, 1e-2, 0.3) for _ in range(20)]
        assert min(around) >= value(x)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", SETS)
def test_a_projection_is_the_nearest_point_of_its_set(name):
    rng = np.random.default_rng(1)
    projection, inside = SETS[name]
    for _ in range(20):
        v = 2 * rng.normal(size=5)
        x = np.asarray(projection.apply(jnp.asarray(v), 1.0))
        assert inside(x)
        np.testing.assert_allclose(projection.apply(jnp.asarray(x), 1.0), x, atol=1e-12)
        for _ in range(50):  # the angle to every other point of a convex set is at least a right one
            other = np.asarray(projection.apply(jnp.asarray(2 * rng.normal(size=5)), 1.0))
            assert (v - x) @ (other - x) <= 1e-9


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("method", [gradtx.proximal_gradient, gradtx.fista])
@pytest.mark.parametrize("mix", [1.0, 0.5])
def test_the_lasso_and_the_elastic_net_are_scikit_learns(method, mix):
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(2)
    a = rng.normal(size=(40, 12))
    b = a @ np.where(np.arange(12) < 4, 2.0, 0.0) + 0.1 * rng.normal(size=40)
    theirs = linear_model.ElasticNet(alpha=0.3, l1_ratio=mix, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(a, b)
    prox = gradtx.prox_l1(0.3) if mix == 1.0 else gradtx.prox_elastic_net(0.3 * mix, 0.3 * (1 - mix))
    f = lambda x: jnp.sum((jnp.asarray(a) @ x - jnp.asarray(b)) ** 2) / (2 * len(b))
    rate = len(b) / np.linalg.norm(a, 2) ** 2
    ours = gradtx.minimize(f, jnp.zeros(12), method(rate, prox), grad_tol=0.0, step_tol=1e-10, max_steps=20_000)
    assert ours.success
    np.testing.assert_allclose(ours.x, theirs.coef_, atol=1e-6)
    assert (np.asarray(ours.x)[np.abs(theirs.coef_) == 0] == 0).all()


@pytest.mark.usefixtures("x64")
def test_the_group_lasso_is_optimal_and_what_descent_by_blocks_finds():
    rng = np.random.default_rng(4)
    groups, size, strength = 6, 3, 4.0
    a = rng.normal(size=(40, groups * size))
    b = a[:, : 2 * size] @ rng.normal(size=2 * size) + 0.1 * rng.normal(size=40)
    f = lambda w: jnp.sum((jnp.asarray(a) @ w.ravel() - jnp.asarray(b)) ** 2) / 2
    tx = gradtx.fista(1 / np.linalg.norm(a, 2) ** 2, gradtx.prox_group_l1(strength))
    ours = np.asarray(gradtx.minimize(f, jnp.zeros((groups, size)), tx, grad_tol=0.0, step_tol=1e-13, max_steps=20_000).x)
    gradient = (a.T @ (a @ ours.ravel() - b)).reshape(ours.shape)
    norms = np.linalg.norm(ours, axis=1)
    assert 0 < (norms == 0).sum() < groups
    for w, norm, g in zip(ours, norms, gradient, strict=True):
        if norm > 0:
            np.testing.assert_allclose(g, -strength * w / norm, atol=1e-8)
        else:
            assert np.linalg.norm(g) <= strength
    # One group after the other: where it isn't nothing, w = (AᵀA + λ/|w| I)⁻¹ Aᵀ rest, with |w| the root of an equation in one unknown.
    theirs = np.zeros((groups, size))
    for _ in range(200):
        for k in range(groups):
            own = a[:, k * size : (k + 1) * size]
            theirs[k] = 0
            q, c = own.T @ own, own.T @ (b - a @ theirs.ravel())
            if np.linalg.norm(c) > strength:
                at = lambda t, q=q, c=c: np.linalg.solve(q + strength / t * np.eye(size), c)
                theirs[k] = at(scipy.optimize.brentq(lambda t, at=at: np.linalg.norm(at(t)) - t, 1e-12, 1e3, xtol=1e-15))
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


@pytest.mark.usefixtures("x64")
def test_fista_is_faster():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(30, 30))
    f = lambda x: jnp.sum((jnp.asarray(a) @ x - 1.0) ** 2) / 2
    rate, prox = 1 / np.linalg.norm(a, 2) ** 2, gradtx.prox_l1(0.1)
    after = lambda tx: gradtx.minimize(f, jnp.zeros(30), tx, grad_tol=0.0, max_steps=300).x
    whole = lambda x: float(f(x) + prox.penalty(x))
    best = whole(gradtx.minimize(f, jnp.zeros(30), gradtx.fista(rate, prox), grad_tol=0.0, max_steps=20_000).x)
    slow, fast = (whole(after(m(rate, prox))) - best for m in (gradtx.proximal_gradient, gradtx.fista))
    assert fast < 0.3 * slow


@pytest.mark.usefixtures("x64")
def test_any_optimizer_is_kept_in_a_box_and_ends_where_lbfgsb_does():
    f = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    theirs = scipy.optimize.minimize(
        lambda x: float(f(x)), [-1.0, 0.0], method="L-BFGS-B", bounds=[(-2, 0.5), (-2, 0.5)], tol=1e-12
    )
    tx = gradtx.chain(gradtx.adam(0.01), gradtx.proximal(gradtx.projection_box(-2.0, 0.5)))
    ours = gradtx.minimize(f, jnp.array([-1.0, 0.0]), tx, grad_tol=0.0, step_tol=1e-9, max_steps=20_000)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gradtx.proximal(0.1), TypeError, "prox = 0.1 is no proximal map"),
        (lambda: gradtx.fista_step(gradtx.sgd(0.1)), TypeError, "is no proximal map"),
        (lambda: gradtx.prox_l1(-1.0), ValueError, "strength"),
        (lambda: gradtx.projection_box(1.0, 0.0), ValueError, "lower = 1.0 is over upper = 0.0"),
        (lambda: gradtx.projection_box(None, 1.0), TypeError, "None is no bound"),
        (lambda: gradtx.projection_box("0", 1.0), TypeError, "'0' is no bound"),
        (lambda: gradtx.projection_l2_ball(0.0), ValueError, "radius"),
    ],
)
def test_bad_input_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()
