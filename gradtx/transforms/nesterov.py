"""Nadam's first moment under Dozat's schedule of the momentum."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real_of, tiny
from gradtx.core.transform import Transform, full_like, saturating_increment
from gradtx.core.trees import Tree, check_trainable, map_updates
from gradtx.typing import Decay, DType, NonNegative


class DozatMomentState(NamedTuple):
    """The steps taken, the product of all momenta so far, and the average."""

    steps: jax.Array
    product: jax.Array
    mu: Tree


class dozat_moment(Transform):
    """A look-ahead average whose weights warm up: $u = \\frac{m_{t+1}\\mu}{1 - \\prod_{i \\le t+1} m_i} + \\frac{(1 - m_t) g}{1 - \\prod_{i \\le t} m_i}$.

    $\\mu \\leftarrow b_1\\mu + (1-b_1) g$, with $m_t = b_1 (1 - \\tfrac12 0.96^{\\psi t})$ rising from about $b_1/2$ to $b_1$. As in PyTorch and Keras the
    average itself has the constant decay.

    Args:
        b1: $b_1$ in [0, 1), a number or a schedule.
        momentum_decay: $\\psi \\ge 0$: 0.004 in PyTorch and Dozat's report, 1 in Keras.
        mu_dtype: dtype of $\\mu$; float32 or wider if None.

    Returns:
        A transformation with the state `DozatMomentState(steps, product, mu)`.

    Raises:
        ValueError: a number is outside its range.

    References:
        Dozat (2016), Incorporating Nesterov Momentum into Adam, ICLR workshop.

    Example:
        >>> import gradtx
        >>> gradtx.dozat_moment(0.9)
        dozat_moment(b1=0.9)
    """

    b1: Decay
    momentum_decay: NonNegative = 4e-3
    mu_dtype: DType = None

    elementwise = True
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> DozatMomentState:
        check_trainable(self, params)
        one = jnp.ones((), real_of(params))
        return DozatMomentState(jnp.zeros((), jnp.int32), one, full_like(params, 0.0, self.mu_dtype))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        dtype = state.product.dtype
        b1, psi, step = number(self.b1, dtype), number(self.momentum_decay, dtype), cast(state.steps, dtype)
        now, ahead = (b1 * (1 - 0.5 * 0.96 ** (psi * (step + i))) for i in (1, 2))
        product = state.product * now
        of_mu = ahead / jnp.maximum(1 - product * ahead, tiny(dtype))
        of_g = (1 - now) / jnp.maximum(1 - product, tiny(dtype))
        decays, factors, rest = ({d: number(h, d) for d in _dtypes(updates)} for h in (self.b1, of_mu, of_g))

        def averaged(g: Any, m: Any) -> Any:
            return decays[g.dtype] * cast(m, g.dtype) + (1 - decays[g.dtype]) * g

        mu = map_updates(self, averaged, updates, state.mu)
        out = jax.tree.map(lambda g, m: factors[g.dtype] * m + rest[g.dtype] * g, updates, mu)
        kept = jax.tree.map(lambda m, before: cast(m, before.dtype), mu, state.mu)
        return out, DozatMomentState(saturating_increment(state.steps), product, kept)


def _dtypes(tree: Tree) -> set[Any]:
    return {x.dtype for x in jax.tree.leaves(tree)}
