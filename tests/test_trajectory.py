"""Trajectories: methods that need values, that are judged elsewhere, noise, divergence, many at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.problems import beale, mini_batch, noisy, quadratic_2d, rosenbrock, saddle, straight_line
from gradtx.solve import trajectories, trajectory

START = jnp.array([2.0, 3.0])


def test_methods_that_need_values():
    # Polyak's step on 7x²/2 halves the distance.
    x = trajectory(lambda x: 3.5 * x * x, gradtx.polyak_sgd(), jnp.array(3.0), 4).points
    np.testing.assert_allclose(x, [3, 1.5, 0.75, 0.375, 0.1875], rtol=1e-6)
    for tx in (gradtx.momo(1.0), gradtx.momo_adam(0.1), gradtx.sam(gradtx.sgd(0.1), gradtx.sgd(1e-3), opaque_mode=True)):
        assert trajectory(quadratic_2d, tx, START, 100).values[-1] < 1e-2, tx
    plateaus = gradtx.chain(gradtx.sgd(0.1), gradtx.reduce_on_plateau(factor=0.5, patience=2))
    assert trajectory(quadratic_2d, plateaus, START, 50).values[-1] < 1e-3


def test_judged_where_the_optimizer_wants_it():
    run = trajectory(quadratic_2d, gradtx.schedule_free_sgd(0.2), START, 50)
    assert np.abs(run.evaluation_points - run.points)[1:].max() > 1e-3
    np.testing.assert_allclose(run.evaluation_values, np.sum(np.square(run.evaluation_points), axis=1), rtol=1e-5)
    np.testing.assert_array_equal(run.evaluation_points[0], START)
    plain = trajectory(quadratic_2d, gradtx.adam(0.1), START, 50)
    np.testing.assert_array_equal(plain.points, plain.evaluation_points)
    np.testing.assert_array_equal(plain.values, plain.evaluation_values)


def test_stops_where_it_diverges():
    run = trajectory(rosenbrock, gradtx.sgd(0.1), jnp.array(rosenbrock.start), 30)
    free, x = [np.array(rosenbrock.start, np.float32)], jnp.array(rosenbrock.start)
    for _ in range(30):
        x = x - 0.1 * rosenbrock.gradient(x)
        free.append(np.asarray(x))
    fine = np.array([np.isfinite(x).all() and np.isfinite(rosenbrock(jnp.array(x))) for x in free])
    first = int(np.argmin(fine))
    assert 1 < int(run.diverged_at) == first
    np.testing.assert_allclose(run.points[:first], free[:first], rtol=1e-4)
    np.testing.assert_array_equal(run.points[first:], np.broadcast_to(run.points[first - 1], (31 - first, 2)))
    assert np.isfinite(run.values).all()
    assert int(trajectory(rosenbrock, gradtx.sgd(1e-3), jnp.array(rosenbrock.start), 30).diverged_at) == -1


def test_every_so_many_steps():
    whole = trajectory(beale, gradtx.adam(0.1), jnp.array(beale.start), 60)
    some = trajectory(beale, gradtx.adam(0.1), jnp.array(beale.start), 60, every=20)
    np.testing.assert_allclose(some.points, whole.points[::20], rtol=1e-6)
    np.testing.assert_allclose(some.values, whole.values[::20], rtol=1e-5)
    with pytest.raises(ValueError, match="divide"):
        trajectory(beale, gradtx.adam(0.1), jnp.array(beale.start), 60, every=7)


def test_watching():
    run = trajectory(quadratic_2d, gradtx.sgd(0.25), START, 3, watch=lambda step: (step.gradients, step.updates))
    np.testing.assert_allclose(run.watched[0], 2 * run.points[:-1], rtol=1e-6)
    np.testing.assert_allclose(run.watched[1], np.diff(run.points, axis=0), rtol=1e-6)


def test_noise_is_unbiased_and_has_its_size():
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = jax.vmap(lambda k: jax.grad(noisy(saddle, 0.5))(START, k))(keys)
    np.testing.assert_allclose(drawn.mean(0), saddle.gradient(START), atol=5 * 0.5 / np.sqrt(20_000))
    np.testing.assert_allclose(drawn.std(0), 0.5, rtol=0.03)
    assert noisy(saddle, 0.5)(START) == saddle(START)


@pytest.mark.parametrize("size", [1, 4, 18])
def test_a_mini_batch_is_unbiased(size):
    w = jnp.array([0.5, 1.0])
    keys = jax.random.split(jax.random.key(1), 5000)
    drawn = jax.vmap(lambda k: jax.grad(mini_batch(straight_line, size))(w, k))(keys)
    error = np.asarray(drawn.std(0)) / np.sqrt(5000)
    np.testing.assert_array_less(np.abs(drawn.mean(0) - straight_line.gradient(w)), 5 * error + 1e-4)


def test_stochastic_descent():
    key = jax.random.key(0)
    start = jnp.array(straight_line.start)
    exact = trajectory(straight_line, gradtx.sgd(0.002), start, 300)
    runs = {b: trajectory(mini_batch(straight_line, b), gradtx.sgd(0.002), start, 300, key=key) for b in (1, 18)}
    np.testing.assert_allclose(runs[18].values, exact.values, rtol=1e-3)
    # A whole batch never goes uphill; single samples do.
    assert np.all(np.diff(exact.values) <= 1e-6)
    assert np.any(np.diff(runs[1].values) > 1e-3)
    np.testing.assert_array_equal(
        runs[1].points, trajectory(mini_batch(straight_line, 1), gradtx.sgd(0.002), start, 300, key=key).points
    )
    with pytest.raises(ValueError, match="takes no key"):
        trajectory(straight_line, gradtx.sgd(0.002), start, 3, key=key)
    with pytest.raises(ValueError, match="not a sum of squares"):
        mini_batch(saddle, 2)
    with pytest.raises(ValueError, match="18 terms"):
        mini_batch(straight_line, 19)
    with pytest.raises(ValueError, match="not be negative"):
        noisy(saddle, -1.0)


def test_many_at_once():
    rates, decays = jnp.array([0.01, 0.02, 0.03]), jnp.array([0.5, 0.9])
    starts, keys = jnp.array([[2.0, 3.0], [1.0, -1.0]]), jax.random.split(jax.random.key(0), 4)
    problem, tx = noisy(quadratic_2d, 0.1), gradtx.sgd(0.1, momentum=0.9)
    # In the order given, and not that of the alphabet.
    runs = trajectories(problem, tx, starts, 20, keys=keys, momentum=decays, learning_rate=rates)
    assert runs.points.shape == (2, 3, 2, 4, 21, 2)
    one = trajectory(problem, gradtx.sgd(0.03, momentum=0.5), starts[1], 20, key=keys[2])
    np.testing.assert_allclose(runs.points[0, 2, 1, 2], one.points, rtol=1e-5, atol=1e-6)
    plain = trajectories(quadratic_2d, tx, starts, 20, every=20)
    assert plain.points.shape == (2, 2, 2)
    with pytest.raises(ValueError, match="no field is named 'rate'"):
        trajectories(quadratic_2d, tx, starts, 20, rate=rates)
    with pytest.raises(ValueError, match="learning_rate"):
        trajectories(quadratic_2d, tx, starts, 20, learning_rate=-rates)


def test_another_rate_is_no_other_program():
    trajectory(quadratic_2d, gradtx.sgd(0.1), START, 7)
    before = trajectory._cache_size()
    trajectory(quadratic_2d, gradtx.sgd(0.2), START, 7)
    assert trajectory._cache_size() == before
