"""Properties of errors: what doesn't fit is refused, and the error says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.trees import Tree, path_string
from gradtx.optimizers.adagrad import adagrad
from gradtx.optimizers.adam import adam
from gradtx.optimizers.adamax import adamax
from gradtx.optimizers.lion import lion
from gradtx.optimizers.rmsprop import rmsprop
from gradtx.optimizers.sgd import sgd
from gradtx.testing.expect import expect
from gradtx.testing.subject import Subject

OTHERS = (sgd(0.1), sgd(0.1, momentum=0.9), rmsprop(0.1), adagrad(0.1), adam(0.1), adamax(0.1), lion(0.1))


def refuses_the_state_of_another(s: Subject) -> None:
    """The state of another optimizer is an error, not a silent start from the wrong memory."""
    params = s.start()
    own = jax.tree.structure(s.tx.init(params))
    for other in OTHERS:
        foreign = other.init(params)
        if jax.tree.structure(foreign) != own:
            error = _error(lambda foreign=foreign: s.update(params, foreign, params))
            expect(error is not None, f"it took the state of {other!r}.")
            words = ("another optimizer", "the state has nothing", "must come from this")
            expect(any(w in str(error) for w in words), f"given the state of {other!r} it only says: {error}")


def bad_input_is_refused_with_its_path(s: Subject) -> None:
    """Gradients of another structure or shape, and integer parameters, are errors that name the path."""
    params = s.tree()
    path, leaf = next((p, x) for p, x in jax.tree_util.tree_leaves_with_path(params) if x.size)
    name = path_string(path) or "root"
    state = s.tx.init(params)
    for what, wrong in {
        "a gradient of another shape": jnp.ones((7, *leaf.shape)),
        "a gradient that can be broadcast": jnp.ones((1, *leaf.shape)),
        "no gradient": None,
        "a tree in place of a gradient": {name: leaf},
    }.items():
        error = _error(lambda wrong=wrong: s.update(_put(params, path, wrong), state, params))
        expect(error is not None, f"{what} at {name} is taken.")
        expect(name in str(error), f"{what} at {name}: the error doesn't name the path: {error}")
    error = _error(lambda: s.tx.init(_put(params, path, jnp.ones(leaf.shape, jnp.int32))))
    expect(error is not None, f"an integer parameter at {name} is taken.")
    expect(name in str(error), f"an integer parameter at {name}: the error doesn't name the path: {error}")


def _error(act: Callable[[], Any]) -> Exception | None:
    try:
        act()
    except (TypeError, ValueError) as error:
        return error
    return None


def _put(tree: Tree, path: Any, value: Any) -> Tree:
    return jax.tree_util.tree_map_with_path(lambda p, x: value if p == path else x, tree)
