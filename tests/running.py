"""One problem on which all optimizers are run, in NumPy and in JAX: bowls with ripples, under a changing force."""

import jax
import jax.numpy as jnp
import numpy as np

import gradtx

STEPS = 200
START = np.array([1.5, -0.7, 0.3, 2.0, -1.2, 0.05])
CURVATURE = np.array([1.0, 0.5, 2.0, 0.1, 1.5, 3.0])
PHASE = np.arange(6.0)


def value(x, t):
    """At point `x`, of six numbers in any shape, and step `t`, for NumPy and JAX arrays alike."""
    xp, (c, p, t) = _constants(x, t)
    return xp.sum(c * x * x / 2 - 0.1 * xp.cos(3 * x) + 0.5 * xp.cos(t + p) * x)


def gradient(x, t):
    """Of `value`."""
    xp, (c, p, t) = _constants(x, t)
    return c * x + 0.3 * xp.sin(3 * x) + 0.5 * xp.cos(t + p)


def _constants(x, t):
    xp = np if isinstance(x, np.ndarray) else jnp
    return xp, (xp.asarray(a, x.dtype) for a in (CURVATURE.reshape(x.shape), PHASE.reshape(x.shape), t))


def run(tx, x, steps=STEPS, grad=gradient):
    """The last point of a run in one `lax.scan`, with the gradient where the optimizer wants it."""

    def step(carry, t):
        x, state = carry
        at = gradtx.gradient_params(tx, state, x)
        extra = {"value": value(at, t), "value_fn": lambda q: value(q, t)} if grad is gradient else {}
        u, state = tx.update(grad(at, t), state, x, **extra)
        return (gradtx.apply_updates(x, u), state), None

    return jax.lax.scan(step, (x, tx.init(x)), jnp.arange(steps))[0][0]


def types(tree):
    """Structure, shapes, dtypes and weak types."""
    return jax.tree.structure(tree), [(x.shape, x.dtype, x.aval.weak_type) for x in map(jnp.asarray, jax.tree.leaves(tree))]


def hyper_leaves(tx):
    """The names of a named optimizer's float hyperparameters, those in tuples left out."""
    return [n for n, kind in tx._kinds.items() if kind.interval and not isinstance(getattr(tx, n), tuple | None)]
