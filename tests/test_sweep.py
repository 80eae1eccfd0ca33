"""Sweeps: spaces, the engine against loops, policies, robustness, results."""

import errno
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import gradtx
from gradtx.problems import rosenbrock
from gradtx.solve import trajectory
from gradtx.sweep import (
    Decision,
    Results,
    Trainer,
    accuracy,
    apart,
    choice,
    early_stopping,
    full,
    grid,
    hyperband,
    integer,
    linear,
    log,
    loguniform,
    minimizing,
    normal,
    population_based,
    product,
    random,
    run,
    sampled,
    shuffled,
    sobol,
    successive_halving,
    supervised,
    trials,
    uniform,
    values,
    zipped,
)
from gradtx.sweep.policies import Report, brackets
from tests.conftest import FULL

# Spaces


def test_a_grid_is_every_combination_and_zip_goes_side_by_side():
    space = grid(a=[1, 2], b=values(3, 4, 5))
    assert list(zip(*space.columns.values(), strict=True)) == [(a, b) for a in (1, 2) for b in (3, 4, 5)]
    assert zipped(a=[1, 2], b=[3, 4]).columns == {"a": (1, 2), "b": (3, 4)}
    assert product([grid(a=[1, 2]), zipped(b=[3, 4], c=[5, 6])]).columns == {
        "a": (1, 1, 2, 2),
        "b": (3, 4, 3, 4),
        "c": (5, 6, 5, 6),
    }
    assert (grid(a=[1]) + grid(a=[2, 3])).columns == {"a": (1, 2, 3)}


def test_ranges_are_evenly_spaced_and_include_their_ends():
    np.testing.assert_allclose(linear(0, 1, 5).options, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(log(1e-4, 1e-2, 3).options, [1e-4, 1e-3, 1e-2])


@pytest.mark.parametrize(
    ("axis", "cdf"),
    [
        (uniform(2, 5), lambda x: (x - 2) / 3),
        (loguniform(1e-5, 1e-1), lambda x: (np.log10(x) + 5) / 4),
        (normal(1.0, 2.0), lambda x: np.array([0.5 * (1 + __import__("math").erf((v - 1) / 8**0.5)) for v in x])),
    ],
    ids=["uniform", "loguniform", "normal"],
)
@pytest.mark.parametrize("sampler", [random, sobol])
def test_draws_have_their_distribution(axis, cdf, sampler):
    drawn = np.sort(cdf(np.array(sampler(1024, seed=3, x=axis).columns["x"])))
    # Kolmogorov-Smirnov: random draws stay under 1.63/sqrt(n) with 99 %; Sobol's are far more even.
    distance = np.abs(drawn - (np.arange(1024) + 0.5) / 1024).max()
    assert distance < (0.051 if sampler is random else 0.002)


def test_whole_numbers_and_choices_are_all_as_likely():
    n = np.bincount(random(4000, n=integer(2, 5)).columns["n"])[2:]
    assert n.min() > 900
    assert set(random(50, x=choice("a", None, 2)).columns["x"]) == {"a", None, 2}


@pytest.mark.parametrize("sampler", [random, sobol])
def test_a_seed_gives_the_same_draws(sampler):
    one, same, other = (sampler(5, seed=s, x=uniform(0, 1), y=uniform(0, 1)) for s in (1, 1, 2))
    assert one == same
    assert one != other


# Trials


def test_rows_are_what_the_table_says():
    t = trials(gradtx.adamw, learning_rate=loguniform(1e-5, 1e-1), b2=values(0.99, 0.999), samples=4, seeds=3)
    assert len(t) == 24
    assert t.optimizer.learning_rate.shape == (24,)
    for i in range(24):
        assert t.row(i) == gradtx.adamw(t.columns["learning_rate"][i], b2=t.columns["b2"][i])
    assert t.columns["seed"].tolist() == [0, 1, 2] * 8
    assert t.columns["setting"].tolist() == np.repeat(np.arange(8), 3).tolist()


def test_any_leaf_can_be_swept():
    tx = gradtx.chain(gradtx.clip(1.0), gradtx.adam(gradtx.cosine_decay_schedule(1e-3, 100)))
    t = trials(tx, **{"1.learning_rate.decay_steps": [10, 20], "0.max_delta": [0.5, 2.0]}, b1=[0.8])
    wanted = gradtx.chain(gradtx.clip(2.0), gradtx.adam(gradtx.cosine_decay_schedule(1e-3, 10), b1=0.8))
    assert t.row(1) == wanted
    assert len(t.groups) == 1


def test_what_selects_code_makes_groups():
    schedules = values(gradtx.cosine_decay_schedule(1e-3, 100), gradtx.cosine_decay_schedule(1e-2, 50), 1e-3)
    t = trials(gradtx.adam, learning_rate=schedules, nesterov=[False, True])
    assert sorted(g.rows.tolist() for g in t.groups) == [[0, 2], [1, 3], [4], [5]]
    for i in range(6):
        assert t.row(i) == gradtx.adam(t.columns["learning_rate"][i], nesterov=t.columns["nesterov"][i])


def test_sums_keep_rows_and_settings_apart():
    t = trials(gradtx.sgd, learning_rate=[0.1, 0.2], seeds=2) + trials(gradtx.lion(1e-3), b1=[0.9], label="lion, mine")
    assert t.columns["optimizer"].tolist() == ["sgd"] * 4 + ["lion, mine"]
    assert t.columns["setting"].tolist() == [0, 0, 1, 1, 2]
    assert t.columns["learning_rate"][4] is None
    assert t.row(4) == gradtx.lion(1e-3)


# The engine


@pytest.mark.parametrize("tx", [gradtx.adam, gradtx.nesterov, gradtx.sgd], ids=lambda tx: tx.__name__)
def test_each_trial_is_what_a_loop_makes_of_it(tx):
    t = trials(tx, learning_rate=log(1e-5, 1e-3, 5))
    results = run(minimizing(rosenbrock), t, steps=60, every=20)
    for i in range(5):
        alone = trajectory(rosenbrock, t.row(i), jnp.array(rosenbrock.start), 60).values[jnp.array([20, 40, 60])]
        np.testing.assert_allclose(results.curves["loss"][i], alone, rtol=2e-5)


def test_schedules_lengths_and_kinds_in_one_sweep():
    schedule = gradtx.cosine_decay_schedule(1e-3, 30)
    t = trials(gradtx.adam(schedule), **{"learning_rate.decay_steps": [10, 30]}) + trials(gradtx.sgd, learning_rate=[1e-4])
    results = run(minimizing(rosenbrock), t, steps=30)
    for i in range(3):
        alone = trajectory(rosenbrock, t.row(i), jnp.array(rosenbrock.start), 30).values[-1]
        np.testing.assert_allclose(results.final()[i], alone, rtol=2e-5)
    assert results.best().optimizer in [t.row(i) for i in range(3)]


class Net(nn.Module):
    width: int = 8
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(nn.Dense(self.width)(x))
        if self.dropout:
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(3)(x)


def blobs():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 96)
    inputs = np.eye(3)[labels] @ generator.normal(size=(3, 5)) + 0.5 * generator.normal(size=(96, 5))
    return inputs.astype(np.float32), labels.astype(np.int32)


