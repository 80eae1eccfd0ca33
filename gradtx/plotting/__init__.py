"""Pictures of optimizers at work, a user's own included, in one line each: `gradtx[plot]`. Sweeps as pages: `gradtx[report]`."""

from gradtx.plotting.animate import animate
from gradtx.plotting.basins import rate_basins, start_basins
from gradtx.plotting.contours import contours
from gradtx.plotting.lines import convergence, coordinates, effective_rates
from gradtx.plotting.report import report
from gradtx.plotting.style import COLOURS, style
from gradtx.plotting.surface import surface
from gradtx.plotting.training import curves, range_test

__all__ = [
    "COLOURS",
    "animate",
    "contours",
    "convergence",
    "coordinates",
    "curves",
    "effective_rates",
    "range_test",
    "rate_basins",
    "report",
    "start_basins",
    "style",
    "surface",
]
