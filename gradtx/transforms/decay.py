"""Weight decay."""

from __future__ import annotations

from typing import Any

import jax

from gradtx.core.number import cast, is_zero, number
from gradtx.core.select import Where, select
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.whole import need_params
from gradtx.typing import NonNegative


class add_decayed_weights(Transform):
    """Weight decay: $u \\leftarrow u + \\lambda\\,\\theta$. At the front of a chain it is L2 regularisation, before the learning rate AdamW's decoupled decay.

    Args:
        weight_decay: $\\lambda \\ge 0$, a number or a schedule.
        mask: which parameters: a glob on the path (`"*/kernel"`) or several, a regex, a tree of bools, or a function from the
            parameters to one (see `by_path`). All if None.

    Returns:
        A stateless transformation, which needs the parameters.

    Raises:
        ValueError: `weight_decay` is negative or not finite; `update` was called without parameters.

    References:
        Loshchilov, Hutter (2017), Decoupled Weight Decay Regularization, arXiv:1711.05101.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.add_decayed_weights(0.1, mask="kernel")
        >>> params = {"kernel": jnp.full(1, 2.0), "bias": jnp.full(1, 2.0)}
        >>> tx.update({"kernel": jnp.zeros(1), "bias": jnp.zeros(1)}, tx.init(params), params)[0]
        {'bias': Array([0.], dtype=float32), 'kernel': Array([0.2], dtype=float32)}
    """

    weight_decay: NonNegative = 0.0
    mask: Where | None = None

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.mask is None

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if is_zero(self.weight_decay) or not jax.tree.leaves(updates):  # an empty group of a bare array has None for parameters
            return updates, ()
        need_params(self, params)
        by_dtype = {d: number(self.weight_decay, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}

        def decayed(u: Any, p: Any, chosen: bool = True) -> Any:
            return u + by_dtype[u.dtype] * cast(p, u.dtype) if chosen else u

        rest = () if self.mask is None else (select(self, self.mask, params),)
        return jax.tree.map(decayed, updates, params, *rest), ()