@functools.cache  # and so compiled once
def small(**changes):
    x, y = blobs()
    return supervised(Net(), (x[:64], y[:64]), (x[64:], y[64:]), **{"batch_size": 16, **changes})


def rates(n=8, **changes):
    return trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, n), **changes)


def assert_same(a, b, names=None):
    for name in names or a.curves:
        np.testing.assert_array_equal(a.curves[name], b.curves[name], err_msg=name)
    for name in ("status", "diverged_at", "stopped_at", "at"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.copies == b.copies


def test_the_usual_case_against_a_loop():
    x, y = blobs()
    batch, model, tx = shuffled((x[:64], y[:64]), 16, seed=1), Net(), gradtx.adam(0.03)
    results = run(small(batch=batch), trials(gradtx.adam, learning_rate=[0.003, 0.03]), steps=25)
    params = model.init(jax.random.key(0), x[:1])["params"]
    state = tx.init(params)
    loss = lambda p, x, y: -jnp.mean(jax.nn.log_softmax(model.apply({"params": p}, x))[jnp.arange(len(y)), y])
    update = jax.jit(lambda params, state, x, y: tx.update(jax.grad(loss)(params, x, y), state, params))
    for step in range(25):
        updates, state = update(params, state, *batch(step, None))
        params = gradtx.apply_updates(params, updates)
    np.testing.assert_allclose(results.final()[1], loss(params, x[64:], y[64:]), rtol=1e-5)


def test_an_epoch_has_every_example_once():
    batch = shuffled(np.arange(20), 6, epochs=2)
    epochs = [np.concatenate([batch(s, None) for s in range(b, b + 3)]) for b in (0, 3)]
    assert all(len(set(e.tolist())) == 18 for e in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    np.testing.assert_array_equal(batch(0, None), batch(6, None))


def test_extra_fields_reach_the_trainer():
    x, y = blobs()
    norm = lambda p: sum(jnp.sum(v**2) for v in jax.tree.leaves(p))
    trainer = small(
        penalty=lambda p, v: v["l2"] * norm(p),
        initial=lambda p, v: jax.tree.map(lambda a: a * v["scale"], p),
        batch=sampled((x[:64], y[:64]), 16),
    )
    extra = {"l2": values(0.0, 0.1), "scale": values(1.0, 0.0), "data_seed": values(0, 1)}
    results = run(trainer, trials(gradtx.sgd, learning_rate=[0.1], extra=extra), steps=5)
    train = results.curves["train"][:, -1]
    assert len(set(np.round(train, 6).tolist())) == 8  # every field matters


def test_an_extra_field_may_mix_whole_numbers_with_others_and_be_absent():
    """The first value, by which the program used to be compiled, is a whole number and the others are not; the last trial has none."""
    init = lambda trial, key: (trial, jnp.nan_to_num(jnp.asarray(trial.values["x"], jnp.float32), nan=-1.0))
    trainer = Trainer(init, lambda carry, batch: (carry, carry[1]), lambda carry: carry[1])
    t = trials(gradtx.sgd, learning_rate=[0.1], extra={"x": [1, 2.5]}) + trials(gradtx.sgd, learning_rate=[0.2])
    assert run(trainer, t, steps=1).final().tolist() == [1.0, 2.5, -1.0]
    assert run(trainer, t, steps=1, chunk=1).final().tolist() == [1.0, 2.5, -1.0]


@pytest.mark.parametrize("chunk", [1, 3, 4])
def test_chunks_change_nothing(chunk):
    whole, cut = run(small(), rates(), steps=30), run(small(), rates(), steps=30, chunk=chunk)
    for name in whole.curves:
        np.testing.assert_allclose(whole.curves[name], cut.curves[name], rtol=2e-5)


def test_lanes_that_decompose_matrices_come_to_an_end():
    # Mapped, two decompositions at once waited for each other's threads for good on two cores.
    x, y = jnp.ones((8, 64)), jnp.arange(8) % 10
    trainer = supervised(nn.Sequential([nn.Dense(128), nn.Dense(10)]), (x, y), (x, y), batch_size=8)
    settings = trials(gradtx.shampoo, learning_rate=log(1e-3, 1e-1, 16))
    together, alone = run(trainer, settings, 20), run(trainer, settings, 20, chunk=1)
    np.testing.assert_array_equal(together.final(), alone.final())


def test_dropout_draws_by_seed_and_evaluates_without():
    x, y = blobs()
    trainer = supervised(Net(dropout=0.5), (x[:64], y[:64]), (x[64:], y[64:]), batch_size=16)
    results = run(trainer, trials(gradtx.sgd, learning_rate=[0.0], seeds=2), steps=4, every=2)
    np.testing.assert_array_equal(results.curves["loss"][:, 0], results.curves["loss"][:, 1])
    assert results.curves["train"][0, 0] != results.curves["train"][0, 1]


def test_batch_statistics_are_kept():
    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.Dense(3)(nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x)))

    x, y = blobs()

    results = run(supervised(Normed(), (x, y), (x, y), batch_size=32), rates(3), steps=60)
    assert np.nanmin(results.final()) < 0.5


