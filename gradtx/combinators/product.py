"""Products of transformations, and updates compared with the gradients that they were made of."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp

from gradtx.combinators.pair import Pair
from gradtx.core.number import cast
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree, map_updates


class multiply(Pair):
    """The product of two transformations of the same updates: $t_1(u)\\,t_2(u)$.

    Args:
        first: $t_1$.
        second: $t_2$, real where the first is.

    Returns:
        A transformation with the state `PairState(first, second)`.

    Raises:
        TypeError: `first` or `second` is no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.multiply(gradtx.sign(), gradtx.square())
        >>> float(tx.update(jnp.array(-3.0), tx.init(jnp.array(0.0)))[0])
        -9.0
    """

    first: Transform
    second: Transform

    def join(self, a: Any, b: Any) -> Any:
        return a * cast(b, a.dtype)


class cautious(Transform):
    """Keeps what agrees in sign with the gradient, and makes up for the rest: $u \\leftarrow \\frac{d}{\\|\\varphi\\|_0 + 1}\\,\\varphi\\,u$, $\\varphi = [u\\,g > 0]$.

    $g$ is what comes in, $u$ what `inner` makes of it, $d$ how many numbers the array has. Wrap the direction, not the learning
    rate or the decay behind it: `chain(cautious(scale_by_adam()), add_decayed_weights(0.1), scale_by_learning_rate(1e-3))`.
    (The authors' code later replaced the factor by one over the share that is kept, at most 1000.) For a whole optimizer, which points downhill, turn its sign before and after:
    `chain(cautious(chain(adam(1e-3), scale(-1.0))), scale(-1.0))`.

    Args:
        inner: what gives the direction, pointing uphill like the gradient.

    Returns:
        A transformation with the state of `inner`.

    Raises:
        TypeError: `inner` is no transformation.

    References:
        Liang, Chen, Liu, Liu (2024), Cautious Optimizers: Improving Training with One Line of Code, arXiv:2411.16085.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.cautious(gradtx.ema(0.5, initial=1.0))
        >>> update, _ = tx.update(jnp.array([1.0, -0.5]), tx.init(jnp.zeros(2)))
        >>> update.tolist()
        [1.0, 0.0]
    """

    inner: Transform
    sides: ClassVar[tuple[str, str]] = ("the inner transformation emits", "the updates have")

    def check(self) -> None:
        check_stage(self, self.inner)

    def start(self, params: Tree) -> Any:
        return self.inner.start(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        def kept(u: Any, g: Any) -> Any:
            agrees = jnp.real(u * jnp.conj(g)) > 0
            # As many as the array has, over as many as are kept and one, so that none kept gives zero.
            makes_up = u.size / (1 + jnp.sum(agrees, dtype=jnp.int32)).astype(u.dtype)
            return jnp.where(agrees, u * makes_up, jnp.zeros_like(u))

        out, state = self.inner.apply(updates, state, params, **extra)
        return map_updates(self, kept, out, updates), state

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state)}
