"""Where arrays live: training over several workers, devices and processes, and state that is spread over them."""

# Over a named axis.

# Sharded state.

# Asynchrony.

from gradtx.distributed.asynchronous import asynchronous
from gradtx.distributed.asynchronous_easgd import asynchronous_easgd
from gradtx.distributed.delayed import delayed, uniform_delay
from gradtx.distributed.downpour import downpour
from gradtx.distributed.durations import (
    Durations,
    dropouts,
    equal_durations,
    exponential_durations,
    lognormal_durations,
    stragglers,
)
from gradtx.distributed.events import Arrivals, simulate_events
from gradtx.distributed.hogwild import Hogwild, hogwild
from gradtx.distributed.revision import adaptive_revision, scale_by_adaptive_revision
from gradtx.distributed.server import ServerMethod
from gradtx.distributed.staleness import adaptive_delay_compensation, delay_compensation, scale_by_staleness
from gradtx.distributed.threads import run_threads
