"""Gradients averaged over the workers in fewer bytes, what is left out being sent later."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.core.matrices import check_whole
from gradtx.core.node import Node
from gradtx.core.number import cast, real
from gradtx.core.transform import Transform, full_like
from gradtx.core.trees import Tree, map_pairs
from gradtx.core.whole import quotient
from gradtx.distributed.axis import Axis, alike, check_axis, check_own, gather_over, size_of


class Code(Node):
    """How one array of real numbers is sent: `encode` makes the arrays of the message, `decode` an array from them."""

    def encode(self, x: jax.Array) -> Tree:
        """The message."""
        raise NotImplementedError

    def decode(self, message: Tree, like: jax.Array) -> jax.Array:
        """An array with the shape and dtype of `like`."""
        raise NotImplementedError


class top_k(Code):
    """Sends one of every `ratio` numbers, those of the largest modulus, with their places.

    Args:
        ratio: a whole number from 1 on; of an array of $d$ numbers $\\max(1, \\lfloor d / ratio \\rfloor)$ are sent.

    Returns:
        A value for `compressed_average`.

    Raises:
        ValueError: `ratio` is no whole number from 1 on.

    References:
        Stich, Cordonnier, Jaggi (2018), Sparsified SGD with memory, arXiv:1809.07599.

    Example:
        >>> import gradtx.distributed, jax.numpy as jnp
        >>> code, x = gradtx.distributed.top_k(ratio=2), jnp.array([1.0, -3.0, 0.5, 2.0])
        >>> code.decode(code.encode(x), x).tolist()
        [0.0, -3.0, 0.0, 2.0]
    """

    ratio: int

    def check(self) -> None:
        check_whole(self, "ratio")

    def encode(self, x: jax.Array) -> Tree:
        flat = x.reshape(-1)
        _, places = jax.lax.top_k(jnp.abs(flat), max(1, flat.size // self.ratio))
        return flat[places], places

    def decode(self, message: Tree, like: jax.Array) -> jax.Array:
        numbers, places = message
        return jnp.zeros(like.size, like.dtype).at[places].set(numbers).reshape(like.shape)


class sign_bits(Code):
    """Sends one bit a number, its sign, and for each array the mean modulus.

    Returns:
        A value for `compressed_average`.

    References:
        Karimireddy, Rebjock, Stich, Jaggi (2019), Error feedback fixes SignSGD and other gradient compression schemes, arXiv:1901.09847.

    Example:
        >>> import gradtx.distributed, jax.numpy as jnp
        >>> code, x = gradtx.distributed.sign_bits(), jnp.array([1.0, -3.0, 0.5, 1.5])
        >>> code.decode(code.encode(x), x).tolist()
        [1.5, -1.5, 1.5, 1.5]
    """

    def encode(self, x: jax.Array) -> Tree:
        return jnp.packbits(x.reshape(-1) >= 0), jnp.mean(jnp.abs(x))

    def decode(self, message: Tree, like: jax.Array) -> jax.Array:
        bits, size = message
        positive = jnp.unpackbits(bits, count=like.size).reshape(like.shape)
        return jnp.where(positive == 1, size, -size)


class int8(Code):
    """Sends one byte a number: in each block of numbers steps of a 127th of the largest modulus.

    Args:
        block: how many numbers share a scale, a whole number from 1 on.

    Returns:
        A value for `compressed_average`.

    Raises:
        ValueError: `block` is no whole number from 1 on.

    References:
        Dettmers (2016), 8-bit approximations for parallelism in deep learning, arXiv:1511.04561.

    Example:
        >>> import gradtx.distributed, jax.numpy as jnp
        >>> code, x = gradtx.distributed.int8(), jnp.array([1.27, -0.5, 0.013])
        >>> [round(float(y), 4) for y in code.decode(code.encode(x), x)]
        [1.27, -0.5, 0.01]
    """

    block: int = 256

    def check(self) -> None:
        check_whole(self, "block")

    def encode(self, x: jax.Array) -> Tree:
        blocks = jnp.pad(x.reshape(-1), (0, -x.size % self.block)).reshape(-1, self.block)
        scale = jnp.max(jnp.abs(blocks), 1, keepdims=True) / 127
        codes = jnp.round(blocks / jnp.where(scale > 0, scale, 1)).astype(jnp.int8).reshape(-1)
        return codes[: x.size], scale[:, 0]

    def decode(self, message: Tree, like: jax.Array) -> jax.Array:
        codes, scale = message
        steps = jnp.repeat(scale, self.block, total_repeat_length=scale.size * self.block)[: like.size]
        return (codes.astype(like.dtype) * steps).reshape(like.shape)


class CompressedAverageState(NamedTuple):
    """For each parameter what this worker has not sent yet."""

    unsent: Tree


class compressed_average(Transform):
    """The mean of all workers' gradients as their messages tell it: $m^i = C(g^i + e^i)$, $e^i \\leftarrow g^i + e^i - m^i$, $g \\leftarrow \\frac{1}{n}\\sum_i m^i$.

    What a message leaves out is kept and added to the next gradient (error feedback), so nothing is lost. The messages
    are what goes over the wire: each worker gets all others'.

    Args:
        axis: the name of the mapped axis over which the workers are spread, or a tuple of names.
        code: how an array is sent: `top_k(ratio)`, `sign_bits()`, `int8()`, or a subclass of `Code` of your own.

    Returns:
        A transformation with the state `CompressedAverageState(unsent)`, a worker's own. If `update` is given `weight`, a number a
        worker, the mean is weighted; a worker with 0 sends nothing, and keeps what it had not sent.

    Raises:
        TypeError: `axis` is no name, `code` no code, or a parameter is complex.
        ValueError: no such axis is mapped where `update` is called, or the gradients have been added up already.

    References:
        Karimireddy, Rebjock, Stich, Jaggi (2019), Error feedback fixes SignSGD and other gradient compression schemes, arXiv:1901.09847.

    Example:
        >>> import gradtx.distributed, jax, jax.numpy as jnp
        >>> tx = gradtx.distributed.compressed_average("workers", gradtx.distributed.top_k(ratio=2))
        >>> step = lambda gradient: tx.update(gradient, tx.init(gradient))
        >>> mean, state = jax.vmap(step, axis_name="workers")(jnp.array([[4.0, 1.0], [0.0, 2.0]]))
        >>> mean[0].tolist(), gradtx.state_get(state, "unsent").tolist()
        ([2.0, 1.0], [[0.0, 1.0], [0.0, 0.0]])
    """

    axis: Axis
    code: Code

    def check(self) -> None:
        check_axis(self, self.axis)
        if not isinstance(self.code, Code):
            raise TypeError(f"compressed_average: code = {self.code!r}; it is a Code, such as top_k(ratio=100) or int8().")

    def start(self, params: Tree) -> CompressedAverageState:
        super().start(params)
        if any(jnp.iscomplexobj(p) for p in jax.tree.leaves(params)):
            raise TypeError("compressed_average: codes are of real numbers; put it inside split_real_and_imaginary.")
        return CompressedAverageState(full_like(params, 0.0))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        check_own(self, self.axis, updates)
        n = size_of(self, self.axis)
        weight = jnp.asarray(extra.get("weight", 1.0))
        weights = gather_over(self, self.axis, weight) if "weight" in extra else jnp.ones(n)

        def one(g: Any, unsent: Any) -> tuple[Any, Any]:
            wanted = g + cast(unsent, g.dtype)
            message = self.code.encode(wanted)
            sent = self.code.decode(message, wanted)
            shares = cast(quotient(weights, jnp.sum(weights)), real(g.dtype))

            def add(total: Any, heard: Any) -> tuple[Any, None]:
                share, theirs = heard
                return total + jnp.where(share > 0, share * self.code.decode(theirs, total), 0), None

            # One message after another, so that no more than one is unpacked at a time.
            everyone = (shares, gather_over(self, self.axis, message))
            mean, _ = jax.lax.scan(add, alike(jnp.zeros_like(g), g), everyone)
            return mean, cast(jnp.where(weight > 0, wanted - sent, cast(unsent, g.dtype)), unsent.dtype)

        mean, unsent = map_pairs(self, one, updates, state.unsent)
        return mean, CompressedAverageState(unsent)
