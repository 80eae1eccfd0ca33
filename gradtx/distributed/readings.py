"""What a worker took from the server, and what has happened there since."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from gradtx.core.trees import Tree


class Reading(NamedTuple):
    """What a worker took from the server: where it takes its gradient, the sum of all gradients that had arrived, and how many had."""

    params: Tree
    gradients: Tree
    step: jax.Array


def late(reading: Reading, gradients: Tree, step: jax.Array) -> dict[str, Any]:
    """The extra arguments that come with a gradient which was taken at a reading and arrives now.

    `stale_params` is where it was taken, `missed` the sum of the gradients that arrived in between, `staleness` how many.
    """
    missed = jax.tree.map(lambda now, then: now - then, gradients, reading.gradients)
    return {"stale_params": reading.params, "missed": missed, "staleness": step - reading.step}