def test_an_nnx_model_against_its_linen_twin():
    x, y = blobs()

    class Twin(nnx.Module):
        def __init__(self, rngs):
            self.first, self.last = nnx.Linear(5, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
            self.normed = nnx.BatchNorm(8, rngs=rngs)
            self.dropout = nnx.Dropout(0.1, rngs=rngs)

        def __call__(self, x):
            return self.last(self.dropout(self.normed(nnx.relu(self.first(x)))))

    trainer = supervised(lambda rngs: Twin(rngs), (x[:64], y[:64]), (x[64:], y[64:]), batch_size=16)
    results = run(trainer, rates(4), steps=60)
    assert np.nanmin(results.final()) < 0.1
    linear = supervised(
        lambda rngs: nnx.Linear(5, 3, kernel_init=nnx.initializers.zeros, rngs=rngs), (x, y), (x, y), batch_size=32
    )
    twin = supervised(nn.Dense(3, kernel_init=nn.initializers.zeros), (x, y), (x, y), batch_size=32)
    np.testing.assert_allclose(run(linear, rates(3), 20).final(), run(twin, rates(3), 20).final(), rtol=1e-5)


# Divergence


def exploding():
    """Steps on x - rate * x^3, which diverges for large rates: at step 3 with rate 2 from 10."""

    def init(trial, key):
        return trial, jnp.float32(10.0), trial.optimizer.init(jnp.float32(0.0))

    def step(carry, batch):
        trial, x, state = carry
        loss = x**4 / 4
        updates, state = trial.optimizer.update(x**3, state, x)
        return (trial, x + updates, state), loss

    return Trainer(init, step, lambda carry: carry[1] ** 4 / 4)


def test_a_diverged_lane_is_marked_dropped_and_touches_no_other():
    t = trials(gradtx.sgd, learning_rate=[1e-3, 2.0, 1e-4, 5.0])
    results = run(exploding(), t, steps=40, every=10)
    alone = run(exploding(), trials(gradtx.sgd, learning_rate=[1e-3, 1e-4]), steps=40, every=10)
    assert results.status.tolist() == ["done", "diverged", "done", "diverged"]
    assert results.stopped_at.tolist() == [40, 10, 40, 10]
    x, first = np.float32(10), 1
    with np.errstate(over="ignore", invalid="ignore"):
        while np.isfinite(x**4 / 4):
            x, first = x - np.float32(2) * x**3, first + 1
    assert results.diverged_at[1] == first
    np.testing.assert_array_equal(results.curves["loss"][[0, 2]], alone.curves["loss"])
    assert results.best().optimizer == gradtx.sgd(1e-3)


def test_if_all_diverge_there_is_no_best():
    results = run(exploding(), trials(gradtx.sgd, learning_rate=[2.0]), steps=20)
    with pytest.raises(ValueError, match="every setting diverged"):
        results.best()


# Policies


def test_halving_gathers_the_best_and_costs_what_it_says():
    seen = []
    trainer, t = minimizing(rosenbrock), rates(27)
    results = run(
        trainer, t, steps=90, policy=successive_halving(10, 3), callbacks=[lambda e: seen.append(e.report.alive.sum())]
    )
    assert results.at.tolist() == [10, 30, 90]
    counts = [int((results.stopped_at >= s).sum()) for s in (10, 30, 90)]
    assert counts == [27, 9, 3]
    assert results.steps_run == 18 * 10 + 6 * 30 + 3 * 90
    everyone = run(trainer, t, steps=90, every=10)
    at = {10: 0, 30: 2}
    best = np.argsort(everyone.curves["loss"][:, at[10]])[:9]
    assert set(np.flatnonzero(results.stopped_at > 10)) == set(best)
    np.testing.assert_allclose(
        results.curves["loss"][results.stopped_at == 90, -1], everyone.final()[results.stopped_at == 90], rtol=2e-5
    )


def test_hyperband_deals_in_its_proportions():
    # The paper's table 1 (R = 81, eta = 3): 81, 34, 15, 8, 5 settings.
    shares = brackets(np.arange(143), 5, 3.0)
    assert [len(s) for s in shares] == [81, 34, 15, 8, 5]
    results = run(minimizing(rosenbrock), rates(143), steps=81, policy=hyperband(1, 3))
    assert (results.stopped_at[-5:] == 81).all()
    counts = [int((results.stopped_at[:81] >= s).sum()) for s in (1, 3, 9, 27, 81)]
    assert counts == [81, 27, 9, 3, 1]
    assert results.steps_run < 0.2 * 143 * 81


def test_apart_each_optimizer_has_what_it_would_have_alone():
    # Adam is nowhere near gradient descent here; in one pot it would be gone at the first rung.
    slow = trials(gradtx.adam, learning_rate=log(1e-7, 1e-5, 9), label="slow")
    results = run(minimizing(rosenbrock), rates(9) + slow, steps=90, policy=apart(successive_halving(10, 3)))
    for label, alone in {"adam": rates(9), "slow": slow}.items():
        mine = results.trials.columns["optimizer"] == label
        single = run(minimizing(rosenbrock), alone, steps=90, policy=successive_halving(10, 3))
        np.testing.assert_array_equal(results.stopped_at[mine], single.stopped_at)
        assert results.best(label).optimizer == single.best().optimizer
    assert results.best().values["optimizer"] == "adam"
    with pytest.raises(TypeError, match="only select"):
        run(minimizing(rosenbrock), rates(4), steps=20, policy=apart(population_based(["learning_rate"])))


def test_seeds_of_a_setting_go_on_together():
    t = trials(gradtx.sgd, learning_rate=log(1e-6, 1e-4, 6), seeds=3)
    results = run(minimizing(rosenbrock), t, steps=20, policy=successive_halving(5, 2))
    by_setting = results.stopped_at.reshape(6, 3)
    assert (by_setting == by_setting[:, :1]).all()


def test_early_stopping_by_trial():
    history = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 1.5], [2.0, np.nan, np.nan]])
    alive = np.array([True, True, False])
    report = Report(3, 9, history[:, -1], history, alive, np.arange(3), np.zeros(3), {})
    assert early_stopping(2).decide(report).tolist() == [True, False, False]


