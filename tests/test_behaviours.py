"""What the literature says of the methods, on numbers; more of it stands in test_problems.py and test_numbers.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from examples import figures
from gradtx.problems import (
    beale,
    cliff,
    long_valley,
    noisy,
    plateau,
    quadratic_1d,
    rosenbrock,
    saddle,
    small_network,
    three_minima,
    two_neurons_cross_entropy,
    two_neurons_squared,
)
from gradtx.solve import trajectories, trajectory
from tests.conftest import FULL


def run(problem, tx, steps, start=None, **kwargs):
    return trajectory(problem, tx, jnp.array(problem.start if start is None else start, float), steps, **kwargs)


def length(points):
    return np.linalg.norm(np.diff(points, axis=0), axis=1).sum()


@pytest.mark.parametrize("problem", [beale, rosenbrock, long_valley], ids=lambda p: p.name)
def test_momentum_strays_further_than_nesterov(problem):
    rate = {"Beale": 5e-4, "Rosenbrock": 5e-4, "long valley": 0.1}[problem.name]
    momentum = run(problem, gradtx.sgd(rate, momentum=0.95), 300)
    nesterov = run(problem, gradtx.nesterov(rate, 0.95), 300)
    assert length(momentum.points) > 1.02 * length(nesterov.points)


def test_adadelta_as_published_knows_no_rate():
    axes = figures.coordinates().axes
    adadelta = [next(line for line in a.lines if line.get_label() == "Adadelta").get_ydata() for a in axes[3:]]
    np.testing.assert_array_equal(adadelta[0], adadelta[1])
    np.testing.assert_array_equal(adadelta[0], adadelta[2])
    descent = [next(line for line in a.lines if line.get_label() == "gradient descent").get_ydata() for a in axes[3:]]
    assert np.abs(descent[0][:30] - descent[2][:30]).max() > 0.01
    # Multiplied by a rate it is sensitive to it.
    ends = [run(saddle, gradtx.adadelta(r, rho=0.9, eps=1e-8), 76).points[-1, 1] for r in (0.5, 1.0)]
    assert ends[1] > 1 > 2 * ends[0]


def test_a_large_first_gradient_starves_adagrad():
    bowl = lambda x: x * x / 2
    ends = {}
    for name, tx in {
        "adagrad": gradtx.adagrad(0.5, initial_accumulator_value=0.0, eps=1e-8),
        "rmsprop": gradtx.rmsprop(0.5),
    }.items():
        state = tx.init(jnp.array(1.0))
        _, state = tx.update(jnp.array(1e4), state)  # what came before
        x = jnp.array(1.0)
        for _ in range(100):
            u, state = tx.update(jax.grad(bowl)(x), state)
            x = x + u
        ends[name] = float(jnp.abs(x))
    assert ends["adagrad"] > 0.99
    assert ends["rmsprop"] < 0.6


def test_adagrad_helps_features_of_unequal_frequency():
    # Least squares with features seen always, at a tenth and at a hundredth of the steps; how near the rarest coefficient gets.
    rng = np.random.default_rng(0)
    x = (rng.random((2000, 3)) < np.array([1.0, 0.1, 0.01])) * rng.normal(size=(2000, 3))
    rows = jnp.asarray(x), jnp.asarray(x @ np.ones(3))

    def end(tx):
        def step(carry, row):
            w, state = carry
            u, state = tx.update(row[0] * (row[0] @ w - row[1]), state)
            return (w + u, state), None

        return np.asarray(jax.lax.scan(step, (jnp.zeros(3), tx.init(jnp.zeros(3))), rows)[0][0])

    best = min(abs(1 - end(gradtx.sgd(rate))[2]) for rate in (0.01, 0.03, 0.1, 0.3) if np.isfinite(end(gradtx.sgd(rate))).all())
    adagrad = min(abs(1 - end(gradtx.adagrad(rate, initial_accumulator_value=0.0))[2]) for rate in (0.1, 0.3, 1.0))
    assert adagrad < 0.3 * best


def test_noise_frees_from_a_saddle():
    start = (1.0, 0.0)
    assert np.all(run(saddle, gradtx.sgd(0.01), 600, start).points[:, 1] == 0)
    for seed in range(5):
        assert np.abs(run(saddle, gradtx.noisy_sgd(0.01, 0.01, 0.55, key=seed), 600, start).points[:, 1]).max() > 1


def test_adam_steps_by_the_signal_to_noise_ratio():
    # Far from the minimum the gradients agree and the step is the rate; where noise rules it is a small part of it.
    problem = noisy(slope(), 1.0)
    watched = run(problem, gradtx.adam(1e-3), 2000, key=jax.random.key(0), watch=lambda step: jnp.abs(step.updates)).watched
    signal, noise = np.asarray(watched)[-500:].mean(axis=0) / 1e-3
    assert signal > 0.9
    assert noise < 0.3


def slope():
    """A slope of 10 in the first coordinate, none in the second."""
    return gradtx.problems.Problem("slope", lambda v: 10 * v[0], (0.0, 0.0), None, (), ((-1, 1), (-1, 1)))


def test_adaptive_methods_need_less_tuning():
    # Over so many powers of ten does the run end below a hundredth of where it began.
    rates = jnp.logspace(-5, 2, 57)
    wide = {}
    for name, tx in {"sgd": gradtx.sgd(0.1), "rmsprop": gradtx.rmsprop(0.1), "adam": gradtx.adam(0.1)}.items():
        runs = trajectories(rosenbrock, tx, jnp.array([rosenbrock.start]), 3000, every=3000, learning_rate=rates)
        fine = (np.asarray(runs.diverged_at)[:, 0] < 0) & (np.asarray(runs.values)[:, 0, -1] < 0.242)
        wide[name] = fine.sum() / 8
    assert wide["adam"] > 2 * wide["sgd"]
    assert wide["rmsprop"] >= wide["sgd"]


def test_clipping_at_a_cliff():
    start = (1.6, 2.0)
    free = run(cliff, gradtx.sgd(0.2), 80, start).points
    assert free[1, 0] < -10
    for clip in (gradtx.clip(1.0), gradtx.clip_by_global_norm(1.0)):
        clipped = run(cliff, gradtx.chain(clip, gradtx.sgd(0.2)), 80, start)
        assert np.linalg.norm(np.diff(clipped.points, axis=0), axis=1).max() < 0.2 * np.sqrt(2) + 1e-6
        assert clipped.values[-1] < 0.1 * cliff(free[-1])


def test_vanishing_gradients_on_a_plateau():
    plain = run(plateau, gradtx.sgd(0.1), 500, (5.0, 4.0))
    adam = run(plateau, gradtx.adam(0.1), 500, (5.0, 4.0))
    assert plain.values[-1] > 0.99
    assert adam.values[-1] < 1e-6


def test_descent_stops_at_a_local_minimum_and_momentum_may_not():
    assert run(three_minima, gradtx.sgd(0.05), 500).values[-1] > three_minima.minimum + 0.3
    end = run(three_minima, gradtx.sgd(0.05, momentum=0.985), 3000)
    np.testing.assert_allclose(end.values[-1], three_minima.minimum, atol=1e-4)


def test_restarts_find_what_one_start_misses():
    # In one dimension small steps stay between two hills: as many starts get to the lowest minimum as lie about it.
    (low, high), *_ = three_minima.bounds
    starts = np.random.default_rng(0).uniform(low, high, size=(200, 1)).astype(np.float32)
    ends = trajectories(three_minima, gradtx.sgd(0.02), jnp.asarray(starts), 1000, every=1000).values[:, -1]
    x = np.linspace(low, high, 20_001)
    f = np.array(jax.vmap(three_minima.function)(jnp.asarray(x)[:, None]))
    hills = x[1:-1][(f[1:-1] > f[:-2]) & (f[1:-1] > f[2:])]
    lowest = x[np.argmin(f)]
    about = np.searchsorted(hills, starts[:, 0]) == np.searchsorted(hills, lowest)
    np.testing.assert_array_equal(np.asarray(ends) < three_minima.minimum + 1e-3, about)
    assert 0.1 < about.mean() < 0.9


def test_swings_shrink_with_the_rate():
    # RMSprop swings by half the rate about a minimum: 0.1 for 300 steps, then 0.01.
    falling = gradtx.piecewise_constant_schedule(0.1, {300: 0.1})
    swings = np.abs(run(quadratic_1d, gradtx.rmsprop(falling), 900, (1.0,)).points[:, 0])
    np.testing.assert_allclose(swings[280:300], 0.05, rtol=0.05)
    np.testing.assert_allclose(swings[-20:], 0.005, rtol=0.05)


def test_squared_error_has_a_plateau_where_cross_entropy_has_a_slope():
    far = jnp.array([-4.0, 8.0])
    ratio = jnp.linalg.norm(two_neurons_cross_entropy.gradient(far)) / jnp.linalg.norm(two_neurons_squared.gradient(far))
    assert ratio > 30
    assert two_neurons_squared(run(two_neurons_cross_entropy, gradtx.sgd(1.0), 300, far).points[-1]) < 0.15
    assert run(two_neurons_squared, gradtx.sgd(1.0), 300, far).values[-1] > 0.2


def test_successive_gradients_of_steepest_descent_are_orthogonal():
    with jax.enable_x64(True):
        bowl = lambda v: (v[0] ** 2 + 10 * v[1] ** 2) / 2
        steepest = trajectory(bowl, figures.STEEPEST, jnp.array([10.0, 1.0]), 10).points
        conjugate = trajectory(bowl, gradtx.conjugate_gradient(), jnp.array([10.0, 1.0]), 2).points
    gradients = np.asarray(steepest) * [1.0, 10.0]
    assert (np.linalg.norm(gradients, axis=1) > 0.1).all()  # that the products are zero says something
    np.testing.assert_allclose(np.sum(gradients[1:] * gradients[:-1], axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(conjugate[-1], 0, atol=1e-14)


def test_the_small_network():
    # Published: the three outputs about 1.8e-4 each, the value 1e-7.
    value = run(small_network, gradtx.sgd(0.05), 200).values[-1]
    assert value < 1e-7


def test_scheduled_momentum_avoids_the_swings():
    rising = run(rosenbrock, gradtx.sgd(5e-4, momentum=gradtx.linear_schedule(0.5, 0.99, 200)), 1000)
    high = run(rosenbrock, gradtx.sgd(5e-4, momentum=0.99), 1000)
    low = run(rosenbrock, gradtx.sgd(5e-4, momentum=0.5), 1000)
    assert length(rising.points) < 0.5 * length(high.points)
    assert rising.values[-1] < 0.01 * low.values[-1]


def test_many_starts_in_one_program_end_as_in_numpy():
    # 10,000 starts on Beale's function (1000 steps in full, 100 otherwise) against NumPy's loop over steps, itself vectorized over starts.
    n, steps = 10_000, 1000 if FULL else 100
    starts = np.random.default_rng(0).uniform(-1, 1, size=(n, 2)).astype(np.float32)
    ends = np.asarray(trajectories(beale, gradtx.adam(0.01), jnp.asarray(starts), steps, every=steps).points)[:, -1]
    x, m, v = starts.copy(), np.zeros_like(starts), np.zeros_like(starts)
    for t in range(1, steps + 1):
        a, b = x.T
        r = [c - a + a * b**p for c, p in ((1.5, 1), (2.25, 2), (2.625, 3))]
        g = np.stack(
            [
                2 * sum(q * (b**p - 1) for p, q in enumerate(r, 1)),
                2 * sum(q * a * p * b ** (p - 1) for p, q in enumerate(r, 1)),
            ],
            1,
        )
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(np.median(np.abs(ends - x)), 0, atol=1e-3)
