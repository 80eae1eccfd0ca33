"""Groups of parameters at the edges."""

import jax.numpy as jnp
import numpy as np
import pytest

import gradtx


@pytest.mark.parametrize("tx", [gradtx.adamw(0.1), gradtx.lion(0.1), gradtx.nesterov(0.1)], ids=repr)
def test_a_bare_array_outside_a_group(tx):
    # The group's part of a single array is empty, which isn't the same as no parameters being given.
    x, g = jnp.ones(3), jnp.full(3, 0.5)
    off = gradtx.masked(tx, False)
    updates, state = off.update(g, off.init(x), x)
    np.testing.assert_array_equal(updates, g)
    np.testing.assert_array_equal(gradtx.gradient_params(off, state, x), x)
    for groups, labels in (({"in": gradtx.sgd(0.5), "out": tx}, "in"), ({"out": tx, "in": gradtx.sgd(0.5)}, "in")):
        both = gradtx.partition(groups, labels)
        updates, state = both.update(g, both.init(x), x)
        np.testing.assert_array_equal(updates, -0.5 * g)
        np.testing.assert_array_equal(gradtx.evaluation_params(both, state, x), x)
