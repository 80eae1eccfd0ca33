"""AdaptiveRevision: Adagrad that tolerates delays."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.chain import chain
from gradtx.core.number import cast
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, check_trainable, map_updates
from gradtx.core.whole import need
from gradtx.transforms.pointwise import floored, real_like, scale_by_learning_rate
from gradtx.typing import NonNegative, Positive


class AdaptiveRevisionState(NamedTuple):
    """The sum of squares and of products with what was missed, and the largest that it was."""

    products: Tree
    largest: Tree


class scale_by_adaptive_revision(Transform):
    """Adagrad's direction with delayed gradients, revised: $u = g / \\sqrt{z'} + (1/\\sqrt{z'} - 1/\\sqrt{z'_{old}})\\, b$.

    $b$ is the sum of the gradients that arrived while this one was under way, $z \\leftarrow z + g^2 + 2 g b$ and $z' \\leftarrow \\max(z', z)$.
    The second term turns the steps that those gradients took at the larger rate of then into steps at the rate of now.
    Without delay $b = 0$, and it is Adagrad's.

    Args:
        initial_accumulator_value: the first $z$ and $z'$, above 0.

    Returns:
        A transformation with the state `AdaptiveRevisionState(products, largest)`.

    Raises:
        ValueError: the value is not above 0; the extra argument `missed` is missing: it stands inside `delayed`, or at the server of an
            asynchronous method.

    References:
        McMahan, Streeter (2014), Delay-Tolerant Algorithms for Asynchronous Distributed Online Learning, NeurIPS, Algorithm 3.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.distributed import scale_by_adaptive_revision
        >>> tx = scale_by_adaptive_revision()
        >>> float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)), missed=jnp.array(1.0))[0])  # 1/2 + (1/2 - 1) 1
        0.0
    """

    initial_accumulator_value: Positive = 1.0

    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")

    def start(self, params: Tree) -> AdaptiveRevisionState:
        check_trainable(self, params)
        first = self.initial_accumulator_value
        return AdaptiveRevisionState(full_like(real_like(params), first), full_like(real_like(params), first))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        missed = need(self, extra, "missed")

        def product(g: Any, b: Any, z: Any) -> Any:
            return z + cast(jnp.real(jnp.conj(g) * (g + 2 * cast(b, g.dtype))), z.dtype)

        def revised(g: Any, b: Any, before: Any, after: Any) -> Any:
            old, new = (cast(jnp.sqrt(floored(z)), g.dtype) for z in (before, after))
            b = cast(b, g.dtype)
            return (g + b) / new - b / old

        products = map_updates(self, product, updates, missed, state.products)
        largest = jax.tree.map(jnp.maximum, state.largest, products)
        return map_updates(self, revised, updates, missed, state.largest, largest), AdaptiveRevisionState(products, largest)


@optimizer
def adaptive_revision(learning_rate: NonNegative = 0.1, initial_accumulator_value: Positive = 1.0) -> Transform:
    """AdaptiveRevision: $\\theta \\leftarrow \\theta - \\eta g + (\\eta_{old} - \\eta)\\, b$ with $\\eta = \\alpha / \\sqrt{z'}$ (see `scale_by_adaptive_revision`).

    It stands inside `delayed`, or at the server of `asynchronous` or `downpour`. Without delay it is Adagrad with an accumulator that
    starts at 1.

    Args:
        learning_rate: $\\alpha \\ge 0$, a number or a schedule.
        initial_accumulator_value: the first $z$ and $z'$, above 0.

    Raises:
        ValueError: a number is outside its range; `missed` is missing.

    References:
        McMahan, Streeter (2014), Delay-Tolerant Algorithms for Asynchronous Distributed Online Learning, NeurIPS, Algorithm 3.

    Example:
        >>> from gradtx.distributed import adaptive_revision, delayed
        >>> delayed(adaptive_revision(0.1), 100)
        delayed(inner=adaptive_revision(), delay=100)
    """
    return chain(scale_by_adaptive_revision(initial_accumulator_value), scale_by_learning_rate(learning_rate))
