"""Estimates of the diagonal of the Hessian."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.keys import key_data, own_key
from gradtx.core.number import cast, number
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable
from gradtx.core.whole import need_params
from gradtx.transforms.pointwise import square
from gradtx.typing import Key, Positive


class HutchinsonState(NamedTuple):
    """The key of the next draw, as data."""

    key: jax.Array


class hutchinson_estimator_diag_hessian(Transform):
    """Hutchinson's estimate: $u = z \\odot \\nabla^2 f(\\theta)\\,z$ with random signs $z$; exact where the Hessian is diagonal.

    It costs one Hessian-vector product, about two gradients. Whatever it is given, it emits the estimate.

    Args:
        random_seed: a seed or a random key; 0 if None.

    Returns:
        A transformation with the state `HutchinsonState(key)`. It needs the parameters, and the function as the extra argument
        `obj_fn` (or `value_fn`): `tx.update(grads, state, params, obj_fn=loss)`.

    Raises:
        ValueError: `update` was called without parameters or without the function.

    References:
        Bekas, Kokiopoulou, Saad (2007), An estimator for the diagonal of a matrix. Liu et al. (2023), Sophia, arXiv:2305.14342.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.hutchinson_estimator_diag_hessian(), jnp.array([1.0, 2.0])
        >>> tx.update(params, tx.init(params), params, obj_fn=lambda x: jnp.sum(x**3))[0].tolist()
        [6.0, 12.0]
    """

    random_seed: Key = None

    def start(self, params: Tree) -> HutchinsonState:
        check_trainable(self, params)
        return HutchinsonState(key_data(0 if self.random_seed is None else self.random_seed))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        function = extra.get("obj_fn", extra.get("value_fn"))
        if function is None:
            raise ValueError(
                "hutchinson_estimator_diag_hessian needs the function: call update(updates, state, params, obj_fn=loss)."
            )
        key, later = jax.random.split(jax.random.wrap_key_data(state.key))
        signs = jax.tree_util.tree_map_with_path(
            lambda path, p: jax.random.rademacher(own_key(key, path), p.shape, jnp.float32).astype(p.dtype), params
        )
        product = jax.jvp(jax.grad(function), (params,), (signs,))[1]
        estimate = jax.tree.map(lambda u, h, z: cast(h, u.dtype) * cast(z, u.dtype), updates, product, signs)
        return estimate, HutchinsonState(jax.random.key_data(later))


class gauss_newton_bartlett_diag_hessian(Transform):
    """The Gauss-Newton-Bartlett estimate: $u = B\\,\\hat g^2$, with $\\hat g$ the mean gradient over $B$ labels drawn from the model's own outputs.

    It is never negative, and costs one gradient. Whatever it is given, it emits the estimate.

    Args:
        batch_size: $B > 0$, over how many examples the loss is a mean.
        random_seed: a seed or a random key; 0 if None.

    Returns:
        A transformation with the state `HutchinsonState(key)`. It needs the parameters, and as the extra argument `sampled_fn` a
        function `sampled_fn(params, key)` that draws labels with the key and gives the mean loss on them.

    Raises:
        ValueError: `batch_size` is not positive; `update` was called without parameters or without the function.

    References:
        Liu et al. (2023), Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training, arXiv:2305.14342.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> def sampled(logit, key):  # a model of one coin
        ...     label = jax.random.bernoulli(key, jax.nn.sigmoid(logit))
        ...     return -jnp.where(label, jax.nn.log_sigmoid(logit), jax.nn.log_sigmoid(-logit))
        >>> tx, params = gradtx.gauss_newton_bartlett_diag_hessian(batch_size=1.0), jnp.array(0.0)
        >>> float(tx.update(params, tx.init(params), params, sampled_fn=sampled)[0])
        0.25
    """

    batch_size: Positive
    random_seed: Key = None

    def start(self, params: Tree) -> HutchinsonState:
        check_trainable(self, params)
        return HutchinsonState(key_data(0 if self.random_seed is None else self.random_seed))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        params = need_params(self, params)
        if "sampled_fn" not in extra:
            raise ValueError(
                "gauss_newton_bartlett_diag_hessian needs the loss on sampled labels: call update(..., sampled_fn=function)."
            )
        key, later = jax.random.split(jax.random.wrap_key_data(state.key))
        drawn = jax.grad(extra["sampled_fn"])(params, key)
        estimate = jax.tree.map(
            lambda u, g: number(self.batch_size, u.dtype) * cast(square().at(cast(g, u.dtype)), u.dtype), updates, drawn
        )
        return estimate, HutchinsonState(jax.random.key_data(later))