def test_a_policy_is_any_pure_function():
    def first_half(report):
        return report.alive & (np.arange(len(report.alive)) < 4)

    results = run(minimizing(rosenbrock), rates(8), steps=20, every=5, policy=first_half)
    assert results.stopped_at.tolist() == [20] * 4 + [5] * 4
    assert results.status.tolist() == ["done"] * 4 + ["stopped"] * 4


def test_a_population_copies_weights_state_and_hyperparameters():
    t = trials(gradtx.adam, learning_rate=[1e-2, 1e-9, 1e-9, 1e-3])
    policy = population_based(["learning_rate"], 0.25, factors=(1.0,))
    results = run(minimizing(rosenbrock), t, steps=40, every=20, policy=policy)
    ((step, to, source),) = results.copies
    assert (step, source) == (20, 0)
    # With factors of 1 the copy then is its source, to the bit.
    assert results.curves["loss"][to, -1] == results.curves["loss"][source, -1]
    assert results.optimizer(to) == results.optimizer(source) == gradtx.adam(1e-2)
    assert results.trials.columns["learning_rate"][to] == 1e-2


def test_a_population_revives_what_diverged_and_stays_in_bounds():
    t = trials(gradtx.sgd, learning_rate=[1e-3, 2.0, 1e-4, 5.0])
    policy = population_based(["learning_rate"], 0.25, factors=(0.5, 2.0), bounds={"learning_rate": (1e-4, 1e-3)})
    results = run(exploding(), t, steps=40, every=10, policy=policy)
    assert results.status.tolist() == ["done"] * 4
    swept = results.trials.columns["learning_rate"]
    assert ((swept >= 1e-4) & (swept <= 1e-3)).all()


