"""Published and derivable numbers, in float64, each with its source."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.problems import beale_unbounded, bent_bowl, saddle
from gradtx.solve import trajectory
from tests.references import classical as r


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def follow(tx, gradients, x=0.0):
    """The points of a run on a given row of gradients, the start included."""
    x = jnp.asarray(x, float)

    def step(carry, g):
        x, state = carry
        u, state = tx.update(jnp.broadcast_to(g, x.shape), state, x)
        x = gradtx.apply_updates(x, u)
        return (x, state), x

    _, points = jax.jit(lambda tx: jax.lax.scan(step, (x, tx.init(x)), jnp.asarray(gradients, float)))(tx)
    return np.concatenate([np.asarray(x)[None], points])


# --- Goh, Why Momentum Really Works, Distill 2017: eigenvalues 0.01, 0.1, 1 -------------------------------------------------

EIGENVALUES = np.array([0.01, 0.1, 1.0])
Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
CENTRE, FIRST = np.array([0.5, -1.0, 2.0]), np.array([3.0, 1.0, -2.0])


def quadratic(w):
    d = jnp.asarray(Q).T @ (w - jnp.asarray(CENTRE))
    return jnp.sum(jnp.asarray(EIGENVALUES) * d * d) / 2


def diagonal(w):
    return jnp.sum(jnp.asarray(EIGENVALUES) * w * w) / 2


def test_gradient_descent_has_a_closed_form():
    alpha, k = 1.5, np.arange(201)[:, None]
    points = trajectory(quadratic, gradtx.sgd(alpha), jnp.asarray(FIRST), 200).points
    wanted = CENTRE + ((1 - alpha * EIGENVALUES) ** k * (Q.T @ (FIRST - CENTRE))) @ Q.T
    np.testing.assert_allclose(points, wanted, rtol=1e-13, atol=1e-13)


def rate(problem, tx, steps):
    """The factor a step by which the distance from 0 shrinks in the later half, over the longest of twenty points each."""
    sizes = np.linalg.norm(trajectory(problem, tx, jnp.ones(3), 2 * steps).points, axis=1)
    return (sizes[-20:].max() / sizes[steps - 19 : steps + 1].max()) ** (1 / steps)


def test_best_rate_of_gradient_descent():
    # 2 / (λ1 + λn) and (κ - 1) / (κ + 1).
    np.testing.assert_allclose(2 / (0.01 + 1), 1.98019802, rtol=1e-8)
    np.testing.assert_allclose(rate(diagonal, gradtx.sgd(2 / 1.01), 500), 0.98019802, rtol=1e-8)
    assert rate(diagonal, gradtx.sgd(1.9), 500) > 0.9809
    assert rate(diagonal, gradtx.sgd(1.995), 2000) > 0.994


def test_best_rate_of_heavy_ball():
    # (2 / (√λ1 + √λn))², ((√λn - √λ1) / (√λn + √λ1))², and the root of the latter. Both roots of a mode coincide there, so that
    # it shrinks as k·β^(k/2): from k = 400 to 800 the k makes 2^(1/400) more of the factor.
    alpha, beta = (2 / 1.1) ** 2, (0.9 / 1.1) ** 2
    np.testing.assert_allclose([alpha, beta], [3.30578512, 0.66942149], rtol=1e-8)
    np.testing.assert_allclose(rate(diagonal, gradtx.sgd(alpha, momentum=beta), 400) / 2 ** (1 / 400), 0.81818182, rtol=1e-4)


def test_stability_of_heavy_ball():
    # Stable if and only if 0 < αλ < 2 + 2β; oscillating modes shrink by √β.
    bowl = lambda w: jnp.sum(w * w) / 2
    np.testing.assert_allclose(rate(bowl, gradtx.sgd(3.79, momentum=0.9), 1000), 0.9487, atol=2e-4)
    np.testing.assert_allclose(rate(bowl, gradtx.sgd(3.81, momentum=0.9), 1000), 1.0647, atol=5e-5)
    np.testing.assert_allclose(rate(bowl, gradtx.sgd(1.0, momentum=0.5), 500), np.sqrt(0.5), rtol=2e-3)


@pytest.mark.parametrize("k", [5, 20, 50])
def test_nesterov_on_his_worst_quadratic(k):
    # Nesterov (2004), Introductory Lectures on Convex Optimization, section 2.1.2: of dimension 2k + 1 with L = 1, on which no
    # first-order method is below 3L‖x₀ - x*‖² / 32(k + 1)² after k steps. His own, with steps of 1/L and momentum
    # (t_k - 1) / t_{k+1}, is below 2L‖x₀ - x*‖² / (k + 1)².
    n = 2 * k + 1
    solution = 1 - np.arange(1, n + 1) / (n + 1)
    least = (-1 + 1 / (n + 1)) / 8

    def worst(x):
        return (x[0] ** 2 + jnp.sum((x[1:] - x[:-1]) ** 2) + x[-1] ** 2) / 8 - x[0] / 4

    t = [1.0]
    for _ in range(k + 2):
        t.append((1 + np.sqrt(1 + 4 * t[-1] ** 2)) / 2)
    betas = jnp.asarray([0.0] + [(t[i - 1] - 1) / t[i] for i in range(1, k + 2)])
    tx = gradtx.nesterov(1.0, momentum=lambda step: betas[step])
    values = np.asarray(trajectory(worst, tx, jnp.zeros(n), k).values)
    np.testing.assert_allclose(worst(jnp.asarray(solution)), least, rtol=1e-12)
    bound = 2 * np.sum(solution**2) / (np.arange(k + 1) + 1) ** 2
    assert np.all(values - least <= bound)
    assert values[k] - least >= 3 * np.sum(solution**2) / (32 * (k + 1) ** 2)
    # Gradient descent keeps the slower of the two laws only.
    assert trajectory(worst, gradtx.sgd(1.0), jnp.zeros(n), k).values[k] > values[k]


# --- Adam: Kingma, Ba 2014, arXiv:1412.6980, sections 2 and 3 ---------------------------------------------------------------

RATE = 0.01


@pytest.mark.parametrize("g", [-7.0, 1e-12, 3e5])
def test_the_first_step_of_adam_is_the_rate(g):
    np.testing.assert_allclose(follow(gradtx.adam(RATE, eps=0.0), [g])[1], -RATE * np.sign(g), rtol=1e-12)


def test_the_first_step_without_bias_correction():
    # (1 - β1) / √(1 - β2)
    second = gradtx.chain(gradtx.square(), gradtx.ema(0.999), gradtx.sqrt())
    plain = gradtx.chain(gradtx.ratio(gradtx.ema(0.9), second), gradtx.scale_by_learning_rate(RATE))
    paper = gradtx.amsgrad(RATE, eps=0.0, bias_correction_mu=False, bias_correction_nu=False)
    for tx in (plain, paper):
        np.testing.assert_allclose(follow(tx, [5.0])[1], -3.16227766 * RATE, rtol=1e-8)


def test_a_gradient_after_twenty_thousand_zeros():
    # The largest step there can be: sparse gradients (section 2.1), with what ε = 1e-8 and the last of the correction take off it.
    path = follow(gradtx.adam(RATE), [0.0] * 20_000 + [1.0])
    assert path[-2] == 0
    np.testing.assert_allclose(path[-1], -3.162276657 * RATE, rtol=1e-9)


def test_a_constant_gradient_moves_by_the_rate_each_step():
    np.testing.assert_allclose(follow(gradtx.adam(RATE, eps=0.0), np.full(50, -0.3)), RATE * np.arange(51), rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_do_not_depend_on_the_scale_of_the_gradients(dtype):
    gradients = np.random.default_rng(0).normal(size=(40, 5))

    def path(factor):
        x = jnp.zeros(5, dtype)
        tx, state, out = gradtx.adam(RATE, eps=0.0), gradtx.adam(RATE, eps=0.0).init(x), []
        for g in gradients:
            u, state = tx.update(jnp.asarray(g * factor, dtype), state, x)
            out.append(x := x + u)
        return np.array(out)

    np.testing.assert_array_equal(path(2.0**20), path(1.0))
    assert np.abs(path(1.0)[-1]).max() > RATE


def test_adamax_never_moves_by_more_than_the_rate():
    # Section 7.1: |Δ| ≤ η; on a constant gradient it is η.
    gradients = np.random.default_rng(1).normal(size=300) * np.exp(np.random.default_rng(2).normal(size=300))
    constant = follow(gradtx.adamax(RATE, eps=0.0), np.full(20, 4.0))
    np.testing.assert_allclose(constant, -RATE * np.arange(21), rtol=1e-10)
    assert np.abs(np.diff(follow(gradtx.adamax(RATE, b1=0.0, eps=0.0), gradients))).max() <= RATE * (1 + 1e-12)


# --- Adagrad: Duchi, Hazan, Singer 2011, JMLR 12 ----------------------------------------------------------------------------


def test_adagrad_on_a_constant_gradient():
    # Σ 1/√i for i up to 100.
    path = follow(gradtx.adagrad(1.0, initial_accumulator_value=0.0, eps=0.0), np.full(100, 3.0))
    np.testing.assert_allclose(path[-1], -18.58960382, rtol=1e-9)


def online(tx, gradients, x, low=-1.0, high=1.0):
    """Points played against given gradients, each step projected onto a box."""

    def step(carry, g):
        x, state = carry
        u, after = tx.update(g, state, x)
        return (jnp.clip(x + u, low, high), after), x

    (last, _), played = jax.jit(lambda tx, g: jax.lax.scan(step, (x, tx.init(x)), g))(tx, gradients)
    return np.asarray(last), np.asarray(played)


def test_regret_of_adagrad():
    # Corollary 6: with η = D∞/√2 the regret is at most √2 D∞ Σᵢ ‖g_{1:T,i}‖₂. Linear losses on a box of side 2, the coordinates
    # seen at very unequal frequencies, against the best fixed point.
    rng, T = np.random.default_rng(0), 2000
    seen = rng.random((T, 6)) < np.array([1.0, 0.5, 0.2, 0.05, 0.01, 0.003])
    losses = seen * (rng.normal(size=(T, 6)) + 0.3) * np.array([1, 10, 1, 10, 1, 10])
    tx = gradtx.adagrad(2 / np.sqrt(2), initial_accumulator_value=0.0, eps=0.0)
    _, played = online(tx, jnp.asarray(losses), jnp.zeros(6))
    regret = np.sum(losses * played) + np.abs(losses.sum(0)).sum()
    bound = np.sqrt(2) * 2 * np.sqrt((losses**2).sum(0)).sum()
    assert 0 < regret <= bound


# --- AMSGrad: Reddi, Kale, Kumar 2018, arXiv:1904.09237, sections 3 and 5 ---------------------------------------------------


def falling(step):
    return 0.1 / jnp.sqrt(jnp.asarray(step, float) + 1)


def test_first_counterexample():
    # Theorem 1: Cx each third step and -x at the others, C = 3, β1 = 0, β2 = 1 / (1 + C²), x in [-1, 1]: best is -1, Adam goes to +1.
    gradients = jnp.asarray(np.where(np.arange(1, 300_001) % 3 == 1, 3.0, -1.0))
    x = jnp.zeros(())
    _, adam = online(gradtx.adam(falling, b1=0.0, b2=0.1, eps=0.0), gradients[:30_000], x)
    # Played at the steps where t mod 3 = 1 it is at +1 exactly, and that near at the others.
    assert np.all(adam[3000::3] == 1)
    assert np.all(adam[3000:] > 0.99)
    regret = np.mean((adam + 1) * np.asarray(gradients[:30_000]))
    np.testing.assert_allclose(regret, 2 / 3, atol=0.02)
    last, _ = online(gradtx.amsgrad(falling, b1=0.0, b2=0.1, eps=0.0), gradients, x)
    np.testing.assert_allclose(last, -0.99988, atol=2e-5)


SECOND = dict(b1=0.9, b2=0.99, eps=0.0)


def test_second_counterexample_misleads_adam():
    gradients = jnp.asarray(np.where(np.arange(1, 100_001) % 101 == 1, 1010.0, -10.0))
    _, played = online(gradtx.adam(0.01, **SECOND), gradients, jnp.zeros(()))
    # At +1 whenever the large loss comes, which is what it costs, and never far from it.
    assert np.all(played[10_100::101] == 1)
    assert played[10_000:].min() > 0.9


@pytest.mark.parametrize(("corrected", "end"), [(True, -0.9933), (False, -0.94643)])
def test_second_counterexample_does_not_mislead_amsgrad(corrected, end):
    # Section 5, from 0 after a million steps; the maximum after the bias correction, and neither corrected as in the paper.
    gradients = jnp.asarray(np.where(np.arange(1, 1_000_001) % 101 == 1, 1010.0, -10.0))
    tx = gradtx.amsgrad(0.01, **SECOND, bias_correction_mu=corrected, bias_correction_nu=corrected)
    last, _ = online(tx, gradients, jnp.zeros(()))
    np.testing.assert_allclose(last, end, atol=6e-5)


def test_both_orders_of_the_maximum():
    # PyTorch takes it before the correction. A large first gradient is then divided by ever less: the steps get longer with t.
    mu = gradtx.chain(gradtx.ema(0.9), gradtx.bias_correction(0.9))
    before = gradtx.chain(gradtx.square(), gradtx.ema(0.99), gradtx.amsgrad_max(), gradtx.bias_correction(0.99), gradtx.sqrt())
    after = gradtx.chain(gradtx.square(), gradtx.ema(0.99), gradtx.bias_correction(0.99), gradtx.amsgrad_max(), gradtx.sqrt())
    gradients = np.random.default_rng(0).normal(size=60) * 0.9 ** np.arange(60)
    ends = {}
    for name, second in (("before", before), ("after", after)):
        tx = gradtx.chain(gradtx.ratio(mu, second), gradtx.scale_by_learning_rate(0.01))
        m = v = most = x = 0.0
        for t, g in enumerate(gradients, 1):
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            most = max(most, v if name == "before" else v / (1 - 0.99**t))
            size = most / (1 - 0.99**t) if name == "before" else most
            x -= 0.01 * m / (1 - 0.9**t) / np.sqrt(size)
        ends[name] = follow(tx, gradients)[-1]
        np.testing.assert_allclose(ends[name], x, rtol=1e-10)
    np.testing.assert_allclose(follow(gradtx.amsgrad(0.01, b2=0.99, eps=0.0), gradients)[-1], ends["after"], rtol=1e-12)
    assert abs(ends["before"] - ends["after"]) > 1e-3


# --- decay: Loshchilov, Hutter 2017, arXiv:1711.05101 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "tx",
    [
        gradtx.chain(gradtx.add_decayed_weights(0.004), gradtx.scale_by_learning_rate(1.0)),
        gradtx.adamw(1.0, weight_decay=0.004),
        gradtx.lion(1.0, weight_decay=0.004),
    ],
    ids=repr,
)
def test_decay_alone(tx):
    # 2 · 0.996³; proportional to the learning rate.
    np.testing.assert_allclose(follow(tx, np.zeros(3), 2.0)[-1], 1.976095872, rtol=1e-10)
    half = follow(gradtx.adjust(tx, learning_rate=0.5), np.zeros(3), 2.0)[-1]
    np.testing.assert_allclose(half, 2 * 0.998**3, rtol=1e-12)


def test_bias_correction_under_a_scheduled_decay():
    # The average of ones is one at every step. With a power of the decay in force in place of the product of all it gets to 2.49.
    b1 = gradtx.linear_schedule(0.5, 0.99, 50)
    averages = -np.diff(follow(gradtx.chain(gradtx.ema(b1), gradtx.bias_correction(b1), gradtx.scale(-1.0)), np.ones(80)))
    np.testing.assert_allclose(averages, 1, rtol=1e-12)
    m, naive = 0.0, []
    for t in range(80):
        b = 0.5 + 0.49 * min(t / 50, 1)
        m = b * m + (1 - b)
        naive.append(m / (1 - b ** (t + 1)))
    np.testing.assert_allclose(max(naive), 2.49, atol=5e-3)


# --- the demonstrations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lr", [0.001, 0.01, 0.1])
def test_momentum_overshoots_nesterov_on_the_saddle(lr):
    # On the way along x, which both cross; γ 0.95.
    x = {}
    for tx in (gradtx.sgd(lr, momentum=0.95), gradtx.nesterov(lr, 0.95)):
        x[type(tx).__name__] = np.asarray(trajectory(saddle, tx, jnp.array(saddle.start), 2000).points[:, 0])
    assert x["sgd"].min() < x["nesterov"].min() < 0


@pytest.mark.parametrize("lr", [0.001, 0.01, 0.1])
def test_rmsprop_oscillates_where_adam_settles(lr):
    ends = {}
    for tx in (gradtx.rmsprop(lr, decay=0.9, eps=1e-8), gradtx.adam(lr)):
        ends[type(tx).__name__] = np.asarray(trajectory(lambda v: v[0] ** 2, tx, jnp.array([1.0]), 4000).points[-50:, 0])
    np.testing.assert_allclose(np.abs(ends["rmsprop"]), lr / 2, rtol=2e-2)
    assert np.all(np.diff(np.sign(ends["rmsprop"])) != 0)
    assert np.abs(ends["adam"]).max() < 0.02 * lr


# x² + 0.1y² + 2z² from (-2, -2, -2) at the published settings; γ 0.9 and the others where none are.
IN_SPACE = {
    "gradient descent": (gradtx.sgd(0.1), r.sgd, dict(lr=0.1)),
    "momentum": (gradtx.sgd(0.01, momentum=0.9), r.momentum, dict(lr=0.01, gamma=0.9)),
    "nesterov": (gradtx.nesterov(0.01, 0.9), r.nesterov, dict(lr=0.01, gamma=0.9)),
    "adagrad": (
        gradtx.adagrad(0.5, initial_accumulator_value=0.0, eps=1e-6),
        r.adagrad,
        dict(lr=0.5, start=0.0, eps=1e-6),
    ),
    "adadelta": (gradtx.adadelta(rho=0.9, eps=1e-5), r.adadelta, dict(rho=0.9, eps=1e-5)),
    "rmsprop": (gradtx.rmsprop(0.01, decay=0.9, eps=1e-8), r.rmsprop, dict(lr=0.01, decay=0.9, eps=1e-8)),
    "adam": (gradtx.adam(0.1, eps=1e-6), r.adam, dict(lr=0.1, b1=0.9, b2=0.999, eps=1e-6)),
    "adamax": (gradtx.adamax(0.1, eps=1e-6), r.adamax, dict(lr=0.1, b1=0.9, b2=0.999, eps=1e-6)),
    "nadam": (gradtx.nadam(0.3, eps=1e-6), r.nadam, dict(lr=0.3, b1=0.9, b2=0.999, eps=1e-6, ahead=1)),
}


@pytest.mark.parametrize("name", IN_SPACE)
def test_ends_of_the_demonstrations_in_space(name):
    tx, reference, settings = IN_SPACE[name]
    end = trajectory(bent_bowl, tx, jnp.array(bent_bowl.start), 200).points[-1]
    wanted = reference(lambda v, t: np.array([2, 0.2, 4]) * v, np.array(bent_bowl.start), 200, **settings)
    np.testing.assert_allclose(end, wanted, rtol=1e-9, atol=1e-12)
    assert bent_bowl(end) < 0.3 * bent_bowl(np.array(bent_bowl.start))


def test_what_diverging_runs_get():
    # A misprint of Beale's function on record, unbounded below.
    start = jnp.array(beale_unbounded.start)
    for tx in (gradtx.sgd(0.002), gradtx.sgd(0.001, momentum=0.9), gradtx.nesterov(0.0005, 0.9)):
        run = trajectory(beale_unbounded, tx, start, 6)
        points = np.asarray(run.points)
        assert 100 < np.abs(points[2]).max() < 1e11, tx
        # The third step would go where the function isn't finite: it is not taken, nor are those after it.
        assert int(run.diverged_at) == 3
        np.testing.assert_array_equal(points[3:], np.broadcast_to(points[2], (4, 2)))
        assert np.all(np.isfinite(run.values))
    adaptive = (
        gradtx.rmsprop(0.01, eps=1e-8),
        gradtx.adam(0.1, b2=0.97, eps=1e-6),
        gradtx.adamax(0.5, eps=1e-6),
        gradtx.nadam(0.3, eps=1e-6),
    )
    for tx in adaptive:
        points = np.asarray(trajectory(beale_unbounded, tx, start, 5000).points)
        assert np.all(np.isfinite(points))
        np.testing.assert_allclose(points[-1], [3, 0.5], atol=0.01, err_msg=repr(tx))


# θ ← θ - m / √(V + ε) with m = φ(g₁ … g_t) and V = ψ(g₁ … g_t): sums and maxima with weights over the whole past, and no recursion.
past = lambda b, t: (1 - b) * b ** np.arange(t - 1, -1, -1.0)
ONE_FRAME = {
    "gradient descent": (gradtx.sgd(0.1), lambda g: (0.1 * g[-1], 1.0)),
    "momentum": (gradtx.sgd(0.1, momentum=0.9), lambda g: (0.1 * 0.9 ** np.arange(len(g) - 1, -1, -1.0) @ g, 1.0)),
    "adagrad": (
        gradtx.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-6),
        lambda g: (0.1 * g[-1], (g**2).sum(0) + 1e-6),
    ),
    "rmsprop": (
        gradtx.rmsprop(0.1, decay=0.9, eps=1e-6),
        lambda g: (0.1 * g[-1], past(0.9, len(g)) @ g**2 + 1e-6),
    ),
    "adam": (
        gradtx.adam(0.1, b2=0.99, eps=0.0, eps_root=1e-6),
        lambda g: (
            0.1 * past(0.9, len(g)) @ g / (1 - 0.9 ** len(g)),
            past(0.99, len(g)) @ g**2 / (1 - 0.99 ** len(g)) + 1e-6,
        ),
    ),
    "amsgrad": (
        gradtx.amsgrad(0.1, b2=0.9, eps=0.0),
        lambda g: (
            0.1 * past(0.9, len(g)) @ g / (1 - 0.9 ** len(g)),
            np.max([past(0.9, t) @ g[:t] ** 2 / (1 - 0.9**t) for t in range(1, len(g) + 1)], axis=0),
        ),
    ),
    "adamax": (
        gradtx.adamax(0.1, b2=0.9, eps=0.0),
        lambda g: (
            0.1 * past(0.9, len(g)) @ g / (1 - 0.9 ** len(g)),
            (0.9 ** np.arange(len(g) - 1, -1, -1.0)[:, None] * np.abs(g)).max(0) ** 2,
        ),
    ),
    "nadam": (
        gradtx.nadam(0.1, b2=0.99, eps=0.0),
        lambda g: (
            0.1 * (0.9 * past(0.9, len(g)) @ g / (1 - 0.9 ** (len(g) + 1)) + 0.1 * g[-1] / (1 - 0.9 ** len(g))),
            past(0.99, len(g)) @ g**2 / (1 - 0.99 ** len(g)),
        ),
    ),
}


@pytest.mark.parametrize("name", ONE_FRAME)
def test_all_fit_one_frame(name):
    tx, frame = ONE_FRAME[name]
    gradients = np.random.default_rng(0).normal(size=(30, 4))
    steps = -np.diff(follow(tx, gradients, np.zeros(4)), axis=0)
    for t in range(1, 31):
        m, size = frame(gradients[:t])
        np.testing.assert_allclose(steps[t - 1], m / np.sqrt(size), rtol=1e-9, atol=1e-12)


def test_adadelta_fits_the_frame():
    # m = RMS(Δ) g, the steps before taken from the path itself.
    gradients = np.random.default_rng(0).normal(size=(30, 4))
    steps = -np.diff(follow(gradtx.adadelta(rho=0.9, eps=1e-6), gradients, np.zeros(4)), axis=0)
    for t in range(1, 31):
        before = past(0.9, t - 1) @ steps[: t - 1] ** 2 if t > 1 else 0.0
        m, size = np.sqrt(before + 1e-6) * gradients[t - 1], past(0.9, t) @ gradients[:t] ** 2 + 1e-6
        np.testing.assert_allclose(steps[t - 1], m / np.sqrt(size), rtol=1e-9)
