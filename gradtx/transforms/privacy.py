"""Clipping each example's gradient, and hiding each example in noise."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.keys import key_data, own_key
from gradtx.core.number import cast, number, real_of, tiny, wide
from gradtx.core.show import show_array
from gradtx.core.transform import Transform, saturating_increment
from gradtx.core.trees import Tree, check_trainable, path_string
from gradtx.core.whole import need_params
from gradtx.typing import Key, NonNegative


def per_example_global_norm_clip(grads: Tree, l2_norm_clip: Any) -> tuple[Tree, jax.Array]:
    """Sums gradients of single examples, each scaled down to a norm first: $\\sum_i g_i \\min(1, c / \\|g_i\\|)$, over all parameters together.

    Args:
        grads: a tree of arrays whose first axis counts the examples, as `jax.vmap(jax.grad(loss), ...)` gives.
        l2_norm_clip: $c \\ge 0$; infinity clips nothing.

    Returns:
        The sum, and how many examples were clipped.

    Raises:
        ValueError: an array has no such axis, or one of another length.

    References:
        Abadi et al. (2016), Deep Learning with Differential Privacy, arXiv:1607.00133.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> total, clipped = gradtx.per_example_global_norm_clip({"w": jnp.array([[3.0, 4.0], [0.0, 1.0]])}, 1.0)
        >>> [round(float(x), 6) for x in total["w"]], int(clipped)
        ([0.6, 1.8], 1)
    """
    _check_examples("per_example_global_norm_clip", grads)
    leaves, structure = jax.tree.flatten(grads)
    sums, clipped = _clipped_sums(leaves, l2_norm_clip)
    return structure.unflatten(sums), clipped


def per_example_layer_norm_clip(grads: Tree, global_l2_norm_clip: Any, uniform: bool = True) -> tuple[Tree, Tree]:
    """As `per_example_global_norm_clip`, but each array by its own norm, to a limit of its own.

    The limits are such that the norm of all together is at most $c$: with $K$ arrays $c / \\sqrt K$ for each, or
    $c \\sqrt{d / D}$ for one that has $d$ of all $D$ numbers.

    Args:
        grads: a tree of arrays whose first axis counts the examples.
        global_l2_norm_clip: $c \\ge 0$; infinity clips nothing.
        uniform: the same limit for each array; False for limits by size.

    Returns:
        The sum, and a tree of how many examples were clipped in each array.

    Raises:
        ValueError: an array has no such axis, or one of another length.

    References:
        McMahan, Ramage, Talwar, Zhang (2017), Learning Differentially Private Recurrent Language Models, arXiv:1710.06963.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> grads = {"b": jnp.ones((2, 1)), "w": jnp.array([[3.0, 4.0], [0.0, 1.0]])}
        >>> total, clipped = gradtx.per_example_layer_norm_clip(grads, 2.0**0.5)
        >>> [round(float(x), 6) for x in total["w"]], int(clipped["b"]), int(clipped["w"])
        ([0.6, 1.8], 0, 1)
    """
    _check_examples("per_example_layer_norm_clip", grads)
    leaves, structure = jax.tree.flatten(grads)
    sizes = [int(np.prod(g.shape[1:])) for g in leaves]
    shares = [1 / len(leaves) if uniform else size / max(sum(sizes), 1) for size in sizes]
    done = [_clipped_sums([g], global_l2_norm_clip * share**0.5) for g, share in zip(leaves, shares, strict=True)]
    return structure.unflatten([sums[0] for sums, _ in done]), structure.unflatten([count for _, count in done])


def _clipped_sums(leaves: list[Any], limit: Any) -> tuple[list[Any], jax.Array]:
    """Each array summed over its examples, which are clipped together."""
    leaves = [jnp.asarray(g) for g in leaves]
    dtype = real_of(leaves)
    leaves = [cast(g, wide(g.dtype)) for g in leaves]
    squares = [cast(jnp.sum(jnp.real(g * jnp.conj(g)), axis=tuple(range(1, g.ndim))), dtype) for g in leaves]
    # The floor keeps the derivative finite where all gradients are zero.
    norms = jnp.sqrt(jnp.maximum(sum(squares, jnp.zeros((), dtype)), tiny(dtype)))
    limit = jnp.asarray(limit, dtype)
    over = norms > jnp.maximum(limit, jnp.sqrt(tiny(dtype)))
    factors = jnp.where(over, limit / jnp.where(over, norms, 1), 1)
    return [jnp.tensordot(number(factors, g.dtype), g, axes=1) for g in leaves], jnp.sum(over, dtype=jnp.int32)


def _check_examples(name: str, grads: Tree) -> None:
    lengths = {path_string(path): np.shape(g)[:1] for path, g in jax.tree_util.tree_leaves_with_path(grads)}
    if () in lengths.values() or len(set(lengths.values())) > 1:
        raise ValueError(f"{name}: the first axis of every array must count the same examples; these are {lengths}.")


class DifferentiallyPrivateAggregateState(NamedTuple):
    """The steps taken, and the key as data (so that it can be saved like any array)."""

    step: jax.Array
    rng_key: jax.Array


class differentially_private_aggregate(Transform):
    """DP-SGD's gradient: $\\frac1B\\left(\\sum_{i \\le B} g_i \\min(1, c / \\|g_i\\|) + \\mathcal N(0, \\sigma^2 c^2)\\right)$ from the gradients of single examples.

    What enters has an axis of examples in front: `tx.update(jax.vmap(jax.grad(loss), (None, 0))(params, batch), state, params)`. So it
    stands first. A sum of its outputs isn't private in the way that one output over all examples is: put no `MultiSteps` before it.

    Args:
        l2_norm_clip: $c \\ge 0$, a number or a schedule.
        noise_multiplier: $\\sigma \\ge 0$, a number or a schedule.
        key: a seed or a random key. Each parameter draws from the key, its path and the step. For complex numbers both parts get the noise.

    Returns:
        A transformation with the state `DifferentiallyPrivateAggregateState(step, rng_key)`.

    Raises:
        ValueError: a number is outside its range; `update` was called without parameters, or with gradients that have no axis of examples.

    References:
        Abadi et al. (2016), Deep Learning with Differential Privacy, arXiv:1607.00133.

    Example:
        >>> import gradtx, jax, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.differentially_private_aggregate(1.0, 0.0, key=0), gradtx.sgd(1.0))
        >>> params = jnp.zeros(2)
        >>> update, _ = tx.update(jnp.array([[3.0, 4.0], [0.0, 1.0]]), tx.init(params), params)
        >>> [round(float(u), 6) for u in update]
        [-0.3, -0.9]
    """

    l2_norm_clip: NonNegative
    noise_multiplier: NonNegative
    key: Key

    @property
    def per_example(self) -> bool:
        return True

    def start(self, params: Tree) -> DifferentiallyPrivateAggregateState:
        check_trainable(self, params)
        return DifferentiallyPrivateAggregateState(jnp.zeros((), jnp.int32), key_data(self.key))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        need_params(self, params)
        named = jax.tree_util.tree_leaves_with_path(updates)
        for (path, u), p in zip(named, jax.tree.leaves(params), strict=True):
            if u.shape[1:] != p.shape or u.ndim == 0:
                raise ValueError(
                    f"differentially_private_aggregate: at {path_string(path) or 'the root'} the updates are {show_array(u)}, the "
                    f"parameter {show_array(p)}; it takes one gradient per example, along a first axis."
                )
        if not jax.tree.leaves(updates):
            return updates, state
        total, _ = per_example_global_norm_clip(updates, self.l2_norm_clip)
        count = jax.tree.leaves(updates)[0].shape[0]
        key = jax.random.fold_in(jax.random.wrap_key_data(state.rng_key), state.step)

        def noisy(path: Any, s: Any) -> Any:
            noise = jax.random.normal(own_key(key, path), s.shape, s.dtype)
            deviation = number(self.l2_norm_clip, s.dtype) * number(self.noise_multiplier, s.dtype)
            # A complex normal number has its variance in both parts together.
            return (s + deviation * (math.sqrt(2) * noise if jnp.iscomplexobj(s) else noise)) / count

        new = DifferentiallyPrivateAggregateState(saturating_increment(state.step), state.rng_key)
        return jax.tree_util.tree_map_with_path(noisy, total), new
