"""Training: the loop against hand-written ones, the order of data, stopping, keeping, what goes wrong."""

import os
import signal
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import gradtx
from gradtx.training import (
    Checkpoints,
    curriculum,
    early_stopping,
    fit,
    full_batch,
    gradient_below,
    minibatches,
    range_test,
    refresh_statistics,
    supervised_loss,
    time_limit,
)
from gradtx.training.flax import Optimizer, TrainState

rng = np.random.default_rng(0)
X = rng.normal(size=(22, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5], np.float32) + 0.1 * rng.normal(size=22)).astype(np.float32)


def loss(params, batch):
    x, y = batch
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


def start():
    return {"w": jnp.zeros(3), "b": jnp.zeros(())}


def assert_same(a, b):
    """Bit for bit."""
    data = lambda x: jax.random.key_data(x) if jnp.issubdtype(jnp.asarray(x).dtype, jax.dtypes.prng_key) else x
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(data(x), data(y)), a, b)


# The loop


@pytest.mark.lenient
@pytest.mark.parametrize(
    ("ours", "theirs"), [(gradtx.sgd(0.1), optax.sgd(0.1)), (gradtx.adam(0.05), optax.adam(0.05))], ids=["sgd", "adam"]
)
@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_the_loop_is_what_one_writes_with_optax(ours, theirs, steps_per_call):
    params, state = start(), theirs.init(start())
    means = []
    for epoch in range(4):
        order = np.asarray(jax.random.permutation(jax.random.fold_in(jax.random.key(3), epoch), 22))
        seen = []
        for i in range(0, 22, 5):  # the last batch has two
            rows = order[i : i + 5]
            value, grads = jax.value_and_grad(loss)(params, (X[rows], Y[rows]))
            updates, state = theirs.update(grads, state, params)
            params = optax.apply_updates(params, updates)
            seen.append(float(value))
        means.append(np.mean(seen))
    run = fit(loss, start(), ours, minibatches((X, Y), 5, seed=3), epochs=4, steps_per_call=steps_per_call)
    assert run.step == 20
    np.testing.assert_allclose(run.history["loss"], means, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), run.params, params)


def test_what_is_given_stays_usable():
    params = start()
    fit(loss, params, gradtx.sgd(0.1), full_batch((X, Y)), steps=3)
    np.testing.assert_array_equal(params["w"], np.zeros(3))


def test_records_come_every_so_many_steps_and_at_the_end():
    run = fit(loss, start(), gradtx.sgd(0.1), minibatches((X, Y), 5), steps=11, every=4, steps_per_call=3)
    assert [r["step"] for r in run.records] == [4, 8, 11]
    assert run.reason == "all 11 steps are done"
    assert run.history["step"].tolist() == [4, 8, 11]


def test_metrics_of_the_loss_are_averaged():
    run = fit(lambda p, b: (jnp.sum(p**2), {"batch": b}), jnp.ones(2), gradtx.sgd(0.0), [1.0, 2.0, 6.0], epochs=2)
    assert [r["batch"] for r in run.records] == [3.0, 3.0]
    np.testing.assert_allclose(run.records[0]["grad_norm"], 8**0.5, rtol=1e-6)


def test_validation_is_a_mean_over_examples_in_evaluation():
    # An average of weights is what is judged; batches of 22 = 4 x 5 + 2 count by their examples.
    tx = gradtx.chain(gradtx.sgd(0.1), gradtx.ema_params(0.5))
    run = fit(loss, start(), tx, full_batch((X, Y)), steps=4, validation=minibatches((X, Y), 5, shuffle=False))
    judged = gradtx.evaluation_params(tx, run.state.opt_state, run.params)
    assert not np.allclose(judged["w"], run.params["w"])
    np.testing.assert_allclose(run.records[-1]["val_loss"], loss(judged, (X, Y)), rtol=1e-5)


