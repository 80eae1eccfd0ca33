"""Late gradients, server methods, their simulation and the real threads, against loops written from the papers."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx.distributed import (
    ServerMethod,
    adaptive_delay_compensation,
    adaptive_revision,
    asynchronous,
    asynchronous_easgd,
    delay_compensation,
    delayed,
    downpour,
    dropouts,
    equal_durations,
    exponential_durations,
    hogwild,
    lognormal_durations,
    run_threads,
    scale_by_staleness,
    simulate_events,
    stragglers,
    uniform_delay,
)
from gradtx.distributed.events import gradient_key
from gradtx.distributed.together import together
from gradtx.solve import trajectory
from gradtx.testing import check_transformation
from tests.references import asynchrony as reference
from tests.running import START, gradient, value

KEY = jax.random.key(3)
FULL = pytest.mark.full


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def ripples(x, key):
    """Without noise: the same for each gradient."""
    return value(x, jnp.zeros((), x.dtype))


def ripples_gradient(x):
    return gradient(x, 0.0)


def noisy(x, key):
    return 0.5 * jnp.sum(x * x) + jnp.vdot(jax.random.normal(key, x.shape, x.dtype), x)


SERVER_OPTIMIZERS = {
    "plain": (gradtx.sgd(0.05), reference.descent(0.05)),
    "scaled": (gradtx.chain(scale_by_staleness(), gradtx.sgd(0.2)), reference.staleness_scaled(0.2)),
    "compensated": (gradtx.chain(delay_compensation(0.3), gradtx.sgd(0.05)), reference.compensated(0.05, 0.3)),
    "adaptively": (
        gradtx.chain(adaptive_delay_compensation(0.5, 0.9), gradtx.sgd(0.05)),
        lambda: reference.adaptively_compensated(0.05, 0.5, 0.9),
    ),
    "revision": (adaptive_revision(0.3), lambda: reference.adaptive_revision(0.3)),
}
TAILS = lognormal_durations(0.7)


@pytest.mark.parametrize("name", SERVER_OPTIMIZERS)
def test_a_server_applies_late_gradients_as_its_equations_say(double, name):
    tx, apply = SERVER_OPTIMIZERS[name]
    run = simulate_events(ripples, asynchronous(tx), START, 4, 60, key=KEY, durations=TAILS)
    order = run.workers.tolist()
    assert set(order) == {0, 1, 2, 3}
    path, late = reference.asynchronous(
        ripples_gradient, START, order, apply() if name in ("adaptively", "revision") else apply
    )
    np.testing.assert_allclose(run.centres, path, rtol=1e-12, atol=1e-12)
    assert run.staleness.tolist() == late


@pytest.mark.parametrize(("push", "fetch"), [(1, 1), (2, 3), (4, 2)])
def test_downpour_follows_its_algorithm(double, push, fetch):
    method = downpour(gradtx.adagrad(0.2, eps=0.0), gradtx.sgd(0.05), push, fetch)
    run = simulate_events(ripples, method, START, 3, 60, key=KEY, durations=TAILS)
    adagrad = reference.adagrad(0.2, 0.1)
    path = reference.downpour(ripples_gradient, START, run.workers.tolist(), 0.05, adagrad, push, fetch)
    np.testing.assert_allclose(run.centres, path, rtol=1e-12, atol=1e-12)


@FULL
def test_downpour_tells_the_servers_optimizer_what_is_late(double):
    # With local rate 0 and a push and a fetch at each gradient it is the asynchronous server.
    tx = gradtx.chain(scale_by_staleness(), delay_compensation(0.2), adaptive_revision(0.1))
    runs = [
        simulate_events(ripples, method, START, 3, 30, key=KEY, durations=lognormal_durations(1.0))
        for method in (asynchronous(tx), downpour(tx, gradtx.sgd(0.0)))
    ]
    np.testing.assert_allclose(runs[0].centres, runs[1].centres, rtol=1e-13)
    np.testing.assert_array_equal(runs[0].staleness, runs[1].staleness)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("period", [1, 3])
def test_asynchronous_easgd_follows_its_algorithms(double, momentum, period):
    method = asynchronous_easgd(gradtx.nesterov(0.05, momentum) if momentum else gradtx.sgd(0.05), 0.2, period)
    run = simulate_events(ripples, method, START, 3, 60, key=KEY, durations=TAILS)
    path = reference.easgd(ripples_gradient, START, run.workers.tolist(), 0.05, 0.2, period, momentum)
    np.testing.assert_allclose(run.centres, path, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("workers", [1, 3])
def test_easgd_in_turns_is_stable_up_to_the_bound_of_the_paper(double, workers):
    rates = np.array([0.1, 0.5, 1.0, 1.5, 1.9])
    bounds = (4 - 2 * rates) / (4 - rates)
    np.testing.assert_allclose(bounds, [0.974359, 0.857143, 0.666667, 0.4, 0.095238], atol=1e-6)

    @jax.jit
    @jax.vmap
    def turn(rate, moving_rate):
        """One turn of all workers on x²/2 as a matrix: of all their variables and the centre."""
        method = asynchronous_easgd(gradtx.sgd(rate), moving_rate, 1)
        server, worker = method.init(jnp.zeros(()))

        def after(x):
            centre, moved = server._replace(params=x[-1]), []
            for i in range(workers):
                one, centre = method.step(x[i], worker._replace(params=x[i]), centre)
                moved.append(one.params)
            return jnp.stack([*moved, centre.params])

        return jax.jacobian(after)(jnp.zeros(workers + 1))

    below, above = (np.abs(np.linalg.eigvals(turn(rates, bounds * f))).max(axis=1) for f in (0.999, 1.001))
    assert (below < 1).all()
    assert (above > 1).all()


@pytest.mark.parametrize(
    ("tx", "workers"),
    [
        (adaptive_revision(0.3), 4),
        (gradtx.nesterov(0.02, 0.8), 3),
        pytest.param(gradtx.adam(0.05), 1, marks=FULL),
        pytest.param(gradtx.sgd(0.1, momentum=0.5), 4, marks=FULL),
    ],
    ids=repr,
)
def test_workers_that_take_turns_are_a_fixed_delay(double, tx, workers):
    run = simulate_events(ripples, asynchronous(tx), START, workers, 40, key=KEY)
    alone = trajectory(lambda x: ripples(x, None), delayed(tx, workers - 1), START, 40)
    np.testing.assert_allclose(run.centres, alone.points[1:], rtol=1e-13, atol=1e-14)
    assert run.staleness.tolist() == [min(t, workers - 1) for t in range(40)]
    np.testing.assert_array_equal(run.workers, np.arange(40) % workers)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_delay_adaptive_revision_is_adagrad(double, dtype):
    one, other = delayed(adaptive_revision(0.3), 0), gradtx.adagrad(0.3, 1.0, 0.0)
    x = jnp.asarray(START, dtype)
    states = one.init(x), other.init(x)
    for t in range(20):
        # Operation by operation, so that no compiler merges a product and a sum in one and not in the other.
        g = jnp.asarray(gradient(np.asarray(x), t), dtype)
        (u, first), (v, second) = one.update(g, states[0], x), other.update(g, states[1], x)
        np.testing.assert_array_equal(u, v)
        x, states = x + u, (first, second)
    paths = [trajectory(lambda x: ripples(x, None), tx, jnp.asarray(START, dtype), 50).points for tx in (one, other)]
    np.testing.assert_allclose(*paths, rtol=0, atol=10 * jnp.finfo(dtype).eps)


class remember(gradtx.Transform):
    """Hands updates on and keeps what is late about them."""

    def start(self, params):
        return jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params)

    def apply(self, updates, state, params=None, **extra):
        return updates, (extra["staleness"], extra["stale_params"])


def always_too_much(key, most):
    return most + 5


def less_than_none(key, most):
    return -3


def test_random_delays_are_drawn_alike_for_the_point_and_the_update():
    steps, most = 4000, 3
    tx = delayed(gradtx.chain(remember(), gradtx.sgd(0.01)), most, uniform_delay, key=5)

    def step(carry, _):
        x, state = carry
        at = gradtx.gradient_params(tx, state, x)
        updates, state = tx.update(at, state, x)
        return (x + updates, state), (*state.inner.inner_state[0], at, x)

    start = jnp.linspace(1.0, 2.0, 3)
    staleness, point, at, path = jax.lax.scan(step, (start, tx.init(start)), None, steps)[1]
    np.testing.assert_array_equal(point, at)
    np.testing.assert_array_equal(at, path[np.arange(steps) - staleness])
    assert int(staleness[0]) == 0
    counts = np.bincount(staleness[most:], minlength=most + 1)
    # Each as likely: within five deviations.
    assert np.abs(counts - steps / 4).max() < 5 * np.sqrt(steps * 3 / 16)


@pytest.mark.parametrize(("draw", "wanted"), [(always_too_much, [0, 1, 2, 2, 2]), (less_than_none, [0] * 5)])
def test_a_drawn_delay_is_cut_to_what_can_be(draw, wanted):
    tx = delayed(remember(), 2, draw)
    x = jnp.ones(2)
    state, seen = tx.init(x), []
    for _ in range(5):
        _, state = tx.update(x, state, x)
        seen.append(int(state.inner.inner_state[0]))
    assert seen == wanted


CONFORM = [
    delayed(gradtx.chain(delay_compensation(0.04), gradtx.sgd(0.1)), 2),
    pytest.param(delayed(adaptive_revision(0.1), 3, uniform_delay, key=1), marks=FULL),
    pytest.param(delayed(gradtx.nesterov(0.05), 2), marks=FULL),
    pytest.param(delayed(gradtx.chain(scale_by_staleness(), adaptive_delay_compensation(2.0), gradtx.sgd(0.1)), 2), marks=FULL),
    pytest.param(delayed(gradtx.adam(0.1), 3), marks=FULL),
    pytest.param(delayed(gradtx.sgd(0.1, momentum=0.9), 0), marks=FULL),
]


@pytest.mark.parametrize("tx", CONFORM, ids=repr)
def test_delayed_optimizers_have_every_property(tx):
    check_transformation(tx)


METHODS = {
    "asynchronous": asynchronous(gradtx.adam(0.02)),
    "revision": asynchronous(adaptive_revision(0.5)),
    "downpour": downpour(gradtx.adagrad(0.3), gradtx.sgd(0.01), 2, 3),
    "easgd": asynchronous_easgd(gradtx.nesterov(0.02, 0.9), 0.2, 2),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@every_method
def test_trees_of_parameters_keep_their_types(method):
    params = {"w": jnp.ones((2, 3), jnp.bfloat16), "b": jnp.ones(2)}
    seen = []

    def loss(p, key):
        seen.append(jax.tree.map(lambda x: (x.shape, x.dtype), p))
        return sum(jnp.sum(x.astype(jnp.float32) ** 2) for x in jax.tree.leaves(p))

    run = jax.eval_shape(lambda: simulate_events(loss, method, params, 3, 6, key=KEY, every=2))
    types = jax.tree.map(lambda x: (x.shape, x.dtype), params)
    assert all(s == types for s in seen)
    assert jax.tree.map(lambda x: (x.shape[1:], x.dtype), run.centres) == types
    assert all(x.shape[0] == 3 for x in jax.tree.leaves(run.centres))


def test_hyperparameters_durations_and_keys_are_mapped_over(double):
    def run(rate, period, sigma, key):
        method = downpour(gradtx.sgd(rate), gradtx.sgd(0.01), period, period)
        return simulate_events(noisy, method, START, 5, 40, key=key, durations=lognormal_durations(sigma), every=20)

    each = (jnp.array([0.01, 0.1]), jnp.array([1.0, 3.0]), jnp.array([0.1, 1.0]), jax.random.split(KEY))
    together = jax.vmap(run)(*each)
    for i in range(2):
        alone = run(*(x[i] for x in each))
        jax.tree.map(lambda x, y, i=i: np.testing.assert_allclose(x[i], y, rtol=1e-12), together, alone)


def test_the_draws_of_a_worker_do_not_depend_on_the_order():
    def linear(x, key):
        return x * jax.random.normal(key)  # at 1 the value is the draw

    first, other = (
        simulate_events(linear, asynchronous(gradtx.sgd(0.0)), 1.0, 3, 30, key=KEY, durations=d)
        for d in (lognormal_durations(0.0), lognormal_durations(1.0))
    )
    assert first.workers.tolist() != other.workers.tolist()
    for i in range(3):
        a, b = (run.values[run.workers == i] for run in (first, other))
        n = min(len(a), len(b))
        assert n > 3
        np.testing.assert_array_equal(a[:n], b[:n])
    assert len(np.unique(first.values)) == 30


def test_bytes_are_counted():
    params = {"w": jnp.ones((2, 3), jnp.bfloat16), "b": jnp.ones(2)}  # 20 bytes
    loss = lambda p, key: sum(jnp.sum(x.astype(jnp.float32)) for x in jax.tree.leaves(p))
    method = downpour(gradtx.sgd(0.1), gradtx.sgd(0.1), 2, 3)
    assert simulate_events(loss, method, params, 1, 6, key=KEY).sent.tolist() == [0, 20, 20, 20, 0, 40]
    method = asynchronous_easgd(gradtx.sgd(0.1), 0.1, 4)
    worker = method.init(params)[1]
    assert [int(method.messages(worker._replace(clock=jnp.array(t)))) for t in range(6)] == [2, 0, 0, 0, 2, 0]
    method = asynchronous(gradtx.sgd(0.1))
    assert int(method.messages(method.init(params)[1])) == 2


def times_of(durations, workers=20, events=4000):
    return simulate_events(noisy, asynchronous(gradtx.sgd(0.0)), jnp.zeros(1), workers, events, key=KEY, durations=durations)


@pytest.mark.parametrize("durations", [lognormal_durations(0.8), pytest.param(exponential_durations(), marks=FULL)], ids=repr)
def test_drawn_durations_have_the_mean_one(durations):
    run = times_of(durations)
    assert (np.diff(run.times) >= 0).all()
    # 4000 gradients by 20 workers: 200 each, with a deviation of about one each.
    assert abs(float(run.times[-1]) - 200) < 5 * np.sqrt(200 / 20) + 3
    assert abs(float(run.staleness[400:].mean()) - 19) < 0.2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_lifetime_is_drawn_apart_from_the_durations(count):
    def fails(worker):
        own = jax.random.fold_in(KEY, worker)
        return jnp.isinf(dropouts(exponential_durations(), 1.0).draw(own, gradient_key(KEY, worker, count), 0.0))

    # Of two exponentials of the same mean either is the shorter as often: within five deviations.
    assert abs(float(jax.vmap(fails)(jnp.arange(1000)).mean()) - 0.5) < 5 * 0.5 / np.sqrt(1000)


def test_stragglers_do_less():
    run = times_of(stragglers(equal_durations(), 0.3, 8.0))
    counts = np.bincount(run.workers, minlength=20)
    slow = counts < counts.max() / 2
    assert 0 < slow.sum() < 20
    np.testing.assert_allclose(counts[slow], counts.max() / 8, rtol=0.05)
    assert float(run.staleness[np.isin(run.workers, np.flatnonzero(slow))].mean()) > float(run.staleness.mean())


def test_workers_that_fail_come_no_more_and_when_all_have_nothing_moves():
    method = asynchronous(gradtx.sgd(0.1))
    run = simulate_events(
        noisy, method, jnp.ones(2), 8, 1000, key=KEY, durations=dropouts(lognormal_durations(0.3), lifetime=20.0)
    )
    last = int(np.argmin(run.workers))  # the first -1
    assert 8 < last < 1000
    assert (run.workers[last:] == -1).all()
    assert np.isfinite(run.values[:last]).all()
    assert np.isnan(run.values[last:]).all()
    assert np.isfinite(run.centres).all()
    assert (run.centres[last:] == run.centres[last - 1 : last]).all()
    assert float(run.sent[last:].sum()) == 0
    final = [max(np.flatnonzero(run.workers == i), default=0) for i in range(8)]
    assert min(final) < last / 2


@FULL
def test_thousands_of_workers_fit():
    method = asynchronous(gradtx.chain(scale_by_staleness(), gradtx.sgd(0.1)))
    run = simulate_events(noisy, method, jnp.ones(3), 4096, 8192, key=KEY, durations=exponential_durations(), every=8192)
    assert int(run.staleness.max()) > 4096
    assert len(np.unique(run.workers)) > 3000


@pytest.mark.parametrize(
    "method",
    [
        METHODS["downpour"],
        METHODS["easgd"],
        pytest.param(METHODS["asynchronous"], marks=FULL),
        pytest.param(METHODS["revision"], marks=FULL),
    ],
    ids=lambda method: type(method).__name__,
)
def test_one_thread_is_the_simulation_with_one_worker(double, method):
    before = threading.active_count()
    real, simulated = (f(noisy, method, START, 1, 60, key=KEY, every=3) for f in (run_threads, simulate_events))
    np.testing.assert_allclose(real.centres, simulated.centres, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(real.values, simulated.values, rtol=1e-13)
    for name in ("staleness", "workers", "sent"):
        np.testing.assert_array_equal(getattr(real, name), getattr(simulated, name))
    assert threading.active_count() == before


@pytest.mark.parametrize("name", ["downpour", pytest.param("easgd", marks=FULL), pytest.param("revision", marks=FULL)])
def test_several_threads_reach_the_loss_of_the_simulation(name):
    start = jnp.full(6, 5.0)  # a loss of 75, which noise holds at about 0.1
    real, simulated = (
        f(noisy, METHODS[name], start, 3, 1500, key=KEY, every=15)
        for f in (run_threads, lambda *a, **k: simulate_events(*a, durations=lognormal_durations(0.3), **k))
    )
    ends = [float(0.5 * jnp.mean(jnp.sum(run.centres[-40:] ** 2, axis=1))) for run in (real, simulated)]
    assert max(ends) < 1.0
    assert abs(ends[0] - ends[1]) < 0.3
    counts = np.bincount(real.workers, minlength=3)
    assert counts.sum() == 1500
    # Each thread's own draws come in their order, whatever the order of threads.
    assert (np.diff(real.times) >= 0).all()


class unfinished(ServerMethod):
    """A method without a centre."""

    def init(self, params):
        return asynchronous(gradtx.sgd(0.1)).init(params)

    def point(self, worker):
        return worker.params

    def step(self, gradient, worker, server, **extra):
        return asynchronous(gradtx.sgd(0.1)).step(gradient, worker, server)

    def messages(self, worker):
        return jnp.array(1, jnp.int32)


def test_a_method_that_lacks_something_says_what():
    with pytest.raises(NotImplementedError, match="unfinished must define centre"):
        run_threads(noisy, unfinished(), jnp.ones(2), 2, 10, key=KEY)


def test_an_error_in_one_thread_stops_all_and_is_raised():
    before, seen = threading.active_count(), []

    def work(i, stop):
        if i == 1:
            raise RuntimeError("a bad worker")
        while not stop.is_set():
            time.sleep(0.001)
        seen.append(i)

    with pytest.raises(RuntimeError, match="a bad worker"):
        together("test", work, 3, timeout=30.0)
    assert sorted(seen) == [0, 2]
    assert threading.active_count() == before


def test_time_is_bounded():
    before = threading.active_count()
    with pytest.raises(TimeoutError, match=r"hogwild: not done after 0.1 s.*timeout="):
        hogwild(lambda x, rng: (time.sleep(0.01), (np.array([0]), np.ones(1)))[1], np.zeros(2), 2, 10**9, rate=0.1, timeout=0.1)
    with pytest.raises(TimeoutError, match="run_threads: not done"):
        run_threads(noisy, METHODS["downpour"], jnp.ones(2), 2, 10**9, key=KEY, every=10**9, timeout=0.1)
    assert threading.active_count() == before


FEATURES, TOUCHED = 200, 4
TARGETS = np.random.default_rng(7).normal(size=FEATURES)


def sparse(x, rng):
    """One row of a sparse least squares without noise: four unknowns of 200."""
    where = rng.choice(FEATURES, TOUCHED, replace=False)
    row = rng.normal(size=TOUCHED)
    return where, row * (row @ (x[where] - TARGETS[where]))


def test_hogwild_with_one_thread_is_a_loop():
    run = hogwild(sparse, np.zeros(FEATURES), 1, 300, rate=0.1, seed=4)
    x, rng = np.zeros(FEATURES), np.random.default_rng([4, 0])
    for _ in range(300):
        where, values = sparse(x, rng)
        for v, g in zip(where, values, strict=True):
            x[v] -= 0.1 * g
    np.testing.assert_array_equal(run.x, x)
    assert run.updates == (300,)


def test_hogwild_with_two_threads_gets_there():
    start = np.zeros(FEATURES)
    run = hogwild(sparse, start, 2, 8000, rate=0.1)
    assert sum(run.updates) == 8000
    # A thread may be held up and bring a gradient from the beginning at the end: one such, of four unknowns, is allowed for.
    assert np.mean((run.x - TARGETS) ** 2) < 0.05 * np.mean(TARGETS**2)
    assert not start.any()


def test_hogwild_takes_a_compiled_gradient():
    half = jax.jit(lambda x: (x - 3.0) / 2)
    half(np.zeros(2, np.float32))  # compiles, for which one thread would wait while the other goes on

    def gradient(x, rng):
        some = rng.choice(10, 2, replace=False)
        return some, np.asarray(half(x[some]))

    run = hogwild(gradient, np.zeros(10, np.float32), 2, 1000, rate=0.5)
    assert run.x.dtype == np.float32
    assert np.mean(np.abs(run.x - 3.0)) < 0.2  # one gradient from the beginning, as above, makes 0.15


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: delayed(gradtx.sgd(0.1), -1), "delay = -1; it must be a whole number from 0 on"),
        (lambda: delayed(gradtx.sgd(0.1), 1.5), "delay = 1.5"),
        (lambda: delayed(gradtx.sgd(0.1), 3, "uniform"), "uniform_delay can"),
        (lambda: delayed(gradtx.sgd, 3), "call it"),
        (lambda: delayed(gradtx.dpsgd(0.1, 1.0, 1.0, seed=0), 3), "a gradient per example"),
        (lambda: asynchronous(0.1), "no transformation"),
        (lambda: downpour(gradtx.adagrad(0.1), gradtx.sgd(0.1), 0), "push_period = 0"),
        (lambda: asynchronous_easgd(gradtx.sgd(0.1), -0.1), "moving_rate = -0.1"),
        (lambda: delay_compensation(-1.0), "strength = -1"),
        (lambda: adaptive_revision(0.1, 0.0), "initial_accumulator_value = 0"),
        (lambda: lognormal_durations(-1.0), "sigma = -1"),
        (lambda: stragglers(equal_durations(), 1.5), "share = 1.5"),
        (lambda: adaptive_revision(0.1).update(1.0, adaptive_revision(0.1).init(1.0), 1.0), "extra argument 'missed'"),
        (lambda: scale_by_staleness().update(1.0, scale_by_staleness().init(1.0)), "extra argument 'staleness'"),
        (lambda: delay_compensation().update(1.0, delay_compensation().init(1.0), 1.0), "extra argument 'stale_params'"),
        (lambda: delayed(gradtx.sgd(0.1), 1).update(1.0, delayed(gradtx.sgd(0.1), 1).init(1.0)), "needs the parameters"),
        (lambda: hogwild(sparse, np.zeros((2, 2)), 2, 5, rate=0.1), "must be a float vector"),
        (lambda: hogwild(sparse, np.zeros(2), 0, 5, rate=0.1), "threads = 0"),
        (lambda: hogwild(sparse, np.zeros(2), 1, 5, rate=0.0), "rate = 0"),
    ],
)
def test_bad_input_is_refused(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make()


@pytest.mark.parametrize("f", [run_threads, simulate_events])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": gradtx.sgd(0.1)}, "must be a ServerMethod"),
        ({"workers": 0}, "there must be at least 1"),
        ({"every": 3}, "events = 10 and every = 3"),
        ({"problem": jnp.sum}, "takes no key"),
    ],
)
def test_a_run_that_cannot_start_is_refused(f, changes, words):
    given = {
        "problem": noisy,
        "method": METHODS["easgd"],
        "start": jnp.ones(2),
        "workers": 2,
        "events": 10,
        "every": 5,
    } | changes
    problem, method, start, workers, events, every = given.values()
    with pytest.raises((ValueError, TypeError), match=words):
        f(problem, method, start, workers, events, key=KEY, every=every)


def test_durations_must_be_some():
    with pytest.raises(TypeError, match="must be a Durations"):
        simulate_events(noisy, METHODS["easgd"], jnp.ones(2), 2, 10, key=KEY, durations=None)
