"""Pictures of optimizers at work, a user's own included, in one line each. They need matplotlib: `gradtx[plot]`."""

from gradtx.plotting.animate import animate
from gradtx.plotting.basins import rate_basins, start_basins
from gradtx.plotting.contours import contours
from gradtx.plotting.lines import convergence, coordinates, effective_rates
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
    "start_basins",
    "style",
    "surface",
]