def test_a_key_is_drawn_for_each_step():
    key = jax.random.key(5)
    noisy = lambda p, b, key: (jnp.sum(p**2), {"drawn": jax.random.normal(key)})
    run = fit(noisy, jnp.ones(2), gradtx.sgd(0.1), [0], steps=3, key=key)
    wanted = [float(jax.random.normal(jax.random.fold_in(key, t))) for t in range(3)]
    np.testing.assert_allclose(run.history["drawn"], wanted, rtol=1e-6)


def test_a_class_makes_an_nnx_model():
    class Line(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(3, 1, rngs=rngs)

        def __call__(self, x):
            return self.linear(x)[:, 0]

    task = supervised_loss(Line, squares)
    params, state = task.init(jax.random.key(0), X)
    run = fit(task, params, gradtx.adam(0.1), (X, Y), steps=200, model_state=state, key=jax.random.key(1))
    np.testing.assert_allclose(run.params["linear"]["kernel"][...][:, 0], [1.0, -2.0, 0.5], atol=0.1)


class Normed(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(4)(x))
        return nn.Dense(1)(nn.Dropout(0.2, deterministic=not train)(nn.relu(x)))[:, 0]


def squares(outputs, y):
    return jnp.mean((outputs - y) ** 2)


def test_batch_statistics_follow_the_trained_model():
    task = supervised_loss(Normed(), squares)
    params, state = task.init(jax.random.key(0), X[:1])
    wanted = state
    at = params
    tx = gradtx.sgd(0.1)
    opt = tx.init(params)
    for t in range(3):
        key = jax.random.fold_in(jax.random.key(1), t)

        def value(p, wanted=wanted, key=key):
            out, new = Normed().apply({"params": p, **wanted}, X, train=True, mutable=["batch_stats"], rngs={"dropout": key})
            return squares(out, Y), new

        grads, wanted = jax.grad(value, has_aux=True)(at)
        updates, opt = tx.update(grads, opt, at)
        at = gradtx.apply_updates(at, updates)
    run = fit(task, params, tx, full_batch((X, Y)), steps=3, model_state=state, key=jax.random.key(1), validation=(X, Y))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), run.state.model_state, dict(wanted))
    out = Normed().apply({"params": run.params, **run.state.model_state}, X, train=False)
    np.testing.assert_allclose(run.records[-1]["val_loss"], squares(out, Y), rtol=1e-5)


@pytest.mark.lenient
def test_an_nnx_module_is_trained_in_place_like_with_nnx_optimizer():
    def model():
        rngs = nnx.Rngs(0)
        return nnx.Sequential(nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs), nnx.relu, nnx.Linear(4, 1, rngs=rngs))

    value = lambda model, batch: jnp.mean((model(batch[0])[:, 0] - batch[1]) ** 2)
    theirs, ours = model(), model()
    optimizer = nnx.Optimizer(theirs, optax.sgd(0.05), wrt=nnx.Param)
    for _ in range(5):
        optimizer.update(theirs, nnx.grad(value)(theirs, (X, Y)))
    run = fit(value, ours, gradtx.sgd(0.05), (X, Y), steps=5, validation=(X, Y))
    for a, b in zip(jax.tree.leaves(nnx.state(ours)), jax.tree.leaves(nnx.state(theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    ours.eval()
    np.testing.assert_allclose(run.records[-1]["val_loss"], value(ours, (X, Y)), rtol=1e-5)


def test_gradients_are_accumulated_over_small_batches():
    small = fit(loss, start(), gradtx.MultiSteps(gradtx.adam(0.1), 2), minibatches((X, Y), 11, shuffle=False), steps=6)
    large = fit(loss, start(), gradtx.adam(0.1), full_batch((X, Y)), steps=3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), small.params, large.params)


def test_bfloat16_parameters_keep_their_dtype_and_train():
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), start())
    data = full_batch((X.astype(jnp.bfloat16), Y.astype(jnp.bfloat16)))
    run = fit(loss, half, gradtx.master_weights(gradtx.adam(0.01)), data, steps=300)
    assert {x.dtype for x in jax.tree.leaves(run.params)} == {jnp.dtype(jnp.bfloat16)}
    assert run.records[-1]["loss"] < 0.05 < run.records[0]["loss"]


