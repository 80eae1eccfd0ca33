"""Schedules against Optax's at every step, swept in every argument, and against what their papers promise."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx

optax = pytest.importorskip("optax")
STEPS = np.arange(130)
CYCLES = [
    dict(init_value=0.1, peak_value=1.0, warmup_steps=5, decay_steps=30),
    dict(init_value=0.0, peak_value=0.7, warmup_steps=0, decay_steps=40, end_value=0.1, exponent=2.0),
    dict(init_value=0.2, peak_value=0.5, warmup_steps=9, decay_steps=20),
]

SAME_AS_OPTAX = [
    ("constant_schedule", (0.3,), {}),
    ("polynomial_schedule", (1.0, 0.1, 2.5, 60, 20), {}),
    ("linear_schedule", (1.0, 0.1, 60, 20), {}),
    ("linear_schedule", (1.0, 0.1, 0), {}),
    ("exponential_decay", (1.0, 30, 0.5, 10), {}),
    ("exponential_decay", (1.0, 30, 0.5, 10, True, 0.3), {}),
    ("exponential_decay", (1.0, 30, 1.5), dict(end_value=2.0)),
    ("cosine_decay_schedule", (2.0, 100, 0.1, 1.5), {}),
    ("cosine_onecycle_schedule", (100, 1.0), {}),
    ("cosine_onecycle_schedule", (97, 2.0, 0.7, 10.0, 30.0), {}),
    ("linear_onecycle_schedule", (100, 1.0), {}),
    ("linear_onecycle_schedule", (97, 2.0, 0.4, 0.7, 10.0, 30.0), {}),
    ("piecewise_constant_schedule", (1.0, {70: 3.0, 30: 0.5}), {}),
    ("piecewise_constant_schedule", (1.0,), {}),
    ("piecewise_interpolate_schedule", ("linear", 1.0, {70: 3.0, 30: 0.5, 71: 0.1}), {}),
    ("piecewise_interpolate_schedule", ("cosine", 1.0, {30: 0.5, 70: 3.0}), {}),
    ("piecewise_interpolate_schedule", ("cosine", 1.0), {}),
    ("sgdr_schedule", (CYCLES,), {}),
    ("sgdr_schedule", (CYCLES[:1],), {}),
    ("warmup_constant_schedule", (0.1, 1.0, 40), {}),
    ("warmup_constant_schedule", (0.1, 1.0, 0), {}),
    ("warmup_cosine_decay_schedule", (0.1, 1.0, 20, 100, 0.05, 2.0), {}),
    ("warmup_exponential_decay_schedule", (0.1, 1.0, 20, 30, 0.5, 5, True, 0.3), {}),
    ("warmup_exponential_decay_schedule", (0.1, 1.0, 20, 30, 0.5), {}),
]

OURS = [
    gradtx.rex_schedule(1.0, 100),
    gradtx.warmup_stable_decay_schedule(0.1, 1.0, 20, 40, 30, 0.05),
    gradtx.warmup_stable_decay_schedule(0.1, 1.0, 20, 40, 30, 0.05, shape="sqrt"),
    gradtx.warmup_stable_decay_schedule(0.1, 1.0, 0, 40, 30, shape="cosine"),
    gradtx.inverse_sqrt_schedule(0.1, 1.0, 20),
    gradtx.chebyshev_schedule(0.1, 2.0, 16),
    gradtx.chebyshev_schedule(0.1, 2.0, 15, fractal=False),
]
EVERY = [getattr(gradtx, name)(*args, **kwargs) for name, args, kwargs in SAME_AS_OPTAX] + OURS


@pytest.mark.lenient
@pytest.mark.parametrize(("name", "args", "kwargs"), SAME_AS_OPTAX)
def test_equals_optax_at_every_step(name, args, kwargs):
    with jax.enable_x64(True):
        theirs = getattr(optax, name)(*args, **kwargs)
        wanted = np.array([theirs(int(t)) for t in STEPS])
        np.testing.assert_allclose(getattr(gradtx, name)(*args, **kwargs)(STEPS), wanted, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(getattr(gradtx, name)(*args, **kwargs)(STEPS), wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_is_a_value(schedule):
    for copy in (schedule.replace(), pickle.loads(pickle.dumps(schedule)), eval(repr(schedule), vars(gradtx))):
        assert copy == schedule
        assert hash(copy) == hash(schedule)
    assert gradtx.from_dict(gradtx.to_dict(schedule)) == schedule


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_every_number_can_be_swept(schedule):
    leaves, structure = jax.tree.flatten(schedule)
    with jax.enable_x64(True):
        for i, leaf in enumerate(leaves):
            # Whole numbers are lengths and stay whole; Chebyshev's stay powers of two.
            others = [leaf, 2 * leaf] if leaf == int(leaf) else [leaf, 0.9 * leaf]
            swept = structure.unflatten([jnp.array(others) if i == j else x for j, x in enumerate(leaves)])
            axes = structure.unflatten([0 if i == j else None for j in range(len(leaves))])
            together = jax.jit(jax.vmap(lambda s: s(STEPS), in_axes=(axes,)))(swept)
            for row, other in zip(together, others, strict=True):
                alone = structure.unflatten([other if i == j else x for j, x in enumerate(leaves)])
                np.testing.assert_allclose(row, alone(STEPS), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_derivatives_are_finite_at_every_step(schedule):
    slopes = jax.jacobian(lambda s: s(STEPS))(jax.tree.map(jnp.asarray, schedule))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(slopes))


def test_shapes_of_the_papers():
    t = STEPS / 100.0
    left = np.maximum(1 - t, 0)
    with jax.enable_x64(True):
        np.testing.assert_allclose(OURS[0](STEPS), left / (0.5 + 0.5 * left), atol=1e-12)
        root = 1 - 0.95 * np.sqrt(np.clip((STEPS - 60) / 30, 0, 1))
        np.testing.assert_allclose(OURS[2](STEPS), np.where(STEPS < 20, 0.1 + 0.9 * STEPS / 20, root), atol=1e-12)
        # Vaswani et al., equation 3, with width 512 and 40 steps of warm-up.
        s = gradtx.inverse_sqrt_schedule(0.0, (512 * 40) ** -0.5, 40)
        after = np.arange(1, 130)
        np.testing.assert_allclose(s(after), 512**-0.5 * np.minimum(after**-0.5, after * 40**-1.5), rtol=1e-12)


@pytest.mark.parametrize("fractal", [False, True])
def test_chebyshev_steps_reach_the_bound(fractal):
    low, high, n = 0.1, 2.0, 16
    with jax.enable_x64(True):
        rates = np.asarray(gradtx.chebyshev_schedule(low, high, n, fractal)(np.arange(n)))
        curvatures = np.linspace(low, high, 1001)
        factors = np.abs(np.prod(1 - rates[:, None] * curvatures, axis=0))
        bound = 1 / np.cosh(n * np.arccosh((high + low) / (high - low)))
        np.testing.assert_allclose(factors.max(), bound, rtol=1e-9)
        path = gradtx.chebyshev_schedule(low, high, n, fractal)
        x = jnp.array([1.0, 1.0])
        state, tx = gradtx.sgd(path).init(x), gradtx.sgd(path)
        for _ in range(n):
            u, state = tx.update(jnp.array([low, high]) * x, state, x)
            x = x + u
        np.testing.assert_allclose(np.abs(x), bound, rtol=1e-9)


def test_fractal_order_of_the_paper():
    plain = gradtx.chebyshev_schedule(1.0, 10.0, 8, fractal=False)(np.arange(8))
    order = np.array([1, 8, 4, 5, 2, 7, 3, 6]) - 1
    np.testing.assert_allclose(gradtx.chebyshev_schedule(1.0, 10.0, 8)(np.arange(8)), np.asarray(plain)[order], rtol=1e-6)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: gradtx.chebyshev_schedule(1.0, 2.0, 12), "a power of two"),
        (lambda: gradtx.chebyshev_schedule(1.0, 2.0, 2.5, fractal=False), "a whole number"),
        (lambda: gradtx.chebyshev_schedule(3.0, 2.0, 4), "larger than max_curvature"),
        (lambda: gradtx.warmup_stable_decay_schedule(0.0, 1.0, 1, 1, 1, shape="step"), "shape = 'step'"),
        (lambda: gradtx.piecewise_interpolate_schedule("cubic", 1.0), "must be 'linear' or 'cosine'"),
        (lambda: gradtx.piecewise_interpolate_schedule("linear", 1.0, {3: -1.0}), r"scales\[0\] = -1"),
        (lambda: gradtx.sgdr_schedule([]), "at least one cycle"),
        (lambda: gradtx.inverse_sqrt_schedule(0.0, 1.0, 0), "warmup_steps = 0"),
    ],
)
def test_says_what_is_wrong(act, words):
    with pytest.raises(ValueError, match=words):
        act()
