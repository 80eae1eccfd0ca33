"""Different transformations for different parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from gradtx.core.select import Where, label, matches, merge, only, only_extra, select
from gradtx.core.show import show
from gradtx.core.transform import Transform, check_stage
from gradtx.core.trees import Tree, path_string


class MaskedState(NamedTuple):
    """The state of the inner transformation, for the chosen parameters only."""

    inner_state: Any


class masked(Transform):
    """Transforms the chosen parameters' updates and hands the others on as they are; these carry no state.

    To freeze the others use `partition` with `set_to_zero()` for them.

    Args:
        inner: the transformation.
        mask: which parameters: a glob on the path (`"*/bias"`) or several, a compiled regex, a tree of bools or a prefix of one, or
            a function from the parameters to one (see `by_path`).

    Returns:
        A transformation with the state `MaskedState(inner_state)`.

    Raises:
        ValueError: the mask doesn't fit the parameters.
        TypeError: the mask holds something else than bools, or `inner` is no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.masked(gradtx.scale(2.0), "w*")
        >>> params = {"w1": jnp.ones(1), "b": jnp.ones(1)}
        >>> tx.update(params, tx.init(params))[0]
        {'b': Array([1.], dtype=float32), 'w1': Array([2.], dtype=float32)}
    """

    inner: Transform
    mask: Where

    def check(self) -> None:
        check_stage(self, self.inner)

    def start(self, params: Tree) -> MaskedState:
        return MaskedState(self.inner.start(only(params, select(self, self.mask, params))))

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        mask = select(self, self.mask, updates if params is None else params)
        part = None if params is None else only(params, mask)
        inner_extra = only_extra(extra, updates, mask, params)
        new, inner_state = self.inner.apply(only(updates, mask), state.inner_state, part, **inner_extra)
        return merge(new, updates), MaskedState(inner_state)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        mask = select(self, self.mask, params)
        return merge(self.inner.gradient_params(state.inner_state, only(params, mask)), params)

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        mask = select(self, self.mask, params)
        return merge(self.inner.evaluation_params(state.inner_state, only(params, mask)), params)

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {"": (self.inner, state.inner_state)}


class PartitionState(NamedTuple):
    """The state of each group's transformation, under the group's label."""

    inner_states: dict[Any, Any]


class partition(Transform):
    """Groups of parameters, each with a transformation of its own; a group under `set_to_zero()` is frozen and carries no state.

    Args:
        transforms: for each label its transformation. Without `param_labels` the labels are globs on the path, tried in order:
            `partition({"*/bias": sgd(0.1), "*": adam(1e-3)})`.
        param_labels: a tree of labels like the parameters, a prefix of one, or a function from the parameters to one.

    Returns:
        A transformation with the state `PartitionState(inner_states)`, a dictionary by label.

    Raises:
        ValueError: a parameter has no group, or a label no transformation; says which.
        TypeError: one of `transforms` is no transformation.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> tx = gradtx.partition({"*/bias": gradtx.sgd(1.0), "*": gradtx.sgd(0.5)})
        >>> params = {"dense": {"kernel": jnp.ones(1), "bias": jnp.ones(1)}}
        >>> tx.update(params, tx.init(params), params)[0]
        {'dense': {'bias': Array([-1.], dtype=float32), 'kernel': Array([-0.5], dtype=float32)}}
    """

    labels: tuple[Any, ...]
    transforms: tuple[Transform, ...]
    param_labels: Any = None

    def __init__(self, transforms: Mapping[Any, Transform], param_labels: Any = None) -> None:
        self._set(labels=tuple(transforms), transforms=tuple(transforms.values()), param_labels=param_labels)

    def check(self) -> None:
        if not self.labels:
            raise ValueError("partition: transforms is empty; give each group one.")
        for transform in self.transforms:
            check_stage(self, transform)
        if self.param_labels is None and not all(isinstance(name, str) for name in self.labels):
            raise TypeError(f"partition: without param_labels the labels are globs on the path, got {self.labels}.")

    def _arguments(self) -> list[str]:
        groups = show(dict(zip(self.labels, self.transforms, strict=True)))
        return [groups] if self.param_labels is None else [groups, f"param_labels={show(self.param_labels)}"]

    def start(self, params: Tree) -> PartitionState:
        return PartitionState({n: t.start(only(params, m)) for n, t, m in self._groups(params)})

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        out, states = None, {}
        for name, transform, mask in self._groups(updates if params is None else params):
            part = None if params is None else only(params, mask)
            inner_extra = only_extra(extra, updates, mask, params)
            new, states[name] = transform.apply(only(updates, mask), state.inner_states[name], part, **inner_extra)
            out = new if out is None else merge(out, new)
        return out, PartitionState(states)

    def gradient_params(self, state: Any, params: Tree) -> Tree:
        for name, transform, mask in self._groups(params):
            params = merge(transform.gradient_params(state.inner_states[name], only(params, mask)), params)
        return params

    def evaluation_params(self, state: Any, params: Tree) -> Tree:
        for name, transform, mask in self._groups(params):
            params = merge(transform.evaluation_params(state.inner_states[name], only(params, mask)), params)
        return params

    def children(self, state: Any) -> dict[str, tuple[Transform, Any]]:
        return {str(n): (t, state.inner_states[n]) for n, t in zip(self.labels, self.transforms, strict=True)}

    def _groups(self, tree: Tree) -> list[tuple[Any, Transform, Tree]]:
        """For each group its label, its transformation and its mask."""
        if self.param_labels is None:
            labelled = jax.tree_util.tree_map_with_path(lambda path, _: self._first(path_string(path)), tree)
        else:
            labelled = label(self, self.param_labels, tree)
        for path, name in jax.tree_util.tree_leaves_with_path(labelled):
            if name not in self.labels:
                raise ValueError(
                    f"partition: {path_string(path)!r} has the label {name!r}, for which there is no transformation; "
                    f"there are {list(self.labels)}."
                )
        return [
            (name, transform, jax.tree.map(lambda x, name=name: x == name, labelled))
            for name, transform in zip(self.labels, self.transforms, strict=True)
        ]

    def _first(self, path: str) -> str:
        for pattern in self.labels:
            if matches(pattern, path):
                return pattern
        raise ValueError(f"partition: no pattern of {list(self.labels)} matches the parameter at {path!r}; add a group '*'.")
