"""Schedules beside Optax's, at every step; swept; and given what they can't take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.conftest import FULL

optax = pytest.importorskip("optax")

# Written once, made by both libraries. A row a setting; the run goes well beyond the end of each.
ROWS = [
    "constant_schedule(0.3)",
    "constant_schedule(-2)",
    "linear_schedule(1.0, 0.1, 10)",
    "linear_schedule(0.1, 1.0, 10)",
    "linear_schedule(-1.0, 1.0, 7, 5)",
    "linear_schedule(1.0, 0.1, 0)",
    "linear_schedule(1.0, 0.1, 0, 3)",
    "linear_schedule(1.0, 0.1, 1)",
    "polynomial_schedule(1.0, 0.1, 2.0, 10)",
    "polynomial_schedule(0.1, 1.0, 0.5, 10, 4)",
    "polynomial_schedule(1.0, 0.0, 3, 10)",
    "polynomial_schedule(1.0, 0.1, 2.0, 0)",
    "exponential_decay(1.0, 10, 0.5)",
    "exponential_decay(1.0, 10, 0.5, 5)",
    "exponential_decay(1.0, 10, 0.5, staircase=True)",
    "exponential_decay(1.0, 7, 0.5, 3, True)",
    "exponential_decay(1.0, 10, 0.5, end_value=0.1)",
    "exponential_decay(1.0, 10, 2.0, end_value=5.0)",
    "exponential_decay(1.0, 10, 0.5, end_value=2.0)",
    "exponential_decay(1.0, 10, 2.0, end_value=0.5)",
    "exponential_decay(1.0, 10, 1.0)",
    "cosine_decay_schedule(1.0, 10)",
    "cosine_decay_schedule(0.1, 1)",
    "cosine_decay_schedule(1.0, 10, 0.1)",
    "cosine_decay_schedule(1.0, 10, 1.5)",
    "cosine_decay_schedule(2.0, 10, 0.1, 2.0)",
    "cosine_decay_schedule(2.0, 10, 0.0, 0.5)",
    "warmup_cosine_decay_schedule(0.0, 1.0, 5, 20)",
    "warmup_cosine_decay_schedule(0.1, 1.0, 5, 20, 0.01)",
    "warmup_cosine_decay_schedule(0.1, 1.0, 0, 20, 0.01)",
    "warmup_cosine_decay_schedule(0.1, 1.0, 5, 20, 2.0, 1.5)",
    "warmup_cosine_decay_schedule(0.1, 0.0, 5, 20)",
    "piecewise_constant_schedule(1e-3)",
    "piecewise_constant_schedule(1e-3, {10: 0.1})",
    "piecewise_constant_schedule(1.0, {3: 2.0, 10: 0.0, 20: 5.0})",
    "piecewise_constant_schedule(1.0, {0: 0.5, 7: 0.5})",
    "piecewise_constant_schedule(1.0, {20: 3.0, 5: 0.5})",
    "join_schedules([linear_schedule(0.0, 1.0, 4), constant_schedule(0.5)], [4])",
    "join_schedules([linear_schedule(0.0, 1.0, 4), exponential_decay(1.0, 5, 0.5), constant_schedule(0.1)], [6, 16])",
    "join_schedules([constant_schedule(1.0), linear_schedule(0.0, 1.0, 4)], [0])",
]
STEPS = np.arange(45)


def longest():
    """All rows in the full run; two a schedule, those with the most arguments, in the quick one."""
    kinds = {}
    for row in sorted(ROWS, key=len, reverse=True):
        kinds.setdefault(row.split("(")[0], []).append(row)
    return ROWS if FULL else [row for rows in kinds.values() for row in rows[:2]]


def made(row, library):
    return eval(row, vars(library))


@pytest.mark.lenient
@pytest.mark.parametrize("row", ROWS)
def test_equals_that_of_optax_at_every_step(row):
    ours, theirs = made(row, gradtx), made(row, optax)
    with jax.enable_x64(True):
        # Not compiled: with a division turned into a product theirs takes roots of -2e-16.
        wanted = jax.vmap(lambda t: jnp.asarray(theirs(t), float))(jnp.asarray(STEPS))
        got = ours(jnp.asarray(STEPS))
        assert got.dtype == jnp.float64
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("row", longest())
def test_steps_may_be_integers_traced_or_arrays(row):
    schedule = made(row, gradtx)
    some = STEPS if FULL else STEPS[[0, 3, 5, 10, 44]]
    one = np.array([schedule(int(t)) for t in some])
    assert one.dtype == np.float32
    for together in (
        schedule(jnp.asarray(some)),
        jax.jit(jax.vmap(schedule))(jnp.asarray(some)),
        jax.lax.scan(lambda t, _: (t + 1, schedule(t)), jnp.int32(0), length=len(STEPS))[1][some],
    ):
        np.testing.assert_allclose(together, one, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("row", longest())
def test_every_number_can_be_swept(row):
    # Every leaf is a number, lengths included. A hair's change moves no boundary past a whole step but at the boundary itself.
    schedule = made(row, gradtx)
    leaves, structure = jax.tree.flatten(schedule)
    steps = jnp.asarray(STEPS)
    run, run_one = jax.jit(jax.vmap(lambda s: s(steps))), jax.jit(lambda s: s(steps))
    for factors in ([1.0, 0.5, 1.3], [2.0, 0.0 if "linear" in row and "exp" not in row else 1.7, 1.0]):
        for i in range(len(leaves)):
            stacked = [jnp.array([h * (f if i == j else 1.0) for f in factors], jnp.float32) for j, h in enumerate(leaves)]
            together = run(structure.unflatten(stacked))
            for k, f in enumerate(factors):
                alone = run_one(structure.unflatten([h * (f if i == j else 1.0) for j, h in enumerate(leaves)]))
                np.testing.assert_allclose(together[k], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("row", longest())
def test_derivatives_are_finite(row):
    total = jax.jit(jax.grad(lambda s: jnp.sum(s(jnp.asarray(STEPS)))))
    grads = total(jax.tree.map(jnp.asarray, made(row, gradtx)))
    for g in jax.tree.leaves(grads):
        assert np.isfinite(g), grads


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        ("linear_schedule(float('nan'), 0.1, 10)", ValueError, "linear_schedule: init_value = nan; it must be finite"),
        ("linear_schedule(1.0, 0.1, -1)", ValueError, "transition_steps = -1; it must be finite and >= 0"),
        ("linear_schedule(1.0, 0.1, 10, -1)", ValueError, "transition_begin = -1"),
        ("linear_schedule(1.0, lambda t: t, 10)", TypeError, "end_value = .* is not a number"),
        ("linear_schedule(1.0, True, 10)", TypeError, "end_value = True is not a number"),
        ("polynomial_schedule(1.0, 0.1, 0.0, 10)", ValueError, "power = 0; it must be finite and > 0"),
        ("exponential_decay(1.0, 0, 0.5)", ValueError, "transition_steps = 0; it must be finite and > 0"),
        ("exponential_decay(1.0, 10, 0.0)", ValueError, "decay_rate = 0; it must be finite and > 0"),
        ("exponential_decay(1.0, 10, float('inf'))", ValueError, "decay_rate = inf"),
        ("cosine_decay_schedule(1.0, 0)", ValueError, "decay_steps = 0; it must be finite and > 0"),
        ("cosine_decay_schedule('a', 1)", TypeError, "init_value = 'a' is not a number"),
        ("warmup_cosine_decay_schedule(0.0, 1.0, -5, 20)", ValueError, "warmup_steps = -5"),
        ("piecewise_constant_schedule(1.0, {5: -0.1})", ValueError, r"scales\[0\] = -0.1; it must be finite and >= 0"),
        ("piecewise_constant_schedule(1.0, {-5: 0.1})", ValueError, r"boundaries\[0\] = -5"),
        ("join_schedules([constant_schedule(1.0)], [4])", ValueError, "1 schedules need 0 boundaries, got 1"),
        ("join_schedules([constant_schedule(1.0)] * 3, [4, 2])", ValueError, r"boundaries = \(4.0, 2.0\) must rise"),
        ("join_schedules([1.0, 2.0], [4])", TypeError, "can't be called"),
    ],
)
def test_bad_arguments_are_named(act, error, words):
    with pytest.raises(error, match=words):
        eval(act, vars(gradtx))


def test_functions_of_the_step():
    def halving(step):
        return 0.5 ** step.astype(jnp.float32)

    tx = gradtx.sgd(halving)
    x, state = jnp.array(0.0), gradtx.sgd(halving).init(jnp.array(0.0))
    for t in range(4):
        u, state = tx.update(jnp.array(1.0), state, x)
        np.testing.assert_allclose(u, -(0.5**t), rtol=1e-6)
