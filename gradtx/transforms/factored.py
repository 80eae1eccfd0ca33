"""Second moments kept as a row and a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, number, real, tiny
from gradtx.core.transform import Transform, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.typing import Fraction, NonNegative


class FactoredState(NamedTuple):
    """The steps taken; for each parameter a row and a column of means if it is factored, else the whole memory.

    Each has as many axes as its parameter, and on each axis the parameter's length or 1: a parameter's sharding fits
    them too, once it is dropped from the axes of length 1. What a parameter doesn't need has length 1 everywhere.
    """

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    v_row: Tree
    v_col: Tree
    v: Tree


class factored_rms(Transform):
    """The root of an average, of which only means over rows and columns are kept: $\\sqrt{r\\,c^\\top / \\bar r}$.

    It is given squares $x$: $r \\leftarrow b_t r + (1-b_t)\\,\\overline{x}^{\\,\\text{columns}}$, $c$ likewise over the rows; of a matrix of rank one the average is
    exact. Adafactor's denominator, with $b_t = 1 - t^{-p}$.

    Args:
        decay_rate: $p \\ge 0$ in that law, or what `decay_rate_fn` makes of it; in [0, 1], a number or a schedule.
        step_offset: steps to leave out of $t$, for a state that goes on from pretraining: $t = \\max(\\text{count} - \\text{offset}, 0) + 1$. (Optax
            lets $t$ fall to zero and below, and gives NaN if the state is a new one.)
        min_dim_size_to_factor: arrays whose second largest axis is shorter are averaged in full, as are vectors and scalars; all if None.
        decay_rate_fn: `function(count, decay_rate)` gives $b_t$ instead, such as `constant_decay`.

    Returns:
        A transformation with the state `FactoredState(count, v_row, v_col, v)`. Its two largest axes are factored.

    Raises:
        ValueError: `decay_rate` is outside [0, 1] or `step_offset` negative.

    References:
        Shazeer, Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, arXiv:1804.04235.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.square(), gradtx.factored_rms(min_dim_size_to_factor=2))
        >>> g = jnp.array([[1.0, 2.0], [3.0, 6.0]])
        >>> [[round(float(x), 5) for x in row] for row in tx.update(g, tx.init(g))[0]]
        [[1.0, 2.0], [3.0, 6.0]]
    """

    decay_rate: Fraction = 0.8
    step_offset: NonNegative = 0.0
    min_dim_size_to_factor: int | None = 128
    decay_rate_fn: Callable[[Any, Any], Any] | None = None

    def start(self, params: Tree) -> FactoredState:
        check_trainable(self, params)

        def zeros(pick: Callable[[Any], Any]) -> Tree:
            return jax.tree.map(lambda p: jnp.zeros(pick(self._shapes(p.shape)), real(p.dtype)), params)

        return FactoredState(jnp.zeros((), jnp.int32), *(zeros(lambda shapes, i=i: shapes[i]) for i in range(3)))

    def _shapes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """Of row, column and whole."""
        axes, none = factored_axes(shape, self.min_dim_size_to_factor), (1,) * len(shape)
        if axes is None:
            return none, none, shape
        row, column = ([1 if i == axis else n for i, n in enumerate(shape)] for axis in axes)
        return tuple(row), tuple(column), none

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        decays = {d: self._decay(state.count, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}
        leaves, structure = jax.tree.flatten(updates)
        memories = [structure.flatten_up_to(tree) for tree in state[1:]]
        new = [self._one(x, decays[x.dtype], *m) for x, *m in zip(leaves, *memories, strict=True)]
        out, *memories = (structure.unflatten([n[i] for n in new]) for i in range(4))
        return out, FactoredState(saturating_increment(state.count), *memories)

    def _decay(self, count: Any, dtype: Any) -> Any:
        rate, t = number(self.decay_rate, dtype), cast(count, dtype)
        if self.decay_rate_fn is not None:
            return number(self.decay_rate_fn(count, rate), dtype)
        return 1 - (jnp.maximum(t - number(self.step_offset, dtype), 0) + 1) ** -rate

    def _one(self, x: Any, decay: Any, row: Any, column: Any, whole: Any) -> tuple[Any, Any, Any, Any]:
        """What is emitted, and the new memories."""
        axes = factored_axes(x.shape, self.min_dim_size_to_factor)

        def average(memory: Any, seen: Any) -> Any:
            return cast(decay * cast(memory, x.dtype) + (1 - decay) * seen, memory.dtype)

        if axes is None:
            whole = average(whole, x)
            return root(whole, x.dtype), row, column, whole
        row, column = (average(m, jnp.mean(x, a, keepdims=True)) for m, a in zip((row, column), axes, strict=True))
        # Roots first: at Adafactor's 1e-30 the product of row and column would not be a normal number.
        mean = jnp.mean(row, axes[1], keepdims=True)
        return root(row, x.dtype) / root(mean, x.dtype) * root(column, x.dtype), row, column, whole


def factored_axes(shape: tuple[int, ...], least: int | None) -> tuple[int, int] | None:
    """The axes over which the row's and the column's means are taken, the largest and the second; None if either is too short."""
    if len(shape) < 2 or least is None:
        return None
    second, first = (int(i) for i in np.argsort(shape, kind="stable")[-2:])
    return None if shape[second] < max(least, 1) else (first, second)


def root(x: Any, dtype: Any) -> Any:
    return cast(jnp.sqrt(jnp.maximum(x, tiny(x.dtype))), dtype)


def constant_decay(count: Any, decay_rate: Any) -> Any:
    """The same decay at every step, for `decay_rate_fn` of `factored_rms` and `scale_by_factored_rms`.

    Args:
        count: the steps taken.
        decay_rate: the decay.

    Returns:
        The decay.

    Example:
        >>> import gradtx
        >>> gradtx.factored_rms(0.999, decay_rate_fn=gradtx.constant_decay)
        factored_rms(decay_rate=0.999, decay_rate_fn=constant_decay)
    """
    return decay_rate
