"""Pictures: what is drawn is what was run, legends are complete, nothing lies off the frame or on top of anything."""

import builtins
import functools
import itertools
import pathlib
import re
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from gradtx import plotting
from gradtx.plotting.style import COLOURS, SIZES
from gradtx.problems import beale, bent_bowl, himmelblau, noisy, rosenbrock, saddle
from gradtx.solve import trajectory
from gradtx.training import RangeTest, fit, range_test

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
animation = pytest.importorskip("matplotlib.animation")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent
PAIR = {"descent": gradtx.sgd(0.01), "mine": gradtx.chain(gradtx.scale_by_adam(), gradtx.scale_by_learning_rate(0.05))}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


FLOOR = [jnp.zeros(2), jnp.full(2, 0.1)]  # two batches


def square(params, batch):
    return jnp.sum((params - batch) ** 2)


@functools.cache
def trained():
    return {n: fit(square, jnp.ones(2), tx, FLOOR, epochs=20, validation=FLOOR[:1]) for n, tx in PAIR.items()}


def at_given_times(runs):
    """The same with seconds that need long labels."""
    for run in runs.values():
        for i, record in enumerate(run.records):
            record["seconds"] = 0.405 + 0.005 * i
    return runs


PICTURES = {
    "contours": lambda: plotting.contours(beale, PAIR, steps=30),
    "surface": lambda: plotting.surface(saddle, PAIR, steps=30),
    "steep surface": lambda: plotting.surface(rosenbrock, PAIR, steps=30),
    "coordinates": lambda: plotting.coordinates(saddle, PAIR, (0.01, 0.1), steps=30),
    "convergence": lambda: plotting.convergence(rosenbrock, PAIR, steps=30),
    "effective rates": lambda: plotting.effective_rates(bent_bowl, PAIR, steps=30),
    "rate basins": lambda: plotting.rate_basins(
        rosenbrock, gradtx.sgd(0.1, momentum=0.9), jnp.logspace(-5, -1, 12), steps=50, momentum=jnp.linspace(0, 0.99, 7)
    ),
    "curves": lambda: plotting.curves(at_given_times(trained()), ("loss", "val_loss"), ("step", "epoch", "seconds")),
    "range test": lambda: plotting.range_test(range_test(square, jnp.ones(2), gradtx.sgd(0.1), FLOOR, lowest=1e-3)),
    "start basins": lambda: plotting.start_basins(himmelblau, gradtx.sgd(0.01), 300, n=20),
}


def tick_labels(axis):
    """Those that are drawn: matplotlib keeps some beyond the ends."""
    low, high = sorted(axis.get_view_interval())
    places = axis.get_majorticklocs()
    room = 1e-6 * (high - low)
    return [t for t, x in zip(axis.get_ticklabels(), places, strict=False) if low - room <= x <= high + room]


def boxes(figure):
    """The frames of everything written in a figure, in pixels; in space, where ticks out of sight have a place too, without these."""
    figure.canvas.draw()
    texts = [t for legend in figure.legends for t in legend.get_texts()]
    for axes in figure.axes:
        texts.append(axes.title)
        if axes.name != "3d":
            texts += [axes.xaxis.label, axes.yaxis.label, *tick_labels(axes.xaxis), *tick_labels(axes.yaxis)]
    return {
        f"{t.get_text()} {i}": t.get_window_extent() for i, t in enumerate(texts) if t.get_text().strip() and t.get_visible()
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PICTURES)
def test_nothing_overlaps_or_lies_off_the_frame(name, size):
    if size != "page" and "surface" in name:
        pytest.skip("drawing in space is slow; one size is enough")
    with plotting.style(size):
        figure = PICTURES[name]()
        width, height = figure.canvas.get_width_height()
        found = boxes(figure)
    assert figure.get_size_inches()[0] == pytest.approx(SIZES[size][0])
    for text, box in found.items():
        assert box.x0 > -1, text
        assert box.y0 > -1, text
        assert box.x1 < width + 1, text
        assert box.y1 < height + 1, text
    named = list(found.items())
    for i, (text, box) in enumerate(named):
        for other, beside in named[i + 1 :]:
            assert not box.overlaps(beside.padded(-1)), f"{text} and {other}"


