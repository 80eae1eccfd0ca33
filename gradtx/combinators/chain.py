"""One after another."""

from __future__ import annotations

from typing import Any

from gradtx.core.show import show
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree


class named(Transform):
    """Gives a stage a name, under which its state and its hyperparameters are found.

    Args:
        name: any string.
        inner: the transformation.

    Returns:
        The same transformation; its state stands in a dictionary under the name.

    Raises:
        TypeError: `name` is no string, or `inner` no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.chain(gradtx.named("mu", gradtx.ema(0.9)), gradtx.scale_by_learning_rate(0.1))
        >>> gradtx.state_get(tx.init(jnp.array(1.0)), "mu")
        Array(0., dtype=float32)
    """

    name: str
    inner: Transform

    def __init__(self, name: str, inner: Transform) -> None:
        self._set(name=name, inner=inner)

    def check(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"named: name = {self.name!r} must be a string.")
        check_stage(self, self.inner)

    def _arguments(self) -> list[str]:
        return [repr(self.name), show(self.inner)]

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.inner.elementwise

    def start(self, params: Tree) -> Any:
        return {self.name: self.inner.start(params)}

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        updates, inner = self.inner.apply(updates, state[self.name], params, **extra)
        return updates, {self.name: inner}

    def emits(self, params: Tree) -> Tree:
        return self.inner.emits(params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {self.name: (self.inner, state[self.name])}


class chain(Transform):
    """One transformation after another: $(t_1; t_2; \\dots)$, each working on what the one before it emits.

    Any hyperparameter of any stage may be a schedule: all follow the one step counter of the whole.

    Args:
        stages: transformations, or `(name, transformation)` pairs, which make `named` stages.

    Returns:
        A transformation whose state is the tuple of its stages' states. `tx[i]` and `tx["name"]` give a stage,
        `state_get(state, "name")` its state.

    Raises:
        TypeError: a stage is no transformation.

    Example:
        >>> import gradtx
        >>> tx = gradtx.chain(("clip", gradtx.clip_by_global_norm(1.0)), gradtx.adam(1e-3))
        >>> tx
        chain(named('clip', clip_by_global_norm(max_norm=1.0)), adam(learning_rate=0.001))
        >>> tx["clip"]
        clip_by_global_norm(max_norm=1.0)
    """

    stages: tuple[Transform, ...]

    def __init__(self, *stages: Transform | tuple[str, Transform]) -> None:
        self._set(stages=tuple(named(*s) if type(s) is tuple and len(s) == 2 else s for s in stages))

    def check(self) -> None:
        for stage in self.stages:
            check_stage(self, stage)
        names = [s.name for s in self.stages if isinstance(s, named)]
        if len(set(names)) < len(names):
            raise ValueError(f"chain: the names {names} are not all different.")

    def _arguments(self) -> list[str]:
        return [show(s) for s in self.stages]

    def __getitem__(self, which: int | str) -> Transform:
        if isinstance(which, int):
            return self.stages[which]
        for stage in self.stages:
            if isinstance(stage, named) and stage.name == which:
                return stage.inner
        raise KeyError(f"chain: no stage is named {which!r}.")

    def __len__(self) -> int:
        return len(self.stages)

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return all(s.elementwise for s in self.stages)

    def start(self, params: Tree) -> tuple[Any, ...]:
        states = []
        for stage in self.stages:
            states.append(stage.start(params))
            params = stage.emits(params)
        return tuple(states)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if not isinstance(state, tuple | list) or len(state) != len(self.stages):
            raise ValueError(
                f"chain has {len(self.stages)} stages, but its state is {type(state).__name__} of "
                f"{len(state) if hasattr(state, '__len__') else 'no'} parts. Was it made by the init of another optimizer?"
            )
        new = []
        for stage, stage_state in zip(self.stages, state, strict=True):
            updates, stage_state = stage.apply(updates, stage_state, params, **extra)
            new.append(stage_state)
        return updates, tuple(new)

    def emits(self, params: Tree) -> Tree:
        for stage in self.stages:
            params = stage.emits(params)
        return params

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        found = {}
        for i, (stage, stage_state) in enumerate(zip(self.stages, state, strict=True)):
            found |= stage.children(stage_state) if isinstance(stage, named) else {str(i): (stage, stage_state)}
        return found


def named_chain(*stages: tuple[str, Transform]) -> chain:
    """`chain` with a name for each stage. The state of a stage is `state_get(state, name)`, its transformation `tx[name]`.

    Args:
        stages: `(name, transformation)` pairs.

    Returns:
        The chain of these named stages. (Optax's state is one dictionary; here it is a tuple of dictionaries of one entry.)

    Raises:
        TypeError: a stage has no name, or is no transformation.

    Example:
        >>> import gradtx
        >>> gradtx.named_chain(("clip", gradtx.clip(1.0)), ("step", gradtx.sgd(0.1)))["clip"]
        clip(max_delta=1.0)
    """
    return chain(*(named(name, stage) for name, stage in stages))
