"""Complex numbers as pairs of real ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree


class SplitRealAndImaginaryArrays(NamedTuple):
    """The two parts of a complex array."""

    real: Any
    imaginary: Any


class SplitRealAndImaginaryState(NamedTuple):
    """The state of the inner transformation."""

    inner_state: Any


class split_real_and_imaginary(Transform):
    """Treats a complex array as two real ones, its real and its imaginary part.

    Without it a method treats a complex number as one: Adam divides both parts by the same root. With it each part has its own.

    Args:
        inner: the transformation.

    Returns:
        A transformation with the state `SplitRealAndImaginaryState(inner_state)`.

    Raises:
        TypeError: `inner` is no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.split_real_and_imaginary(gradtx.sign())
        >>> complex(tx.update(jnp.array(3 - 4j), tx.init(jnp.array(0j)))[0])
        (1-1j)
    """

    inner: Transform

    def check(self) -> None:
        check_stage(self, self.inner)

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.inner.elementwise

    def start(self, params: Tree) -> SplitRealAndImaginaryState:
        return SplitRealAndImaginaryState(self.inner.start(split(params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        structure = jax.tree.structure(updates)
        extra = {k: split(v) if jax.tree.structure(v) == structure else v for k, v in extra.items()}
        if callable(function := extra.get("value_fn")):
            extra["value_fn"] = lambda pairs: function(joined(pairs))
        updates, inner_state = self.inner.apply(split(updates), state.inner_state, split(params), **extra)
        return joined(updates), SplitRealAndImaginaryState(inner_state)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        return joined(self.inner.gradient_params(state.inner_state, split(params)))

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        return joined(self.inner.evaluation_params(state.inner_state, split(params)))

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


def split(tree: Tree) -> Tree:
    """Every complex array as its two parts."""
    return jax.tree.map(lambda x: SplitRealAndImaginaryArrays(jnp.real(x), jnp.imag(x)) if jnp.iscomplexobj(x) else x, tree)


def joined(tree: Tree) -> Tree:
    """The other way round."""
    return jax.tree.map(
        lambda x: jax.lax.complex(x.real, x.imaginary) if isinstance(x, SplitRealAndImaginaryArrays) else x,
        tree,
        is_leaf=lambda x: isinstance(x, SplitRealAndImaginaryArrays),
    )
