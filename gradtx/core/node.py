"""Immutable values that are pytrees: what optimizers, pieces and schedules are made of."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import inspect
import sys
from collections.abc import Iterator
from typing import Any, ClassVar, Self, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from gradtx.core.fields import Kind, kind_of, to_dtype_name, to_hyper
from gradtx.core.show import show

_trusted: contextvars.ContextVar[bool] = contextvars.ContextVar("gradtx_trusted", default=False)


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Nodes made inside are not validated: what they hold was checked when the user gave it, or is known only at run time."""
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


@dataclass_transform(frozen_default=True, eq_default=False)
class Node:
    """Subclasses become frozen dataclasses and pytrees.

    The annotation of a field says what it is (see `gradtx.core.fields`): numbers, schedules and other nodes are leaves or
    subtrees, everything else is static and takes part in the structure. Values are checked when a user makes
    a node, never when JAX rebuilds one.
    """

    _kinds: ClassVar[dict[str, Kind]] = {}
    _data: ClassVar[tuple[str, ...]] = ()
    _static: ClassVar[tuple[str, ...]] = ()
    _positional: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}
    registry: ClassVar[dict[str, type[Node]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Methods that dataclasses would generate for each class anew stand below, once: generating them is most of an import.
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        cls._kinds = {f.name: _kind(cls, f) for f in fields}
        cls._data = tuple(n for n, k in cls._kinds.items() if k.leaf)
        cls._static = tuple(n for n, k in cls._kinds.items() if not k.leaf)
        cls._positional = tuple(f.name for f in fields if not f.kw_only)
        cls._defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
        if "__signature__" not in vars(cls):
            cls.__signature__ = _signature(cls, fields)
        Node.registry[type_name(cls)] = cls
        _register(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = self._positional[: len(args)]
        values = {**self._defaults, **dict(zip(given, args, strict=False)), **kwargs}
        if len(given) < len(args) or values.keys() != self._kinds.keys() or not kwargs.keys().isdisjoint(given):
            try:
                inspect.signature(type(self)).bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{type(self).__name__}: {error}; its arguments are {list(self._kinds)}.") from None
        self._set(**values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"{type(self).__name__} is a value; make another with replace({name}=...).")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"{type(self).__name__} is a value; {name} can't be deleted.")

    def __post_init__(self) -> None:
        if _trusted.get():
            self._wrap()
        else:
            self._settle()
            self.check()

    def check(self) -> None:
        """Raises if the fields don't fit each other; overridden where there is something to check."""

    def _set(self, **fields: Any) -> None:
        """Fills a new node, and checks it; for classes with an `__init__` of their own too."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        self.__post_init__()

    def _wrap(self) -> None:
        """What even a trusted node needs: hashable static fields."""
        for name in self._static:
            value = getattr(self, name)
            if isinstance(value, dict | list):
                object.__setattr__(self, name, StaticTree.of(value))

    def _settle(self) -> None:
        owner = type(self).__name__
        for name, kind in self._kinds.items():
            value = getattr(self, name)
            if kind.interval is not None:
                new = None if value is None and kind.optional else _hyper(value, kind, owner, name)
            elif kind.dtype:
                new = to_dtype_name(value, owner, name)
            elif not kind.leaf:
                new = _hashable(value, owner, name)
            else:
                continue
            object.__setattr__(self, name, new)

    def replace(self, **changes: Any) -> Self:
        """A copy with other values in the named fields, checked like a new one."""
        unknown = sorted(set(changes) - set(self._kinds))
        if unknown:
            raise ValueError(f"{type(self).__name__} has no field {unknown[0]!r}; it has {list(self._kinds)}.")
        new = self._rebuilt(changes)
        new.__post_init__()
        return new

    def _rebuilt(self, changes: dict[str, Any]) -> Self:
        new = object.__new__(type(self))
        for name in self._kinds:
            object.__setattr__(new, name, changes[name] if name in changes else getattr(self, name))
        return new

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def _arguments(self) -> list[str]:
        """The arguments that a user would write, defaults left out."""
        values = {name: getattr(self, name) for name in self._kinds}
        missing = dataclasses.MISSING
        return [f"{name}={show(v)}" for name, v in values.items() if not _is_default(v, self._defaults.get(name, missing))]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return _identity(self) == _identity(other)

    def __hash__(self) -> int:
        return hash(_identity(self))


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class StaticTree:
    """A tree of plain values (a mask, labels) that can stand in a static field: it hashes and compares by value."""

    leaves: tuple[Any, ...]
    structure: Any

    @classmethod
    def of(cls, tree: Any) -> StaticTree:
        leaves, structure = jax.tree.flatten(tree)
        return cls(tuple(leaf.item() if isinstance(leaf, np.generic) else leaf for leaf in leaves), structure)

    @property
    def tree(self) -> Any:
        return jax.tree.unflatten(self.structure, self.leaves)

    def __repr__(self) -> str:
        return show(self.tree)


def type_name(cls: type) -> str:
    """The name under which a class of nodes is known outside the process: short for our own."""
    return cls.__qualname__ if cls.__module__.startswith("gradtx.") else f"{cls.__module__}.{cls.__qualname__}"


def _kind(cls: type[Node], field: dataclasses.Field[Any]) -> Kind:
    if field.name in getattr(cls, "_unannotated", ()):
        return kind_of(None, field.default, Node)
    annotation = field.type
    if isinstance(annotation, str):
        owner = next(c for c in cls.__mro__ if field.name in vars(c).get("__annotations__", {}))
        annotation = evaluated(annotation, vars(sys.modules[owner.__module__]), {cls.__name__: cls})
    return kind_of(annotation, field.default, Node)


def evaluated(annotation: Any, scope: dict[str, Any], local: dict[str, Any] | None = None) -> Any:
    """What an annotation written as a string stands for; a bare name, as most are, is looked up without compiling it."""
    if not isinstance(annotation, str):
        return annotation
    return scope[annotation] if annotation in scope else eval(annotation, scope, local)


def _signature(cls: type[Node], fields: tuple[dataclasses.Field[Any], ...]) -> inspect.Signature:
    """What help and editors show: the fields, or the arguments of an `__init__` of its own."""
    if cls.__init__ is not Node.__init__:
        _, *rest = inspect.signature(cls.__init__).parameters.values()
        return inspect.Signature(rest)
    kinds, empty = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY), inspect.Parameter.empty
    return inspect.Signature(
        [
            inspect.Parameter(f.name, kinds[f.kw_only is True], default=cls._defaults.get(f.name, empty), annotation=f.type)
            for f in fields
        ]
    )


def _register(cls: type[Node]) -> None:
    data, static = cls._data, cls._static
    keys = tuple(jax.tree_util.GetAttrKey(n) for n in data)

    def flatten(x: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(x, n) for n in data), tuple(getattr(x, n) for n in static)

    def flatten_with_keys(x: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        children, meta = flatten(x)
        return tuple(zip(keys, children, strict=True)), meta

    def unflatten(meta: tuple[Any, ...], children: tuple[Any, ...]) -> Any:
        # Past __init__: JAX puts tracers, None and object() in place of leaves.
        x = object.__new__(cls)
        for name, value in zip(data, children, strict=True):
            object.__setattr__(x, name, value)
        for name, value in zip(static, meta, strict=True):
            object.__setattr__(x, name, value)
        return x

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)  # type: ignore[arg-type]


def _hyper(value: Any, kind: Kind, owner: str, name: str) -> Any:
    from gradtx.core.schedule import Schedule, as_schedule  # schedules are nodes themselves

    assert kind.interval is not None
    if isinstance(value, tuple | list):
        return tuple(_hyper(v, kind, owner, f"{name}[{i}]") for i, v in enumerate(value))
    if kind.interval.schedulable and (isinstance(value, Schedule) or _is_function(value)):
        return as_schedule(value, owner, name)
    return to_hyper(value, kind.interval, owner, name)


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, Node | type | np.ndarray | jax.Array)


def _hashable(value: Any, owner: str, name: str) -> Any:
    if isinstance(value, dict | list):
        value = StaticTree.of(value)
    elif isinstance(value, np.generic):
        value = value.item()
    try:
        hash(value)
    except TypeError as error:
        if not isinstance(value, np.ndarray | jax.Array):
            return _hashable_tree(value, owner, name, error)
        raise TypeError(
            f"{owner}: {name} selects code and must be static and hashable, got an array; give a Python value."
        ) from error
    return value


def _hashable_tree(value: Any, owner: str, name: str, error: TypeError) -> StaticTree:
    tree = StaticTree.of(value)
    if any(leaf is value for leaf in tree.leaves):
        raise TypeError(f"{owner}: {name} = {value!r} is static and must be hashable.") from error
    return tree


def _is_default(value: Any, default: Any) -> bool:
    if isinstance(value, np.ndarray | jax.Array | Tracer):
        return False
    return type(value) is type(default) and bool(value == default)


def _identity(x: Any) -> Any:
    """What a value is compared and hashed by: numbers as floats, arrays by dtype, shape and bytes."""
    if isinstance(x, Node):
        return (type(x), *(_identity(getattr(x, n)) for n in x._kinds))
    if isinstance(x, tuple | list):
        return (type(x), *map(_identity, x))
    if isinstance(x, Tracer):
        raise TypeError(
            "An optimizer that holds traced values has no value to compare or hash. Pass it to jit, vmap or grad as an argument, "
            "or keep its leaves in the state (inject_hyperparams) where a static optimizer is required."
        )
    if isinstance(x, np.ndarray | jax.Array):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return ("key", str(x.dtype), np.asarray(jax.random.key_data(x)).tobytes())
        a = np.asarray(x)
        return ("array", a.dtype.name, a.shape, a.tobytes())
    return x
