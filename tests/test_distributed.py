"""Over a named axis: against loops in NumPy, and the same under `vmap` and `shard_map`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import gradtx
from gradtx.distributed import (
    Code,
    Durations,
    average_gradients,
    bytes_sent,
    compressed_average,
    diloco,
    dropouts,
    eamsgd,
    easgd,
    elastic_averaging,
    equal_durations,
    gossip_averaging,
    int8,
    local_sgd,
    local_updates,
    powersgd,
    sign_bits,
    simulate_workers,
    stragglers,
    streaming_updates,
    top_k,
)
from tests.references import distributed as loops

N, STEPS = 4, 23
SHAPE = (6, 5)


def over_vmap(worker, *args):
    return jax.jit(jax.vmap(worker, axis_name="workers"))(*args)


def over_devices(worker, *args, check_vma=True):
    mesh = jax.make_mesh((len(args[0]),), ("workers",), axis_types=(AxisType.Auto,), devices=jax.devices()[: len(args[0])])

    def shard(*shards):
        return jax.tree.map(lambda x: x[None], worker(*(x[0] for x in shards)))

    spec = P("workers")
    mapped = jax.shard_map(shard, mesh=mesh, in_specs=(spec,) * len(args), out_specs=spec, check_vma=check_vma)
    return jax.jit(mapped)(*args)


CARRIERS = {"vmap": over_vmap, "devices": over_devices, "devices unchecked": functools.partial(over_devices, check_vma=False)}


@pytest.fixture(scope="module")
def problem():
    """Each worker pulls towards a point of its own, so strongly as it likes; the gradients wobble with the step."""
    rng = np.random.default_rng(0)
    pull, target = rng.uniform(0.5, 1.5, (N, *SHAPE)), rng.normal(size=(N, *SHAPE))
    start = np.broadcast_to(rng.normal(size=SHAPE), (N, *SHAPE)).copy()
    return pull, target, start


def run(tx, problem, carrier="vmap", steps=STEPS, weight=None):
    """The workers' parameters and states after so many steps, in float64."""
    pull, target, start = (jnp.asarray(x) for x in problem)
    weights = jnp.ones(len(pull)) if weight is None else jnp.asarray(weight)

    def worker(params, pull, target, weight_):
        def step(carry, t):
            params, state = carry
            at = gradtx.gradient_params(tx, state, params)
            gradient = pull * (at - target) + 0.1 * jnp.sin(t)
            extra = {} if weight is None else {"weight": weight_}
            updates, state = tx.update(gradient, state, params, **extra)
            return (gradtx.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, tx.init(params)), jnp.arange(float(steps)))[0]

    out, state = CARRIERS[carrier](worker, start, pull, target, weights)
    return np.asarray(out), state


def gradient_of(problem):
    pull, target, _ = problem
    return lambda x, i, t: pull[i] * (x - target[i]) + 0.1 * np.sin(float(t))


def after_average(code):
    return gradtx.chain(compressed_average("workers", code), gradtx.sgd(0.1))


def first_factor(tx):
    return np.asarray(gradtx.state_get(tx.init(jnp.zeros(SHAPE)), "q"), np.float64)


LOW_RANK = powersgd("workers", rank=2)

AGAINST = {
    "average": (
        gradtx.chain(average_gradients("workers"), gradtx.sgd(0.1)),
        lambda g, x: loops.data_parallel(g, x, STEPS, 0.1),
    ),
    "easgd": (easgd(0.1, "workers", 0.9, period=3), lambda g, x: loops.easgd(g, x, STEPS, 0.1, 0.9, 3)[0]),
    "easgd each step": (easgd(0.1, "workers", 0.5, period=1), lambda g, x: loops.easgd(g, x, STEPS, 0.1, 0.5, 1)[0]),
    "eamsgd": (eamsgd(0.05, "workers", 0.9, 0.9, period=4), lambda g, x: loops.easgd(g, x, STEPS, 0.05, 0.9, 4, 0.9)[0]),
    "local sgd": (local_sgd(0.1, "workers", period=5), lambda g, x: loops.local(g, x, STEPS, 0.1, 5)),
    "diloco": (diloco(gradtx.sgd(0.1), "workers", period=5), lambda g, x: loops.local(g, x, STEPS, 0.1, 5, 0.7, 0.9)),
    "gossip": (
        gradtx.chain(gradtx.sgd(0.1), gossip_averaging("workers", 0.3)),
        lambda g, x: loops.gossip(g, x, STEPS, 0.1, 0.3),
    ),
    "top k": (after_average(top_k(7)), lambda g, x: loops.compressed(g, x, STEPS, 0.1, loops.top_k(7))[0]),
    "signs": (after_average(sign_bits()), lambda g, x: loops.compressed(g, x, STEPS, 0.1, loops.sign_bits)[0]),
    "int8": (after_average(int8(block=8)), lambda g, x: loops.compressed(g, x, STEPS, 0.1, loops.int8(8))[0]),
    "powersgd": (
        gradtx.chain(LOW_RANK, gradtx.sgd(0.1)),
        lambda g, x: loops.powersgd(g, x, STEPS, 0.1, first_factor(LOW_RANK)),
    ),
    "streaming": (
        streaming_updates(gradtx.sgd(0.1), gradtx.sgd(1.0), "workers", period=4, delay=2, mixing=0.25),
        lambda g, x: loops.streaming(g, [x], STEPS, 0.1, 4, 1, 2, 0.25)[0],
    ),
}


