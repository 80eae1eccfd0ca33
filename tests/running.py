"""The problem of the conformance kit, on which all optimizers are compared with their references and with Optax."""

import jax
import jax.numpy as jnp

from gradtx import testing
from gradtx.testing.problem import CURVATURE, START, rippled_gradient, rippled_value

__all__ = ["CURVATURE", "START", "STEPS", "gradient", "run", "types", "value"]

STEPS = 200
value, gradient = rippled_value, rippled_gradient


def run(tx, x, steps=STEPS, grad=gradient):
    """The last point of a run in one `lax.scan`, with the gradient where the optimizer wants it."""
    problem, extra = (testing.RIPPLES, None) if grad is gradient else (testing.Problem(None, grad), lambda x: {})
    return testing.run(tx, x, steps, problem, extra)


def types(tree):
    """Structure, shapes, dtypes and weak types."""
    return jax.tree.structure(tree), [(x.shape, x.dtype, x.aval.weak_type) for x in map(jnp.asarray, jax.tree.leaves(tree))]
