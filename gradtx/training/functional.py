"""A model of Flax's nnx as two pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx


def nnx_functions(make: Callable[[nnx.Rngs], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What `nnx.split` and `nnx.merge` make of a model, for loops that map over many.

    Args:
        make: from `nnx.Rngs` to a module, such as `lambda rngs: nnx.Linear(3, 2, rngs=rngs)`.

    Returns:
        `init(key, x) -> params, rest` and `apply(params, rest, x, key) -> outputs, rest`: the rest is what is no parameter (batch
        statistics, the streams of random numbers). With the key None the model is in evaluation mode, else in training mode.
    """

    def split(model: Any) -> Any:
        return nnx.split(model, nnx.Param, ...)

    definition = split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))[0]

    def init(key: jax.Array, x: Any) -> tuple[Any, Any]:
        _, params, rest = split(make(nnx.Rngs(key)))
        return params, rest

    def apply(params: Any, rest: Any, x: Any, key: Any) -> tuple[Any, Any]:
        model = nnx.merge(definition, params, rest, copy=True)  # of its own: it changes in this trace
        model.eval() if key is None else model.train()
        outputs = model(x)
        return outputs, split(model)[2]

    return init, apply