# In mid-run


def test_a_rate_changes_without_another_compilation():
    traced = []

    def counted(p, b):
        traced.append(1)
        return jnp.sum(p)

    def lower(run):
        run.adjust(learning_rate=0.5 * float(run.records[-1]["learning_rate"]))

    run = fit(counted, jnp.zeros(1), gradtx.sgd(1.0), [0], epochs=4, callbacks=[lower])
    np.testing.assert_allclose(run.params, [-1.875])
    assert len(traced) == 1
    assert run.history["learning_rate"].tolist() == [1.0, 0.5, 0.25, 0.125]


def test_every_hyperparameter_in_force_is_recorded():
    rate = gradtx.linear_schedule(1.0, 0.0, 10)
    run = fit(loss, start(), gradtx.adam(rate, b1=0.8), full_batch((X, Y)), steps=5)
    np.testing.assert_allclose(run.history["learning_rate"], [float(rate(t)) for t in range(1, 6)], rtol=1e-6)
    np.testing.assert_allclose(run.history["b1"], [0.8] * 5, rtol=1e-6)


# The order of data


def test_an_epoch_has_every_example_once_and_another_order():
    batches = minibatches(np.arange(22), 5, seed=1)
    epochs = [np.concatenate(list(batches.epoch(e))) for e in (0, 1)]
    assert [sorted(e.tolist()) for e in epochs] == [list(range(22))] * 2
    assert epochs[0].tolist() != epochs[1].tolist() != list(range(22))
    assert [len(b) for b in batches.epoch(0)] == [5, 5, 5, 5, 2]
    assert [len(b) for b in minibatches(np.arange(22), 5, last="drop").epoch(0)] == [5, 5, 5, 5]
    assert [b.tolist() for b in minibatches(np.arange(3), 1, shuffle=False).epoch(9)] == [[0], [1], [2]]