def test_what_a_policy_may_not_answer():
    for policy, words in [
        (lambda r: [True], "mask of 8 booleans"),
        (lambda r: Decision(r.alive, np.arange(8), {"learning_rate": np.full(8, -1.0)}), "learning_rate = -1"),
    ]:
        with pytest.raises(ValueError, match=words):
            run(minimizing(rosenbrock), rates(8), steps=20, policy=policy)


# Robustness


@pytest.mark.parametrize(
    ("policy", "chunk"),
    [(full(), 3), (successive_halving(6, 2), None), (successive_halving(6, 2), 3), (population_based(["learning_rate"]), 5)],
    ids=["full", "halving", "halving in chunks", "population"],
)
def test_a_sweep_goes_on_where_it_was_cut_off(tmp_path, policy, chunk):
    t = rates(8, seeds=2) + trials(gradtx.sgd, learning_rate=[0.1, 1e3])
    how = dict(steps=24, every=6, policy=policy, chunk=chunk)
    whole = run(small(), t, **how)
    for rung in range(1, 4):
        folder = tmp_path / str(rung)

        def stop(event, rung=rung):
            if event.report.step >= [6, 12, 18][rung - 1]:
                raise KeyboardInterrupt

        cut = run(small(), t, **how, folder=folder, callbacks=[stop])
        assert cut.interrupted == (cut.at[-1] < 24)
        again = run(small(), t, **how, folder=folder)
        assert_same(whole, again)
        for i in range(len(t)):
            assert whole.optimizer(i) == again.optimizer(i)
        # What is finished isn't run again.
        assert_same(run(small(), t, **how, folder=folder, callbacks=[lambda e: pytest.fail("ran again")]), whole)