@pytest.mark.parametrize("carrier", ["vmap", "devices", pytest.param("devices unchecked", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", AGAINST)
def test_equals_the_loop_in_numpy(name, carrier, problem):
    tx, loop = AGAINST[name]
    with jax.enable_x64(True):
        ours, _ = run(tx, problem, carrier)
        theirs = loop(gradient_of(problem), problem[2])
    assert np.abs(ours - problem[2]).max() > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14 if name != "powersgd" else 1e-12)


def test_fragments_of_a_tree_meet_one_after_another():
    rng = np.random.default_rng(1)
    start = [np.broadcast_to(rng.normal(size=k), (N, k)).copy() for k in (2, 3, 4)]
    tx = streaming_updates(gradtx.sgd(0.1), gradtx.sgd(1.0), "workers", period=6, fragments=3, delay=5, mixing=0.5)

    def worker(i, *params):
        def step(carry, t):
            params, state = carry
            updates, state = tx.update([(1.0 + i) * p - t for p in params], state, params)
            return (gradtx.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (list(params), tx.init(list(params))), jnp.arange(40.0))[0][0]

    with jax.enable_x64(True):
        ours = over_vmap(worker, jnp.arange(float(N)), *map(jnp.asarray, start))
        theirs = loops.streaming(lambda x, i, t: (1.0 + i) * x - t, start, 40, 0.1, 6, 3, 5, 0.5)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_workers_equal_one_on_the_joined_batch(problem):
    """Adam on a least-squares batch: four workers with a quarter each, one with all of it."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(N, 8, 5)), rng.normal(size=(N, 8))

    def loss(w, x, y):
        return jnp.mean((x @ w - y) ** 2)

    def train(tx, w, x, y):
        def step(carry, _):
            w, state = carry
            updates, state = tx.update(jax.grad(loss)(w, x, y), state, w)
            return (gradtx.apply_updates(w, updates), state), None

        return jax.lax.scan(step, (w, tx.init(w)), length=50)[0][0]

    with jax.enable_x64(True):
        together = gradtx.chain(average_gradients("workers"), gradtx.adam(0.05))
        start = jnp.zeros((N, 5))
        alone = train(gradtx.adam(0.05), start[0], jnp.asarray(x.reshape(-1, 5)), jnp.asarray(y.reshape(-1)))
        for carrier in CARRIERS.values():
            ours = carrier(lambda w, x, y: train(together, w, x, y), start, jnp.asarray(x), jnp.asarray(y))
            assert np.ptp(ours, axis=0).max() == 0
            np.testing.assert_allclose(ours[0], alone, rtol=0, atol=1e-14)


def test_uneven_batches_are_weighted_by_their_size():
    tx = average_gradients("workers")
    mean = over_vmap(lambda g, w: tx.update(g, tx.init(g), weight=w)[0], jnp.array([1.0, 4.0]), jnp.array([2, 1]))
    np.testing.assert_allclose(mean, [2.0, 2.0], rtol=1e-6)


ROUNDS = {name: tx for name, (tx, _) in AGAINST.items() if name not in ("gossip",)}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_worker_without_weight_is_not_heard(name, problem):
    """Three of four workers take part: as if there were three. Elastic ties are a share of all four, whoever takes part."""
    tx = ROUNDS[name]
    if "easgd" in name or "eamsgd" in name:
        tx = tx.replace(moving_rate=tx.moving_rate * 4 / 3)
    broken = tuple(x.copy() for x in problem)
    broken[1][1] = np.nan
    three = tuple(x[[0, 2, 3]] for x in problem)
    with jax.enable_x64(True):
        ours, _ = run(tx, broken, weight=np.array([1.0, 0.0, 1.0, 1.0]))
        theirs, _ = run(ROUNDS[name], three)
    np.testing.assert_allclose(ours[[0, 2, 3]], theirs, rtol=0, atol=1e-12)


def test_local_sgd_on_unequal_quadratics_ends_where_the_theory_says(problem):
    """The fixed point is (sum of I - P_k)^-1 (sum of (I - P_k) t_k), P_k = (I - rate A_k)^H: right at H = 1, and biased beyond."""
    pull, target, start = problem
    right, bias = (pull * target).sum(0) / pull.sum(0), []
    for period in (1, 4, 16):
        with jax.enable_x64(True):
            tx = local_sgd(0.3, "workers", period)

            def worker(x, a, c, tx=tx, period=period):
                def step(carry, _):
                    x, state = carry
                    updates, state = tx.update(a * (x - c), state, x)
                    return (gradtx.apply_updates(x, updates), state), None

                return jax.lax.scan(step, (x, tx.init(x)), length=256 * period)[0][0]

            end = np.asarray(over_vmap(worker, *map(jnp.asarray, (start, pull, target))))
        gain = 1 - (1 - 0.3 * pull) ** period
        np.testing.assert_allclose(end[0], (gain * target).sum(0) / gain.sum(0), atol=1e-8)
        bias.append(np.abs(end[0] - right).max())
    assert bias[0] < 1e-8 < bias[1] < bias[2]


def test_diloco_with_one_inner_step_is_synchronous(problem):
    synchronous = gradtx.chain(average_gradients("workers"), gradtx.sgd(0.1))
    with jax.enable_x64(True):
        ours, _ = run(local_updates(gradtx.sgd(0.1), gradtx.sgd(1.0), "workers", 1), problem)
        np.testing.assert_allclose(ours, run(synchronous, problem)[0], rtol=0, atol=1e-14)


def test_diloco_with_one_worker_is_lookahead(problem):
    alone = tuple(x[:1] for x in problem)
    with jax.enable_x64(True):
        ours, _ = run(local_updates(gradtx.adam(0.1), gradtx.sgd(0.5), "workers", 5), alone)
        theirs, _ = run(gradtx.lookahead(gradtx.adam(0.1), 5, 0.5), alone)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)


def test_one_fragment_without_delay_and_mixing_is_local_updates(problem):
    inner, outer = gradtx.adamw(0.1), gradtx.sgd(0.7, 0.9, nesterov=True)
    with jax.enable_x64(True):
        ours, _ = run(streaming_updates(inner, outer, "workers", 5, mixing=0.0), problem)
        np.testing.assert_allclose(ours, run(local_updates(inner, outer, "workers", 5), problem)[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("w", [0.2, 1 / 3, 0.5])
def test_gossip_keeps_the_mean_and_shrinks_the_spread(n, w):
    with jax.enable_x64(True):
        start = np.random.default_rng(3).normal(size=(n, 7))
        tx = gossip_averaging("workers", w)
        end = np.asarray(over_vmap(lambda p: p + tx.update(jnp.zeros_like(p), tx.init(p), p)[0], start))
    second = max(abs(1 - 2 * w + 2 * w * np.cos(2 * np.pi * k / n)) for k in range(1, n))
    before, after = (np.linalg.norm(x - x.mean(0), axis=0) for x in (start, end))
    np.testing.assert_allclose(end.mean(0), start.mean(0), atol=1e-15)
    assert (after <= second * before + 1e-15).all()


def test_gossip_around_a_worker_that_is_away_keeps_the_mean():
    tx, start = gossip_averaging("workers"), jnp.array([1.0, 5.0, -2.0, 8.0])
    end = over_vmap(
        lambda p, w: p + tx.update(jnp.zeros(()), tx.init(p), p, weight=w)[0], start, jnp.array([1.0, 0.0, 1.0, 1.0])
    )
    assert end[1] == 5.0
    np.testing.assert_allclose(end.mean(), start.mean(), rtol=1e-6)


@pytest.mark.parametrize("code", [top_k(7), sign_bits(), int8(block=16)], ids=repr)
def test_what_is_not_sent_is_not_lost(code, problem):
    """All that went out and all that is kept add up to all gradients."""
    tx = compressed_average("workers", code)
    gradients = jnp.asarray(np.random.default_rng(4).normal(size=(N, 30, *SHAPE)))

    def worker(gradients):
        def step(state, g):
            mean, state = tx.update(g, state)
            return state, mean

        state, sent = jax.lax.scan(step, tx.init(gradients[0]), gradients)
        return gradtx.state_get(state, "unsent"), sent.sum(0)

    unsent, sent = over_vmap(worker, gradients.astype(jnp.float32))
    np.testing.assert_allclose(sent[0] + unsent.mean(0), gradients.sum(1).mean(0), atol=1e-4)


def test_a_gradient_of_low_rank_arrives_whole():
    rng = np.random.default_rng(5)
    left, right = rng.normal(size=(12, 2)), rng.normal(size=(2, 9))
    gradients = jnp.asarray(np.stack([left @ np.diag(d) @ right for d in ([1.0, 2.0], [3.0, -1.0])]), jnp.float32)
    tx = powersgd("workers", rank=2)
    mean = over_vmap(lambda g: tx.update(g, tx.init(g))[0], gradients)
    np.testing.assert_allclose(mean[0], gradients.mean(0), atol=1e-5)


def test_the_centre_is_the_surer_the_more_workers():
    """Unit noise on x^2/2: the workers' mean and the centre are a linear system, whose stationary covariance is known."""
    rate, moving_rate, spread = 0.1, 0.5, []
    for n in (1, 4, 16):
        tx = easgd(rate, "workers", moving_rate, period=1)

        def worker(key, x, tx=tx):
            def step(carry, key):
                x, state = carry
                updates, state = tx.update(x + jax.random.normal(key, x.shape), state, x)
                return (gradtx.apply_updates(x, updates), state), gradtx.state_get(state, "centre")

            return jax.lax.scan(step, (x, tx.init(x)), jax.random.split(key, 300))[1]

        centre = over_vmap(worker, jax.random.split(jax.random.key(6), n), jnp.zeros((n, 300)))[0, 150:]
        alpha = moving_rate / n
        a = np.array([[1 - rate - alpha, alpha], [moving_rate, 1 - moving_rate]])
        q = np.array([rate**2 / n, 0, 0, 0])
        covariance = np.linalg.solve(np.eye(4) - np.kron(a, a), q)
        spread.append(float(jnp.mean(centre**2)))
        np.testing.assert_allclose(spread[-1], covariance[3], rtol=0.1)
    assert spread[0] > 2 * spread[1] > 4 * spread[2]


COLLECTIVES = ("psum", "psum_invariant", "all_gather", "all_gather_invariant", "ppermute")


def collected(jaxpr):
    """The bytes that enter collective operations anywhere in a program."""
    total = 0
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in COLLECTIVES:
            total += sum(v.aval.size * v.aval.dtype.itemsize for v in eqn.invars)
        for param in eqn.params.values():
            for inner in param if isinstance(param, tuple | list) else [param]:
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    total += collected(inner)
    return total


@pytest.mark.parametrize("name", AGAINST)
def test_bytes_are_those_of_the_program(name):
    tx = AGAINST[name][0]
    period = {"easgd": 3, "eamsgd": 4, "local sgd": 5, "diloco": 5, "streaming": 4}.get(name, 1)
    params = jnp.zeros(SHAPE)
    program = jax.make_jaxpr(lambda p: tx.update(p, tx.init(p), p)[0], axis_env=[("workers", 8)])(params)
    said = bytes_sent(tx, params)
    # A neighbour's weight and the like, a number or two, isn't what the parameters cost.
    assert collected(program.jaxpr) / period == pytest.approx(said, abs=0.1)
    assert said > 0


def test_compression_sends_less():
    params = {"w": jnp.zeros((1000, 100)), "b": jnp.zeros(100)}
    whole = bytes_sent(average_gradients("workers"), params)
    share = {
        "top_k": bytes_sent(compressed_average("workers", top_k(100)), params) / whole,
        "signs": bytes_sent(compressed_average("workers", sign_bits()), params) / whole,
        "int8": bytes_sent(compressed_average("workers", int8()), params) / whole,
        "powersgd": bytes_sent(powersgd("workers", rank=2), params) / whole,
    }
    expected = {"top_k": 2 / 100, "signs": 1 / 32, "int8": 1 / 4 + 1 / 256, "powersgd": (2200 + 100) / 100_100}
    assert share == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", AGAINST)
def test_states_and_updates_keep_their_types_in_low_precision(name):
    tx, params = AGAINST[name][0], {"w": jnp.ones((N, 6, 5), jnp.bfloat16), "b": jnp.ones((N, 3), jnp.bfloat16)}

    def worker(params):
        state = tx.init(params)
        updates, after = tx.update(params, state, params)
        return state, after, updates

    state, after, updates = jax.eval_shape(jax.vmap(worker, axis_name="workers"), params)
    assert jax.tree.map(lambda x: (x.shape, x.dtype, x.weak_type), state) == jax.tree.map(
        lambda x: (x.shape, x.dtype, x.weak_type), after
    )
    assert jax.tree.map(lambda x: (x.shape, x.dtype), updates) == jax.tree.map(lambda x: (x.shape, x.dtype), params)


def noisy_bowl(x, key):
    return 0.5 * jnp.sum((x - jax.random.normal(key, x.shape)) ** 2)


def test_simulated_workers_are_those_of_vmap():
    """The same keys, one step after another by hand."""
    tx, key, start = easgd(0.1, "workers", period=2), jax.random.key(7), jnp.ones(3)
    rounds = simulate_workers(noisy_bowl, tx, start, 4, 6, key=key, every=3)
    draws = jax.random.split(key)[0]

    def worker(me):
        params, state = start, tx.init(start)
        for t in range(6):
            gradient = jax.grad(noisy_bowl)(params, jax.random.fold_in(jax.random.fold_in(draws, me), t))
            updates, state = tx.update(gradient, state, params)
            params = gradtx.apply_updates(params, updates)
        return params, gradtx.state_get(state, "centre")

    params, centre = map(np.asarray, jax.vmap(worker, axis_name="workers")(jnp.arange(4)))
    np.testing.assert_allclose(rounds.points[-1], centre[0], rtol=1e-5)
    distance = np.sqrt(np.mean(np.sum((params - params.mean(0)) ** 2, -1)))
    np.testing.assert_allclose(rounds.spread[-1], distance, rtol=1e-5)
    assert rounds.times.tolist() == [1, 2, 3, 4, 5, 6]
    assert rounds.sent.tolist() == [6, 12, 18, 24, 30, 36]


class by_worker(Durations):
    """Times by hand: a worker's key says who it is."""

    slow: jax.Array

    def draw(self, own, key, begin):
        return jnp.where(jax.random.key_data(own)[0] == jax.random.key_data(self.slow)[0], 5.0, 1.0)


def test_meetings_wait_for_the_slowest_or_for_a_quorum():
    key = jax.random.key(8)
    one_is_slow = by_worker(jax.random.fold_in(jax.random.split(key)[1], 2))
    tx = local_sgd(0.1, "workers", period=4)
    run_ = functools.partial(simulate_workers, noisy_bowl, tx, jnp.ones(2), 4, 8, key=key, durations=one_is_slow)
    everyone = run_(latency=0.5, bandwidth=16.0)
    assert everyone.times.tolist() == [5, 10, 15, 20, 26, 31, 36, 41]  # half a step of latency, eight bytes at sixteen a step
    assert everyone.present.tolist() == [1.0] * 8
    most = run_(quorum=0.75)
    assert most.times.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert most.present.tolist() == [0.75] * 8


def test_failed_workers_are_left_behind():
    rounds = simulate_workers(
        noisy_bowl,
        gradtx.chain(average_gradients("workers"), gradtx.sgd(0.05)),
        jnp.ones(200),
        64,
        300,
        key=jax.random.key(9),
        durations=dropouts(stragglers(equal_durations(), 0.25, 2.0), lifetime=200.0),
        every=300,
    )
    assert rounds.present[0] > 0.95
    assert (np.diff(rounds.present) <= 0).all()
    assert rounds.present[-1] < 0.3
    assert np.isfinite(rounds.values).all()
    # What each step's mean of so many draws leaves of its variance.
    left = 0.05**2 / 64 * np.sum(0.95 ** (2 * np.arange(300)[::-1]) / rounds.present)
    np.testing.assert_allclose(np.mean(np.square(rounds.points[-1])), left, rtol=0.25)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"workers": 0}, ValueError, "0 workers"),
        ({"every": 3}, ValueError, "every = 3"),
        ({"durations": 2.0}, TypeError, "durations = 2.0"),
        ({"problem": lambda x: x}, ValueError, "takes no key"),
        ({"tx": gradtx.sgd}, TypeError, "no transformation"),
    ],
)
def test_simulations_refuse(changes, error, words):
    usual = {
        "problem": noisy_bowl,
        "tx": gradtx.sgd(0.1),
        "start": jnp.ones(2),
        "workers": 2,
        "steps": 4,
        "key": jax.random.key(0),
    }
    with pytest.raises(error, match=words):
        simulate_workers(**(usual | changes))


