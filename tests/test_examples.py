"""Every example of training runs, at reduced size, and says what it should; in full in `make test-all`."""

import importlib
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("sklearn")
pytest.importorskip("rich")
import matplotlib.pyplot as plt  # noqa: E402

from examples import compose_optimizer, curriculum_and_noise, hypergradient, linear_fit, shared  # noqa: E402

CHANCE = np.log(10)  # the loss of a guess among the ten digits


def outputs(params, x, act):
    """A network's, layer by layer, in NumPy; a layer is known by the number of its inputs, for Flax names them in the order they are made."""
    layers = {np.shape(layer["kernel"])[0]: jax.tree.map(np.float64, layer) for layer in params.values()}
    while x.shape[-1] in layers:
        layer = layers[x.shape[-1]]
        x = x @ layer["kernel"] + layer["bias"]
        x = act(x) if x.shape[-1] in layers else x
    return x


def accuracy(run):
    """Of a digits' classifier on what is held out."""
    images, labels = shared.TEST
    return np.mean(outputs(run.params, images, lambda x: np.maximum(x, 0)).argmax(axis=1) == labels)


def composed(runs):
    for name, run in runs.items():
        assert run.records[-1]["val_accuracy"] == pytest.approx(accuracy(run), abs=1e-6), name
        assert run.records[-1]["val_loss"] < CHANCE, name
    # The new one against its equations.
    stream = np.random.default_rng(0).standard_t(2, size=(20, 5))
    tx, m, s = compose_optimizer.steady(0.1), 0.0, 0.0
    state = tx.init(jnp.zeros(5))
    for t, g in enumerate(stream, start=1):
        updates, state = tx.update(jnp.asarray(g, jnp.float32), state)
        m, s = 0.9 * m + 0.1 * g, 0.99 * s + 0.01 * np.abs(g)
        x = m / (1 - 0.9**t) / (s / (1 - 0.99**t) + 1e-8)
        np.testing.assert_allclose(updates, -0.1 * x / np.sqrt(1 + x * x), rtol=1e-4, atol=1e-7)


def compared(runs):
    descent, sgd, adam = runs.values()
    assert descent.step == sgd.step == adam.step
    sizes = [run.history["examples"] / run.history["step"] for run in runs.values()]
    np.testing.assert_array_equal([np.unique(s) for s in sizes], [[1437], [32], [32]])
    for name, run in runs.items():
        assert run.records[-1]["val_accuracy"] == pytest.approx(accuracy(run), abs=1e-6), name
        assert run.records[-1]["val_accuracy"] > 0.9, name
    # Once as many examples have been seen, gradient descent is far behind.
    for run in (sgd, adam):
        then = np.interp(run.records[-1]["examples"], descent.history["examples"], descent.history["val_loss"])
        assert run.records[-1]["val_loss"] < 0.5 * then


def practised(results):
    by_order, by_noise = results
    early = {n: np.mean([h["val_accuracy"][2] for h in histories]) for n, histories in by_order.items()}
    late = {n: np.mean([h["val_accuracy"][-1] for h in histories]) for n, histories in by_order.items()}
    assert max(early, key=early.get) == "shuffled"
    assert max(late.values()) - min(late.values()) < 0.06
    assert min(late.values()) > 0.85
    # Without noise only the output's biases move, which know nothing of the image.
    ends = {n: [h["val_accuracy"][-1] for h in histories] for n, histories in by_noise.items()}
    assert max(ends["no noise"]) < 0.15
    assert min(ends["noise"]) > 0.8
    # What is easy is what is classified right by the nearest other example.
    images, labels = (a[:500] for a in shared.TRAIN)
    apart = np.linalg.norm(images[:, None] - images, axis=2) + 1e9 * np.eye(500)
    right, hard = labels == labels[apart.argmin(axis=1)], curriculum_and_noise.difficulty()[:500]
    assert np.median(hard[~right]) > np.quantile(hard[right], 0.75)


def put_out(runs):
    # Published: about 1.8e-4 each, the value 1e-7.
    for name, run in runs.items():
        x = outputs(run.params["params"], np.ones(1), np.tanh)
        assert [np.shape(a["kernel"]) for a in run.params["params"].values()] == [(1, 4), (4, 2), (2, 3)]
        assert np.abs(x).max() < 1.8e-4, name
        assert np.sum(x**2) < 1e-7, name