@pytest.mark.parametrize("name", [n for n in PICTURES if "basins" not in n])
def test_legends_are_complete(name):
    figure = PICTURES[name]()
    shown = {t.get_text() for legend in figure.legends for t in legend.get_texts()}
    wanted = {"effective rates": {"$x$", "$y$", "$z$"}, "range test": {"loss", "its running mean", "steepest", "limit"}}
    assert {text.partition(":")[0] for text in shown} == wanted.get(name, set(PAIR))


def test_what_is_drawn_is_the_run():
    figure = plotting.contours(beale, PAIR, steps=30)
    for name, tx in PAIR.items():
        (line,) = [a for a in figure.axes[0].lines if a.get_label() == name]
        np.testing.assert_allclose(line.get_xydata(), trajectory(beale, tx, jnp.array(beale.start), 30).points, rtol=1e-6)
    rows = plotting.coordinates(saddle, PAIR, (0.01, 0.1), steps=30).axes
    wanted = trajectory(saddle, gradtx.adjust(PAIR["mine"], learning_rate=0.1), jnp.array(saddle.start), 30).points
    np.testing.assert_allclose(rows[3].lines[1].get_ydata(), wanted[:, 1], rtol=1e-5)
    left, right = plotting.convergence(rosenbrock, gradtx.adam(0.01), steps=30).axes
    run = trajectory(rosenbrock, gradtx.adam(0.01), jnp.array(rosenbrock.start), 30)
    np.testing.assert_allclose(left.lines[0].get_ydata(), np.linalg.norm(run.points - 1, axis=1), rtol=1e-5)
    np.testing.assert_allclose(right.lines[0].get_ydata(), run.values, rtol=1e-5)


def test_the_effective_rate_of_gradient_descent_is_its_rate():
    drawn = plotting.effective_rates(bent_bowl, gradtx.sgd(0.1), steps=10).axes[0].lines
    np.testing.assert_allclose([line.get_ydata() for line in drawn], 0.1, rtol=1e-4)
    # Adagrad's first step is the rate whatever the gradient: 0.5 over 4, 0.4 and 8.
    adagrad = gradtx.adagrad(0.5, initial_accumulator_value=0.0, eps=0.0)
    drawn = plotting.effective_rates(bent_bowl, adagrad, steps=10).axes[0].lines
    np.testing.assert_allclose([line.get_ydata()[0] for line in drawn], [0.125, 1.25, 0.0625], rtol=1e-5)


def test_a_noisy_problem_is_drawn_by_its_values_and_descended_by_its_draws():
    figure = plotting.contours(noisy(saddle, 0.1), gradtx.sgd(0.01), steps=30, key=jax.random.key(3))
    (line,) = [a for a in figure.axes[0].lines if a.get_label() == "sgd"]
    start = jnp.array(saddle.start)
    wanted = trajectory(noisy(saddle, 0.1), gradtx.sgd(0.01), start, 30, key=jax.random.key(3)).points
    np.testing.assert_allclose(line.get_xydata(), wanted, rtol=1e-6)
    assert np.abs(wanted - trajectory(saddle, gradtx.sgd(0.01), start, 30).points).max() > 1e-4


def test_a_diverging_run_ends():
    figure = plotting.convergence(rosenbrock, {"too fast": gradtx.sgd(0.1), "fine": gradtx.sgd(1e-3)}, steps=30)
    too_fast, fine = figure.axes[0].lines
    assert len(too_fast.get_ydata()) < 10
    assert len(fine.get_ydata()) == 31


