"""Parameters of 16 bits that don't lose small updates: a wider copy, the part lost in rounding, or rounding by chance."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx.combinators.rounding import is_narrow, landed, low_half, need_params, rounded, step_to, ties_up, whole
from gradtx.core.keys import key_data, own_key
from gradtx.core.number import cast, wide
from gradtx.core.transform import Transform, check_stage, saturating_increment
from gradtx.core.trees import Tree, check_trainable
from gradtx.typing import Key


class Landing(Transform):
    """A wrapper around a whole optimizer that decides where the parameters land; the outermost of all."""

    inner: Transform

    def check(self) -> None:
        check_stage(self, self.inner)

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.inner.elementwise

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


class MasterWeightsState(NamedTuple):
    """The weights in float32, or the low halves of them, and the state of the optimizer; None where parameters are as wide."""

    master: Tree
    inner_state: Any


class master_weights(Landing):
    """Trains a float32 copy of bfloat16 or float16 parameters: $w \\leftarrow w + u(w)$; the parameters are $w$ rounded.

    Updates smaller than the spacing of the parameters (0.8% in bfloat16) add up in the copy instead of being lost. The optimizer
    inside sees the copy, in its weight decay too. Parameters in float32 or wider need no copy and have none.

    Make it the outermost wrapper, and move the parameters by `apply_updates` only: the copy is what counts, and overrules
    any other change of the parameters. Where one step takes a parameter to less than half, to more than double or past zero, it may
    land next to the copy rounded (the update has no more digits than the parameter), and on it a step later.

    Args:
        inner: an optimizer.
        split: keep of each weight only the 16 bits that its bfloat16 parameter lacks. Together they are the same float32 weight bit
            for bit, in half the memory, unless a step goes so far that the parameter can't land (then the rest is dropped), and
            unless something else than `apply_updates` moves the parameters. float16 parameters keep whole copies.

    Returns:
        A transformation with the state `MasterWeightsState(master, inner_state)`: 4 bytes a parameter of 16 bits, 2 if split.

    Raises:
        TypeError: `inner` is no transformation.
        ValueError: `update` was called without parameters.

    References:
        Micikevicius et al. (2017), Mixed Precision Training, arXiv:1710.03740, section 3.1.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.master_weights(gradtx.sgd(1e-3)), jnp.array(1.0, jnp.bfloat16)
        >>> state = tx.init(params)
        >>> for _ in range(100):
        ...     update, state = tx.update(jnp.array(1.0, jnp.bfloat16), state, params)
        ...     params = gradtx.apply_updates(params, update)
        >>> round(float(gradtx.state_get(state, "master")), 4), float(params)
        (0.9, 0.8984375)
    """

    split: bool = False

    def start(self, params: Tree) -> MasterWeightsState:
        check_trainable(self, params)

        def one(p: Any) -> Any:
            return (
                jnp.zeros_like(p, dtype=jnp.int16)
                if self._splits(p)
                else cast(p, wide(p.dtype))
                if is_narrow(p.dtype)
                else None
            )

        master = jax.tree.map(one, params)
        return MasterWeightsState(master, self.inner.start(self._whole(master, params)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        need_params(self, params)
        full = self._whole(state.master, params)
        updates, inner_state = self.inner.apply(updates, state.inner_state, full, **extra)
        targets = jax.tree.map(lambda w, u: w + u, full, updates)

        def step(u: Any, p: Any, w: Any) -> Any:
            return step_to(p, ties_up(w) if self._splits(p) else w) if is_narrow(p.dtype) else u

        def kept(w: Any, p: Any, s: Any) -> Any:
            return low_half(w, landed(p, s)) if self._splits(p) else w if is_narrow(p.dtype) else None

        steps = jax.tree.map(step, updates, params, targets)
        return steps, MasterWeightsState(jax.tree.map(kept, targets, params, steps), inner_state)

    def _splits(self, p: Any) -> bool:
        return self.split and p.dtype == jnp.bfloat16

    def _whole(self, master: Tree, params: Tree) -> Tree:
        """The weights as the optimizer inside sees them."""

        def one(m: Any, p: Any) -> Any:
            return p if m is None else whole(p, m) if self._splits(p) else m

        return jax.tree.map(one, master, params, is_leaf=lambda x: x is None)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        point = self.inner.gradient_params(state.inner_state, self._whole(state.master, params))
        return jax.tree.map(lambda q, p: cast(q, p.dtype), point, params)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        point = self.inner.evaluation_params(state.inner_state, self._whole(state.master, params))
        return jax.tree.map(lambda q, p: cast(q, p.dtype), point, params)


class KahanState(NamedTuple):
    """For each parameter what rounding has kept back, in its dtype, and the state of the optimizer."""

    lost: Tree
    inner_state: Any


class kahan(Landing):
    """Compensated summation: what rounding the parameters kept back is added to the next update.

    $y = u + c$; $\\theta' = \\operatorname{round}(\\theta + y)$; $c \\leftarrow y - (\\theta' - \\theta)$. With bfloat16 parameters the pair
    $(\\theta, c)$ holds about 16 binary digits, for 2 bytes a parameter; with float32 ones it follows sums of millions of small steps.

    Make it the outermost wrapper, and move the parameters by `apply_updates` only.

    Args:
        inner: an optimizer.

    Returns:
        A transformation with the state `KahanState(lost, inner_state)`.

    Raises:
        TypeError: `inner` is no transformation.
        ValueError: `update` was called without parameters.

    References:
        Kahan (1965), Further remarks on reducing truncation errors, Communications of the ACM 8(1).
        Zamirai, Zhang, Aberger, De Sa (2020), Revisiting BFloat16 Training, arXiv:2010.06192.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.kahan(gradtx.sgd(1e-3)), jnp.array(1.0, jnp.bfloat16)
        >>> state = tx.init(params)
        >>> for _ in range(100):
        ...     update, state = tx.update(jnp.array(1.0, jnp.bfloat16), state, params)
        ...     params = gradtx.apply_updates(params, update)
        >>> float(params)
        0.8984375
    """

    def start(self, params: Tree) -> KahanState:
        check_trainable(self, params)
        return KahanState(jax.tree.map(jnp.zeros_like, params), self.inner.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        need_params(self, params)
        updates, inner_state = self.inner.apply(updates, state.inner_state, params, **extra)
        due = jax.tree.map(lambda u, c: u + cast(c, u.dtype), updates, state.lost)
        steps = jax.tree.map(lambda p, y: step_to(p, cast(p, y.dtype) + y), params, due)
        lost = jax.tree.map(lambda y, p, s: cast(y - (landed(p, s) - cast(p, y.dtype)), p.dtype), due, params, steps)
        return steps, KahanState(lost, inner_state)


class StochasticRoundingState(NamedTuple):
    """The steps taken, the key as data, and the state of the optimizer."""

    step: jax.Array
    key_data: jax.Array
    inner_state: Any


class stochastic_rounding(Landing):
    """Rounds bfloat16 and float16 parameters up or down by chance, so that their expectation is $\\theta + u$.

    Of its two neighbours $a < \\theta + u < b$ the parameter becomes $b$ with probability $(\\theta + u - a) / (b - a)$. Small updates
    count on average, without memory for what was lost. Each parameter draws from the key, its path and the step.

    Parameters in float32 or wider are left alone. Make it the outermost wrapper. Where one step takes a parameter to less
    than half, to more than double or past zero, the update itself may be rounded, to nearest.

    Args:
        inner: an optimizer.
        key: a seed or a random key. It is a leaf: map over it for many runs.

    Returns:
        A transformation with the state `StochasticRoundingState(step, key_data, inner_state)`.

    Raises:
        TypeError: `inner` is no transformation.
        ValueError: `update` was called without parameters.

    References:
        Gupta, Agrawal, Gopalakrishnan, Narayanan (2015), Deep Learning with Limited Numerical Precision, arXiv:1502.02551.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx, params = gradtx.stochastic_rounding(gradtx.sgd(1e-3), key=1), jnp.ones(10_000, jnp.bfloat16)
        >>> update, state = tx.update(params, tx.init(params), params)
        >>> moved = gradtx.apply_updates(params, update)
        >>> sorted(set(moved.tolist())), round(float(moved.astype("float32").mean()), 3)
        ([0.99609375, 1.0], 0.999)
    """

    key: Key = 0

    @property
    def elementwise(self) -> bool:  # packed, the parameters would draw by another path
        return False

    def start(self, params: Tree) -> StochasticRoundingState:
        check_trainable(self, params)
        return StochasticRoundingState(jnp.zeros((), jnp.int32), key_data(self.key), self.inner.start(params))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        need_params(self, params)
        updates, inner_state = self.inner.apply(updates, state.inner_state, params, **extra)
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key_data), state.step)

        def one(path: Any, u: Any, p: Any) -> Any:
            if not is_narrow(p.dtype):
                return u
            target = cast(p, u.dtype) + u
            near = rounded(target, p.dtype)
            gap = _gap(near, target, p.dtype)
            share = jnp.where(gap == 0, 0, (target - near) / jnp.where(gap == 0, 1, gap))
            up = jax.random.uniform(own_key(key, path), u.shape, u.dtype) < share
            return step_to(p, jnp.where(up, near + gap, near))

        steps = jax.tree_util.tree_map_with_path(one, updates, params)
        return steps, StochasticRoundingState(saturating_increment(state.step), state.key_data, inner_state)


def _gap(near: Any, target: Any, dtype: Any) -> Any:
    """From a number of `dtype` to the next one on the side of `target`: differently far up and down from a power of two."""
    near, target = jax.lax.stop_gradient((near, target))
    side = jnp.where(target > near, jnp.inf, -jnp.inf)
    return cast(jnp.nextafter(cast(near, dtype), cast(side, dtype)), near.dtype) - near
