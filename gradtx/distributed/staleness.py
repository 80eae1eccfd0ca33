"""Late gradients made smaller, or brought up to date."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.number import cast, number, real_of
from gradtx.core.recipe import optimizer
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree
from gradtx.core.whole import need, need_params, scaled
from gradtx.optimizers.rmsprop import scale_by_rms
from gradtx.transforms.pointwise import identity
from gradtx.typing import Decay, NonNegative, Positive


class scale_by_staleness(Transform):
    """Divides by the number of steps that a gradient is late: $u = g / (1 + \\tau)$.

    It stands where `staleness` is given: inside `delayed`, or at the server of an asynchronous method.

    Returns:
        A stateless transformation.

    Raises:
        ValueError: the extra argument `staleness` is missing.

    References:
        Zhang, Gupta, Lian, Liu (2016), Staleness-aware Async-SGD for Distributed Deep Learning, IJCAI, arXiv:1511.05950 (there
        divided by $\\tau \\ge 1$).

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.distributed import delayed, scale_by_staleness
        >>> tx = scale_by_staleness()
        >>> float(tx.update(jnp.array(4.0), tx.init(jnp.array(0.0)), staleness=3)[0])
        1.0
        >>> delayed(gradtx.chain(scale_by_staleness(), gradtx.sgd(0.1)), 3)
        delayed(inner=chain(scale_by_staleness(), sgd(learning_rate=0.1)), delay=3)
    """

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        late = jnp.asarray(need(self, extra, "staleness")).astype(real_of(updates))
        return scaled(updates, 1 / (1 + late)), ()


class delay_compensation(Transform):
    """Brings a late gradient up to date by a step of Taylor's: $u = g + \\lambda\\, g \\odot c(g) \\odot (\\theta - \\theta_{old})$.

    $g \\odot g$ stands for the diagonal of the Hessian, which it is on the average for a likelihood at its best parameters.

    Args:
        strength: $\\lambda \\ge 0$, a number or a schedule (published: 0.04 on ImageNet and CIFAR-10).
        scaling: $c$, what becomes of the second factor: the gradient itself by default. With `scale_by_rms` the strength adapts
            (see `adaptive_delay_compensation`).

    Returns:
        A transformation with the state of `scaling`.

    Raises:
        ValueError: `strength` is negative; the parameters or the extra argument `stale_params` are missing.
        TypeError: `scaling` is no transformation.

    References:
        Zheng et al. (2017), Asynchronous Stochastic Gradient Descent with Delay Compensation, ICML, arXiv:1609.08326.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.distributed import delay_compensation
        >>> tx = delay_compensation(0.5)
        >>> x = jnp.array(3.0)
        >>> float(tx.update(jnp.array(2.0), tx.init(x), x, stale_params=jnp.array(2.5))[0])
        3.0
    """

    strength: NonNegative = 0.04
    scaling: Transform = identity()

    def check(self) -> None:
        check_stage(self, self.scaling)

    def start(self, params: Tree) -> Any:
        super().start(params)
        return self.scaling.start(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params, stale = need_params(self, params), need(self, extra, "stale_params")
        factors, state = self.scaling.apply(updates, state, params, **extra)

        def one(g: Any, c: Any, now: Any, then: Any) -> Any:
            return g + number(self.strength, g.dtype) * g * jnp.conj(c) * (cast(now, g.dtype) - cast(then, g.dtype))

        return jax.tree.map(one, updates, factors, params, stale), state

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"scaling": (self.scaling, state)}


@optimizer
def adaptive_delay_compensation(strength: NonNegative = 2.0, decay: Decay = 0.95, eps: Positive = 1e-7) -> Transform:
    """Delay compensation whose strength falls where gradients are large: $\\lambda_t = \\lambda_0 / \\sqrt{\\nu_t + \\varepsilon}$, $\\nu$ their mean square.

    Args:
        strength: $\\lambda_0 \\ge 0$, a number or a schedule (published: 2).
        decay: that of the mean square, in [0, 1), a number or a schedule (published: 0.95 on CIFAR-10, 0 on ImageNet).
        eps: $\\varepsilon > 0$, inside the root.

    Raises:
        ValueError: a number is outside its range.

    References:
        Zheng et al. (2017), Asynchronous Stochastic Gradient Descent with Delay Compensation, ICML, arXiv:1609.08326, section 5.

    Example:
        >>> import gradtx
        >>> from gradtx.distributed import adaptive_delay_compensation, delayed
        >>> delayed(gradtx.chain(adaptive_delay_compensation(), gradtx.sgd(0.1)), 3).inner[0]
        adaptive_delay_compensation()
    """
    return delay_compensation(strength, scale_by_rms(decay, eps))
