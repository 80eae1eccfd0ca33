"""Where arrays live: training over several workers, devices and processes, and state that is spread over them."""

# Over a named axis.
# Sharded state.
# Asynchrony.
from gradtx.distributed.asynchronous import asynchronous
from gradtx.distributed.asynchronous_easgd import asynchronous_easgd
from gradtx.distributed.averaging import average_gradients
from gradtx.distributed.communication import bytes_sent
from gradtx.distributed.compression import Code, compressed_average, int8, sign_bits, top_k
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
from gradtx.distributed.elastic import eamsgd, easgd, elastic_averaging
from gradtx.distributed.events import Arrivals, simulate_events
from gradtx.distributed.gossip import gossip_averaging
from gradtx.distributed.hogwild import Hogwild, hogwild
from gradtx.distributed.local import diloco, local_sgd, local_updates
from gradtx.distributed.powersgd import powersgd
from gradtx.distributed.processes import connect, launch
from gradtx.distributed.revision import adaptive_revision, scale_by_adaptive_revision
from gradtx.distributed.server import ServerMethod
from gradtx.distributed.sharding import init_sharded, split_shardings, state_shardings
from gradtx.distributed.staleness import adaptive_delay_compensation, delay_compensation, scale_by_staleness
from gradtx.distributed.streaming import streaming_updates
from gradtx.distributed.threads import run_threads
from gradtx.distributed.workers import Rounds, simulate_workers

__all__ = [
    "Arrivals",
    "Code",
    "Durations",
    "Hogwild",
    "Rounds",
    "ServerMethod",
    "adaptive_delay_compensation",
    "adaptive_revision",
    "asynchronous",
    "asynchronous_easgd",
    "average_gradients",
    "bytes_sent",
    "compressed_average",
    "connect",
    "delay_compensation",
    "delayed",
    "diloco",
    "downpour",
    "dropouts",
    "eamsgd",
    "easgd",
    "elastic_averaging",
    "equal_durations",
    "exponential_durations",
    "gossip_averaging",
    "hogwild",
    "init_sharded",
    "int8",
    "launch",
    "local_sgd",
    "local_updates",
    "lognormal_durations",
    "powersgd",
    "run_threads",
    "scale_by_adaptive_revision",
    "scale_by_staleness",
    "sign_bits",
    "simulate_events",
    "simulate_workers",
    "split_shardings",
    "state_shardings",
    "stragglers",
    "streaming_updates",
    "top_k",
    "uniform_delay",
]
