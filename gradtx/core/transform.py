"""What a transformation is.

There are two views of it. From outside it is a *whole*: `init` and `update`, with a step counter, checks at the door,
schedules resolved, updates in the dtype of the parameters. Inside a composition it is a *part*: `start` and `apply`, which
see wide dtypes and plain numbers only. Composites call their children's `start` and `apply`; whoever wants the child to
keep a clock of its own calls `init` and `advance` (a gate) or `update` (another library).
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.node import Node
from gradtx.core.number import cast, in_dtype, wide, widest
from gradtx.core.schedule import Schedule, check_scalar
from gradtx.core.trees import Tree, as_arrays, check_trainable, enter, leave, map_pairs, paths


class OptState(NamedTuple):
    """The state of a whole optimizer: the steps taken, and what its parts remember."""

    step: jax.Array
    inner: Any


class Transform(Node):
    """A pure map on a stream of updates: `(updates, state) -> (updates, state)`.

    Subclasses define `apply`, and `start` if they remember anything. Users call `init` and `update`.
    """

    # True of pieces that treat each number by itself: what packs leaves into one buffer relies on it.
    elementwise: ClassVar[bool] = False
    # True of wrappers whose inner transformation doesn't step when they do: they run it as a whole, by `init` and `advance`.
    own_clock: ClassVar[bool] = False

    def init(self, params: Tree) -> OptState:
        """The state before the first step. `params`: any tree of float or complex arrays, or of their shapes."""
        return OptState(jnp.zeros((), jnp.int32), self.resolve(0).start(as_arrays(params)))

    def update(self, updates: Tree, state: OptState, params: Tree | None = None, **extra: Any) -> tuple[Tree, OptState]:
        """One step: gradients in, what to add to the parameters out.

        Args:
            updates: the gradients, a tree like the parameters.
            state: what `init` or the last `update` gave.
            params: the parameters, where a piece needs them; they also fix the dtype of the result.
            extra: what pieces ask for by name: `value`, `value_fn`, `grad`, `key`, ….

        Raises:
            TypeError, ValueError: the updates, the parameters and the state don't fit each other; says where.
        """
        if not (isinstance(state, tuple) and hasattr(state, "step") and hasattr(state, "inner")):
            raise TypeError(f"{self!r}: the state is a {type(state).__name__}; it must come from this transformation's init.")
        params = None if params is None else as_arrays(params)
        like = as_arrays(updates) if params is None else params
        entered = enter(self, updates, params)
        try:
            updates, after = self.advance(entered, state, params, **extra)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # Without parameters it may be the updates that don't fit, of which the piece that raised says more.
            if params is not None or not isinstance(error, ValueError):
                self._check_state(state, like, error)
            raise
        if jax.tree.structure(after) != jax.tree.structure(state):
            self._check_state(state, like)
        return leave(self, updates, like), after

    def advance(self, updates: Tree, state: OptState, params: Tree | None = None, **extra: Any) -> tuple[Tree, OptState]:
        """`update` without the door, for a whole inside another: wide updates in, wide updates out, a clock of its own."""
        updates, inner = self.resolve(state.step).apply(updates, state.inner, params, **extra)
        return updates, OptState(saturating_increment(state.step), inner)

    def _check_state(self, state: Any, params: Tree, cause: Exception | None = None) -> None:
        """Raises if `init` would make another state than this."""
        wanted, given = jax.eval_shape(self.init, params), state
        if jax.tree.structure(wanted) != jax.tree.structure(given):
            missing = [p for p in paths(wanted) if p not in paths(given)] or [p for p in paths(given) if p not in paths(wanted)]
            where = f" They differ at {missing[0]}." if missing else ""
            raise TypeError(
                f"{self!r}: the state is not one that its init makes for these parameters; it may be that of another optimizer.{where}"
            ) from cause

    def start(self, params: Tree) -> Any:
        """The state of this part. Reach the parameters through tree maps only, and copy what is kept (see `mirrors`)."""
        check_trainable(self, params)
        return ()

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        """One step of this part. The new state has the structure, shapes and dtypes of the old; `()` if nothing is remembered."""
        raise NotImplementedError(f"{type(self).__name__} must define apply(updates, state, params=None, **extra).")

    def emits(self, params: Tree) -> Tree:
        """What this part hands on, given updates like `params`: the same, but for pieces that make complex updates real."""
        return params

    @property
    def per_example(self) -> bool:
        """Whether what enters is one gradient per example, along a first axis more: if the first part says so."""
        for name in self._data:
            value = getattr(self, name)
            first = value[0] if isinstance(value, tuple) and value else value
            if isinstance(first, Transform):
                return first.per_example
        return False

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        """The parts of a composite by name, each with its state. Points and hyperparameters are folds over them.

        A wrapper with `own_clock` gives whole optimizers with whole states.
        """
        return {}

    def parts(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        """The children as parts: those that keep a clock of their own are resolved at their own step."""
        if not self.own_clock:
            return self.children(state)
        return {name: (child.resolve(s.step), s.inner) for name, (child, s) in self.children(state).items()}

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        """Where this part wants the gradient to be taken."""
        for child, child_state in self.parts(state).values():
            params = child.gradient_params(child_state, params)
        return params

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        """What this part wants to be judged by."""
        for child, child_state in self.parts(state).values():
            params = child.evaluation_params(child_state, params)
        return params

    def resolve(self, step: Any) -> Self:
        """The same with every schedule replaced by its value at `step`."""
        changes = {}
        for name, kind in self._kinds.items():
            value = getattr(self, name)
            if kind.interval is not None:
                new = _now(value, step, self, name)
            elif kind.leaf and not self.own_clock:
                new = _resolve_parts(value, step)
            else:
                continue
            if new is not value:
                changes[name] = new
        return self._rebuilt(changes) if changes else self


def _now(value: Any, step: Any, owner: Transform, name: str) -> Any:
    if isinstance(value, tuple):
        new = tuple(_now(v, step, owner, name) for v in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    if isinstance(value, Schedule):
        value = value(step)
    if not isinstance(value, float):
        check_scalar(value, type(owner).__name__, name)
    return value


def _resolve_parts(value: Any, step: Any) -> Any:
    if isinstance(value, Transform):
        return value.resolve(step)
    if isinstance(value, tuple):
        new = tuple(_resolve_parts(v, step) for v in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    return value


def saturating_increment(count: jax.Array) -> jax.Array:
    """One more, but never past the largest integer of the dtype. Public as `safe_increment`.

    Args:
        count: an array of integers.

    Returns:
        An array like it.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> gradtx.safe_increment(jnp.array([1, 127], jnp.int8)).tolist()
        [2, 127]
    """
    most = jnp.iinfo(count.dtype).max
    return jnp.where(count < most, count + 1, most)


class Pointwise(Transform):
    """Stateless, each number by itself: subclasses say what happens to one array."""

    elementwise = True

    def at(self, x: Any) -> Any:
        """What one array becomes. The hyperparameters are numbers in the arithmetic of `x`."""
        raise NotImplementedError

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)
        return jax.tree.map(lambda x: by_dtype[x.dtype].at(x), updates), ()


class Accumulator(Transform):
    """A memory a parameter, which is what it emits: subclasses say how one array is folded in.

    The memory is kept in float32 or wider, or in `accumulator_dtype` if the subclass has such a field; it starts at `initial`.
    """

    elementwise = True
    # What the memory is called in the state; the name of the class if None.
    memory_name: ClassVar[str | None] = None
    State: ClassVar[type[Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.State = memory_state(cls)

    def fold(self, memory: Any, x: Any) -> Any:
        """The memory after seeing `x`. The hyperparameters are numbers in the arithmetic of both."""
        raise NotImplementedError

    def read(self, memory: Any, x: Any) -> Any:
        """What is emitted, from the new memory: the memory itself."""
        return memory

    def start(self, params: Tree) -> Any:
        check_trainable(self, params)
        return self.State(full_like(params, getattr(self, "initial", 0.0), getattr(self, "accumulator_dtype", None)))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        by_dtype = ByDType(self)

        def one(x: Any, m: Any) -> tuple[Any, Any]:
            if m.shape != x.shape:
                raise ValueError("the shapes differ")
            piece = by_dtype[widest(m.dtype, x.dtype)]
            wider = cast(x, widest(m.dtype, x.dtype))
            new = piece.fold(cast(m, wider.dtype), wider)
            return cast(piece.read(new, wider), x.dtype), cast(new, m.dtype)

        emitted, memory = map_pairs(self, one, updates, state[0])
        return emitted, self.State(memory)

    # The words of an error about this piece's two trees.
    sides: ClassVar[tuple[str, str]] = ("the updates have", "the state has")


def full_like(params: Tree, value: Any, dtype: Any = None) -> Tree:
    """A memory like the parameters, sharded as they are: in `dtype`, or in float32 or wider."""

    def one(p: Any) -> Any:
        kept = wide(p.dtype) if dtype is None or jnp.iscomplexobj(p) else np.dtype(jnp.dtype(dtype))
        return jnp.full_like(p, value, dtype=kept)

    return jax.tree.map(one, params)


def memory_state(cls: type[Accumulator]) -> type[Any]:
    """A NamedTuple with one field, named after the piece: states tell whose they are."""
    title = cls.__name__.title().replace("_", "")
    state = namedtuple(f"{title}State", [cls.memory_name or cls.__name__])  # noqa: PYI024
    state.__module__, state.__qualname__ = cls.__module__, f"{cls.__qualname__}.State"
    return state


class ByDType(dict):
    """A piece with its numbers rounded into each dtype that turns up: made once a dtype, not once a leaf."""

    def __init__(self, piece: Node) -> None:
        super().__init__()
        self.piece = piece

    def __missing__(self, dtype: Any) -> Any:
        self[dtype] = new = in_dtype(self.piece, dtype)
        return new


def check_stage(who: Any, stage: Any) -> None:
    """A clear word for what is often put in place of a transformation."""
    name = type(who).__name__
    if isinstance(stage, type) and issubclass(stage, Transform):
        raise TypeError(f"{name}: {stage.__name__} is the kind of a transformation, not one; call it: {stage.__name__}(...).")
    if not isinstance(stage, Transform):
        hint = " Wrap Optax's with gradtx.interop.from_optax." if hasattr(stage, "update") else ""
        raise TypeError(f"{name}: {stage!r} is no transformation.{hint} A function becomes one by stateless(function).")