def test_a_curriculum_begins_with_what_is_easy():
    difficulty = np.array([0.5, 0.1, 0.9, 0.1, 0.7, 0.3])
    pace = lambda epoch: [0.34, 0.5, 1.0][min(epoch, 2)]
    batches = curriculum(np.arange(6), 2, difficulty, pace, seed=4)
    # In order of difficulty, equals in their own: 1 3 5 0 4 2.
    for epoch, easiest in enumerate(([1, 3], [1, 3, 5], [1, 3, 5, 0, 4, 2])):
        order = jax.random.permutation(jax.random.fold_in(jax.random.key(4), epoch), 6).tolist()
        wanted = np.array([i for i in order if i in easiest][: len(easiest) // 2 * 2]).reshape(-1, 2)
        np.testing.assert_array_equal(np.stack(list(batches.epoch(epoch))), wanted)


def test_any_iterable_gives_batches():
    batches = [(X[:11], Y[:11]), (X[11:], Y[11:])]
    wanted = fit(loss, start(), gradtx.sgd(0.1), minibatches((X, Y), 11, shuffle=False), epochs=2)
    loader = type("Loader", (), {"__iter__": lambda self: iter(batches)})()
    for data in (batches, loader):
        assert_same(fit(loss, start(), gradtx.sgd(0.1), data, epochs=2).params, wanted.params)
    once = fit(loss, start(), gradtx.sgd(0.1), iter(batches), epochs=1)
    assert once.step == 2
    with pytest.raises(ValueError, match="gone through once only"):
        fit(loss, start(), gradtx.sgd(0.1), iter(batches), epochs=2)


# Stopping and keeping


def recorded(**columns):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return types.SimpleNamespace(
        records=[{"step": i + 1, **r} for i, r in enumerate(rows)],
        history={n: np.array(c) for n, c in columns.items()},
    )


@pytest.mark.parametrize(
    ("losses", "arguments", "stops"),
    [
        ([3.0, 2.0, 1.0], {}, False),
        ([1.0, 2.0, 2.0], {}, True),
        ([1.0, 2.0, 0.9], {}, False),
        ([1.0, 0.99, 0.98], {"min_delta": 0.05}, True),
        ([1.0, 0.99, 0.94], {"min_delta": 0.05}, False),
        ([1.0, 0.9, 0.8], {"mode": "max"}, True),
        ([1.0, np.nan, np.nan], {}, True),
        ([np.nan, 5.0, 4.0], {}, False),
    ],
)
def test_early_stopping_waits_as_long_as_it_was_told(losses, arguments, stops):
    reason = early_stopping(patience=2, **arguments)(recorded(val_loss=losses))
    assert (reason is not None) is stops


def test_the_best_parameters_are_kept():
    # A rate that swings around the minimum: the loss before step t is |1 - 0.4 t|, folded; the best is met in mid-run.
    seen = []
    run = fit(
        lambda p, b: jnp.abs(p),
        jnp.array(1.0),
        gradtx.sgd(gradtx.linear_schedule(0.0, 1.0, 10)),
        [0],
        validation=[(jnp.zeros(1),)],
        evaluate=lambda p, b: {"distance": jnp.abs(p)},
        steps=20,
        monitor="val_distance",
        callbacks=[lambda run: seen.append((float(jnp.abs(run.params)), run.step))],
    )
    assert (run.best.score, run.best.step) == pytest.approx(min(seen))
    np.testing.assert_allclose(abs(run.best.params), min(seen)[0])
    assert run.best.step < 20


def test_a_run_stops_for_a_reason_in_words():
    quick = lambda stop: fit(lambda p, b: p**2, jnp.array(1.0), gradtx.sgd(0.25), [0], steps=50, stop=[stop])
    assert quick(gradient_below(1e-3)).reason.startswith("the gradient norm")
    run = quick(time_limit(1e-9))
    assert (run.step, run.reason) == (1, "the 1e-09 seconds are over")
    run = quick(lambda run: "enough" if run.step == 7 else None)
    assert (run.step, run.reason) == (7, "enough")


def test_ctrl_c_ends_between_steps_and_gives_the_run():
    before = signal.getsignal(signal.SIGINT)
    interrupt = lambda run: os.kill(os.getpid(), signal.SIGINT) if run.step == 3 else None
    run = fit(loss, start(), gradtx.sgd(0.1), full_batch((X, Y)), steps=50, callbacks=[interrupt])
    assert (run.step, run.reason) == (3, "it was interrupted from the keyboard")
    assert signal.getsignal(signal.SIGINT) is before


# What is not finite


@pytest.mark.parametrize("steps_per_call", [1, 3])
def test_a_bad_batch_is_named_and_its_step_left_out(steps_per_call):
    x = X.copy()
    x[13, 1] = np.nan
    batches = minibatches((x, Y), 5, shuffle=False)
    with pytest.raises(
        FloatingPointError, match=r"loss is nan at step 2, batch 2 of epoch 0.*\[0\].*row 3 \(example 13"
    ) as error:
        fit(loss, start(), gradtx.adam(0.1), batches, epochs=1, steps_per_call=steps_per_call)
    assert all(bool(jnp.isfinite(v).all()) for v in jax.tree.leaves(error.value.run.params))


def test_bad_steps_are_skipped_and_counted():
    x = X.copy()
    x[13, 1] = np.nan
    run = fit(loss, start(), gradtx.adam(0.1), minibatches((x, Y), 11, shuffle=False), epochs=3, nonfinite="skip")
    good = fit(loss, start(), gradtx.adam(0.1), full_batch((X[:11], Y[:11])), epochs=3)
    assert (run.step, run.skipped) == (6, 3)
    assert_same((run.params, run.state.opt_state), (good.params, good.state.opt_state))
    np.testing.assert_array_equal(run.history["loss"], good.history["loss"])


def test_a_step_too_far_says_so():
    with pytest.raises(FloatingPointError, match=r"all of the batch is finite.*lower learning rate"):
        fit(lambda p, b: jnp.sum(p**4), jnp.ones(2), gradtx.sgd(1e6), [0], steps=9)


def test_batch_statistics_stay_when_a_step_is_left_out():
    x = X.copy()
    x[0] = np.inf
    task = supervised_loss(Normed(), squares)
    params, state = task.init(jax.random.key(0), X[:1])
    run = fit(task, params, gradtx.sgd(0.1), (x, Y), steps=1, model_state=state, key=jax.random.key(1), nonfinite="skip")
    assert_same(run.state.model_state, state)


# Checkpoints


def trained(folder, steps, *, data=None, keep=2, best=None, tx=None, monitor="val_loss"):
    # A schedule, an average, a rate that a callback changes, a best one, and batches that don't divide the epoch.
    def callback(run):
        if run.step == 8 and tx is None:
            run.adjust(b1=0.5)

    return fit(
        loss,
        start(),
        tx or gradtx.adam(gradtx.cosine_decay_schedule(0.1, 30)),
        data or minibatches((X, Y), 5, seed=2),
        steps=steps,
        every=4,
        key=None,
        validation=(X, Y),
        monitor=monitor,
        callbacks=[callback],
        checkpoints=None if folder is None else Checkpoints(folder, keep=keep, best=best),
    )


@pytest.mark.parametrize("data", [None, [(X[:11], Y[:11]), (X[11:], Y[11:]), (X[:3], Y[:3])]], ids=["arrays", "loader"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, data):
    whole = trained(None, 24, data=data)
    trained(tmp_path, 12, data=data)
    resumed = trained(tmp_path, 24, data=data)
    assert_same(resumed.state, whole.state)
    assert_same((resumed.best.params, resumed.best.score), (whole.best.params, whole.best.score))
    without = lambda run: [{n: x for n, x in r.items() if n != "seconds"} for r in run.records]
    assert without(resumed) == without(whole)
    assert resumed.optimizer == whole.optimizer
    again = trained(tmp_path, 24, data=data)  # nothing is left to do
    assert_same(again.state, whole.state)


def test_keys_and_streams_of_random_numbers_are_kept(tmp_path):
    def model():
        rngs = nnx.Rngs(0)
        return nnx.Sequential(nnx.Linear(3, 4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 1, rngs=rngs))

    value = lambda model, batch, key: jnp.mean((model(batch[0])[:, 0] - batch[1] + jax.random.normal(key)) ** 2)

    def train(folder, steps):
        checkpoints = None if folder is None else Checkpoints(folder)
        return fit(value, model(), gradtx.adam(0.1), (X, Y), steps=steps, key=jax.random.key(3), checkpoints=checkpoints)

    train(tmp_path, 3)
    assert_same(jax.tree.leaves(train(tmp_path, 6).state), jax.tree.leaves(train(None, 6).state))


@pytest.mark.parametrize("cut", [False, True], ids=["at once", "resumed"])
def test_the_last_few_and_the_best_are_kept(tmp_path, cut):
    jump = gradtx.sgd(gradtx.piecewise_constant_schedule(0.1, {8: 30.0}))  # gets worse after step 8
    if cut:
        trained(tmp_path, 16, keep=2, best="val_loss", tx=jump)
    run = trained(tmp_path, 24, keep=2, best="val_loss", tx=jump)
    best = int(run.history["step"][np.argmin(run.history["val_loss"])])
    kept = sorted(int(p.name) for p in tmp_path.iterdir() if p.name.isdigit())
    assert kept == sorted({best, 20, 24})
    assert best == 8


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_another_model_or_optimizer_is_refused_and_nothing_lost(tmp_path):
    trained(tmp_path, 8)
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"optimizer adam\(.*this one has sgd"):
        trained(tmp_path, 8, tx=gradtx.sgd(0.1))
    with pytest.raises(ValueError, match=r"at .*w the run kept there has float32\[3\], this one has float32\[4\]"):
        fit(
            lambda p, b: jnp.sum(p["w"]) + p["b"],
            {"w": jnp.zeros(4), "b": jnp.zeros(())},
            gradtx.adam(gradtx.cosine_decay_schedule(0.1, 30)),
            [0],
            steps=8,
            checkpoints=Checkpoints(tmp_path),
        )
    assert files(tmp_path) == before


@pytest.mark.parametrize("what", ["arrays", "about"])
def test_a_damaged_checkpoint_is_refused_and_the_rest_untouched(tmp_path, what):
    trained(tmp_path, 8)
    for path in (tmp_path / "8" / what).rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"step 8: the checkpoint can't be read"):
        trained(tmp_path, 8)
    assert files(tmp_path) == before


# Statistics of averages


def test_refreshed_statistics_are_the_means_over_the_batches():
    model = Normed()
    task = supervised_loss(model, squares)
    params, state = task.init(jax.random.key(0), X[:1])
    apply = lambda params, state, batch: task.apply(params, state, batch[0], jax.random.key(0))[1]
    batches = list(minibatches((X, Y), 11, shuffle=False).epoch(0))
    fresh = refresh_statistics(apply, params, state, batches)
    kernel, bias = np.asarray(params["Dense_0"]["kernel"], np.float64), np.asarray(params["Dense_0"]["bias"], np.float64)
    before = [x.astype(np.float64) @ kernel + bias for x, _ in batches]
    found = fresh["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(found["mean"], np.mean([b.mean(0) for b in before], axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["var"], np.mean([b.var(0) for b in before], axis=0), rtol=1e-4)


# The range test


def test_the_range_test_finds_where_a_quadratic_diverges():
    # Gradient descent on c x²/2 is stable up to a rate of 2 / c; noise keeps the loss off zero.
    c = 8.0
    data = minibatches(rng.normal(size=400).astype(np.float32), 4)
    noisy = lambda p, batch: jnp.mean(c / 2 * (p - batch) ** 2)
    seen = range_test(noisy, jnp.array(20.0), gradtx.sgd(1.0), data, lowest=1e-4, highest=10.0, steps=200)
    assert seen.rates[0] == 1e-4
    np.testing.assert_allclose(seen.rates[1:] / seen.rates[:-1], 1e5 ** (1 / 199), rtol=1e-9)
    assert seen.rates[-1] < 10  # it was ended
    assert 0.002 < seen.steepest < 2 / c
    assert seen.limit < 2 * 2 / c


def test_the_range_test_takes_losses_below_zero():
    lower = lambda p, batch: jnp.sum(p**2) - 100.0
    seen = range_test(lower, jnp.ones(2), gradtx.sgd(0.1), [0], lowest=1e-4, highest=10.0)
    assert 0.01 < seen.steepest < 1 < seen.rates[-1] < 10


def test_the_range_test_changes_nothing_that_it_is_given():
    model = nnx.Linear(3, 1, rngs=nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.state(model))
    range_test(lambda m, b: jnp.mean((m(b[0])[:, 0] - b[1]) ** 2), model, gradtx.sgd(0.1), (X, Y), steps=20)
    assert_same(jax.tree.leaves(nnx.state(model)), jax.tree.leaves(before))


# Bad input


def simple(**changes):
    arguments = {"loss": loss, "params": start(), "optimizer": gradtx.sgd(0.1), "data": (X, Y), "steps": 1, **changes}
    return fit(**arguments)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: simple(steps=None), ValueError, "give epochs or steps"),
        (lambda: simple(steps=0), ValueError, "steps is 0"),
        (lambda: simple(every=1.5), ValueError, "every is 1.5"),
        (lambda: simple(mode="best"), ValueError, "mode is 'best'"),
        (lambda: simple(nonfinite="ignore"), ValueError, "nonfinite is 'ignore'"),
        (lambda: simple(optimizer=optax.sgd(0.1)), TypeError, "from_optax"),
        (lambda: simple(data=(X, Y[:5])), ValueError, r"as many examples.*\[0\]: 22, \[1\]: 5"),
        (lambda: simple(data=(X[:0], Y[:0])), ValueError, "no examples"),
        (lambda: simple(data=()), ValueError, "no arrays"),
        (lambda: simple(data=[]), ValueError, "no batch 0 in epoch 0"),
        (lambda: simple(data=3), TypeError, "neither arrays nor"),
        (lambda: simple(data=([1.0], Y)), TypeError, "must hold arrays; this holds ..float"),
        (lambda: simple(validation=(X[:0], Y[:0])), ValueError, "no examples"),
        (lambda: simple(validation=[]), ValueError, "validation gave no batch"),
        (lambda: simple(monitor="val_loss"), ValueError, "monitor is 'val_loss'; the records have"),
        (lambda: simple(stop=[early_stopping("val_loss")]), ValueError, "metric is 'val_loss'"),
        (lambda: simple(loss=lambda p, b: p["w"]), TypeError, r"one real number, it is float32\[3\]"),
        (lambda: simple(loss=lambda p, b: (p["b"], 3)), TypeError, "metrics is a dictionary"),
        (lambda: simple(loss=lambda p, b: (p["b"], {"loss": p["b"]})), ValueError, "can't be named 'loss'"),
        (lambda: simple(loss=lambda p, b, state: p["b"], model_state={}), TypeError, "must return"),
        (lambda: simple(loss=lambda p, b, key: p["b"], key=jax.random.key(0), validation=(X, Y)), ValueError, "evaluate"),
        (lambda: minibatches(X, 23), ValueError, "of 22 examples a batch can take 1 to 22"),
        (lambda: minibatches(X, 2, last="pad"), ValueError, "last is 'pad'"),
        (lambda: curriculum(X, 2, np.zeros(3), lambda e: 1.0), ValueError, "difficulty must be 22 numbers"),
        (lambda: simple(data=curriculum(X, 2, np.zeros(22), lambda e: 0.0)), ValueError, "pace is 0.0 in epoch 0"),
        (lambda: early_stopping(patience=0), ValueError, "patience is 0"),
        (lambda: early_stopping(min_delta=-1), ValueError, "min_delta is -1"),
        (lambda: gradient_below(0), ValueError, "tolerance is 0"),
        (lambda: time_limit(0), ValueError, "seconds is 0"),
        (lambda: Checkpoints("x", keep=0), ValueError, "keep is 0"),
        (lambda: range_test(loss, start(), gradtx.sgd(0.1), (X, Y), lowest=0.0), ValueError, "the rates go from 0.0"),
        (lambda: range_test(loss, start(), gradtx.clip(1.0), (X, Y)), ValueError, "learning_rate"),
        (lambda: refresh_statistics(lambda p, s, b: s, 1.0, {}, []), ValueError, "no batch"),
    ],
)
def test_bad_input_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


