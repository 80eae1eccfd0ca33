"""Where parameters of 16 bits land: the steps that bring them to a wanted number."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.number import cast, wide
from gradtx.core.trees import Tree


def is_narrow(dtype: Any) -> bool:
    """Whether arithmetic on this dtype runs in a wider one: bfloat16, float16."""
    return wide(dtype) != np.dtype(dtype)


def rounded(x: Any, dtype: Any) -> Any:
    """`x` rounded to the numbers of `dtype`, in its own dtype.

    A cast there and back would say it, but XLA may leave such a pair out (precision in excess), and what is lost in
    rounding is what is counted here.
    """
    if not is_narrow(dtype):
        return x
    info = jnp.finfo(dtype)
    if info.nexp == jnp.finfo(x.dtype).nexp:
        return jax.lax.reduce_precision(x, info.nexp, info.nmant)
    # Numbers too small to be normal would become zero in reduce_precision; float16 needs them.
    return cast(jax.lax.optimization_barrier(cast(x, dtype)), x.dtype)


def step_to(p: Any, target: Any) -> Any:
    """The update, a number of the parameter's dtype, by which it gets nearest to `target`.

    The difference of two floats is exact if neither is more than twice the other (Sterbenz), and then `apply_updates` lands
    on the rounded target bit for bit. It also is where p is zero. Elsewhere it need not be: 1 - 0.001 has more digits than
    bfloat16, and the parameter lands up to a spacing and a half of the larger number off. Callers measure where it lands, and
    the next step mends it.
    """
    return rounded(rounded(target, p.dtype) - cast(p, target.dtype), p.dtype)


def landed(p: Any, step: Any) -> Any:
    """Where `apply_updates` brings a parameter by a step in its dtype."""
    return rounded(cast(p, step.dtype) + step, p.dtype)


def low_half(w: Any, upper: Any) -> Any:
    """What a bfloat16 number lacks of a float32 one: the difference of their bits, in 16; 0 if they are too far apart."""
    lacking = _bits(w) - _bits(upper)
    fits = (lacking >= -(2**15)) & (lacking < 2**15) & jnp.isfinite(w)
    return jnp.where(fits, lacking, 0).astype(jnp.int16)


def whole(p: Any, low: Any) -> Any:
    """The float32 number of which a bfloat16 one and `low_half` are the parts. Its derivative is that of the bfloat16 one."""
    upper = cast(p, jnp.float32)
    w = jax.lax.bitcast_convert_type(_bits(upper) + low.astype(jnp.int32), jnp.float32)
    return upper + jax.lax.stop_gradient(w - upper)


def ties_up(w: Any) -> Any:
    """The number next to one half way between two of bfloat16, on the side away from zero; others as they are.

    Rounded there, what is lacking fits into 16 bits with a sign, from -32768 to 32767.
    """
    tie = (_bits(w) & 0xFFFF) == 0x8000
    return jnp.where(tie, jax.lax.bitcast_convert_type(_bits(w) + 1, jnp.float32), w)


def _bits(w: Any) -> Any:
    return jax.lax.bitcast_convert_type(jax.lax.stop_gradient(w), jnp.int32)


def need_params(who: Any, params: Tree | None) -> None:
    if params is None:
        raise ValueError(f"{type(who).__name__} needs the parameters: call update(updates, state, params).")