def test_ctrl_c_gives_what_there_is(tmp_path):
    def soon(event):
        if event.report.step == 200:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    results = run(small(), rates(8), 10**6, every=200, folder=tmp_path, callbacks=[soon])
    assert results.interrupted
    assert results.at[-1] >= 200
    assert np.isfinite(results.final()).all()
    assert_same(Results.load(tmp_path / "results.npz"), results)


KILLED = """
    import sys
    from tests.test_sweep import *
    results = run(small(), rates(8), 400, every=10, policy=successive_halving(100, 2), folder=sys.argv[1])
    results.save(sys.argv[1] + "/ended.npz")
"""


@pytest.mark.full
def test_kill_at_random_moments(tmp_path):
    def start(folder, seconds=None):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(folder)]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    start(tmp_path / "whole")
    whole = Results.load(tmp_path / "whole" / "ended.npz")
    generator = np.random.default_rng(0)
    for i in range(10):
        folder = tmp_path / str(i)
        start(folder, generator.uniform(2, 9))
        start(folder)
        assert_same(whole, Results.load(folder / "ended.npz"))


def saved(folder):
    def stop(event):
        raise KeyboardInterrupt

    run(small(), rates(4), steps=20, folder=folder, callbacks=[stop])
    return folder / "checkpoint.npz"


@pytest.mark.parametrize("damage", ["cut off", "one byte", "text", "another format", "another archive"])
def test_a_damaged_or_foreign_file_is_refused_and_left(tmp_path, damage):
    file = saved(tmp_path)
    good = file.read_bytes()
    if damage == "another archive":
        np.savez(file, x=np.ones(3))
    elif damage == "another format":
        run(small(), rates(4), steps=20).save(file)
    else:
        middle = len(good) // 2
        bad = {
            "cut off": good[:middle],
            "one byte": good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :],
            "text": b"hello",
        }
        file.write_bytes(bad[damage])
    before = file.read_bytes()
    with pytest.raises(ValueError, match="corrupt or no file"):
        run(small(), rates(4), steps=20, folder=tmp_path)
    assert file.read_bytes() == before


def test_another_sweep_in_the_folder_is_refused(tmp_path):
    file = saved(tmp_path)
    before = file.read_bytes()
    for change in (dict(t=rates(5)), dict(steps=30), dict(policy=successive_halving(2))):
        how = {"t": rates(4), "steps": 20, **change}
        with pytest.raises(ValueError, match="another sweep"):
            run(small(), how.pop("t"), **how, folder=tmp_path)
    assert file.read_bytes() == before


def test_a_full_disk_is_an_error_and_the_old_file_stays(tmp_path, monkeypatch):
    file = saved(tmp_path)
    before = file.read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        run(small(), rates(4), steps=20, folder=tmp_path)
    assert [f.name for f in tmp_path.iterdir() if f.suffix == ".part"] == []
    assert file.read_bytes() == before


# Results


def test_saved_results_come_back(tmp_path):
    t = trials(gradtx.adam(gradtx.cosine_decay_schedule(1e-3, 30)), b1=[0.8, 0.9], seeds=2)
    t = t + trials(gradtx.sgd, learning_rate=values(gradtx.exponential_decay(0.1, 10, 0.5), 0.1), extra={"l2": [0.1]})
    results = run(minimizing(rosenbrock), t, steps=20)
    results.save(tmp_path / "r.npz")
    back = Results.load(tmp_path / "r.npz")
    assert_same(results, back)
    for i in range(len(t)):
        assert back.optimizer(i) == t.row(i)
    assert list(back.table()) == list(results.table())
    for name, column in results.table().items():
        np.testing.assert_array_equal(back.table()[name], column)
    assert back.versions == results.versions
    assert {"jax", "gradtx", "python"} <= set(back.versions)
    with np.load(tmp_path / "r.npz", allow_pickle=False) as file:
        assert json.loads(file["head"].tobytes())["data"]["trials"]["groups"][0]["optimizer"]["type"] == "adam"


def test_seeds_are_averaged_and_a_diverged_one_counts():
    t = trials(gradtx.sgd, learning_rate=[1e-3, 0.1], seeds=4)
    start = lambda trial, key: jnp.array([1.5, 1.0]) + 0.1 * jax.random.normal(key, (2,))
    results = run(minimizing(rosenbrock, start), t, steps=50)
    table, final = results.over_seeds(), results.final()
    np.testing.assert_allclose(table["loss"][0], final[:4].mean(), rtol=1e-6)
    np.testing.assert_allclose(table["loss_deviation"][0], final[:4].std(), rtol=1e-6)
    assert table["diverged"][1] == (results.status[4:] == "diverged").sum() > 0
    assert table["loss"][1] == np.inf
    assert results.best().optimizer == gradtx.sgd(1e-3)
    assert results.best().rows.tolist() == [0, 1, 2, 3]


