"""Flax's own carriers of a training, with the optimizer as data: its numbers change without recompilation and can be mapped over."""

from __future__ import annotations

from typing import Any

from flax import nnx, struct
from flax.training import train_state

from gradtx.core.transform import Transform


class TrainState(train_state.TrainState):
    """`flax.training.train_state.TrainState` with `tx` as a part of the tree.

    Flax's own works with every gradtx optimizer too; there `tx` is static, so that another learning rate compiles anew and an array in
    the optimizer is refused.

    References:
        The Flax authors, `flax.training.train_state`.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.training.flax import TrainState
        >>> def trained(rate):
        ...     state = TrainState.create(apply_fn=None, params={"w": jnp.array(1.0)}, tx=gradtx.sgd(rate))
        ...     return state.apply_gradients(grads=state.params).params["w"]
        >>> jax.vmap(trained)(jnp.array([0.25, 0.5])).tolist()
        [0.75, 0.5]
    """

    tx: Transform = struct.field(pytree_node=True)  # type: ignore[assignment]


class Optimizer(nnx.Optimizer):
    """`flax.nnx.Optimizer` with `tx` as data.

    References:
        The Flax authors, `flax.nnx.Optimizer`.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from flax import nnx
        >>> from gradtx.training.flax import Optimizer
        >>> model = nnx.Linear(1, 1, use_bias=False, rngs=nnx.Rngs(0))
        >>> optimizer = Optimizer(model, gradtx.sgd(jnp.array(0.5)), wrt=nnx.Param)
        >>> before = float(model.kernel[0, 0])
        >>> optimizer.tx = gradtx.sgd(jnp.array(0.25))
        >>> _ = optimizer.update(model, nnx.grad(lambda model: model(jnp.ones(1)).sum())(model))
        >>> round(before - float(model.kernel[0, 0]), 4)
        0.25
    """

    tx: Any = nnx.data()
