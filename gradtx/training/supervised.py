"""The usual loss: a model, inputs and targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from gradtx.training.functional import model_functions


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedLoss:
    """A model's loss on batches `(inputs, targets)`, as `fit` takes it, with its own `init` and `evaluate`; see `supervised_loss`."""

    init: Callable[[jax.Array, Any], tuple[Any, Any]]
    apply: Callable[..., tuple[Any, Any]]
    loss: Callable[[Any, Any], jax.Array]
    metrics: Mapping[str, Callable[[Any, Any], jax.Array]]

    def __call__(self, params: Any, batch: Any, *, state: Any, key: jax.Array) -> tuple[jax.Array, Any, dict[str, jax.Array]]:
        """In training: the value, the model's new state, and the metrics."""
        x, y = batch
        outputs, state = self.apply(params, state, x, key)
        return self.loss(outputs, y), state, self._measured(outputs, y)

    def evaluate(self, params: Any, batch: Any, *, state: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        """In evaluation: the value and the metrics."""
        x, y = batch
        outputs, _ = self.apply(params, state, x, None)
        return self.loss(outputs, y), self._measured(outputs, y)

    def _measured(self, outputs: Any, y: Any) -> dict[str, jax.Array]:
        return {n: f(outputs, y) for n, f in self.metrics.items()}


def supervised_loss(
    model: Any, loss: Callable[[Any, Any], jax.Array], metrics: Mapping[str, Callable[[Any, Any], jax.Array]] | None = None
) -> SupervisedLoss:
    """The loss of a model on batches `(inputs, targets)`; batch statistics and dropout are taken care of.

    Args:
        model: as `model_functions` takes it: linen, nnx, or a pair of functions.
        loss: from outputs and targets to the mean over the batch.
        metrics: what else is measured, by name: from outputs and targets to a mean.

    Returns:
        A loss for `fit`, with `init(key, inputs) -> params, model_state`; `fit` is to be given the state and a key.

    Example:
        >>> import flax.linen as nn, gradtx, jax, jax.numpy as jnp, optax
        >>> from gradtx.training import fit, full_batch, supervised_loss
        >>> x, y = jnp.eye(4), jnp.arange(4)
        >>> cross_entropy = lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean()
        >>> loss = supervised_loss(nn.Dense(4), cross_entropy)
        >>> params, state = loss.init(jax.random.key(0), x)
        >>> run = fit(loss, params, gradtx.adam(0.1), full_batch((x, y)), steps=50, model_state=state, key=jax.random.key(1))
        >>> run.records[0]["loss"] > 1, run.records[-1]["loss"] < 0.1
        (True, True)
    """
    return SupervisedLoss(*model_functions(model), loss, dict(metrics or {}))