def test_more_can_be_better():
    x, y = blobs()
    trainer = supervised(Net(), (x[:64], y[:64]), (x[64:], y[64:]), batch_size=16, metrics={"accuracy": accuracy})
    results = run(trainer, rates(6), steps=40, metric="accuracy", mode="max", policy=successive_halving(10, 2))
    assert results.best().score == np.nanmax(results.final("accuracy")[results.stopped_at == 40])
    assert results.best().score > 0.7


def test_a_csv_file_has_a_line_for_each_trial(tmp_path):
    results = run(minimizing(rosenbrock), rates(3), steps=10)
    results.to_csv(tmp_path / "t.csv")
    head, *lines = (tmp_path / "t.csv").read_text().splitlines()
    assert head.startswith("optimizer,learning_rate,setting,seed,status,steps,diverged_at,loss,train")
    assert len(lines) == 3
    assert lines[0].startswith("adam,0.0001,0,0,done,10,-1,")


def test_progress_tells_the_best_and_the_speed(capsys):
    events = []
    run(minimizing(rosenbrock), rates(4), steps=20, progress=True, callbacks=[events.append])
    assert len(events) == 10
    assert all(e.trial_steps_per_second > 0 for e in events)
    assert events[-1].seconds_left == 0
    assert re.search(r"20/20 steps, 4 trials, best loss .* trials x steps/s, 0 s left", capsys.readouterr().err)


# Bad input


def grown():
    return Trainer(lambda t, k: jnp.zeros(2), lambda c, b: (jnp.zeros(3), jnp.float32(0)), jnp.sum)


def vector():
    return Trainer(lambda t, k: jnp.zeros(2), lambda c, b: (c, c), jnp.sum)


def unmeasured():
    return Trainer(lambda t, k: jnp.zeros(2), lambda c, b: (c, jnp.sum(c)), lambda c: c)


def restructured():
    return Trainer(lambda t, k: jnp.zeros(2), lambda c, b: ((c, c), jnp.sum(c)), jnp.sum)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: values(), ValueError, "at least one"),
        (lambda: grid(), ValueError, "empty"),
        (lambda: trials(gradtx.adam, learning_rate=[]), ValueError, "at least one"),
        (lambda: trials(gradtx.adam, learning_rate=[0.1], seeds=0), ValueError, "one seed"),
        (lambda: trials(gradtx.adam, learning_rate=[0.1], b3=[1]), ValueError, "'b3'"),
        (lambda: trials(gradtx.adam(0.1), b3=[1]), ValueError, "'b3'"),
        (lambda: trials(gradtx.adam(0.1), **{"learning_rate.rate": [1]}), ValueError, "learning_rate.rate"),
        (lambda: trials(gradtx.adam, b1=[0.9]), TypeError, "learning_rate"),
        (lambda: trials(gradtx.adam, learning_rate=[0.1, -0.1]), ValueError, "learning_rate = -0.1"),
        (lambda: trials(gradtx.adam, learning_rate=[0.1], extra={"seed": [1]}), ValueError, "'seed'"),
        (lambda: zipped(a=[1, 2], b=[1]), ValueError, "lengths differ"),
        (lambda: grid(a=[1]) * grid(a=[2]), ValueError, "both spaces"),
        (lambda: grid(a=uniform(0, 1)), ValueError, "no list"),
        (lambda: random(3, a=[1, 2]), ValueError, "no distribution"),
        (lambda: random(0, a=uniform(0, 1)), ValueError, "whole number"),
        (lambda: uniform(2, 1), ValueError, "rise"),
        (lambda: loguniform(0, 1), ValueError, "logarithm"),
        (lambda: run(grown(), rates(), 5), TypeError, r"float32\[2\].*float32\[3\]"),
        (lambda: run(restructured(), rates(), 5), TypeError, "structure"),
        (lambda: run(vector(), rates(), 5), TypeError, "loss that step returns must be one"),
        (lambda: run(unmeasured(), rates(), 5), TypeError, "evaluate's 'loss' must be one"),
        (lambda: run(small(), rates(), 0), ValueError, "steps is 0"),
        (lambda: run(small(), rates(), 5, metric="f1"), ValueError, r"'f1'.*\['loss'\]"),
        (lambda: run(small(), rates(), 5, mode="best"), ValueError, "'min' or 'max'"),
        (lambda: run(small(), rates(), 5, policy=3), TypeError, "no policy"),
        (lambda: run(rates(), small(), 5), TypeError, "takes a Trainer"),
        (lambda: supervised(len, blobs(), blobs()), TypeError, "no pair"),
        (lambda: shuffled((np.ones(3), np.ones(4)), 2), ValueError, "as many"),
        (lambda: shuffled(np.ones(3), 4), ValueError, "batches of 4"),
        (lambda: successive_halving(0), ValueError, "start"),
        (lambda: early_stopping(0), ValueError, "patience"),
        (lambda: population_based(["b1"], 0.9), ValueError, "fraction"),
        (lambda: run(minimizing(rosenbrock), rates(1), 1).best("lion"), ValueError, r"'lion'; there are \['adam'\]"),
    ],
)
def test_bad_input_says_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def huge(length=10**9):
    """A carry of 4 GB a trial."""
    return Trainer(lambda trial, key: jnp.zeros(length), lambda c, b: (c + 1, jnp.sum(c)), lambda c: jnp.sum(c))


