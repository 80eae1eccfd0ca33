"""Gradient noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.keys import key_data, own_key
from gradtx.core.number import number, real_of
from gradtx.core.transform import Transform, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.typing import Hyper, Key, NonNegative


class AddNoiseState(NamedTuple):
    """The steps taken, and the key as data (so that it can be saved like any array)."""

    count: jax.Array  # type: ignore[reportIncompatibleMethodOverride]
    rng_key: jax.Array


class add_noise(Transform):
    """Adds fading Gaussian noise: $u \\leftarrow u + \\mathcal N(0, \\eta / (1 + t)^\\gamma)$, with $t$ counted from 0.

    Each parameter draws from the key, its path and the step: the same noise again from the same key, and different noise
    in different groups.

    Args:
        eta: $\\eta \\ge 0$, the variance at the first step; a number or a schedule.
        gamma: $\\gamma$, how fast it fades (published: 0.55); a number or a schedule.
        key: a seed or a random key. It is a leaf: map over it for many runs.

    Returns:
        A transformation with the state `AddNoiseState(count, rng_key)`.

    Raises:
        ValueError: `eta` is negative, or one of the numbers is not finite.

    References:
        Neelakantan et al. (2015), Adding Gradient Noise Improves Learning for Very Deep Networks, arXiv:1511.06807.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.add_noise(0.01, 0.55, key=0), gradtx.sgd(0.1))
        >>> bool(tx.update(jnp.zeros(3), tx.init(jnp.zeros(3)))[0].std() > 0)
        True
    """

    eta: NonNegative
    gamma: Hyper
    key: Key = 0

    def start(self, params: Tree) -> AddNoiseState:
        check_trainable(self, params)
        return AddNoiseState(jnp.zeros((), jnp.int32), key_data(self.key))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.rng_key), state.count)
        dtype = real_of(updates)
        eta, gamma = number(self.eta, dtype), number(self.gamma, dtype)
        deviation = jnp.sqrt(eta / (1 + state.count.astype(dtype)) ** gamma)

        def noisy(path: Any, u: Any) -> Any:
            return u + number(deviation, u.dtype) * jax.random.normal(own_key(key, path), u.shape, u.dtype)

        count = saturating_increment(state.count)
        return jax.tree_util.tree_map_with_path(noisy, updates), AddNoiseState(count, state.rng_key)
