"""One transformation whose output several others use."""

from __future__ import annotations

from typing import Any, NamedTuple

from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree


class LetState(NamedTuple):
    """The states of what is shared and of what uses it."""

    value: Any
    body: Any


class let(Transform):
    """Computes something once and lets every part of another transformation use it under a name: let $x = t_1(u)$ in $t_2(u)$.

    Inside the body `recall(name)` emits it. So a memory that stands in two places of a formula, such as Adan's difference of
    gradients, is kept once.

    Args:
        name: any string.
        value: $t_1$, what is shared.
        body: $t_2$, in which it is used.

    Returns:
        A transformation with the state `LetState(value, body)`.

    Raises:
        TypeError: `name` is no string, or one of the others no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.let("m", gradtx.ema(0.5), gradtx.add(gradtx.recall("m"), gradtx.recall("m")))
        >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
        3.0
    """

    name: str
    value: Transform
    body: Transform

    def check(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"let: name = {self.name!r} must be a string.")
        check_stage(self, self.value)
        check_stage(self, self.body)

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.value.elementwise and self.body.elementwise

    def start(self, params: Tree) -> LetState:
        return LetState(self.value.start(params), self.body.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        value, value_state = self.value.apply(updates, state.value, params, **extra)
        out, body_state = self.body.apply(updates, state.body, params, **{**extra, _key(self.name): value})
        return out, LetState(value_state, body_state)

    def emits(self, params: Tree) -> Tree:
        return self.body.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"value": (self.value, state.value), "body": (self.body, state.body)}


class recall(Transform):
    """Inside the body of a `let`: emits what is shared under the name, whatever it is given.

    Args:
        name: that of the `let`.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: it doesn't stand inside a `let` of this name.

    Example:
        >>> import gradtx
        >>> gradtx.chain(gradtx.recall("m"), gradtx.sign())
        chain(recall(name='m'), sign())
    """

    name: str
    elementwise = True

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if _key(self.name) not in extra:
            raise ValueError(f"recall({self.name!r}) stands outside of a let({self.name!r}, ...) that would share something.")
        return extra[_key(self.name)], ()


def _key(name: str) -> str:
    """The extra argument that carries it: no keyword that a user could write, so that neither hides the other."""
    return f"let {name}"
