"""Optax both ways: transformations and their states. Needs optax, which Flax brings."""

from gradtx.interop.states import state_from_optax, state_to_optax
from gradtx.interop.transforms import as_optax, from_optax

__all__ = ["as_optax", "from_optax", "state_from_optax", "state_to_optax"]
