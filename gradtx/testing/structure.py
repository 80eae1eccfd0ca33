"""Properties of trees: empty ones, frozen and integer leaves, shapes alone, states that mirror the parameters and share nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.combinators.route import partition
from gradtx.core.mirrors import map_params
from gradtx.core.trees import path_string
from gradtx.core.updates import apply_updates
from gradtx.testing.expect import expect, expect_close, expect_types
from gradtx.testing.subject import MIXED, Subject, in_dtype_of
from gradtx.transforms.guards import set_to_zero


def empty_tree(s: Subject) -> None:
    """A tree without parameters is a tree."""
    state = s.tx.init({})
    updates, after = s.update({}, state, {})
    expect(updates == {}, f"the update of an empty tree is {updates!r}.")
    expect_types(after, state, "the new state")


def frozen_integers_beside_trained_floats(s: Subject) -> None:
    """In a group of `partition`, beside frozen integers and bools, it moves its own parameters as it does alone."""
    own = s.start()
    params = {"w": own, "steps": jnp.array(3), "on": jnp.array(True)}
    tx = partition({"w*": s.tx, "*": set_to_zero()})
    grads = jax.grad(lambda p: sum(jnp.sum(x**2) for x in jax.tree.leaves(p["w"])), allow_int=True)(params)
    state = tx.init(params)
    updates, after = s.update(grads, state, params, tx)
    expect_types(after, state, "the new state")
    moved = apply_updates(params, updates)
    expect_types(moved, params, "the moved parameters")
    expect(moved["steps"] == 3 and moved["on"], "the frozen parameters moved.")
    own = {"w": own}  # under the same path: methods that draw random numbers do so by path
    alone, _ = s.update({"w": grads["w"]}, s.tx.init(own), own)
    expect_close(moved["w"], apply_updates(own, alone)["w"], "in a group and alone", 1e-6, 1e-7)


def shapes_alone_give_the_state(s: Subject) -> None:
    """`jax.eval_shape` of `init` on shapes tells what the state will be."""
    params = s.tree("bfloat16")
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), params)
    expect_types(jax.eval_shape(s.tx.init, shapes), s.tx.init(params), "the state of shapes alone")


def states_can_be_donated(s: Subject) -> None:
    """No two arrays of a new state, or of it and the parameters, share a buffer: a compiled step may write into each."""
    params, seen = s.tree(), {}
    for path, x in jax.tree_util.tree_leaves_with_path({"state": s.tx.init(params), "params": params}):
        if x.size:
            other = seen.setdefault(x.unsafe_buffer_pointer(), path)
            expect(other is path, f"{path_string(other)} and {path_string(path)} share a buffer.")


def map_params_finds_what_mirrors_the_parameters(s: Subject) -> None:
    """`init` reaches the parameters through tree maps, so that `map_params` finds whose each array of the state is."""
    given = in_dtype_of(s.params, "float32")
    params = {"a": {"w": jnp.ones((2, 3))}, "b": jnp.ones(4)} if s.params is MIXED else given
    named = jax.tree_util.tree_map_with_path(lambda path, _: path_string(path), params)
    shapes = dict(zip(jax.tree.leaves(named), map(jnp.shape, jax.tree.leaves(params)), strict=True))
    state = s.tx.init(params)
    names = map_params(s.tx, lambda leaf, name: name, state, params, named)
    for (path, leaf), name in zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(names), strict=True):
        if leaf.ndim == 0 or not jnp.issubdtype(leaf.dtype, jnp.inexact):
            continue
        where = path_string(path)
        expect(isinstance(name, str), f"the array of the state at {where} is not known to belong to a parameter.")
        fits = leaf.shape == shapes[name] or leaf.shape not in shapes.values()
        expect(fits, f"the state at {where} is said to belong to {name}, but has the shape {np.shape(leaf)}.")
