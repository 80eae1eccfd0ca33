"""Reading and changing single fields of a composition."""

from __future__ import annotations

from typing import Any, TypeVar

from gradtx.core.node import Node

N = TypeVar("N", bound=Node)


def adjust(tx: N, **changes: Any) -> N:
    """Sets every field of the given name, anywhere in a composition.

    Args:
        tx: a transformation or a schedule.
        changes: the new value for each field name, checked as at construction.

    Returns:
        A new value; the old one is untouched.

    Raises:
        ValueError: no field has that name; lists those there are.

    Example:
        >>> import gradtx
        >>> gradtx.adjust(gradtx.chain(gradtx.clip(1.0), gradtx.adam(1e-3)), learning_rate=3e-4)
        chain(clip(max_delta=1.0), adam(learning_rate=0.0003))
    """
    used: set[str] = set()
    names: set[str] = set()

    def walk(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(walk, x))
        if not isinstance(x, Node):
            return x
        names.update(x._kinds)
        used.update(set(changes) & set(x._kinds))
        new = {n: changes[n] if n in changes else walk(getattr(x, n)) for n in x._kinds}
        return x.replace(**{n: v for n, v in new.items() if v is not getattr(x, n)})

    out = walk(tx)
    if missing := sorted(set(changes) - used):
        raise ValueError(f"adjust: no field is named {missing[0]!r} in {tx!r}; there are {sorted(names)}.")
    return out
