"""Where arrays live: training over several workers, devices and processes, and state that is spread over them."""

# Over a named axis.

# Sharded state.

# Asynchrony.
