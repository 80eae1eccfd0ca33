"""Transformations across the border between gradtx and Optax."""

from __future__ import annotations

from typing import Any

import jax
import optax

from gradtx.core.number import cast, wide
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable


def as_optax(tx: Transform) -> optax.GradientTransformationExtraArgs:
    """The same optimizer as one of Optax's own.

    Most code that takes an Optax optimizer takes ours as it is. This is for the code that looks at the type: `optax.chain` hands
    extra arguments such as `value` only to a `GradientTransformationExtraArgs`.

    Args:
        tx: any transformation.

    Returns:
        A pair of `tx.init` and `tx.update`.

    Raises:
        TypeError: `tx` is no transformation.

    Example:
        >>> import gradtx, optax, jax.numpy as jnp
        >>> from gradtx.interop import as_optax
        >>> tx = optax.chain(optax.clip(0.5), as_optax(gradtx.sgd(0.1)))
        >>> round(float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0]), 6)
        -0.05
    """
    if not isinstance(tx, Transform):
        raise TypeError(f"as_optax: {tx!r} is no transformation of gradtx.")
    return optax.GradientTransformationExtraArgs(tx.init, tx.update)  # type: ignore[arg-type]


class from_optax(Transform):
    """An Optax transformation as one of ours, for use in `chain`, `ratio`, `partition` and the rest.

    It runs in float32 or wider as all pieces do, its memories included. It is static: two are equal only if they hold the same
    object, its hyperparameters are no leaves, and it has no dictionary form.

    Args:
        tx: an Optax transformation.

    Returns:
        A transformation whose inner state is the Optax state.

    Raises:
        TypeError: `tx` has no `init` and `update`.

    Example:
        >>> import gradtx, optax, jax.numpy as jnp
        >>> from gradtx.interop import from_optax
        >>> tx = gradtx.chain(from_optax(optax.clip(0.5)), gradtx.sgd(0.1))
        >>> round(float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0]), 6)
        -0.05
    """

    tx: Any

    def check(self) -> None:
        if not (callable(getattr(self.tx, "init", None)) and callable(getattr(self.tx, "update", None))):
            raise TypeError(f"from_optax: {self.tx!r} is no Optax transformation; it has no init and update.")

    def _arguments(self) -> list[str]:
        return [self.tx.update.__qualname__.partition(".")[0]]

    def start(self, params: Tree) -> Any:
        check_trainable(self, params)
        return jax.tree.map(_strong, self.tx.init(_widened(params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = None if params is None else _widened(params)
        return optax.with_extra_args_support(self.tx).update(updates, state, params, **extra)


def _widened(params: Tree) -> Tree:
    return jax.tree.map(lambda p: cast(p, wide(p.dtype)), params)


def _strong(x: Any) -> jax.Array:
    """Optax starts some counters as weakly typed or as Python numbers."""
    return jax.numpy.asarray(x, getattr(x, "dtype", None))
