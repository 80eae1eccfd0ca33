"""Which parameters: by path, by a mask, or by a function of the parameters."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any

import jax

from gradtx.core.node import Node, StaticTree
from gradtx.core.trees import Tree, path_string

# A glob or several on the path (`"*/bias"`), a compiled regex, a tree of bools (or a prefix of one), or a function from the
# parameters to such a tree.
Where = str | tuple[str, ...] | re.Pattern[str] | Callable[[Tree], Tree] | Tree


class by_path(Node):
    """Chooses parameters by a predicate on their path and value.

    Args:
        predicate: called with the path (`"dense/kernel"`) and the parameter, says whether it belongs.

    Returns:
        A function from parameters to a tree of bools, which `masked`, `partition` and every `mask` argument take.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> matrices = gradtx.by_path(lambda path, p: p.ndim >= 2)
        >>> matrices({"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)})
        {'bias': False, 'kernel': True}
    """

    predicate: Callable[[str, Any], bool]

    def __call__(self, params: Tree) -> Tree:
        return jax.tree_util.tree_map_with_path(lambda path, p: bool(self.predicate(path_string(path), p)), params)


class all_but(Node):
    """Chooses the parameters that a mask leaves out.

    Args:
        where: a mask in any form: a glob on the path or several, a regex, a tree of bools, or a function from the parameters to one.

    Returns:
        A function from parameters to a tree of bools, which `masked`, `partition` and every `mask` argument take.

    Example:
        >>> import gradtx
        >>> gradtx.adamw(1e-3, mask=gradtx.all_but("*/bias"))
        adamw(learning_rate=0.001, mask=all_but(where='*/bias'))
    """

    where: Where

    def __call__(self, params: Tree) -> Tree:
        return jax.tree.map(lambda chosen: not chosen, select(self, self.where, params))


def select(who: Any, where: Where, tree: Tree) -> Tree:
    """A tree of bools like `tree`."""
    if isinstance(where, str | tuple | re.Pattern):
        patterns = where if isinstance(where, tuple) else (where,)
        return jax.tree_util.tree_map_with_path(lambda path, _: any(matches(p, path_string(path)) for p in patterns), tree)
    mask = label(who, where, tree)
    for leaf in jax.tree.leaves(mask):
        if not isinstance(leaf, bool):
            raise TypeError(f"{who!r}: a mask holds True and False, got {leaf!r}.")
    return mask


def matches(pattern: str | re.Pattern[str], path: str) -> bool:
    """A glob matches the whole path, `*` across slashes too; a regex is searched for."""
    if isinstance(pattern, str):
        return fnmatch.fnmatchcase(path, pattern)
    return pattern.search(path) is not None


def label(who: Any, labels: Any, tree: Tree) -> Tree:
    """The labels spread over `tree`: given as a tree, a prefix of one, or a function that makes one."""
    if not jax.tree.leaves(tree):
        return tree
    made = labels.tree if isinstance(labels, StaticTree) else labels(tree) if callable(labels) else labels
    try:
        return jax.tree.map(lambda m, below: jax.tree.map(lambda _: m, below), made, tree)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{who!r}: the mask or labels {jax.tree.structure(made)} are no prefix of the parameters {jax.tree.structure(tree)}."
        ) from error


def only(tree: Tree, mask: Tree) -> Tree:
    """The chosen leaves, None in place of the others; of a bare array that isn't chosen the empty tree `()`."""
    cut = jax.tree.map(lambda x, chosen: x if chosen else None, tree, mask)
    return () if cut is None else cut  # None in place of the parameters would say that the caller gave none


def merge(first: Tree, second: Tree) -> Tree:
    """Two trees with None in complementary places made one."""
    if isinstance(first, tuple) and first == ():
        return second
    return jax.tree.map(lambda a, b: b if a is None else a, first, second, is_leaf=lambda x: x is None)


def only_extra(extra: dict[str, Any], updates: Tree, mask: Tree, params: Tree | None) -> dict[str, Any]:
    """Extra arguments for a part of the tree: what is shaped like the updates is cut, `value_fn` still sees the whole."""
    structure = jax.tree.structure(updates)
    out = {k: only(v, mask) if jax.tree.structure(v) == structure else v for k, v in extra.items()}
    if callable(extra.get("value_fn")) and params is not None:
        out["value_fn"] = lambda part: extra["value_fn"](merge(part, params))
    return out
