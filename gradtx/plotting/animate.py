"""Paths that grow step by step."""

from __future__ import annotations

import pathlib
import re
import sys
from typing import Any

import numpy as np

from gradtx.plotting.contours import draw_landscape, draw_start
from gradtx.plotting.runs import AnyProblem, Optimizers, paths
from gradtx.plotting.style import COLOURS, legend_below, panels, pyplot, stroke, styled
from gradtx.plotting.surface import draw_relief, inside, space


@styled
def animate(
    problem: AnyProblem,
    optimizers: Optimizers,
    output: str | pathlib.Path,
    start: Any = None,
    steps: int = 200,
    *,
    on: str = "contours",
    frames: int = 60,
    fps: int = 15,
    bounds: Any = None,
    key: Any = None,
    view: tuple[float, float] = (40.0, -60.0),
    turn: float = 0.0,
    progress: bool = True,
) -> pathlib.Path:
    """A film of optimizers on a function.

    Args:
        problem: a function of two variables.
        optimizers: one, several, or several by name.
        output: the file: `.gif`, `.mp4` (where ffmpeg is installed) or `.html`.
        start: where they start; the problem's own start if None.
        steps: how many steps.
        on: `"contours"` or `"surface"`.
        frames: how many pictures; the steps are spread over them evenly. The last one stays for a second.
        fps: pictures a second.
        bounds: `((left, right), (low, high))`; the problem's own if None.
        key: what the draws of a noisy problem come from.
        view: elevation and azimuth of a surface, in degrees.
        turn: by how many degrees the surface turns in all.
        progress: whether to show a bar on the terminal.

    Returns:
        The path of the file.

    Raises:
        ValueError: the ending of the file, or `on`, is another.
        RuntimeError: MP4 without ffmpeg.

    Example:
        >>> import gradtx, pathlib, tempfile
        >>> from gradtx.plotting import animate
        >>> from gradtx.problems import saddle
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     film = animate(saddle, gradtx.adam(0.1), folder + "/film.gif", steps=20, frames=3, progress=False)
        ...     film.read_bytes()[:3]
        b'GIF'
    """
    output = pathlib.Path(output)
    writer = _writer(output, fps)
    if on not in ("contours", "surface"):
        raise ValueError(f"animate: on = {on!r}; it must be 'contours' or 'surface'.")
    runs = paths(problem, optimizers, start, steps, key)
    if on == "contours":
        _, [[axes]] = panels(1, 1, 0.75)
        draw_landscape(axes, problem, bounds)
        draw_start(axes, problem.start if start is None else start)
        rows = {name: tuple(run.points.T.astype(float)) for name, run in runs.items()}
    else:
        axes = space()
        to_height = draw_relief(axes, problem, bounds, view)
        rows = {name: inside(run, axes, to_height) for name, run in runs.items()}
    figure, empty = axes.figure, [[]] * len(next(iter(rows.values())))
    lines = [axes.plot(*empty, label=name, **stroke(i), zorder=5)[0] for i, name in enumerate(rows)]
    heads = [axes.plot(*empty, "o", color=line.get_color(), markeredgecolor="white", zorder=6)[0] for line in lines]
    legend_below(figure, axes)

    def show(frame: int) -> list[Any]:
        step = round(steps * min(frame / max(frames - 1, 1), 1.0))
        axes.set_title(f"{problem.name}, step {step}")
        for line, head, row in zip(lines, heads, rows.values(), strict=True):
            _put(line, [a[: step + 1] for a in row])
            _put(head, [a[: step + 1][np.isfinite(row[0][: step + 1])][-1:] for a in row])
        if on == "surface":
            axes.view_init(view[0], view[1] + turn * frame / max(frames - 1, 1))
        return [*lines, *heads]

    from matplotlib.animation import FuncAnimation

    # A film of its own kind holds its last picture; in the others it is drawn again.
    film = FuncAnimation(figure, show, frames if output.suffix.lower() == ".gif" else frames + fps, blit=False)
    try:
        film.save(output, writer=writer, progress_callback=_bar(str(output)) if progress else None)
    finally:
        pyplot().close(figure)
    return output


def _put(line: Any, row: list[np.ndarray]) -> None:
    line.set_data(*row[:2])
    if len(row) == 3:
        line.set_3d_properties(row[2])


def _writer(output: pathlib.Path, fps: int) -> Any:
    pyplot()
    from matplotlib import animation

    kind = output.suffix.lower()
    if kind == ".gif":
        return _gif_writer(fps)
    if kind in (".html", ".htm"):
        return _html_writer(fps)
    if kind != ".mp4":
        raise ValueError(f"animate: {output.name!r} ends in {kind!r}; it must be .gif, .mp4 or .html.")
    if not animation.FFMpegWriter.isAvailable():
        raise RuntimeError("animate: an .mp4 needs ffmpeg, which is not installed; .gif and .html don't.")
    return animation.FFMpegWriter(fps=fps)


def _gif_writer(fps: int) -> Any:
    from matplotlib.animation import PillowWriter

    class Small(PillowWriter):
        """One palette for all pictures, without dither: a tenth of the bytes."""

        def finish(self) -> None:
            palette = _palette()
            first, *rest = [p.convert("RGB").quantize(palette=palette, dither=0) for p in vars(self)["_frames"]]
            durations = [round(1000 / self.fps)] * len(rest) + [1000]
            first.save(self.outfile, save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)

    return Small(fps=fps)


# What matplotlib's page has a font fetched for.
_BUTTONS = {"minus": "−", "fast-backward": "«", "step-backward": "‹", "play fa-flip-horizontal": "◀", "pause": "❚❚"}
_BUTTONS |= {"play": "▶", "step-forward": "›", "fast-forward": "»", "plus": "+"}


def _html_writer(fps: int) -> Any:
    from matplotlib.animation import HTMLWriter

    class Alone(HTMLWriter):
        """A page that needs no network: its buttons have letters on them."""

        def finish(self) -> None:
            super().finish()
            file = pathlib.Path(self.outfile)
            page = re.sub(r"<link[^>]*>", "", file.read_text())
            for name, sign in _BUTTONS.items():
                page = page.replace(f'<i class="fa fa-{name}"></i>', sign)
            file.write_bytes(page.encode("ascii", "xmlcharrefreplace"))  # whatever the reader takes for the encoding

    return Alone(fps=fps, embed_frames=True)


def _palette() -> Any:
    """Greys, and the colours of the lines, also as they fade into light and dark at an edge."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    line = np.array([to_rgb(c) for c in COLOURS])
    greys = np.linspace(0, 1, 48)[:, None].repeat(3, axis=1)
    colours = np.concatenate([greys, line, *(line + (g - line) * part for part in (0.3, 0.65) for g in (0.5, 1.0))])
    image = Image.new("P", (1, 1))
    image.putpalette(np.round(255 * colours).astype(np.uint8).tobytes())
    return image


def _bar(name: str) -> Any:
    def show(done: int, total: int) -> None:
        filled = 30 * (done + 1) // total
        sys.stderr.write(
            f"\r{name} [{'#' * filled}{'.' * (30 - filled)}] {done + 1}/{total}" + ("\n" if done + 1 == total else "")
        )
        sys.stderr.flush()

    return show
