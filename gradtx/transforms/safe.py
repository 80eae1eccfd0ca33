"""Norms with finite derivatives everywhere, and a factor on derivatives alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import cast
from gradtx.core.trees import Tree


def safe_norm(x: Any, min_norm: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> jax.Array:
    """A norm of at least `min_norm`, with the derivative 0 instead of NaN where it is not larger: $\\max(\\|x\\|, c)$.

    Args:
        x: an array.
        min_norm: $c \\ge 0$.
        ord, axis, keepdims: as for `jax.numpy.linalg.norm`.

    Returns:
        The norm, or an array of them.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> jax.grad(gradtx.safe_norm)(jnp.zeros(2), 1e-8).tolist()
        [0.0, 0.0]
    """
    norm = jnp.linalg.norm(x, ord=ord, axis=axis, keepdims=True)
    kept = jnp.where(norm <= min_norm, jnp.ones_like(x), x)
    safe = jnp.linalg.norm(kept, ord=ord, axis=axis, keepdims=True)
    out = jnp.where(norm <= min_norm, min_norm, safe)
    return out if keepdims else jnp.squeeze(out, axis=axis)


def safe_root_mean_squares(x: Any, min_rms: Any) -> jax.Array:
    """The root mean square, at least `min_rms`, with the derivative 0 instead of NaN where it is not larger.

    Args:
        x: an array.
        min_rms: not negative.

    Returns:
        A scalar.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> float(gradtx.safe_root_mean_squares(jnp.array([3.0, -3.0]), 0.0))
        3.0
    """
    mean = jnp.mean(jnp.real(x * jnp.conj(x)))
    small = jnp.sqrt(mean) <= min_rms
    return jnp.where(small, min_rms, jnp.sqrt(jnp.where(small, 1, mean)))


@jax.custom_jvp
def _scaled(x: jax.Array, scale: Any) -> jax.Array:
    return x


@_scaled.defjvp
def _scaled_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    (x, scale), (dx, _) = primals, tangents
    return x, cast(jnp.asarray(scale), dx.dtype) * dx


def scale_gradient(inputs: Tree, scale: Any) -> Tree:
    """Hands values on as they are and multiplies their derivative: $x \\mapsto x$ with $dx \\mapsto s\\,dx$.

    Put it into a loss or a model, not into a chain. It works backwards and forwards, with a traced scale too.

    Args:
        inputs: a tree of float arrays.
        scale: $s$; 0 stops the gradient, a negative one reverses it. No derivative goes to it.

    Returns:
        The same values.

    References:
        Ganin, Lempitsky (2015), Unsupervised Domain Adaptation by Backpropagation, arXiv:1409.7495 (with a negative scale).

    Example:
        >>> import gradtx, jax
        >>> float(jax.grad(lambda x: gradtx.scale_gradient(x, 0.5) ** 2)(3.0))
        3.0
    """
    return jax.tree.map(lambda x: _scaled(jnp.asarray(x), jax.lax.stop_gradient(scale)), inputs)
