"""Parameters that don't move, and carry no state."""

from __future__ import annotations

from gradtx.combinators.chain import chain
from gradtx.combinators.route import masked
from gradtx.core.select import Where, all_but
from gradtx.core.transform import Transform
from gradtx.transforms.guards import set_to_zero


def freeze(mask: Where) -> Transform:
    """Sets the updates of the chosen parameters to zero and hands the others on. It has no state.

    At the front of a chain it keeps their gradients out of what is behind it (norms, for example), but memories behind it still hold
    zeros for them, and decay behind it moves them: `selective_transform` freezes them for good.

    Args:
        mask: which parameters are frozen: a glob on the path or several, a regex, a tree of bools or a prefix of one (True for all),
            or a function from the parameters to one.

    Returns:
        `masked(set_to_zero(), mask)`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.freeze("encoder/*"), gradtx.sgd(1.0))
        >>> params = {"encoder": {"w": jnp.ones(1)}, "head": jnp.ones(1)}
        >>> tx.update(params, tx.init(params), params)[0]
        {'encoder': {'w': Array([-0.], dtype=float32)}, 'head': Array([-1.], dtype=float32)}
    """
    return masked(set_to_zero(), mask)


def selective_transform(optimizer: Transform, *, freeze_mask: Where) -> Transform:
    """Optimizes all but the chosen parameters. These don't move, carry no state, and may be of any dtype.

    Args:
        optimizer: for the others.
        freeze_mask: which parameters are frozen, in any of the forms of `freeze`.

    Returns:
        A chain of two `masked` transformations.

    Raises:
        TypeError: `optimizer` is no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.selective_transform(gradtx.adam(0.1), freeze_mask="encoder/*")
        >>> params = {"encoder": {"w": jnp.ones(1)}, "head": jnp.ones(1)}
        >>> gradtx.state_get(tx.init(params), "mu")
        {'encoder': {'w': None}, 'head': Array([0.], dtype=float32)}
    """
    return chain(masked(optimizer, all_but(freeze_mask)), freeze(freeze_mask))
