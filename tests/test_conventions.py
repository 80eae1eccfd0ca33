"""Conventions of others that a docstring or docs/conventions.md says how to get, where neither Optax nor PyTorch can be asked.

The loops are NumPy transcriptions: of Keras 3 (`keras/src/optimizers`), and of papers.
"""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.optimizers import TABLE
from tests.running import START, gradient, run

STEPS = 150


def fading(t):
    return 0.02 * 0.98**t


def keras_momentum(g, t, s, nesterov=False):
    s["m"] = 0.9 * s.get("m", 0) - fading(t - 1) * g
    return 0.9 * s["m"] - fading(t - 1) * g if nesterov else s["m"]


def keras_adagrad(g, t, s):
    s["G"] = s.get("G", 0.1) + g**2
    return -0.1 * g / np.sqrt(s["G"] + 1e-7)


def keras_adadelta(g, t, s):
    s["g"] = 0.95 * s.get("g", 0) + 0.05 * g**2
    delta = -np.sqrt(s.get("x", 0) + 1e-4) * g / np.sqrt(s["g"] + 1e-4)
    s["x"] = 0.95 * s.get("x", 0) + 0.05 * delta**2
    return 0.5 * delta


def keras_rmsprop(g, t, s):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
    s["a"] = 0.9 * s.get("a", 0) + 0.1 * g
    s["m"] = 0.8 * s.get("m", 0) + fading(t - 1) * g / np.sqrt(s["v"] - s["a"] ** 2 + 1e-2)
    return -s["m"]


def keras_adam(g, t, s, amsgrad=False):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    s["most"] = np.maximum(s.get("most", 0), s["v"])
    rate = 0.05 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return -rate * s["m"] / (np.sqrt(s["most" if amsgrad else "v"]) + 1e-3)


def keras_adamax(g, t, s):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return -0.05 / (1 - 0.9**t) * s["m"] / (s["u"] + 1e-2)


def keras_nadam(g, t, s):
    now, ahead = (0.9 * (1 - 0.5 * 0.96**i) for i in (t, t + 1))
    s["product"] = s.get("product", 1) * now
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    m = ahead * s["m"] / (1 - s["product"] * ahead) + (1 - now) * g / (1 - s["product"])
    return -0.05 * m / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-7)


def paper_adagrad(g, t, s):
    # Duchi, Hazan, Singer (2011), figure 1: diag(s_i), s_i the norm of all gradients of the i-th number, plus delta.
    s["all"] = [*s.get("all", []), g]
    return -0.5 * g / (1e-2 + np.sqrt(np.sum(np.square(s["all"]), axis=0)))


def paper_adamax(g, t, s):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return -0.05 / (1 - 0.9**t) * s["m"] / s["u"]


def hinton_rmsprop(g, t, s):
    # Lecture 6e, slide 29: divide the gradient by the root of MeanSquare; no epsilon.
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g**2
    return -0.01 * g / np.sqrt(s["v"])


def sutskever_momentum(g, t, s):
    # Sutskever et al. (2013), equation 1: the rate stands inside of the velocity.
    s["v"] = 0.9 * s.get("v", 0) - fading(t - 1) * g
    return s["v"]


def paper_yogi(g, t, s):
    # Zaheer et al. (2018), algorithm 2.
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    v = s.get("v", np.full_like(g, 1e-6))
    s["v"] = v - 0.001 * np.sign(v - g**2) * g**2
    return -0.05 * s["m"] / (np.sqrt(s["v"]) + 1e-3)


def paper_adan(g, t, s):
    # Xie et al. (2022), algorithm 1, in the decays of the authors' code: 0.98, 0.92, 0.99.
    change = g - s.get("g", g)
    s["g"] = g
    s["m"] = 0.98 * s.get("m", 0) + 0.02 * g
    s["v"] = 0.92 * s.get("v", 0) + 0.08 * change
    s["n"] = 0.99 * s.get("n", 0) + 0.01 * (g + 0.92 * change) ** 2
    ahead = s["m"] / (1 - 0.98**t) + 0.92 * s["v"] / (1 - 0.92**t)
    moved = s["params"] - 0.05 * ahead / (np.sqrt(s["n"] / (1 - 0.99**t)) + 1e-8)
    return moved / (1 + 0.05 * 0.1) - s["params"]


