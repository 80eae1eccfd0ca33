"""Where arrays live: training over several workers, devices and processes, and state that is spread over them."""

from gradtx.distributed.averaging import average_gradients
from gradtx.distributed.communication import bytes_sent
from gradtx.distributed.compression import Code, compressed_average, int8, sign_bits, top_k
from gradtx.distributed.elastic import eamsgd, easgd, elastic_averaging
from gradtx.distributed.gossip import gossip_averaging
from gradtx.distributed.local import diloco, local_sgd, local_updates
from gradtx.distributed.powersgd import powersgd
from gradtx.distributed.processes import connect, launch
from gradtx.distributed.sharding import init_sharded, split_shardings, state_shardings
from gradtx.distributed.streaming import streaming_updates

__all__ = [
    "Code",
    "average_gradients",
    "bytes_sent",
    "compressed_average",
    "connect",
    "diloco",
    "eamsgd",
    "easgd",
    "elastic_averaging",
    "gossip_averaging",
    "init_sharded",
    "int8",
    "launch",
    "local_sgd",
    "local_updates",
    "powersgd",
    "sign_bits",
    "split_shardings",
    "state_shardings",
    "streaming_updates",
    "top_k",
]
