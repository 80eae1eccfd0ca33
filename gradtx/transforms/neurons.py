"""Memories with one number a neuron: a column of the weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import Dimensions, spread
from gradtx.core.number import cast, number, real
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree, check_trainable, map_pairs
from gradtx.typing import Decay


class NeuronEmaState(NamedTuple):
    """The averages: as long as the parameter on its output axes, and of length 1 on those it sums over.

    A parameter's sharding fits them once it is dropped from the axes of length 1. What is no matrix has its average in full.
    """

    nu: Tree


class neuron_ema(Transform):
    """An average with one number for each output: $\\nu \\leftarrow b\\,\\nu + (1 - b)\\,\\overline{u}^{\\,\\text{inputs}}$; emits $\\nu$, spread over the inputs.

    Args:
        decay: $b$ in [0, 1), a number or a schedule.
        weight_dimension_numbers: which arrays are matrices, and how (see `orthogonalize`).

    Returns:
        A transformation with the state `NeuronEmaState(nu)`.

    Raises:
        ValueError: `decay` is outside [0, 1).

    References:
        Li et al. (2025), NorMuon: Making Muon more efficient and scalable, arXiv:2510.05491.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.neuron_ema(0.5)
        >>> tx.update(jnp.array([[1.0, 2.0], [3.0, 6.0]]), tx.init(jnp.zeros((2, 2))))[0].tolist()
        [[1.0, 2.0], [1.0, 2.0]]
    """

    decay: Decay
    weight_dimension_numbers: Dimensions = None

    def start(self, params: Tree) -> NeuronEmaState:
        check_trainable(self, params)

        def zeros(p: Any, numbers: Any) -> Any:
            inputs = () if numbers is None else numbers.axes(p.ndim)[1]
            return jnp.zeros([1 if i in inputs else n for i, n in enumerate(p.shape)], real(p.dtype))

        return NeuronEmaState(jax.tree.map(zeros, params, spread(self.weight_dimension_numbers, params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        decays = {d: number(self.decay, d) for d in {u.dtype for u in jax.tree.leaves(updates)}}

        def one(x: Any, nu: Any) -> tuple[Any, Any]:
            inputs = tuple(i for i in range(x.ndim) if nu.shape[i] < x.shape[i])
            decay = decays[x.dtype]
            new = decay * cast(nu, x.dtype) + (1 - decay) * jnp.mean(x, inputs, keepdims=True) if x.size else cast(nu, x.dtype)
            return jnp.broadcast_to(new, x.shape), cast(new, nu.dtype)

        out, nu = map_pairs(self, one, updates, state.nu)
        return out, NeuronEmaState(nu)