def test_basins_are_those_of_single_runs():
    mesh = plotting.start_basins(himmelblau, gradtx.sgd(0.01), 300, n=10).axes[0].collections[0]
    which = np.asarray(mesh.get_array()).reshape(10, 10)
    for row, column in ((1, 1), (1, 8), (8, 1), (8, 8)):
        start = jnp.linspace(-5, 5, 10)[jnp.array([column, row])]
        end = trajectory(himmelblau, gradtx.sgd(0.01), start, 300).points[-1]
        assert np.linalg.norm(end - np.array(himmelblau.at[which[row, column]])) < 0.1
    tx, rates = gradtx.sgd(0.1, momentum=0.9), jnp.array([1e-4, 1e-3, 1.0])
    mesh = plotting.rate_basins(rosenbrock, tx, rates, steps=50, momentum=jnp.array([0.0, 0.5])).axes[0].collections[0]
    shown = np.ma.filled(mesh.get_array(), np.nan).reshape(2, 3)
    one = trajectory(rosenbrock, gradtx.sgd(1e-3, momentum=0.5), jnp.array(rosenbrock.start), 50).values[-1]
    np.testing.assert_allclose(shown[1, 1], np.log10(one), rtol=1e-5)
    assert np.all(np.isnan(shown[:, 2]))
    scales = [
        plotting.rate_basins(rosenbrock, tx, rates, steps=5, momentum=values).axes[0].get_yscale()
        for values in (jnp.array([0.1, 0.2, 0.3]), jnp.array([0.1, 0.2, 0.4]))
    ]
    assert scales == ["linear", "log"]


@pytest.mark.parametrize("on", ["contours", "surface"])
def test_the_frames_of_a_film_move(on, tmp_path):
    image = pytest.importorskip("PIL.Image")
    with plotting.style("column"):
        path = plotting.animate(saddle, PAIR, tmp_path / "a.gif", steps=60, frames=4, on=on, progress=False)
    with image.open(path) as film:
        assert film.n_frames == 4
        pictures = []
        for i in range(4):
            film.seek(i)
            pictures.append(np.asarray(film.convert("RGB"), int))
        assert film.info["duration"] == 1000
    for before, after in itertools.pairwise(pictures):
        assert (np.abs(before - after).max(axis=2) > 60).sum() > 20
    # The colours of the lines are still themselves.
    for colour in COLOURS[: len(PAIR)]:
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pictures[-1] - rgb).max(axis=2) < 8).sum() > 10


def test_film_in_a_page_and_bar(tmp_path, capsys):
    path = plotting.animate(saddle, PAIR, tmp_path / "a.html", steps=4, frames=2, fps=1)
    page = path.read_text()
    assert "<script" in page
    assert not re.search(r"https?:|fa fa-", page)  # needs no network: no font for its buttons
    assert page.count("<button") == 9 == len(re.findall(r"<button[^>]*>\s*(?:[-+]|&#\d+;)+\s*</button>", page))
    assert "3/3" in capsys.readouterr().err


def test_the_curves_of_a_training_are_its_records():
    runs = trained()
    figure = plotting.curves(runs, ("loss", "val_loss"), ("step", "epoch", "seconds"))
    grid = np.reshape(figure.axes, (2, 3))
    for (row, metric), (column, x) in itertools.product(
        enumerate(("loss", "val_loss")), enumerate(("step", "epoch", "seconds"))
    ):
        for line, (name, run) in zip(grid[row, column].lines, runs.items(), strict=True):
            assert line.get_label() == name
            np.testing.assert_array_equal(line.get_xdata(), [r[x] for r in run.records])
            np.testing.assert_array_equal(line.get_ydata(), [r[metric] for r in run.records])
    assert [a.get_xlabel() for a in grid[1]] == ["step", "epoch", "seconds"]
    assert [a.get_ylabel() for a in grid[:, 0]] == ["loss", "val_loss"]
    assert [a.get_yscale() for a in grid[:, 0]] == ["log", "log"]
    alone = plotting.curves(runs["descent"])
    assert (alone.axes[0].get_yscale(), alone.legends) == ("linear", [])


