"""Where gradients are taken, and which parameters are judged: the parameters themselves, but for some methods."""

from __future__ import annotations

from gradtx.core.transform import OptState, Transform
from gradtx.core.trees import Tree


def gradient_params(tx: Transform, state: OptState, params: Tree) -> Tree:
    """The point at which the optimizer wants its next gradient: the parameters, but for look-ahead methods.

    Args:
        tx: any transformation.
        state: its state.
        params: the parameters.

    Returns:
        A tree like `params`. Take the gradient there; apply the update to `params`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.nesterov(0.1, momentum=0.5)
        >>> state = tx.init(jnp.array(1.0))
        >>> update, state = tx.update(jnp.array(2.0), state, jnp.array(1.0))
        >>> params = 1.0 + update
        >>> float(params), round(float(gradtx.gradient_params(tx, state, params)), 6)
        (0.800000011920929, 0.7)
    """
    return tx.resolve(state.step).gradient_params(state.inner, params)


def evaluation_params(tx: Transform, state: OptState, params: Tree) -> Tree:
    """The parameters to evaluate or deploy: those trained, but for methods that average.

    Args:
        tx: any transformation.
        state: its state.
        params: the parameters.

    Returns:
        A tree like `params`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.adam(1e-3)
        >>> float(gradtx.evaluation_params(tx, tx.init(jnp.array(1.0)), jnp.array(1.0)))
        1.0
    """
    return tx.resolve(state.step).evaluation_params(state.inner, params)