CONVENTIONS = {
    "keras_momentum": (keras_momentum, "chain(scale_by_learning_rate(fading), scale_by_momentum(0.9))"),
    "keras_nesterov": (
        lambda g, t, s: keras_momentum(g, t, s, nesterov=True),
        "chain(scale_by_learning_rate(fading), scale_by_momentum(0.9, nesterov=True))",
    ),
    "keras_adagrad": (keras_adagrad, "adagrad(0.1)"),
    "keras_adadelta": (keras_adadelta, "adadelta(0.5, 0.95, 1e-4)"),
    "keras_rmsprop": (keras_rmsprop, "rmsprop(fading, eps=1e-2, centered=True, momentum=0.8)"),
    "keras_adam": (
        keras_adam,
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)),"
        " chain(square(), ema(0.999), sqrt(), offset(1e-3), square(), bias_correction(0.999), sqrt())),"
        " scale_by_learning_rate(0.05))",
    ),
    "keras_amsgrad": (
        lambda g, t, s: keras_adam(g, t, s, amsgrad=True),
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)),"
        " chain(square(), ema(0.999), amsgrad_max(), sqrt(), offset(1e-3), square(), bias_correction(0.999), sqrt())),"
        " scale_by_learning_rate(0.05))",
    ),
    "keras_adamax": (
        keras_adamax,
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)), chain(absolute(), running_max(0.999)), 1e-2),"
        " scale_by_learning_rate(0.05))",
    ),
    "keras_nadam": (keras_nadam, "nadam(0.05, eps=1e-7, momentum_decay=1.0)"),
    "paper_adagrad": (
        paper_adagrad,
        "chain(ratio(identity(), chain(square(), accumulate(), sqrt()), 1e-2), scale_by_learning_rate(0.5))",
    ),
    "paper_adan": (
        paper_adan,
        "chain(adan(0.05, eps_root=0.0), decoupled_weight_decay(0.05 * 0.1), scale(1 / (1 + 0.05 * 0.1)))",
    ),
    "paper_adamax": (paper_adamax, "adamax(0.05, eps=0.0)"),
    "paper_yogi": (
        paper_yogi,
        "chain(ratio(ema(0.9), chain(square(), sign_ema(0.999, 1e-6), sqrt()), 1e-3), scale_by_learning_rate(0.05))",
    ),
    "hinton_rmsprop": (hinton_rmsprop, "rmsprop(0.01, eps=0.0)"),
    "sutskever_momentum": (sutskever_momentum, "chain(scale_by_learning_rate(fading), scale_by_momentum(0.9))"),
}


@pytest.mark.lenient  # so that the schedule can be written as users write them
@pytest.mark.parametrize("name", CONVENTIONS)
def test_convention(name):
    loop, expression = CONVENTIONS[name]
    x, memory = START.copy(), {}
    for t in range(STEPS):
        memory["params"] = x
        x = x + loop(gradient(x, t), t + 1, memory)
    with jax.enable_x64():
        tx = eval(expression, vars(gradtx) | {"fading": fading})
        got = np.asarray(run(tx, jnp.asarray(START, "float64"), STEPS))
    np.testing.assert_allclose(got, x, rtol=1e-10, atol=1e-10)


@pytest.mark.lenient
def test_optax_measures_acprops_residual_from_the_mean_of_before():
    # Which is larger than that from the new mean by 1 / b1, at every step.
    optax = pytest.importorskip("optax")
    ours, theirs = gradtx.scale_by_acprop(eps=0.0, eps_root=0.0), optax.contrib.acprop(1.0, eps=0.0, eps_root=0.0)
    ours_state, theirs_state = ours.init(jnp.ones(3)), theirs.init(jnp.ones(3))
    for t, g in enumerate(jax.random.normal(jax.random.key(0), (50, 3))):
        u, ours_state = ours.update(g, ours_state)
        v, theirs_state = theirs.update(g, theirs_state, jnp.ones(3))
        np.testing.assert_allclose(-v, u * (0.9 if t else 1.0), rtol=1e-5)


def test_adamax_without_epsilon_waits_for_a_gradient():
    tx = gradtx.adamax(0.1, eps=0.0)
    x = jnp.array([0.0, 1.0])
    updates, state = tx.update(x, tx.init(x), x)
    np.testing.assert_allclose(updates, [0.0, -0.1], rtol=1e-6)
    np.testing.assert_allclose(tx.update(x + 1.0, state, x)[0][0], -0.1 * 0.1 / (1 - 0.9**2), rtol=1e-6)


PAGE = (Path(__file__).parent.parent / "docs" / "conventions.md").read_text()
LINES = [re.split(r" *\| *", line)[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]


def code(cell):
    return re.findall("`([^`]+)`", cell)


@pytest.mark.lenient
def test_the_page_says_what_can_be_run():
    expressions = [e for line in LINES for e in code(line[3]) if "(" in e]
    assert len(expressions) > 40
    for expression in expressions:
        assert isinstance(eval(expression, vars(gradtx) | {"jnp": jnp}), gradtx.Transform), expression


def test_the_page_names_tests_that_there_are():
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    known = {row.name for row in TABLE} | set(CONVENTIONS) | set(re.findall(r"def (test_\w+)", sources))
    for line in LINES:
        if line[-1] in ("test", "---"):
            continue
        assert code(line[-1]), line
        for name in code(line[-1]):
            assert name in known or f'"{name}"' in sources, name