def learned(results):
    history, accuracies = results
    values = [value for value, _ in history]
    assert min(values) < 0.9 * values[0]
    assert accuracies["learned"] > accuracies["before"] + 0.1
    # The slope against difference quotients. Three steps: over more, the corners of relu let the end jump, which no derivative sees.
    knobs, seen, h = {"log_rate": jnp.array(-3.0), "logit_momentum": jnp.array(1.0)}, hypergradient.batches(3), 1e-2
    _, grads = hypergradient.slope(knobs, seen)
    for name in knobs:
        up, down = (float(hypergradient.slope(knobs | {name: knobs[name] + d}, seen)[0]) for d in (h, -h))
        assert float(grads[name]) == pytest.approx((up - down) / (2 * h), rel=0.05)
    # None of those that train judge.
    ours = {a.tobytes() for a in hypergradient.JUDGES[0]}
    assert not ours & {a.tobytes() for a in hypergradient.DATA.data[0]}


def fitted(runs):
    """Gradient descent as a loop of NumPy with the same end; all near the solution of least squares."""
    design = np.stack([np.ones(18), np.arange(1.0, 19)], axis=1)
    exact, *_ = np.linalg.lstsq(design, linear_fit.Y)
    tolerance = float(runs["gradient descent"].reason.rpartition(" ")[2])
    w, norms = np.ones(2), [np.inf]
    while norms[-1] >= tolerance:
        gradient = design.T @ (design @ w - linear_fit.Y) / 18
        w, norms = w - 0.01 * gradient, [*norms, np.linalg.norm(gradient)]
    steps = len(norms) - 1
    ends = {n: np.array([run.params["intercept"], run.params["slope"]]) for n, run in runs.items()}
    assert runs["gradient descent"].step == steps
    np.testing.assert_allclose(runs["gradient descent"].history["grad_norm"], norms[1:], rtol=1e-5)
    np.testing.assert_allclose(ends["gradient descent"], w, rtol=1e-10)
    least = np.linalg.eigvalsh(design.T @ design / 18)[0]
    for name, end in ends.items():
        assert np.linalg.norm(end - exact) < 10 * tolerance / least, name
        assert name == "gradient descent" or runs[name].step < 0.2 * steps


def ranged(results):
    seen, runs = results
    assert seen.steepest < seen.limit
    ends = {n: run.records[-1]["loss"] for n, run in runs.items()}
    assert min(ends, key=ends.get) == "the steepest"
    assert not ends["ten times the limit"] < 0.9 * CHANCE  # NaN counts
    assert runs["the steepest"].records[-1]["val_accuracy"] == pytest.approx(accuracy(runs["the steepest"]), abs=1e-6)


# Name: arguments of `main` at reduced size, and what must be true of what it returns, at either.
EXAMPLES = {
    "compose_optimizer": (dict(epochs=2), composed),
    "curriculum_and_noise": (dict(steps=240, seeds=1), practised),
    "digits_gd_sgd_adam": (dict(epochs=6), compared),
    "function_network": (dict(steps=250), put_out),
    "hypergradient": (dict(steps=40, rounds=12), learned),
    "linear_fit": (dict(tolerance=1e-2), fitted),
    "range_test": (dict(epochs=2, steps=100), ranged),
}
# Tested elsewhere, or none by themselves.
HEAVY = {"char_transformer", "digits_cnn_batchnorm", "distributed_digits", "resume_after_kill"}
OTHERS = {"__init__", "demo", "figures", "optuna_batches", "shared", "sweep_tensorboard"} | HEAVY


def test_every_example_is_here():
    folder = pathlib.Path(shared.__file__).parent
    assert {file.stem for file in folder.glob("*.py")} == set(EXAMPLES) | OTHERS


def run(name, arguments, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"examples.{name}")
    assert f"python -m examples.{name}" in module.__doc__
    try:
        returned = module.main(**arguments)
    finally:
        plt.close("all")
    printed = capsys.readouterr().out
    written = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.png")}
    assert set(re.findall(r"Wrote (.*\.png)", printed)) == written
    assert f"runs/{name}.png" in written
    EXAMPLES[name][1](returned)


def test_a_picture_goes_where_it_is_asked_for(tmp_path):
    path = tmp_path / "new" / "line.svg"
    linear_fit.main(path, tolerance=1.0)
    assert "<svg" in path.read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_says_what_it_should(name, monkeypatch, tmp_path, capsys):
    run(name, EXAMPLES[name][0], monkeypatch, tmp_path, capsys)


@pytest.mark.full
@pytest.mark.parametrize("name", EXAMPLES)
def test_says_what_it_should_at_full_size(name, monkeypatch, tmp_path, capsys):
    run(name, {}, monkeypatch, tmp_path, capsys)
