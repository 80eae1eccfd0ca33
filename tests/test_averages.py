"""Averages of the parameters and the points at which methods are judged."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.references import points as r
from tests.running import START, gradient, run, types

optax = pytest.importorskip("optax")
AVERAGES = {
    "ema_params": gradtx.ema_params(0.8),
    "ema_params_debiased": gradtx.ema_params(0.8, debias=True),
    "swa_params": gradtx.swa_params(3, 2),
    "lawa_params": gradtx.lawa_params(3, 2),
}
LOOKAHEAD = gradtx.lookahead(gradtx.sgd(0.1), 3, 0.5)
POINTS = {
    **{name: gradtx.chain(gradtx.sgd(0.1), average) for name, average in AVERAGES.items()},
    "lookahead": LOOKAHEAD,
    "lookahead_forgetting": gradtx.lookahead(gradtx.adam(0.1), 2, 0.5, reset_state=True),
    "schedule_free": gradtx.schedule_free_sgd(0.1),
}
every_average = pytest.mark.parametrize("name", AVERAGES)
every_point = pytest.mark.parametrize("name", POINTS)


def follow(tx, x, steps, grad=gradient):
    """The parameters after each step, and what is judged then; the first entry is the start."""

    def step(carry, t):
        x, state = carry
        u, state = tx.update(grad(gradtx.gradient_params(tx, state, x), t), state, x)
        x = gradtx.apply_updates(x, u)
        return (x, state), (x, gradtx.evaluation_params(tx, state, x))

    state = tx.init(x)
    _, (path, judged) = jax.lax.scan(step, (x, state), jnp.arange(steps))
    return np.concatenate([x[None], path]), np.concatenate([gradtx.evaluation_params(tx, state, x)[None], judged])


def closed_form(name, path):
    """The average after the last of some points, from all of them."""
    t = len(path) - 1
    if name == "ema_params":
        return 0.8**t * path[0] + sum(0.2 * 0.8 ** (t - i) * path[i] for i in range(1, t + 1))
    if name == "ema_params_debiased":
        return path[0] if t == 0 else sum(0.2 * 0.8 ** (t - i) * path[i] for i in range(1, t + 1)) / (1 - 0.8**t)
    if name == "swa_params":
        return path[t] if t < 3 else path[3::2].mean(axis=0)
    return path[t] if t < 2 else path[2::2][-3:].mean(axis=0)


@every_average
def test_closed_forms(name):
    with jax.enable_x64(True):
        path, judged = follow(gradtx.chain(gradtx.sgd(0.1, momentum=0.9), AVERAGES[name]), jnp.asarray(START), 20)
        alone, _ = follow(gradtx.sgd(0.1, momentum=0.9), jnp.asarray(START), 20)
    np.testing.assert_array_equal(path, alone)
    for t in range(21):
        np.testing.assert_allclose(judged[t], closed_form(name, path[: t + 1]), rtol=1e-12, atol=1e-12, err_msg=str(t))


@every_point
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
def test_averages_keep_their_types(name, dtype):
    params = {"w": jnp.ones((2, 3), dtype), "s": jnp.ones((), dtype), "e": jnp.ones((0, 2), dtype), "n": None}
    tx = POINTS[name]
    state = tx.init(params)
    judged = gradtx.evaluation_params(tx, state, params)
    assert types(judged) == types(params)
    updates, after = jax.jit(tx.update)(params, state, params)
    assert types(after) == types(state)
    assert types(gradtx.evaluation_params(tx, after, gradtx.apply_updates(params, updates))) == types(params)
    shapes = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, p.dtype), params)
    chex.assert_trees_all_equal_shapes_and_dtypes(jax.eval_shape(tx.init, shapes), state)


def test_an_average_of_bfloat16_parameters_moves_by_less_than_they_can():
    tx = gradtx.chain(gradtx.sgd(1.0), gradtx.ema_params(0.999))
    params = jnp.ones((), jnp.bfloat16)
    state = tx.init(params)
    updates, state = tx.update(jnp.asarray(0.5, jnp.bfloat16), state, params)
    np.testing.assert_allclose(
        gradtx.state_get(state, "average"), 0.9995, rtol=1e-6
    )  # bfloat16 has no number between 0.996 and 1
    assert gradtx.evaluation_params(tx, state, params + updates).dtype == jnp.bfloat16


@every_average
def test_one_by_one_equals_mapped_over_optimizers(name):
    stacked = jax.tree.map(lambda h: jnp.stack([jnp.asarray(h)] * 2) * jnp.array([1.0, 1.0]), AVERAGES[name])
    stacked = gradtx.chain(gradtx.sgd(jnp.array([0.1, 0.05])), stacked)
    x = jnp.asarray(START, jnp.float32)
    together = jax.vmap(lambda tx: follow_end(tx, x))(stacked)
    for i, rate in enumerate((0.1, 0.05)):
        np.testing.assert_allclose(
            together[i], follow_end(gradtx.chain(gradtx.sgd(rate), AVERAGES[name]), x), rtol=1e-5, atol=1e-6
        )


def follow_end(tx, x, steps=9):
    """What is judged at the end."""

    def step(carry, t):
        x, state = carry
        u, state = tx.update(gradient(x, t), state, x)
        return (gradtx.apply_updates(x, u), state), None

    (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), jnp.arange(steps))
    return gradtx.evaluation_params(tx, state, x)


def test_lengths_can_be_swept():
    x = jnp.asarray(START, jnp.float32)
    for make in (
        lambda n: gradtx.swa_params(n, 2.0),
        lambda n: gradtx.lawa_params(2, n),
        lambda n: gradtx.lookahead(gradtx.sgd(0.1), n, 0.5),
    ):
        together = jax.vmap(lambda n, make=make: follow_end(gradtx.chain(gradtx.sgd(0.1), make(n)), x))(jnp.array([2.0, 3.0]))
        for i, n in enumerate((2.0, 3.0)):
            np.testing.assert_allclose(together[i], follow_end(gradtx.chain(gradtx.sgd(0.1), make(n)), x), rtol=1e-5, atol=1e-6)


def test_decay_may_be_a_schedule():
    def warm(step):
        t = step.astype(jnp.float64)  # a quotient of int32 would be float32
        return jnp.minimum(0.999, (1 + t) / (10 + t))

    with jax.enable_x64(True):
        path, judged = follow(gradtx.chain(gradtx.sgd(0.1), gradtx.ema_params(warm)), jnp.asarray(START), 15)
    wanted = path[0]
    for t in range(15):
        b = min(0.999, (1 + t) / (10 + t))
        wanted = b * wanted + (1 - b) * path[t + 1]
    np.testing.assert_allclose(judged[-1], wanted, rtol=1e-12)


@every_point
def test_derivatives_agree_with_finite_differences(name):
    tx = POINTS[name]
    with jax.enable_x64(True):
        x = jnp.asarray(START)
        loss = jax.jit(lambda leaves: jnp.sum(follow_end(structure.unflatten(leaves), x) ** 2))
        leaves, structure = jax.tree.flatten(tx)
        grads = jax.grad(loss)([jnp.asarray(h) for h in leaves])
        for i, h in enumerate(leaves):
            if h == int(h) or h < 1e-5:  # lengths, in which it has steps; epsilons, beside which a quotient is rounding
                continue
            ends = [loss([v + d if i == j else v for j, v in enumerate(leaves)]) for d in (1e-6 * h, -1e-6 * h)]
            np.testing.assert_allclose(grads[i], (ends[0] - ends[1]) / (2e-6 * h), rtol=1e-4, atol=1e-7)


@every_point
def test_states_can_be_donated(name):
    tx = POINTS[name]

    def step(params, state):
        updates, state = tx.update(params, state, params)
        return gradtx.apply_updates(params, updates), state

    params = {"w": jnp.ones(3), "b": jnp.ones(())}
    params, state = jax.jit(step, donate_argnums=(0, 1))(params, tx.init(params))
    assert np.all(np.isfinite(gradtx.evaluation_params(tx, state, params)["w"]))


@every_point
def test_points_pass_through_wrappers(name):
    method = POINTS[name]
    alone, frozen = jnp.asarray(START, jnp.float32), jnp.ones(2)
    together = {"w": alone, "b": frozen}
    wrapped = {
        "masked": gradtx.chain(gradtx.masked(method, "w"), gradtx.masked(gradtx.set_to_zero(), "b")),
        "partition": gradtx.partition({"w": method, "b": gradtx.set_to_zero()}),
        "injected": gradtx.inject_hyperparams(gradtx.partition({"w": method, "b": gradtx.set_to_zero()})),
        "nested": gradtx.partition(
            {"w": gradtx.chain(gradtx.inject_hyperparams(method), gradtx.identity()), "b": gradtx.set_to_zero()}
        ),
    }
    path, judged = follow(method, alone, 8)
    chained = follow(gradtx.chain(gradtx.clip(10.0), gradtx.named("inner", method)), alone, 8)
    np.testing.assert_allclose(chained[1], judged, rtol=1e-6)
    for kind, tx in wrapped.items():
        params, state, update = together, tx.init(together), jax.jit(tx.update)
        for t in range(8):
            at = gradtx.gradient_params(tx, state, params)
            u, state = update({"w": gradient(at["w"], jnp.asarray(t)), "b": frozen}, state, params)
            params = gradtx.apply_updates(params, u)
            seen = gradtx.evaluation_params(tx, state, params)
            np.testing.assert_allclose(params["w"], path[t + 1], rtol=1e-5, atol=1e-6, err_msg=kind)
            np.testing.assert_allclose(seen["w"], judged[t + 1], rtol=1e-5, atol=1e-6, err_msg=kind)
            np.testing.assert_array_equal(seen["b"], frozen)
    assert not np.allclose(judged, path)


@pytest.mark.parametrize("reset", [False, True])
def test_lookahead_is_the_papers(reset):
    tx = gradtx.lookahead(gradtx.sgd(0.1), 3, 0.5, reset)
    with jax.enable_x64(True):
        for steps in (8, 9):
            path, judged = follow(tx, jnp.asarray(START), steps)
            slow, fast = r.lookahead_sgd(gradient, START, steps, 0.1, 3, 0.5)
            np.testing.assert_allclose(path[-1], fast, rtol=1e-12)
            np.testing.assert_allclose(judged[-1], slow, rtol=1e-12)


@pytest.mark.lenient
@pytest.mark.parametrize("reset", [False, True])
def test_lookahead_agrees_with_optax(reset):
    with jax.enable_x64(True):
        theirs = optax.lookahead(optax.adam(0.1), 4, 0.3, reset)
        pair = optax.LookaheadParams.init_synced(jnp.asarray(START))
        state = theirs.init(pair)
        for t in range(22):
            u, state = theirs.update(gradient(pair.fast, jnp.asarray(t)), state, pair)
            pair = optax.apply_updates(pair, u)
        path, judged = follow(gradtx.lookahead(gradtx.adam(0.1), 4, 0.3, reset), jnp.asarray(START), 22)
    np.testing.assert_allclose(path[-1], pair.fast, rtol=1e-10)
    np.testing.assert_allclose(judged[-1], pair.slow, rtol=1e-10)


@pytest.mark.lenient
def test_schedule_free_is_judged_where_optax_says():
    with jax.enable_x64(True):
        theirs = optax.contrib.schedule_free_adamw(0.05, weight_decay=0.1)
        x = jnp.asarray(START)
        state = theirs.init(x)
        for t in range(30):
            u, state = theirs.update(gradient(x, jnp.asarray(t)), state, x)
            x = x + u
        path, judged = follow(gradtx.schedule_free_adamw(0.05, weight_decay=0.1), jnp.asarray(START), 30)
        wanted = optax.contrib.schedule_free_eval_params(state, x)
    np.testing.assert_allclose(path[-1], x, rtol=1e-10)
    np.testing.assert_allclose(judged[-1], wanted, rtol=1e-10)


def test_schedule_free_under_a_scheduled_b1_still_knows_its_average():
    betas = np.linspace(0.5, 0.9, 11)
    moving = gradtx.schedule_free(gradtx.sgd(0.1), 0.1, b1=gradtx.linear_schedule(0.5, 0.9, 10))
    with jax.enable_x64(True):
        path, judged = follow(moving, jnp.asarray(START), 10)
    # y, x and z kept apart, each y made with the share in force.
    x = z = y = START
    for t in range(10):
        z = z - 0.1 * gradient(y, t)
        x = x + (z - x) / (t + 1)
        y = betas[t] * x + (1 - betas[t]) * z
    np.testing.assert_allclose(path[-1], y, rtol=1e-10)
    np.testing.assert_allclose(judged[-1], x, rtol=1e-10)


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("beta", [0.5, 0.9, 1.0])
def test_schedule_free_keeps_its_bound(steps, beta):
    # Convex and Lipschitz: f(x) = G |x|, D = |x_0 - x*|, and the rate D / (G sqrt(T)); Theorem 1 of the paper.
    lipschitz, distance = 3.0, 2.0
    rate = distance / (lipschitz * np.sqrt(steps))
    with jax.enable_x64(True):
        signs = lambda x, t: lipschitz * jnp.sign(x)
        _, judged = follow(gradtx.schedule_free_sgd(rate, b1=beta), jnp.array([distance]), steps, signs)
    assert lipschitz * abs(judged[-1, 0]) <= distance * lipschitz / np.sqrt(steps)


@pytest.mark.parametrize("tx", [*AVERAGES.values(), LOOKAHEAD, gradtx.schedule_free_sgd(0.1)], ids=repr)
def test_needs_the_parameters(tx):
    with pytest.raises(ValueError, match="needs the parameters"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)))


def test_evaluation_of_ordinary_optimizers_is_the_parameters():
    tx = gradtx.adam(0.1)
    path, judged = follow(tx, jnp.asarray(START, jnp.float32), 5)
    np.testing.assert_array_equal(path, judged)
    assert run(tx, jnp.asarray(START, jnp.float32), 5).tolist() == path[-1].tolist()


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: gradtx.ema_params(1.5), r"decay = 1.5; it must be in \[0, 1\]"),
        (lambda: gradtx.swa_params(-1), "start_step = -1"),
        (lambda: gradtx.swa_params(0, 0), "every = 0"),
        (lambda: gradtx.lawa_params(0), "k = 0"),
        (lambda: gradtx.lookahead(gradtx.sgd(0.1), 0, 0.5), "sync_period = 0"),
        (lambda: gradtx.schedule_free_sgd(0.1, b1=0.0), r"b1 = 0; it must be in \(0, 1\]"),
    ],
)
def test_says_what_is_wrong(act, words):
    with pytest.raises(ValueError, match=words):
        act()