# Flax's own carriers


def test_a_train_state_maps_over_its_optimizer_and_changes_it_without_compiling():
    traced = []

    @jax.jit
    def step(state):
        traced.append(1)
        return state.apply_gradients(grads=jax.grad(loss)(state.params, (X, Y)))

    make = lambda rate: TrainState.create(apply_fn=None, params=start(), tx=gradtx.adam(rate))
    both = jax.vmap(lambda rate: step(step(make(rate))))(jnp.array([0.1, 0.2]))
    traced.clear()
    for i, rate in enumerate((0.1, 0.2)):
        alone = step(step(make(jnp.array(rate))))
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-6), both.params, alone.params)
    assert len(traced) <= 2  # the first step's counter is a Python number


def test_an_nnx_optimizer_takes_another_rate_without_compiling():
    traced = []
    model = nnx.Linear(3, 1, rngs=nnx.Rngs(0))
    optimizer = Optimizer(model, gradtx.sgd(jnp.array(0.0)), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        traced.append(1)
        optimizer.update(model, nnx.grad(lambda m: m(X).sum())(model))

    step(model, optimizer)
    before = np.asarray(model.kernel[...])
    optimizer.tx = gradtx.sgd(jnp.array(0.5))
    step(model, optimizer)
    np.testing.assert_allclose(before - model.kernel[...], 0.5 * X.sum(0)[:, None], rtol=1e-5)
    assert len(traced) == 1
