"""One step of training as a pure function, and the state that it moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.points import gradient_params
from gradtx.core.transform import OptState, Transform
from gradtx.core.updates import apply_updates
from gradtx.transforms.clipping import global_norm

RESERVED = ("loss", "grad_norm")


class TrainingState(NamedTuple):
    """All that a step changes: arrays only, so that it can be donated, mapped, sharded and saved.

    Attributes:
        step: how many steps were done, those left out included.
        params: the parameters.
        opt_state: the optimizer's state.
        model_state: what the model keeps besides (batch statistics, streams of random numbers); None if nothing.
        key: key data of the run; None if the loss draws nothing.
        skipped: how many steps were left out, since the loss or its gradient was not finite.
    """

    step: jax.Array
    params: Any
    opt_state: OptState
    model_state: Any
    key: jax.Array | None
    skipped: jax.Array


def training_state(
    params: Any, optimizer: Transform, *, model_state: Any = None, key: jax.Array | None = None
) -> TrainingState:
    """The state before the first step, with arrays of its own: what is given can be used on when it is donated.

    Args:
        params: any tree of arrays.
        optimizer: any transformation.
        model_state: what the model keeps besides, or None.
        key: a random key, or None.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.training import training_state
        >>> int(training_state({"w": jnp.ones(2)}, gradtx.adam(0.1)).step)
        0
    """
    params, model_state = jax.tree.map(_own, (params, model_state))
    data = None if key is None else jnp.array(jax.random.key_data(key), copy=True)
    zero = lambda: jnp.zeros((), jnp.int32)
    return TrainingState(zero(), params, optimizer.init(params), model_state, data, zero())


def training_step(
    loss: Callable[..., Any], state: TrainingState, optimizer: Transform, batch: Any
) -> tuple[TrainingState, dict[str, jax.Array]]:
    """A step on one batch. If the loss or the gradient's norm is not finite, only `step` and `skipped` move.

    Args:
        loss: as `fit` takes it: `loss(params, batch)`, with `state=` and `key=` if there are.
        state: what `training_state` made.
        optimizer: the transformation; its numbers may change from step to step without another compilation.
        batch: what the loss takes.

    Returns:
        The new state; and float32 scalars: `"loss"`, `"grad_norm"` and what the loss measures besides.

    Raises:
        TypeError: the loss gives something else than `fit` says.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> from gradtx.training import training_state, training_step
        >>> tx = gradtx.sgd(0.25)
        >>> state = training_state(jnp.array(1.0), tx)
        >>> state, measured = training_step(lambda p, batch: (p - batch) ** 2, state, tx, 3.0)
        >>> float(state.params), float(measured["loss"])
        (2.0, 4.0)
    """
    key = None if state.key is None else jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

    def objective(params: Any) -> tuple[jax.Array, Any]:
        value, model_state, metrics = called(loss, params, batch, state.model_state, key)
        return value, (model_state, metrics)

    at = gradient_params(optimizer, state.opt_state, state.params)
    (value, (model_state, metrics)), grads = jax.value_and_grad(objective, has_aux=True)(at)
    norm = global_norm(grads)
    good = jnp.isfinite(value) & jnp.isfinite(norm)

    def move() -> Any:
        value_fn = lambda params: objective(params)[0]
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params, value=value, value_fn=value_fn)
        return apply_updates(state.params, updates), opt_state, model_state

    # A choice between branches leaves the update as it is; one between numbers would read and copy all of the state once more.
    params, opt_state, model_state = jax.lax.cond(good, move, lambda: (state.params, state.opt_state, state.model_state))
    after = TrainingState(state.step + 1, params, opt_state, model_state, state.key, state.skipped + (~good).astype(jnp.int32))
    measured = {"loss": value, "grad_norm": norm, **metrics}
    return after, {n: jnp.asarray(x).astype(jnp.float32) for n, x in measured.items()}


def _own(x: Any) -> jax.Array:
    x = jnp.array(x, copy=True)
    # Python's numbers settle in their dtype, so that a step gives the types that it takes.
    return x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else jax.lax.convert_element_type(x, x.dtype)


def called(
    loss: Callable[..., Any], params: Any, batch: Any, model_state: Any, key: Any
) -> tuple[jax.Array, Any, dict[str, Any]]:
    """The value, the new state of the model and the metrics, whichever of the forms the loss has."""
    extra = {n: x for n, x in (("state", model_state), ("key", key)) if x is not None}
    returned = loss(params, batch, **extra)
    value, *rest = returned if isinstance(returned, tuple) else (returned,)
    if model_state is not None:
        if not rest:
            raise TypeError("fit: with a model_state the loss must return (value, state) or (value, state, metrics).")
        ours, model_state = model_state, rest.pop(0)
        if jax.tree.structure(ours) != jax.tree.structure(model_state):
            raise TypeError(
                f"fit: the loss changes the structure of the model's state from {jax.tree.structure(ours)} to {jax.tree.structure(model_state)}."
            )
    metrics = rest.pop(0) if rest else {}
    if rest or not isinstance(metrics, dict):
        raise TypeError(
            f"fit: the loss must return value, (value, metrics) or, with a model_state, (value, state, metrics); metrics is a dictionary, not {metrics!r}."
        )
    for name, x in {"the value": value, **metrics}.items():
        x = jnp.asarray(x)
        if x.shape != () or jnp.iscomplexobj(x):
            raise TypeError(f"fit: of the loss {name} must be one real number, it is {x.dtype}{list(x.shape)}.")
    if taken := sorted(set(metrics) & set(RESERVED)):
        raise ValueError(f"fit: a metric can't be named {taken[0]!r}; fit measures that itself.")
    return jnp.asarray(value), model_state, metrics
