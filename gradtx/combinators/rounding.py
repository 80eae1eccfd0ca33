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


def moved(p: Any, step: Any) -> Any:
    """How far `apply_updates` moves a parameter by a step in its dtype."""
    before = cast(p, step.dtype)
    return rounded(before + step, p.dtype) - before


def need_params(who: Any, params: Tree | None) -> None:
    if params is None:
        raise ValueError(f"{type(who).__name__} needs the parameters: call update(updates, state, params).")
