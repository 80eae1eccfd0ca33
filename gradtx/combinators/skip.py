"""Which gradients an accumulation leaves out: for `should_skip_update_fn` of `MultiSteps`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, real_of
from gradtx.core.trees import Tree


def skip_not_finite(updates: Tree, gradient_step: Any, params: Tree | None) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Leaves out gradients with an infinity or a NaN.

    Args:
        updates: the gradients.
        gradient_step: not used.
        params: not used.

    Returns:
        Whether to skip, and `{"should_skip", "num_not_finite"}` for the state.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.MultiSteps(gradtx.sgd(0.1), 2, should_skip_update_fn=gradtx.skip_not_finite)
        >>> _, state = tx.update(jnp.array([jnp.inf, 1.0]), tx.init(jnp.zeros(2)))
        >>> int(gradtx.state_get(state, "num_not_finite")), int(gradtx.state_get(state, "mini_step"))
        (1, 0)
    """
    bad = sum((jnp.sum(~jnp.isfinite(u), dtype=jnp.int32) for u in jax.tree.leaves(updates)), jnp.zeros((), jnp.int32))
    return bad > 0, {"should_skip": bad > 0, "num_not_finite": bad}


def skip_large_updates(
    updates: Tree, gradient_step: Any, params: Tree | None, max_squared_norm: Any
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Leaves out gradients unless $\\|u\\|^2 < c$; so those with a NaN too.

    Args:
        updates: the gradients.
        gradient_step: not used; a function of your own can let the threshold follow it.
        params: not used.
        max_squared_norm: $c$, a number. Fix it in a named function or by `functools.partial` (made once: it is compared by identity).

    Returns:
        Whether to skip, and `{"should_skip", "norm_squared"}` for the state.

    Example:
        >>> import functools, gradtx, jax.numpy as jnp
        >>> small = functools.partial(gradtx.skip_large_updates, max_squared_norm=100.0)
        >>> tx = gradtx.MultiSteps(gradtx.sgd(0.1), 2, should_skip_update_fn=small)
        >>> _, state = tx.update(jnp.array([8.0, 6.0]), tx.init(jnp.zeros(2)))
        >>> float(gradtx.state_get(state, "norm_squared")), bool(gradtx.state_get(state, "should_skip"))
        (100.0, True)
    """
    dtype = real_of(updates)
    squares = (cast(jnp.sum(jnp.real(u * jnp.conj(u))), dtype) for u in jax.tree.leaves(updates))
    size = sum(squares, jnp.zeros((), dtype))
    skip = ~(size < max_squared_norm)
    return skip, {"should_skip": skip, "norm_squared": size}
