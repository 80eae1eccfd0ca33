"""Hyperparameters in the state, and reading those in force."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.recipe import Recipe
from gradtx.core.transform import OptState, Transform
from gradtx.core.trees import Tree, path_string


class InjectState(NamedTuple):
    """The hyperparameters in force, by path, and the state of the optimizer that uses them."""

    hyperparams: dict[str, jax.Array]
    inner_state: OptState


class inject_hyperparams(Transform):
    """Keeps the hyperparameters of an optimizer in its state, where they can be read, logged, changed and mapped over.

    Every number in the optimizer, those of its schedules included, becomes an array in
    `state.inner.hyperparams`, under its path (`"learning_rate"`, `"learning_rate/decay_steps"`, `"stages/0/max_norm"`). Use it
    where the optimizer itself must be static, as in `flax.training.train_state.TrainState`.

    Args:
        inner: an optimizer. (Optax's wrapper takes the function that makes one; here an optimizer is a value already.)

    Returns:
        A transformation with the same updates.

    Raises:
        TypeError: `inner` is not a transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.inject_hyperparams(gradtx.sgd(0.1))
        >>> state = tx.init(jnp.array(1.0))
        >>> state.inner.hyperparams["learning_rate"] = jnp.array(0.5)
        >>> float(tx.update(jnp.array(1.0), state)[0])
        -0.5
    """

    inner: Transform

    own_clock = True

    def check(self) -> None:
        if not isinstance(self.inner, Transform):
            raise TypeError(
                f"inject_hyperparams: inner = {self.inner!r} is not a transformation; give one made, such as adam(1e-3)."
            )

    def start(self, params: Tree) -> InjectState:
        leaves = jax.tree_util.tree_leaves_with_path(self.inner)
        kept = {path_string(path): _strong(x) for path, x in leaves}
        return InjectState(kept, self.inner.init(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        updates, inner_state = self._with(state.hyperparams).advance(updates, state.inner_state, params, **extra)
        return updates, InjectState(state.hyperparams, inner_state)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self._with(state.hyperparams), state.inner_state)}

    def _with(self, hyperparams: dict[str, jax.Array]) -> Transform:
        return jax.tree_util.tree_map_with_path(lambda path, _: hyperparams[path_string(path)], self.inner)


def hyperparams(tx: Transform, state: OptState) -> dict[str, jax.Array]:
    """The hyperparameters in force at the next step, by path: schedules are evaluated.

    Args:
        tx: any transformation.
        state: its state.

    Returns:
        A dictionary of scalars. A named optimizer has its own arguments (`"learning_rate"`); in a chain they stand behind the
        place or name of their stage (`"1/learning_rate"`).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.sgd(gradtx.linear_schedule(1.0, 0.0, 10))
        >>> state = tx.init(jnp.array(1.0))
        >>> update, state = tx.update(jnp.array(1.0), state)
        >>> float(gradtx.hyperparams(tx, state)["learning_rate"])
        0.8999999761581421
    """
    return _collect(tx.resolve(state.step), state.inner)


def _collect(part: Transform, state: Any) -> dict[str, jax.Array]:
    found = {n: jnp.asarray(getattr(part, n)) for n, k in part._kinds.items() if k.interval and getattr(part, n) is not None}
    if isinstance(part, Recipe):
        return found
    for name, (child, child_state) in part.parts(state).items():
        below = _collect(child, child_state)
        found |= {f"{name}/{k}" if name else k: v for k, v in below.items()}
    return found


def _strong(x: Any) -> jax.Array:
    """A number at full precision whatever the parameters' dtype, without a weak type."""
    return jnp.asarray(x, getattr(x, "dtype", jnp.result_type(float)))
