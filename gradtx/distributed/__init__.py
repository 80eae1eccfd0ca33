"""Where arrays live: training over several workers, devices and processes, and state that is spread over them."""

# Over a named axis.
from gradtx.distributed.averaging import average_gradients
from gradtx.distributed.communication import bytes_sent
from gradtx.distributed.compression import Code, compressed_average, int8, sign_bits, top_k
from gradtx.distributed.elastic import eamsgd, easgd, elastic_averaging
from gradtx.distributed.gossip import gossip_averaging
from gradtx.distributed.local import diloco, local_sgd, local_updates
from gradtx.distributed.powersgd import powersgd
from gradtx.distributed.streaming import streaming_updates

# Sharded state.

# Asynchrony.

__all__ = [
    "Code",
    "average_gradients",
    "bytes_sent",
    "compressed_average",
    "diloco",
    "eamsgd",
    "easgd",
    "elastic_averaging",
    "gossip_averaging",
    "int8",
    "local_sgd",
    "local_updates",
    "powersgd",
    "sign_bits",
    "streaming_updates",
    "top_k",
]
