"""An nnx module in `fit`: split before, merged for the user's loss, updated after."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from gradtx.training.functional import merge, split


def is_nnx(x: Any) -> bool:
    """Whether it is a module of nnx, without importing Flax for it."""
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(x, nnx.Module)


class NNXModel:
    """A module as parameters and the rest, and functions of the module as functions of these."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.definition, self.params, self.rest = split(module)

    def loss(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """`loss(model, batch)` as `fit` calls it."""

        def pure(params: Any, batch: Any, *, state: Any, **extra: Any) -> Any:
            model = merge(self.definition, params, state)
            model.train()
            returned = loss(model, batch, **extra)
            value, *metrics = returned if isinstance(returned, tuple) else (returned,)
            return value, split(model)[2], *metrics

        return pure

    def evaluation(self, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        """`evaluate(model, batch)` as `fit` calls it."""

        def pure(params: Any, batch: Any, *, state: Any) -> Any:
            model = merge(self.definition, params, state)
            model.eval()
            return evaluate(model, batch)

        return pure

    def update(self, params: Any, rest: Any) -> None:
        """Puts the trained values into the module."""
        from flax import nnx

        nnx.update(self.module, params, rest)
