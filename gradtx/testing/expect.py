"""What the properties say when they fail."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from gradtx.core.show import dtype_name
from gradtx.core.trees import Tree, path_string


def expect(condition: Any, message: str) -> None:
    """Raises AssertionError with the message unless the condition holds. Unlike `assert` it is never compiled away."""
    if not condition:
        raise AssertionError(message)


def expect_types(got: Tree, wanted: Tree, what: str) -> None:
    """Two trees have the same structure, shapes, dtypes and weak types, and hold arrays only."""
    expect(
        jax.tree.structure(got) == jax.tree.structure(wanted),
        f"{what} has the structure {jax.tree.structure(got)}, but it should be {jax.tree.structure(wanted)}.",
    )
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(wanted), strict=True):
        for leaf in (x, y):
            expect(hasattr(leaf, "dtype"), f"{what} holds the Python value {leaf!r} at {path_string(path) or 'the root'}.")
        expect(_type(x) == _type(y), f"{what} is {_type(x)} at {path_string(path) or 'the root'}, but it should be {_type(y)}.")


def expect_close(got: Tree, wanted: Tree, what: str, rtol: float, atol: float) -> None:
    """Two trees of the same structure hold nearly the same numbers; where not, says where and how far apart."""
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(wanted), strict=True):
        a, b = (_wide(v) for v in (x, y))
        if not np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=False):
            with np.errstate(invalid="ignore"):
                apart = np.max(np.abs(a - b))
            raise AssertionError(f"{what}: at {path_string(path) or 'the root'} {a} and {b}, {apart:.3g} apart.")


def expect_finite(tree: Tree, what: str) -> None:
    """No NaN and no infinity anywhere."""
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
        if np.issubdtype(_wide(x).dtype, np.inexact):
            expect(np.isfinite(_wide(x)).all(), f"{what} is {_wide(x)} at {path_string(path) or 'the root'}.")


def _type(x: Any) -> str:
    weak = " (weak)" if getattr(x, "weak_type", False) else ""
    return f"{dtype_name(x.dtype)}[{','.join(map(str, x.shape))}]{weak}"


def _wide(x: Any) -> np.ndarray:
    a = np.asarray(x)
    return a.astype(np.float32) if a.dtype.name in ("bfloat16", "float16") else a
