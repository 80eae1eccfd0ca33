"""What the table can't say of the zoo: its pieces by themselves, and the corners of its optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.optimizers import TABLE
from tests.running import START, gradient, run

optax = pytest.importorskip("optax")


def stream(tx, updates, params=None):
    """What comes out, one update after the other, and the last state."""
    params = jax.tree.map(jnp.zeros_like, updates[0]) if params is None else params

    def step(state, u):
        u, state = tx.update(u, state, params)
        return state, u

    stacked = jax.tree.map(lambda *us: jnp.stack(us), *updates)
    state, out = jax.lax.scan(step, tx.init(params), stacked)
    return [jax.tree.map(lambda u, i=i: u[i], out) for i in range(len(updates))], state


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


# Beside Optax, where no optimizer of the table shows it.

SHAPES = [(), (5,), (1, 5), (5, 1), (3, 4), (2, 3, 4), (2, 2, 3, 4), (2, 1, 2, 3, 4)]


@pytest.mark.lenient
@pytest.mark.parametrize(
    "make",
    [
        lambda lib, contrib: lib.adaptive_grad_clip(0.3),
        lambda lib, contrib: lib.adaptive_grad_clip(0.3, eps=1.5),
        lambda lib, contrib: lib.clip_by_block_rms(0.5),
        lambda lib, contrib: lib.normalize_by_update_norm(2.0, 1e-2),
        lambda lib, contrib: lib.scale_by_param_block_norm(),
        lambda lib, contrib: lib.scale_by_param_block_norm(3.0),
        lambda lib, contrib: lib.scale_by_param_block_rms(0.7),
        lambda lib, contrib: lib.scale_by_trust_ratio(),
        lambda lib, contrib: lib.scale_by_trust_ratio(1.5, 0.2, 0.1),
        lambda lib, contrib: lib.scale_by_sign(),
        lambda lib, contrib: lib.scale_by_lion(mode="smooth", smooth_beta=3.0),
        lambda lib, contrib: lib.scale_by_lion(mode="refined"),
        lambda lib, contrib: lib.scale_by_novograd(weight_decay=0.1),
        lambda lib, contrib: lib.scale_by_optimistic_gradient(0.5, 2.0),
        lambda lib, contrib: contrib.normalize(),
        lambda lib, contrib: contrib.scale_by_ademamix(),
        lambda lib, contrib: contrib.scale_by_simplified_ademamix(alpha=2.0),
        lambda lib, contrib: contrib.split_real_and_imaginary(lib.scale_by_adam()),
    ],
)
def test_pieces_agree_with_optax(make):
    params = {str(s): normal(i, *s) for i, s in enumerate(SHAPES)}
    ours, theirs = make(gradtx, gradtx), make(optax, optax.contrib)
    state, their_state = ours.init(params), theirs.init(params)
    for seed in (20, 40):
        grads = {k: 3 * normal(seed + i, *p.shape) for i, (k, p) in enumerate(params.items())}
        got, state = ours.update(grads, state, params)
        wanted, their_state = theirs.update(grads, their_state, params)
        for k in params:
            np.testing.assert_allclose(got[k], wanted[k], rtol=2e-5, atol=1e-6, err_msg=k)


@pytest.mark.lenient
def test_madgrad_agrees_with_optax_in_single_precision():
    x = jnp.asarray(START, jnp.float32)
    ours, theirs = gradtx.madgrad(0.05, 0.5, 0.1, 1e-2), optax.contrib.madgrad(0.05, 0.5, 0.1, 1e-2)
    y, state = x, theirs.init(x)
    for t in range(50):
        u, state = theirs.update(gradient(y, jnp.asarray(t)), state, y)
        y = y + u
    np.testing.assert_allclose(run(ours, x, 50), y, rtol=1e-5, atol=1e-6)


@pytest.mark.lenient
@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_unit_norms_over_chosen_axes(axis):
    x = normal(0, 3, 4)
    wanted = np.broadcast_to(np.sqrt(np.sum(np.asarray(x) ** 2, axis=axis, keepdims=True)), x.shape)
    np.testing.assert_allclose(gradtx.unitwise_norm(x, axis), wanted, rtol=1e-6)


# Zero, and other corners.


@pytest.mark.parametrize(
    "tx",
    [
        gradtx.scale_by_trust_ratio(),
        gradtx.lamb(0.1),
        gradtx.lars(0.1),
        gradtx.fromage(0.1),
        gradtx.adaptive_grad_clip(0.1),
        gradtx.orthogonalize_to_params(),
        gradtx.normalize(),
        gradtx.normalize_by_update_norm(eps=0.0),
        gradtx.scale_by_param_block_rms(),
        gradtx.clip_by_block_rms(1.0),
        gradtx.cautious(gradtx.scale_by_adam()),
    ],
    ids=lambda tx: type(tx).__name__,
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_norms_of_zero_do_no_harm(tx, dtype):
    zero, one = jnp.zeros((2, 3), dtype), jnp.ones((2, 3), dtype)
    for g, p in ((zero, zero), (zero, one), (one, zero)):
        u, _ = tx.update(g, tx.init(p), p)
        assert np.isfinite(u.astype("float32")).all()
        if g is zero and not isinstance(tx, gradtx.fromage):  # which shrinks the parameters in any case
            np.testing.assert_array_equal(u, 0)
    if dtype == "float32":
        by_params = jax.grad(lambda p: jnp.sum(tx.update(zero, tx.init(p), p)[0]))(zero)
        by_updates = jax.grad(lambda g: jnp.sum(tx.update(g, tx.init(zero), zero)[0]))(zero)
        assert np.isfinite(by_params).all()
        if not isinstance(tx, gradtx.normalize | gradtx.normalize_by_update_norm):  # they have none there
            assert np.isfinite(by_updates).all()


def test_trust_ratio_is_one_where_a_norm_is_zero():
    tx = gradtx.scale_by_trust_ratio(trust_coefficient=7.0)
    u, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)), jnp.zeros(2))
    np.testing.assert_array_equal(u, [3.0, 4.0])
    u, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)), jnp.array([0.0, 10.0]))
    np.testing.assert_allclose(u, [42.0, 56.0], rtol=1e-6)


@pytest.mark.parametrize(("threshold", "momentum_steps"), [(5.0, 5), (4.0, 4), (0.0, 4)])
def test_radam_rectifies_from_the_published_step_on(threshold, momentum_steps):
    # With b2 = 0.999: rho is 4.997 at the fifth step, 3.998 at the fourth; both are close in float32.
    out, _ = stream(gradtx.scale_by_radam(threshold=threshold), [jnp.array(100.0)] * 8)
    np.testing.assert_allclose(out[:momentum_steps], 100.0, rtol=1e-5)
    t = np.arange(momentum_steps + 1, 9)
    most = 1999.0
    rho = most - 2 * t * 0.999**t / (1 - 0.999**t)
    r = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    np.testing.assert_allclose(out[momentum_steps:], r, rtol=2e-3 if threshold < 5 else 2e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda b: gradtx.scale_by_adan(b1=b, b2=b, b3=b),
        lambda b: gradtx.scale_by_radam(b1=b, b2=0.5),
        lambda b: gradtx.scale_by_ademamix(b1=b, b2=b, alpha=0.0),
    ],
)
def test_averages_of_a_constant_are_unbiased_under_a_scheduled_decay(make):
    out, _ = stream(make(gradtx.linear_schedule(0.5, 0.99, 50)), [jnp.array(2.0)] * 60)
    np.testing.assert_allclose(out, out[0], rtol=1e-5)


def test_optimism_settles_a_game_that_descent_cannot():
    # min over x, max over y of x y.
    def distance(tx):
        point = jnp.array([1.0, 1.0])
        state = tx.init(point)
        for _ in range(300):
            u, state = tx.update(jnp.stack([point[1], -point[0]]), state, point)
            point = point + u
        return float(jnp.linalg.norm(point))

    assert distance(gradtx.sgd(0.3)) > 1e3
    assert distance(gradtx.optimistic_gradient_descent(0.3)) < 1e-3


def test_adopt_moves_nothing_at_first_even_where_a_quotient_overflows():
    for clipping in (True, False):
        out, _ = stream(gradtx.adopt(0.1, use_clipping=clipping), [jnp.array(3e38), jnp.array(3e38)])
        assert float(out[0]) == 0.0
        assert np.isfinite(out[1])


def test_fromage_shrinks_by_what_the_paper_says_at_small_rates():
    tx, p = gradtx.fromage(jnp.float32(1e-3)), jnp.array([1.0, 0.0])
    u, _ = tx.update(jnp.array([0.0, 1.0]), tx.init(p), p)
    np.testing.assert_allclose(u, [1 / np.sqrt(1 + 1e-6) - 1, -1e-3 / np.sqrt(1 + 1e-6)], rtol=1e-5)


def test_rprop_takes_a_schedule_by_its_first_value():
    out, _ = stream(gradtx.rprop(gradtx.linear_schedule(0.5, 0.0, 2)), [jnp.array(1.0)] * 3)
    np.testing.assert_allclose(out, [-0.5, -0.6, -0.72], rtol=1e-6)


def test_noise_has_its_law():
    tx = gradtx.noisy_sgd(2.0, eta=0.09, gamma=1.0, key=1)
    zero = jnp.zeros(20_000)
    (first, second), _ = stream(tx, [zero, zero])
    np.testing.assert_allclose([first.std(), second.std()], [0.6, 0.6 / np.sqrt(2)], rtol=0.02)
    np.testing.assert_allclose([first.mean(), second.mean(), (first * second).mean()], 0, atol=0.02)
    np.testing.assert_array_equal(stream(tx, [zero])[0][0], first)
    assert not np.array_equal(stream(tx.replace(key=2), [zero])[0][0], first)


def test_error_says_how_a_state_of_another_shape_differs():
    x = jnp.ones(3)
    with pytest.raises(ValueError, match=r"ema.*the updates have f32\(1\), the state has f32\[3\]"):
        gradtx.adam_mini(0.1).update(x, gradtx.adam_mini(0.1, keep_axis=-1).init(x), x)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: gradtx.lion(0.1, mode="loud"), "mode = 'loud'"),
        (lambda: stream(gradtx.recall("m"), [jnp.ones(2)]), r"recall\('m'\) stands outside"),
        (lambda: stream(gradtx.sophia(0.1), [jnp.ones(2)]), "needs the function"),
        (lambda: stream(gradtx.gauss_newton_bartlett_diag_hessian(2.0), [jnp.ones(2)]), "needs the loss on sampled labels"),
        (lambda: gradtx.lamb(0.1).update(jnp.ones(2), gradtx.lamb(0.1).init(jnp.ones(2))), "needs the parameters"),
        (lambda: gradtx.refreshed(gradtx.square(), gradtx.ema(0.9), 0), "every = 0"),
        (lambda: gradtx.scale_by_path({"a": float("inf")}), "factors"),
    ],
)
def test_words_of_errors(act, words):
    with pytest.raises(ValueError, match=words):
        act()


# Wiring.


def test_let_shares_one_memory_and_shadows_an_outer_one():
    inner = gradtx.let("m", gradtx.scale(10.0), gradtx.recall("m"))
    tx = gradtx.let("m", gradtx.accumulate(), gradtx.add(gradtx.recall("m"), gradtx.add(inner, gradtx.recall("m"))))
    out, state = stream(tx, [jnp.array(1.0), jnp.array(2.0)])
    np.testing.assert_allclose(out, [1 + 10 + 1, 3 + 20 + 3])
    assert len(jax.tree.leaves(state.inner)) == 1
    assert tx.elementwise


def test_let_reaches_into_groups():
    tx = gradtx.let("m", gradtx.scale(3.0), gradtx.masked(gradtx.recall("m"), "a"))
    params = {"a": jnp.ones(1), "b": jnp.ones(1)}
    u, _ = tx.update(params, tx.init(params), params)
    assert (float(u["a"][0]), float(u["b"][0])) == (3.0, 1.0)


def test_refreshed_measures_only_when_due():
    measured = []

    def observe(updates, params):
        jax.debug.callback(lambda: measured.append(1))
        return updates

    tx = gradtx.refreshed(gradtx.stateless(observe), gradtx.accumulate(), every=3)
    out, _ = stream(tx, [jnp.array(float(i)) for i in range(7)])
    jax.effects_barrier()
    np.testing.assert_allclose(out, [0, 0, 0, 3, 3, 3, 9])
    assert len(measured) == 3


def test_difference_of_a_narrow_stream():
    out, _ = stream(gradtx.difference(), [jnp.array(x, jnp.bfloat16) for x in (1.0, 3.0, 2.5)])
    np.testing.assert_allclose([float(u) for u in out], [0.0, 2.0, -0.5])


def test_cautious_keeps_what_agrees():
    tx = gradtx.cautious(gradtx.ema(0.5, initial=1.0))
    (u, none), _ = stream(tx, [jnp.array([1.0, 1.0, -0.5, 0.0]), jnp.array([-0.1, -0.1, -0.1, 0.0])])
    np.testing.assert_allclose(u, [4 / 3, 4 / 3, 0.0, 0.0], rtol=1e-6)
    np.testing.assert_array_equal(none, 0)
    # As a whole optimizer, turned round.
    tx = gradtx.chain(gradtx.cautious(gradtx.chain(gradtx.adam(0.1), gradtx.scale(-1.0))), gradtx.scale(-1.0))
    direction = gradtx.chain(gradtx.cautious(gradtx.scale_by_adam()), gradtx.scale_by_learning_rate(0.1))
    x = jnp.asarray(START, jnp.float32)
    np.testing.assert_allclose(run(tx, x, 30), run(direction, x, 30), rtol=1e-6)


def test_stable_adamw_slows_down_when_surprised():
    params = jnp.zeros(4)
    out, _ = stream(gradtx.stable_adamw(1.0, b1=0.0, b2=0.99), [jnp.ones(4)] * 50 + [jnp.full(4, 100.0)], params)
    np.testing.assert_allclose(out[49], -1.0, rtol=1e-4)
    # Adam would move by 100 / sqrt(nu), StableAdamW by 1.
    np.testing.assert_allclose(out[50], -1.0, rtol=1e-4)


def test_grokfast_multiplies_a_constant_gradient():
    out, _ = stream(gradtx.grokfast(alpha=0.9, lamb=3.0), [jnp.array(2.0)] * 5)
    np.testing.assert_allclose(out, 8.0, rtol=1e-6)


def test_orthogonalized_gradients():
    g, p = normal(0, 4, 5), normal(1, 4, 5)
    u, _ = gradtx.orthogonalize_to_params().update(g, gradtx.orthogonalize_to_params().init(p), p)
    np.testing.assert_allclose(jnp.sum(u * p), 0, atol=1e-5)
    np.testing.assert_allclose(jnp.linalg.norm(u), jnp.linalg.norm(g), rtol=1e-6)
    # Nothing is left of what is parallel, in particular of scalars: no rounding is blown up.
    for g, q in ((3.3 * p, p), (jnp.array([0.7]), jnp.array([0.3])), (jnp.array(0.7), jnp.array(0.3))):
        u, _ = gradtx.orthogonalize_to_params().update(g, gradtx.orthogonalize_to_params().init(q), q)
        np.testing.assert_allclose(u, 0, atol=1e-6)


def test_decoupled_decay_is_that_of_the_literature():
    # Rate 1, decay 0.004, three zero gradients: 2 becomes 2 · 0.996³; whatever the rate.
    for rate in (1.0, 1e-3):
        tx = gradtx.chain(gradtx.adam(rate), gradtx.decoupled_weight_decay(0.004))
        x = jnp.array(2.0)
        state = tx.init(x)
        for _ in range(3):
            u, state = tx.update(jnp.array(0.0), state, x)
            x = x + u
        np.testing.assert_allclose(x, 1.9760959, rtol=1e-6)


def test_rates_by_path_take_schedules_and_sweeps():
    params = {"a": jnp.ones(1), "b": jnp.ones(1)}
    tx = gradtx.scale_by_path({"a": gradtx.linear_schedule(1.0, 3.0, 2), "*": 10.0})
    (first, second), _ = stream(tx, [params, params], params)
    assert (float(first["a"][0]), float(second["a"][0]), float(second["b"][0])) == (1.0, 2.0, 10.0)
    assert eval(repr(tx), vars(gradtx)) == tx
    stacked = gradtx.layerwise_decay(jnp.array([1.0, 0.5]), ("a", "b"))
    swept = jax.vmap(lambda tx: tx.update(params, tx.init(params), params)[0]["a"][0])(stacked)
    np.testing.assert_allclose(swept, [1.0, 0.5])


def test_complex_parameters_as_pairs():
    z = jnp.asarray(START[:3] + 1j * START[3:], jnp.complex64)
    tx = gradtx.split_real_and_imaginary(gradtx.adam(0.1))
    pair = {"re": jnp.real(z), "im": jnp.imag(z)}
    state, pair_state = tx.init(z), gradtx.adam(0.1).init(pair)
    for _ in range(5):
        u, state = tx.update(z, state, z)
        v, pair_state = gradtx.adam(0.1).update(pair, pair_state, pair)
        np.testing.assert_allclose(u, np.asarray(v["re"]) + 1j * np.asarray(v["im"]), rtol=1e-6)
    assert u.dtype == z.dtype


# Curvature.


def test_hutchinson_is_exact_on_a_diagonal_and_right_on_average():
    a = normal(0, 5, 5)
    a = a + a.T

    def quadratic(x):
        return x @ a @ x / 2

    x = jnp.ones(5)

    def estimate(key):
        tx = gradtx.hutchinson_estimator_diag_hessian(key)
        return tx.update(x, tx.init(x), x, obj_fn=quadratic)[0]

    # Of zᵢ Σⱼ Aᵢⱼ zⱼ with random signs all but Aᵢᵢ has mean nothing, and Aᵢⱼ zᵢ zⱼ for different j don't go together: Σ Aᵢⱼ² over
    # j ≠ i is the variance. In the sum, the trace, the terms (i, j) and (j, i) are the same: twice as much.
    estimates = jax.vmap(estimate)(jax.random.split(jax.random.key(0), 4000))
    off = np.sum(np.asarray(a) ** 2, 1) - np.diag(a) ** 2
    np.testing.assert_allclose(estimates.mean(0), np.diag(a), atol=5 * np.sqrt(off.max() / 4000))
    np.testing.assert_allclose(estimates.var(0), off, rtol=0.15)
    np.testing.assert_allclose(estimates.sum(1).var(), 2 * off.sum(), rtol=0.15)
    a = jnp.diag(normal(1, 5))
    for seed in range(5):
        np.testing.assert_allclose(estimate(seed), jnp.diagonal(a), rtol=1e-6)


def test_gauss_newton_bartlett_estimates_the_fisher_information():
    logit, batch = jnp.array(0.8), 50

    def sampled(logit, key):
        label = jax.random.bernoulli(key, jax.nn.sigmoid(logit), (batch,))
        return -jnp.mean(jnp.where(label, jax.nn.log_sigmoid(logit), jax.nn.log_sigmoid(-logit)))

    def estimate(key):
        tx = gradtx.gauss_newton_bartlett_diag_hessian(float(batch), key)
        return tx.update(logit, tx.init(logit), logit, sampled_fn=sampled)[0]

    p = jax.nn.sigmoid(logit)
    estimates = jax.vmap(estimate)(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose(estimates.mean(), p * (1 - p), rtol=0.1)


def test_sophia_is_newton_where_nothing_is_averaged_or_clipped():
    scales = jnp.array([1.0, 10.0, 100.0])

    def bowl(x):
        return jnp.sum(scales * (x - 2.0) ** 2)

    tx = gradtx.sophia(1.0, b1=0.0, b2=0.0, weight_decay=0.0, gamma=1.0, clip_threshold=None, update_interval=1)
    x = jnp.zeros(3)
    u, _ = tx.update(jax.grad(bowl)(x), tx.init(x), x, value_fn=bowl)
    np.testing.assert_allclose(x + u, 2.0, rtol=1e-6)


def test_sophia_in_groups_sees_the_whole_function():
    def loss(p):
        return jnp.sum(p["a"] ** 2 * p["b"])

    tx = gradtx.partition({"a": gradtx.sophia(1.0, b1=0.0, b2=0.0, weight_decay=0.0, gamma=1.0), "*": gradtx.set_to_zero()})
    p = {"a": jnp.array([0.5]), "b": jnp.array([3.0])}
    u, _ = tx.update(jax.grad(loss)(p), tx.init(p), p, value_fn=loss)
    np.testing.assert_allclose(u["a"], -0.5, rtol=1e-6)


@pytest.mark.parametrize("row", [r for r in TABLE if r.tx.elementwise and len(r.shape) == 1], ids=lambda r: r.name)
def test_what_says_so_treats_every_number_by_itself(row):
    together = jnp.asarray(START, jnp.float32)
    apart = {str(i): together[i] for i in range(6)}

    @jax.jit
    def step(tree, grads, state):
        u, state = row.tx.update(grads, state, tree, value=jnp.array(0.5))
        return gradtx.apply_updates(tree, u), state

    state, states = row.tx.init(together), row.tx.init(apart)
    for t in range(7):
        g = gradient(together, jnp.asarray(t))
        together, state = step(together, g, state)
        apart, states = step(apart, {str(i): g[i] for i in range(6)}, states)
    np.testing.assert_allclose([apart[str(i)] for i in range(6)], together, rtol=1e-6, atol=1e-7)
