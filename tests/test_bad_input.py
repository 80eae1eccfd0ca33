"""Bad input gets a clear error at the earliest point."""

import jax
import jax.numpy as jnp
import pytest

import gradtx

ONES = jnp.ones((4, 6))


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: gradtx.adam(-1.0), ValueError, "adam: learning_rate = -1; it must be finite and >= 0"),
        (lambda: gradtx.adam(float("nan")), ValueError, "learning_rate = nan"),
        (lambda: gradtx.adam(jnp.array([0.1, -0.2])), ValueError, r"learning_rate = -0.2 at \(1,\)"),
        (lambda: gradtx.adam(1e-3, b1=1.5), ValueError, r"b1 = 1.5; it must be in \[0, 1\)"),
        (lambda: gradtx.adam("fast"), TypeError, "'fast' is not a number"),
        (lambda: gradtx.sgd(lambda step: jnp.ones(3)), ValueError, "an array of shape"),
        (lambda: gradtx.adam(jnp.ones(3)).init(ONES), ValueError, "map over the optimizer with jax.vmap"),
        (lambda: gradtx.adam(1e-3).init({"n": jnp.ones(2, jnp.int32)}), TypeError, "at n is i32"),
        (lambda: _update(gradtx.adam(1e-3), {"w": ONES}, {"w": jnp.ones((6, 4))}), ValueError, "at w the updates have"),
        (lambda: _update(gradtx.adam(1e-3), {"w": ONES}, {"v": ONES}), ValueError, "at v the updates have"),
        (lambda: _update(gradtx.adam(1e-3), ONES, ONES.astype(jnp.complex64)), TypeError, "the update is c64"),
        (lambda: gradtx.adamw(1e-3).update(ONES, gradtx.adamw(1e-3).init(ONES)), ValueError, "needs the parameters"),
        (lambda: gradtx.ema(0.9).update(ONES, (), ONES), TypeError, "must come from this transformation's init"),
        (lambda: gradtx.chain(gradtx.square, gradtx.sqrt()), TypeError, r"call it: square\(...\)"),
        (lambda: gradtx.adjust(gradtx.adam(1e-3), rate=1.0), ValueError, "no field is named 'rate'"),
        (lambda: gradtx.partition({"a": gradtx.sgd(0.1)}).init({"b": ONES}), ValueError, "no pattern"),
    ],
)
def test_says_what_is_wrong(act, error, words):
    with pytest.raises(error, match=words):
        act()


def _update(tx, params, grads):
    return tx.update(grads, tx.init(params), params)


def test_traced_values_are_not_validated():
    assert jax.jit(lambda lr: gradtx.sgd(lr).learning_rate)(-1.0) == -1.0
    assert repr(jax.tree.map(lambda _: None, gradtx.adam(1e-3))).startswith("adam(")