@pytest.mark.parametrize("chunk", [None, 1000])
def test_more_memory_than_there_is(monkeypatch, chunk):
    monkeypatch.setattr("gradtx.sweep.engine.memory_limit", lambda devices: 10**9)
    with pytest.raises(MemoryError, match="MiB"):
        run(huge(), rates(), 5, chunk=chunk)


def test_the_chunk_is_what_the_program_says_will_fit(monkeypatch):
    whole = run(huge(1000), rates(16), 5)
    monkeypatch.setattr("gradtx.sweep.engine.memory_limit", lambda devices: 40_000)
    cut = run(huge(1000), rates(16), 5)
    assert_same(whole, cut)


DEVICES = """
    import sys, jax
    from tests.test_sweep import *
    assert len(jax.devices()) == 8
    one = run(small(), rates(20), 40, every=10, policy=successive_halving(10, 2))
    many = run(small(), rates(20), 40, every=10, policy=successive_halving(10, 2), devices=jax.devices())
    for name in one.curves:
        np.testing.assert_allclose(one.curves[name], many.curves[name], rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(one.status, many.status)
    print(max(np.nanmax(abs(one.curves[n] - many.curves[n])) for n in one.curves))
"""


def test_eight_devices_give_what_one_gives():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", textwrap.dedent(DEVICES)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PROCESSES = """
    import sys, jax
    jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
    from tests.test_sweep import *
    assert len(jax.devices()) == 2 and len(jax.local_devices()) == 1
    how = dict(steps=40, every=10, policy=successive_halving(10, 2), devices=jax.devices(), chunk=8)
    results = run(small(), rates(20), **how, folder=sys.argv[3])
    if jax.process_index() == 0:
        results.save(sys.argv[3] + "/two.npz")
"""


@pytest.mark.full  # a busy machine starts the second process too late for the first, whose limit JAX fixes at 30 s
def test_two_processes_give_what_one_gives(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    command = [sys.executable, "-c", textwrap.dedent(PROCESSES), address]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    where = dict(cwd=Path(__file__).parents[1], env=environment, stderr=subprocess.PIPE, text=True)
    both = [subprocess.Popen([*command, str(i), str(tmp_path)], **where) for i in (0, 1)]
    try:
        for process in both:
            _, words = process.communicate(timeout=300)
            assert process.returncode == 0, words
    finally:
        for process in both:
            process.kill()
            process.communicate()
    one = run(small(), rates(20), 40, every=10, policy=successive_halving(10, 2), chunk=8)
    two = Results.load(tmp_path / "two.npz")
    for name in one.curves:
        np.testing.assert_allclose(one.curves[name], two.curves[name], rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(one.status, two.status)


@pytest.mark.parametrize("count", [8, 256 if FULL else 64])
def test_a_row_is_the_same_alone_and_in_a_batch(count):
    batch = run(small(), rates(count), steps=20)
    row = count // 2
    alone = run(small(), trials(gradtx.adam, learning_rate=[batch.trials.columns["learning_rate"][row]]), steps=20)
    np.testing.assert_allclose(alone.curves["loss"][0], batch.curves["loss"][row], rtol=1e-5)