def test_what_is_drawn_of_a_range_test():
    seen = RangeTest(np.geomspace(1e-3, 1, 4), np.array([2.0, 1.5, 1.0, 1e9]), np.array([2.0, 1.8, 1.5, 5e8]), 0.01, 0.1)
    (axes,) = plotting.range_test(seen).axes
    raw, smooth, steepest, limit = axes.lines
    np.testing.assert_array_equal(raw.get_xydata(), np.stack([seen.rates, seen.losses], axis=1))
    np.testing.assert_array_equal(smooth.get_xydata(), np.stack([seen.rates, seen.smooth], axis=1))
    assert (steepest.get_xdata()[0], steepest.get_label()) == (0.01, "steepest: 0.01")
    assert (limit.get_xdata()[0], limit.get_label()) == (0.1, "limit: 0.1")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    low, high = axes.get_ylim()
    assert 0.5 < low < 1.0 < 2.0 < high < 2.5  # the last is out of sight


@pytest.mark.skipif(not animation.FFMpegWriter.isAvailable(), reason="ffmpeg isn't installed")
@pytest.mark.parametrize("on", ["contours", "surface"])
def test_film_by_ffmpeg(on, tmp_path):
    path = plotting.animate(saddle, PAIR, tmp_path / "a.mp4", steps=60, frames=3, fps=4, on=on, progress=False)
    decode = [mpl.rcParams["animation.ffmpeg_path"], "-v", "error", "-i", str(path), "-s", "320x240"]
    raw = subprocess.run([*decode, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 240, 320).astype(int)
    assert len(frames) == 3 + 4  # the last stays for a second
    moved = np.abs(np.diff(frames, axis=0)).max(axis=(1, 2))
    assert (moved[:2] > 60).all()
    assert (moved[3:] < 30).all()


def test_errors(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="gif"):
        plotting.animate(saddle, PAIR, tmp_path / "a.png")
    with pytest.raises(ValueError, match="3 dimensions"):
        plotting.contours(bent_bowl, PAIR)
    with pytest.raises(ValueError, match="no minimum"):
        plotting.start_basins(saddle, gradtx.sgd(0.1))
    with pytest.raises(TypeError, match="from_optax"):
        plotting.contours(beale, {"theirs": object()})
    with pytest.raises(ValueError, match="'column'"), plotting.style("poster"):
        pass
    with pytest.raises(TypeError, match="one other hyperparameter"):
        plotting.rate_basins(beale, gradtx.sgd(0.1), [0.1])
    with pytest.raises(ValueError, match="takes 2 numbers"):
        plotting.contours(beale, PAIR, start=[1.0])
    with pytest.raises(TypeError, match="makes one"):
        plotting.range_test(trained())
    with pytest.raises(TypeError, match="'mine' is of the type dict"):
        plotting.curves({"mine": {}})
    with pytest.raises(TypeError, match="by name"):
        plotting.curves(list(trained().values()))
    with pytest.raises(ValueError, match=r"no 'accuracy' in its records; it has .*'val_loss'"):
        plotting.curves(trained(), "accuracy")
    for arguments, missing in ((({},), "no run"), ((trained(), []), "no metric"), ((trained(), "loss", []), "no x")):
        with pytest.raises(ValueError, match=missing):
            plotting.curves(*arguments)
    monkeypatch.setattr(animation.FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(RuntimeError, match="ffmpeg"):
        plotting.animate(saddle, PAIR, tmp_path / "a.mp4")


def test_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ModuleNotFoundError, match=r"gradtx\[plot\]"):
        plotting.contours(beale, PAIR)


def test_every_picture_of_the_page_is_there_and_small():
    page = (ROOT / "docs" / "figures.md").read_text()
    pictures = re.findall(r"\]\((figures/[^)]+)\)", page)
    from examples import figures

    assert {pathlib.Path(p).stem for p in pictures} == set(figures.PICTURES)
    for picture in pictures:
        size = (ROOT / "docs" / picture).stat().st_size
        assert size < (1_000_000 if picture.endswith(".gif") else 200_000), picture


def test_x64():
    with jax.enable_x64(True):
        plotting.contours(beale, PAIR, steps=5)
