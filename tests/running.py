"""One problem on which all optimizers are run, in NumPy and in JAX: bowls with ripples, under a changing force."""

import jax
import jax.numpy as jnp
import numpy as np

import gradtx

STEPS = 200
START = np.array([1.5, -0.7, 0.3, 2.0, -1.2, 0.05])
CURVATURE = np.array([1.0, 0.5, 2.0, 0.1, 1.5, 3.0])
PHASE = np.arange(6.0)


def gradient(x, t):
    """At point `x` and step `t`, for NumPy and JAX arrays alike."""
    if isinstance(x, np.ndarray):
        return CURVATURE * x + 0.3 * np.sin(3 * x) + 0.5 * np.cos(t + PHASE)
    c, p, t = (jnp.asarray(a, x.dtype) for a in (CURVATURE, PHASE, t))
    return c * x + 0.3 * jnp.sin(3 * x) + 0.5 * jnp.cos(t + p)


def run(tx, x, steps=STEPS, grad=gradient):
    """The last point of a run in one `lax.scan`, with the gradient where the optimizer wants it."""

    def step(carry, t):
        x, state = carry
        u, state = tx.update(grad(gradtx.gradient_params(tx, state, x), t), state, x)
        return (gradtx.apply_updates(x, u), state), None

    return jax.lax.scan(step, (x, tx.init(x)), jnp.arange(steps))[0][0]


def types(tree):
    """Structure, shapes, dtypes and weak types."""
    return jax.tree.structure(tree), [(x.shape, x.dtype, x.aval.weak_type) for x in map(jnp.asarray, jax.tree.leaves(tree))]


def hyper_leaves(tx):
    """The names of a named optimizer's float hyperparameters."""
    return [name for name, kind in tx._kinds.items() if kind.interval and getattr(tx, name) is not None]
