"""Properties of dtypes and of small, zero and complex numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.trees import path_string
from gradtx.testing.expect import expect, expect_close, expect_finite, expect_types
from gradtx.testing.problem import BOWL
from gradtx.testing.subject import Subject

DTYPES = ("float32", "bfloat16", "float16")


def state_and_updates_keep_their_types(s: Subject) -> None:
    """The new state has the structure, shapes, dtypes and weak types of the old, the updates those of the parameters; all finite."""
    for dtype in DTYPES:
        params = s.tree(dtype)
        grads = jax.tree.map(lambda p: 0.1 * p, params)
        state = s.tx.init(params)
        for how, step in (("eagerly", s.update), ("traced", lambda *a: jax.eval_shape(s.update, *a))):
            updates, after = step(grads, state, params)
            expect_types(after, state, f"with {dtype} parameters the new state {how}")
            expect_types(updates, params, f"with {dtype} parameters the update {how}")
            if how == "eagerly":
                expect_finite(updates, f"with {dtype} parameters the update")


def state_is_kept_in_float32_or_wider(s: Subject) -> None:
    """What the state remembers of bfloat16 and float16 gradients is float32 at least: sums and averages would stop there."""
    for dtype in ("bfloat16", "float16"):
        for path, x in jax.tree_util.tree_leaves_with_path(s.tx.init(s.tree(dtype))):
            narrow = jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4
            expect(not narrow, f"with {dtype} parameters the state is {x.dtype} at {path_string(path)}.")


def zero_gradients_give_no_nan(s: Subject) -> None:
    """At zero parameters and zero gradients nothing moves, in any dtype, and nothing becomes NaN."""
    for dtype in DTYPES:
        params = jax.tree.map(jnp.zeros_like, s.start(dtype))
        updates, state = s.update(params, s.tx.init(params), params)
        expect_finite((updates, state), f"with {dtype} zeros the update and the state")
        expect_close(updates, params, f"with {dtype} zeros the update and zero", 0.0, s.drift)


def small_float16_gradients_count(s: Subject) -> None:
    """A float16 gradient of 1e-4, whose square float16 can't hold, moves parameters as a float32 one does."""
    half, single = (
        s.update(jax.tree.map(lambda x: jnp.full_like(x, 1e-4), params), s.tx.init(params), params)[0]
        for params in (jax.tree.map(jnp.zeros_like, s.start(d)) for d in ("float16", "float32"))
    )
    expect_close(half, single, "the update from float16 and from float32", 2e-3, 1e-6)


def complex_parameters(s: Subject) -> None:
    """Complex parameters of real value move as real ones; turned in the plane they move as turned."""
    turn = np.exp(0.7j)
    # Not round, lest a number in steps of fixed size come to stand at zero but for rounding; and in float64, in which methods
    # that decompose matrices don't blow rounding up.
    with jax.enable_x64(True):
        numbers = jax.tree.map(lambda x: 1.0173 * x, s.start("float64"))
        real = s.run(params=numbers, problem=BOWL)
        embedded, turned = (
            s.run(params=jax.tree.map(lambda x, z=z: jnp.asarray(np.asarray(x) * z, "complex128"), numbers), problem=BOWL)
            for z in (1, turn)
        )
        expect_types(embedded, jax.tree.map(lambda x: jnp.asarray(x, "complex128"), numbers), "the parameters after a run")
    expect_close(embedded, real, "complex and real", 1e-6, 1e-8)
    wanted = jax.tree.map(lambda x: np.asarray(x) * turn, real)
    expect_close(turned, wanted, "run turned and turned afterwards", 1e-6, 1e-8 + 5 * s.drift)


def points_are_like_the_parameters(s: Subject) -> None:
    """Where the gradient is taken and what is evaluated have the parameters' structure, shapes and dtypes."""
    params = s.tree("bfloat16")
    state = s.update(params, s.tx.init(params), params)[1]
    for point in (gradient_params, evaluation_params):
        expect_types(point(s.tx, state, params), params, point.__name__)
