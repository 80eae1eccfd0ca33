"""Named compositions: a function of hyperparameters becomes a class of values."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any, ClassVar, ParamSpec

import jax
from jax.core import Tracer

from gradtx.core.node import Node, StaticTree, evaluated, trusted
from gradtx.core.schedule import Schedule
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree

P = ParamSpec("P")


class Recipe(Transform):
    """A transformation named after its hyperparameters.

    It is composed anew each time it is traced, when its schedules have become numbers; the stages only ever see numbers. Inside
    another composition it is the composition that it stands for: no level of state, no counter of its own.
    """

    rule: ClassVar[Callable[..., Any]]

    def compose(self) -> Transform:
        """The composition that this recipe stands for, with the hyperparameters as they are."""
        with trusted():
            return type(self).rule(**_arguments(self))

    def check(self) -> None:
        if not any(_is_open(x) for x in jax.tree.leaves(self, is_leaf=_is_open)):
            check_composition(self, type(self).rule(**_arguments(self)))

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.compose().elementwise

    def start(self, params: Tree) -> Any:
        return check_composition(self, self.compose()).start(params)

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        return self.compose().apply(updates, state, params, **extra)

    def emits(self, params: Tree) -> Tree:
        return self.compose().emits(params)

    @property
    def per_example(self) -> bool:
        return self.resolve(0).compose().per_example

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.compose(), state)}


def optimizer(rule: Callable[P, Transform]) -> Callable[P, Recipe]:
    """Makes a class of optimizers from a function that composes one.

    The parameters of the function become the fields: those annotated as hyperparameters (`gradtx.typing`), as `float`, or
    not at all with a float default or none, are leaves and take numbers and schedules; transformations are
    subtrees; everything else is static. The function sees plain numbers.

    Example:
        >>> import gradtx
        >>> @gradtx.optimizer
        ... def signed(learning_rate, decay: gradtx.typing.Decay = 0.9):
        ...     return gradtx.chain(gradtx.ema(decay), gradtx.sign(), gradtx.scale_by_learning_rate(learning_rate))
        >>> signed(0.01)
        signed(learning_rate=0.01)
    """
    return rule_class(rule, Recipe)  # type: ignore[return-value]


class RecipeSchedule(Schedule):
    """A schedule composed of others, named after its arguments."""

    rule: ClassVar[Callable[..., Any]]

    def at(self, step: jax.Array) -> jax.Array:
        with trusted():
            return type(self).rule(**_arguments(self))(step)


def schedule(rule: Callable[P, Schedule]) -> Callable[P, RecipeSchedule]:
    """Makes a class of schedules from a function that composes one. As `optimizer` does for optimizers.

    Example:
        >>> import gradtx
        >>> @gradtx.schedule
        ... def rise_and_hold(peak: gradtx.typing.Real, steps: gradtx.typing.PositiveReal):
        ...     return gradtx.join_schedules([gradtx.linear_schedule(0.0, peak, steps), gradtx.constant_schedule(peak)], [steps])
        >>> s = rise_and_hold(1.0, steps=4)
        >>> s, [float(s(t)) for t in (0, 2, 8)]
        (rise_and_hold(peak=1.0, steps=4.0), [0.0, 0.5, 1.0])
    """
    return rule_class(rule, RecipeSchedule)  # type: ignore[return-value]


def rule_class(rule: Callable[..., Any], base: type[Node]) -> type[Node]:
    """The class whose fields are the parameters of `rule`."""
    signature = inspect.signature(rule)
    hints = {name: evaluated(a, rule.__globals__) for name, a in rule.__annotations__.items()}
    namespace: dict[str, Any] = {"rule": staticmethod(rule), "__annotations__": {}}
    unannotated = []
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{rule.__name__}: *{name} can't be a field; name every hyperparameter.")
        if hasattr(base, name) or name.startswith("_"):
            raise TypeError(f"{rule.__name__}: {name!r} is the name of a method of every optimizer; choose another.")
        if name not in hints:
            unannotated.append(name)
        namespace["__annotations__"][name] = hints.get(name, Any)
        keyword = parameter.kind is parameter.KEYWORD_ONLY
        if parameter.default is not parameter.empty:
            namespace[name] = dataclasses.field(default=parameter.default, kw_only=keyword)
        elif keyword:
            namespace[name] = dataclasses.field(kw_only=True)
    namespace["_unannotated"] = tuple(unannotated)
    namespace["__signature__"] = signature.replace(return_annotation=signature.empty)
    for attribute in ("__doc__", "__module__", "__qualname__"):
        namespace[attribute] = getattr(rule, attribute)
    return type(rule.__name__, (base,), namespace)


def check_composition(recipe: Recipe, composed: Any) -> Transform:
    """A recipe stands for one composition of parts that all step together."""
    name = type(recipe).__name__
    if not isinstance(composed, Transform):
        raise TypeError(f"{name}: the rule must return a transformation, got {composed!r}.")
    for part in walk(composed):
        if part.own_clock:
            raise TypeError(
                f"{name}: {type(part).__name__} steps at times of its own and can't stand inside a named rule, whose schedules it would "
                f"run at the wrong speed. Write a plain function that returns {type(part).__name__}(... {name}(...))."
            )
    return composed


def walk(node: Any) -> typing.Iterator[Transform]:
    """Every transformation in a composition, itself first."""
    if isinstance(node, Transform):
        yield node
        for name in node._data:
            yield from walk(getattr(node, name))
    elif isinstance(node, tuple | list):
        for x in node:
            yield from walk(x)


def _arguments(node: Node) -> dict[str, Any]:
    return {n: v.tree if isinstance(v := getattr(node, n), StaticTree) else v for n in node._kinds}


def _is_open(x: Any) -> bool:
    return isinstance(x, Schedule | Tracer)
