"""Where arrays live: training over several workers, devices and processes, and state that is spread over them."""

# Over a named axis.

# Sharded state.
from gradtx.distributed.sharding import init_sharded, split_shardings, state_shardings

# Asynchrony.

__all__ = [
    "init_sharded",
    "split_shardings",
    "state_shardings",
]
