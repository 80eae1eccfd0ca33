"""A rate for each parameter, by its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from gradtx.core.number import number
from gradtx.core.recipe import optimizer
from gradtx.core.select import matches
from gradtx.core.show import show
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, path_string
from gradtx.typing import Fraction, Hyper


class scale_by_path(Transform):
    """Multiplies the updates of the parameters whose path matches: $u \\leftarrow s_i\\,u$; the others stay.

    Args:
        factors: for each glob on the path its factor, a finite number or a schedule. The first that matches counts.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: a factor is not finite.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.sgd(1.0), gradtx.scale_by_path({"head/*": 10.0, "*/bias": 2.0}))
        >>> params = {"body": {"bias": jnp.ones(1), "kernel": jnp.ones(1)}, "head": {"bias": jnp.ones(1)}}
        >>> tx.update(params, tx.init(params), params)[0]
        {'body': {'bias': Array([-2.], dtype=float32), 'kernel': Array([-1.], dtype=float32)}, 'head': {'bias': Array([-10.], dtype=float32)}}
    """

    globs: tuple[str, ...]
    factors: Hyper

    def __init__(self, factors: Mapping[str, Any]) -> None:
        self._set(globs=tuple(factors), factors=tuple(factors.values()))

    def check(self) -> None:
        for glob in self.globs:
            if not isinstance(glob, str):
                raise TypeError(f"scale_by_path: {glob!r} is no glob on a path, such as '*/bias'.")

    def _arguments(self) -> list[str]:
        return [show(dict(zip(self.globs, self.factors, strict=True)))]

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def scaled(path: Any, u: Any) -> Any:
            for glob, factor in zip(self.globs, self.factors, strict=True):
                if matches(glob, path_string(path)):
                    return u * number(factor, u.dtype)
            return u

        return jax.tree_util.tree_map_with_path(scaled, updates), ()


@optimizer
def layerwise_decay(decay: Fraction, layers: tuple[str, ...]) -> Transform:
    """Learning rates that fall from the last layer to the first: $u \\leftarrow b^{n-i}\\,u$ in layer $i$ of $n$; the others stay.

    For fine-tuning: the layers near the input, which know the most general things, move least.

    Args:
        decay: $b$ in [0, 1], a number or a schedule.
        layers: a glob on the path for each layer, from the first to the last.

    Returns:
        A stateless transformation, to put behind an optimizer.

    Raises:
        ValueError: `decay` is outside [0, 1].

    References:
        Howard, Ruder (2018), Universal Language Model Fine-tuning for Text Classification, arXiv:1801.06146. Clark, Luong, Le, Manning
        (2020), ELECTRA, arXiv:2003.10555.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.sgd(1.0), gradtx.layerwise_decay(0.5, ("embed*", "block*", "head*")))
        >>> params = {"block": jnp.ones(1), "embed": jnp.ones(1), "head": jnp.ones(1)}
        >>> tx.update(params, tx.init(params), params)[0]
        {'block': Array([-0.5], dtype=float32), 'embed': Array([-0.25], dtype=float32), 'head': Array([-1.], dtype=float32)}
    """
    return scale_by_path({glob: decay ** (len(layers) - 1 - i) for i, glob in enumerate(layers)})
