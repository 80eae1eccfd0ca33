"""Models of Flax as pure functions, linen's and nnx's alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax

NO_MODEL = "is no linen module, no function that makes an nnx one, no pair (init, apply)."


def model_functions(model: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A model as two pure functions, for loops that jit, map or scan.

    Args:
        model: a Flax linen module; a function or class from `nnx.Rngs` to an nnx module; or a pair of functions `init(key, x) -> params`,
            `apply(params, x) -> outputs`.

    Returns:
        `init(key, x) -> params, rest` and `apply(params, rest, x, key) -> outputs, rest`: the rest is what is no parameter (batch
        statistics, streams of random numbers). With the key None the model is evaluated, else trained: a linen module whose call takes
        `train=` is given it and draws its dropout from the key, an nnx one is put in its mode.

    Raises:
        TypeError: the model is none of these.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp
        >>> from gradtx.training import model_functions
        >>> init, apply = model_functions(nn.Dense(3))
        >>> params, rest = init(jax.random.key(0), jnp.ones((1, 2)))
        >>> outputs, rest = apply(params, rest, jnp.ones((5, 2)), None)
        >>> outputs.shape, rest
        ((5, 3), {})
    """
    if isinstance(model, tuple):
        init, apply = model
        return lambda key, x: (init(key, x), {}), lambda params, rest, x, key: (apply(params, x), rest)
    if not (hasattr(model, "init") and hasattr(model, "apply")):
        if callable(model):
            return _nnx_functions(model)
        raise TypeError(f"{model!r} {NO_MODEL}")
    takes_train = "train" in inspect.signature(type(model).__call__).parameters

    def make(key: Any, x: Any) -> Any:
        variables = dict(model.init(key, x, **({"train": False} if takes_train else {})))
        return variables.pop("params", {}), variables

    def call(params: Any, rest: Any, x: Any, key: Any) -> Any:
        how: dict[str, Any] = {"train": key is not None} if takes_train else {}
        if key is not None:
            how["rngs"] = {"dropout": key}
        if key is None or not rest:
            return model.apply({"params": params, **rest}, x, **how), rest
        return model.apply({"params": params, **rest}, x, mutable=list(rest), **how)

    return make, call


def _nnx_functions(make: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    from flax import nnx

    made = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    if not isinstance(made, nnx.Module):
        raise TypeError(f"{make!r} {NO_MODEL}")
    definition = split(made)[0]

    def init(key: jax.Array, x: Any) -> tuple[Any, Any]:
        _, params, rest = split(make(nnx.Rngs(key)))
        return params, rest

    def apply(params: Any, rest: Any, x: Any, key: Any) -> tuple[Any, Any]:
        model = merge(definition, params, rest)
        model.eval() if key is None else model.train()
        outputs = model(x)
        return outputs, split(model)[2]

    return init, apply


def split(model: Any) -> Any:
    """An nnx module's definition, its parameters and the rest."""
    from flax import nnx

    return nnx.split(model, nnx.Param, ...)


def merge(definition: Any, params: Any, rest: Any) -> Any:
    """The module again, of its own, so that it may change in the trace at hand."""
    from flax import nnx

    return nnx.merge(definition, params, rest, copy=True)