def test_evaluation_is_where_the_workers_meet(problem):
    with jax.enable_x64(True):
        tx = easgd(0.1, "workers", 0.9, period=3)
        out, state = run(tx, problem)
        centre = jax.vmap(lambda s, p: gradtx.evaluation_params(tx, s, p))(state, jnp.asarray(out))
        np.testing.assert_allclose(centre[0], loops.easgd(gradient_of(problem), problem[2], STEPS, 0.1, 0.9, 3)[1], atol=1e-14)


class silence(Code):
    """Sends nothing: a code of one's own."""

    def encode(self, x):
        return jnp.zeros(1, jnp.int8)

    def decode(self, message, like):
        return jnp.zeros_like(like)


def test_a_code_of_ones_own(problem):
    out, state = run(after_average(silence()), problem, steps=3)
    assert (out == problem[2].astype(np.float32)).all()
    assert np.abs(gradtx.state_get(state, "unsent")).max() > 0


REFUSED = [
    (lambda: average_gradients(3), TypeError, "axis = 3"),
    (lambda: average_gradients(()), TypeError, "axis = ()"),
    (lambda: elastic_averaging("workers", period=0), ValueError, "period = 0"),
    (lambda: elastic_averaging("workers", moving_rate=-1.0), ValueError, "moving_rate = -1"),
    (lambda: gossip_averaging("workers", 1.5), ValueError, "neighbour_weight = 1.5"),
    (lambda: compressed_average("workers", "int8"), TypeError, "code = 'int8'"),
    (lambda: top_k(0.01), ValueError, "ratio = 0.01"),
    (lambda: powersgd("workers", rank=0), ValueError, "rank = 0"),
    (lambda: local_updates(gradtx.sgd, gradtx.sgd(1.0), "workers", 5), TypeError, "call it"),
    (lambda: diloco(gradtx.sgd(0.1), "workers", period=2.5), ValueError, "period = 2.5"),
    (lambda: streaming_updates(gradtx.sgd(0.1), gradtx.sgd(1.0), "workers", 4, fragments=5), ValueError, "fragments = 5"),
    (lambda: streaming_updates(gradtx.sgd(0.1), gradtx.sgd(1.0), "workers", 4, delay=4), ValueError, "delay = 4"),
    (
        lambda: average_gradients("workers").update(jnp.ones(2), average_gradients("workers").init(jnp.ones(2))),
        ValueError,
        "no axis",
    ),
    (lambda: compressed_average("workers", int8()).init(jnp.ones(2, complex)), TypeError, "real numbers"),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED, ids=[words for *_, words in REFUSED])
def test_refuses(call, error, words):
    with pytest.raises(error) as info:
        call()
    assert words in str(info.value)


def test_gradients_that_are_summed_already_are_refused():
    """Under shard_map the gradient at parameters that are equal on all workers is the sum: averaged again, it would be n times too large."""
    tx = gradtx.chain(average_gradients("workers"), gradtx.sgd(1.0))
    mesh = jax.make_mesh((4,), ("workers",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])

    def step(own):
        def inner(params, x):
            at = jax.lax.pcast(params, "workers", to="varying") if own else params
            gradient = jax.grad(lambda p: jnp.mean(p * x))(at)
            return tx.update(gradient, tx.init(params), params)[0]

        return jax.shard_map(inner, mesh=mesh, in_specs=(P(), P("workers")), out_specs=P())(jnp.array(1.0), jnp.arange(4.0))

    with pytest.raises(ValueError, match="sum over them already"):
        step(own=False)
    assert float(step(own=True)) == -1.5
