"""One look for all pictures."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator
from typing import Any

# Okabe, Ito (2008), Color Universal Design: told apart with any colour vision. Yellow, which is faint on white, comes last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
# With more than eight lines the colours come again, in other strokes.
STROKES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
# Values, light where they are low, so that paths stand out where they lead.
LANDSCAPE = "Greys"
HEAT = "cividis_r"
DIVERGED = "#D55E00"

# Width in inches, size of the letters in points, and width of a line: in a paper's column, across its page, on a screen.
SIZES = {"column": (3.4, 8.0, 1.1), "page": (7.0, 9.0, 1.4), "talk": (10.0, 18.0, 2.8)}


def pyplot() -> Any:
    """`matplotlib.pyplot`, or an error that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        raise ModuleNotFoundError("Pictures need matplotlib: pip install 'gradtx[plot]'.", name="matplotlib") from error
    return plt


@contextlib.contextmanager
def style(size: str = "page") -> Iterator[None]:
    """Pictures made inside have one look, in a size to be read at.

    Args:
        size: `"column"` of a paper, `"page"`, or `"talk"`.

    Raises:
        ValueError: no such size.

    Example:
        >>> from gradtx.plotting import contours, style
        >>> from gradtx.problems import saddle
        >>> import gradtx
        >>> with style("column"):
        ...     round(float(contours(saddle, gradtx.sgd(0.1), steps=10).get_size_inches()[0]), 3)
        3.4
    """
    if size not in SIZES:
        raise ValueError(f"style: size = {size!r}; there are {', '.join(map(repr, SIZES))}.")
    width, letters, line = SIZES[size]
    settings = {
        "axes.edgecolor": "0.3",
        "axes.grid": False,
        "axes.labelsize": letters,
        "axes.linewidth": 0.8,
        "axes.prop_cycle": pyplot().cycler(color=COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": letters,
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "figure.figsize": (width, 0.7 * width),
        "font.size": letters,
        "legend.fontsize": 0.9 * letters,
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "lines.linewidth": line,
        "lines.markersize": 3.5 * line,
        "savefig.dpi": 110,
        "xtick.labelsize": 0.9 * letters,
        "xtick.major.pad": 0.4 * letters,
        "ytick.labelsize": 0.9 * letters,
        "ytick.major.pad": 0.4 * letters,
    }
    with pyplot().rc_context(settings):
        yield


def styled(make: Any) -> Any:
    """Draws in our look unless the caller has chosen a size."""

    @functools.wraps(make)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        if pyplot().rcParams["axes.prop_cycle"].by_key().get("color") == list(COLOURS):
            return make(*args, **kwargs)
        with style():
            return make(*args, **kwargs)

    return drawn


def stroke(i: int) -> dict[str, Any]:
    """Colour and stroke of the i-th line."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": STROKES[i // len(COLOURS) % len(STROKES)]}


def panels(rows: int, columns: int, tall: float = 0.8, **kwargs: Any) -> tuple[Any, Any]:
    """A figure of the width of the style with so many panels; `tall`: height of a panel in its width, but not under 14 lines."""
    plt = pyplot()
    width = plt.rcParams["figure.figsize"][0]
    height = max(tall * width / columns, 14 * plt.rcParams["font.size"] / 72)
    figure, axes = plt.subplots(rows, columns, figsize=(width, rows * height), squeeze=False, **kwargs)
    return figure, axes


def by_powers_of_ten(axes: Any) -> None:
    """A logarithmic axis for values, with numbers at powers of ten only if there are any in sight."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if math.floor(math.log10(high)) > math.ceil(math.log10(low)) - 1:
        axes.yaxis.set_minor_formatter(pyplot().NullFormatter())


def legend_below(figure: Any, axes: Any) -> None:
    """One legend for all panels, under them, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    letters = figure.get_size_inches()[0] * 72 / (0.55 * pyplot().rcParams["legend.fontsize"])
    columns = max(1, min(len(labels), int(letters // (max(map(len, labels)) + 6))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
