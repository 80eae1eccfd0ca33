"""The page of a sweep holds what was measured, fetches nothing, and does in a browser what it says."""

import functools
import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import numpy as np
import plotly.graph_objects
import pytest

import gradtx
from gradtx.plotting import report
from gradtx.problems import rosenbrock
from gradtx.sweep import Results, log, minimizing, run, successive_halving, trials, values

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
LABEL = "adam </script><b>&amp;"


@functools.cache
def swept(policy=None):
    """Two numeric hyperparameters with seeds, a schedule among numbers, a label of HTML, and a trial (18) that diverges."""
    t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, 4), b1=values(0.0, 0.9), seeds=2, label=LABEL)
    t += trials(gradtx.sgd, learning_rate=values(1e-4, 1e-3, 1.0, gradtx.cosine_decay_schedule(1e-3, 60)))
    start = lambda trial, key: jnp.array([-1.2, 1.0]) + 0.1 * jax.random.normal(key, (2,))
    return run(minimizing(rosenbrock, start), t, steps=60, policy=policy)


class Reader(HTMLParser):
    """What a page would fetch, and the text of its scripts."""

    def __init__(self, page):
        super().__init__()
        self.links, self.scripts, self.policy = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [v for n, v in attributes.items() if n in ("src", "href", "srcset", "data", "action", "poster")]
        self.links += [tag] * (tag in ("link", "iframe", "object", "embed", "base"))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report(swept(), tmp_path_factory.mktemp("page") / "sweep.html")


def held(path):
    return json.loads(Reader(path.read_text("utf-8")).scripts[0], parse_constant=pytest.fail)  # NaN and Infinity are no JSON


def finite(column):
    return [None if isinstance(x, float) and not np.isfinite(x) else x for x in column.tolist()]


def test_nothing_is_fetched_and_nothing_escapes(page):
    read = Reader(page.read_text("utf-8"))
    assert read.links == []
    assert len(read.scripts) == 3  # the label's </script> ended none
    assert read.policy.startswith("default-src 'none';")
    assert "http" not in read.policy


def test_the_table_and_the_curves_are_the_results(page):
    results, sweep = swept(), held(page)
    columns = dict(zip(sweep["columns"], zip(*sweep["rows"], strict=True), strict=True))
    assert list(columns.pop("trial")) == list(range(20))
    assert list(columns) == list(results.table())
    assert columns["learning_rate"][19] == repr(results.trials.columns["learning_rate"][19])
    for name, column in results.table().items():
        assert list(columns[name])[:19] == finite(column[:19])
    np.testing.assert_array_equal(
        np.array(sweep["curves"], float), np.where(np.isfinite(results.curves["loss"]), results.curves["loss"], np.nan)
    )
    assert sweep["optimizers"] == [repr(results.optimizer(i)) for i in range(20)]
    assert sweep["order"][0] == np.nanargmin(results.final()[:18])
    assert sweep["order"][-1] == 18
    assert sweep["fates"][18] == f"diverged at step {results.diverged_at[18]}"


def test_the_pictures_hold_every_trial(page):
    results, figures = swept(), held(page)["figures"]
    titles = [f["title"] for f in figures]
    assert {
        "Learning curves",
        "loss against learning_rate",
        "loss against b1",
        "loss against optimizer",
        "What mattered for loss",
    } < set(titles)
    assert f"loss of {LABEL} over b1 and learning_rate" in titles or f"loss of {LABEL} over learning_rate and b1" in titles
    for figure in figures:
        plotly.graph_objects.Figure(figure["data"], figure["layout"])  # which checks every name and value
    by_rate, printed = (f for f in figures if f["title"] == "loss against learning_rate")
    assert printed["data"][0]["x"] == [repr(results.trials.columns["learning_rate"][19])]
    points = [
        (x, y, i) for t in by_rate["data"] if "customdata" in t for x, y, i in zip(t["x"], t["y"], t["customdata"], strict=True)
    ]
    assert sorted(i for *_, i in points) == list(range(19))
    edge = next(t for t in by_rate["data"] if t.get("yaxis") == "y2")
    assert dict(zip(edge["customdata"], edge["marker"]["symbol"], strict=True))[18] == "x"
    for _, y, i in points:
        assert i in edge["customdata"] or y == results.final()[i]
    over = next(f for f in figures if " over " in f["title"])
    assert len(over["data"][0]["x"]) == 8
    best = np.argmin(results.final()[:16].reshape(8, 2), axis=1) + 2 * np.arange(8)
    assert sorted(over["data"][0]["customdata"]) == best.tolist()


def test_stopped_trials_say_so(tmp_path):
    results = swept(successive_halving(10, 3))
    sweep = held(report(results, tmp_path / "sweep.html", metric="train"))
    stopped = np.flatnonzero(results.status == "stopped")
    assert len(stopped)
    assert all(sweep["fates"][i] == f"stopped by the policy after {results.stopped_at[i]} steps" for i in stopped)
    assert sweep["figures"][1]["title"].startswith("train against")


def test_results_without_a_best_or_a_measurement(tmp_path):
    lost = run(minimizing(rosenbrock), trials(gradtx.sgd, learning_rate=[1.0, 2.0], seeds=2), steps=20)
    sweep = held(report(lost, tmp_path / "lost.html"))
    assert sweep["summary"][1].startswith("No best")

    def stop(event):
        raise KeyboardInterrupt

    one = run(minimizing(rosenbrock), trials(gradtx.sgd, learning_rate=[1e-4]), steps=20, callbacks=[stop])
    assert len(held(report(one, tmp_path / "one.html"))["figures"]) == 1
    none = Results(
        one.trials,
        one.at[:0],
        {n: c[:, :0] for n, c in one.curves.items()},
        one.status,
        one.diverged_at,
        0 * one.stopped_at,
        "loss",
        "min",
    )
    assert held(report(none, tmp_path / "none.html"))["curves"] == [[]]


def test_without_plotly_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ModuleNotFoundError, match=r"gradtx\[report\]"):
        report(swept(), tmp_path / "sweep.html")
    assert not (tmp_path / "sweep.html").exists()


def test_bad_input_is_named(tmp_path):
    with pytest.raises(TypeError, match="results is a dict"):
        report({}, tmp_path / "sweep.html")
    with pytest.raises(ValueError, match=r"'f1'.*'loss'"):
        report(swept(), tmp_path / "sweep.html", metric="f1")


# Scripts for the browser: a step, then a note of what the page shows.
NOTING = """
<pre id="notes"></pre>
<script>
const wait = ms => new Promise(done => setTimeout(done, ms)), notes = [];
async function note(step) {
  await step();
  await wait(50); // for the events
  const rows = [...document.querySelectorAll("[data-trial]")].map(row => Number(row.dataset.trial));
  const text = name => document.getElementById(name).textContent;
  notes.push({ rows, name: text("name"), optimizer: text("optimizer"), filtered: text("filtered") });
}
const heading = name => [...document.querySelectorAll("#head button")].find(b => b.textContent === name).click();
function keep(words) {
  document.getElementById("filter").value = words;
  document.getElementById("filter").dispatchEvent(new Event("input"));
}
// The last point of a trial in a picture, by the mouse.
async function point(picture, trial) {
  const plot = document.querySelectorAll(".plot")[picture], axes = plot._fullLayout;
  plot.scrollIntoView();
  const trace = plot.data.find(t => t.customdata?.includes(trial)), yaxis = trace.yaxis === "y2" ? axes.yaxis2 : axes.yaxis;
  const k = trace.customdata.findLastIndex((t, i) => t === trial && trace.y[i] !== null);
  const drag = plot.querySelector(".nsewdrag"), box = drag.getBoundingClientRect();
  const place = { bubbles: true, view: window, clientX: box.left + axes.xaxis.d2p(trace.x[k]), clientY: box.top + yaxis.d2p(trace.y[k]) };
  for (const kind of ["mouseover", "mousemove", "mousedown", "mouseup", "click"]) {
    drag.dispatchEvent(new MouseEvent(kind, place));
    await wait(200);
  }
}
(async () => {
  await wait(300);
  STEPS
})().catch(error => notes.push(String(error.stack))).then(() => {
  document.getElementById("notes").textContent = JSON.stringify(notes);
});
</script>
"""


def browsed(page, *steps, trial=None):
    """The page as a browser has it in the end, and what it showed after each step."""
    changed = page.with_name("changed.html")
    script = "\n".join(f"await note(() => {step});" for step in ["null", *steps])
    changed.write_text(page.read_text("utf-8").replace("</body>", NOTING.replace("STEPS", script) + "</body>"), "utf-8")
    quiet = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    quiet += " --disable-component-update --virtual-time-budget=8000 --window-size=1400,900 --dump-dom"
    address = changed.as_uri() + ("" if trial is None else f"#trial-{trial}")
    command = [CHROMIUM, *quiet.split(), f"--user-data-dir={page.with_name('profile')}", address]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return dom, json.loads(html.unescape(re.search('<pre id="notes">(.*?)</pre>', dom)[1]))


@needs_a_browser
def test_a_browser_shows_all_trials_and_the_best_first(page):
    results, sweep = swept(), held(page)
    dom, (first,) = browsed(page)
    assert [int(i) for i in re.findall(r'<tr[^>]*data-trial="(\d+)"', dom)] == first["rows"] == sweep["order"]
    assert first["optimizer"] == repr(results.optimizer(first["rows"][0]))
    assert html.escape(LABEL, quote=False) in dom
    assert "<b>&amp;" not in dom  # what the label would be if it were read as HTML
    assert dom.count('class="plot js-plotly-plot"') == len(sweep["figures"])


@needs_a_browser
def test_an_address_leads_to_a_trial_and_a_row_to_another(page):
    _, (first, row, link) = browsed(
        page, "document.querySelector('[data-trial=\"5\"]').cells[1].click()", "location.hash = 'trial-19'", trial=18
    )
    assert (first["name"], first["optimizer"]) == ("Trial 18", "sgd(learning_rate=1.0)")
    assert (row["name"], row["optimizer"]) == ("Trial 5", repr(swept().optimizer(5)))
    assert (link["name"], link["optimizer"]) == ("Trial 19", repr(swept().optimizer(19)))


@needs_a_browser
def test_headings_sort_and_the_filter_keeps_what_it_says(page):
    filters = {
        "status=diverged": [18],
        "SGD cosine": [19],
        "b1>=0.9 seed=1 learning_rate<0.01": [3, 7],
        "no such thing": [],
        "": list(range(20)),
    }
    _, (_, up, down, *kept) = browsed(page, "heading('loss')", "heading('loss')", *(f"keep({json.dumps(w)})" for w in filters))
    loss = swept().final()
    wanted = sorted((i for i in range(20) if np.isfinite(loss[i])), key=lambda i: loss[i])
    assert [i for i in up["rows"] if np.isfinite(loss[i])] == wanted
    assert [i for i in down["rows"] if np.isfinite(loss[i])] == wanted[::-1]
    for note, trials_left in zip(kept, filters.values(), strict=True):
        assert sorted(note["rows"]) == trials_left
        assert note["filtered"] == f"{len(trials_left)} of 20 trials"


@needs_a_browser
def test_a_click_on_a_point_shows_its_trial(page):
    figures = held(page)["figures"]
    titles = [f["title"] for f in figures]
    over = next(i for i, t in enumerate(titles) if " over " in t)
    behind = figures[over]["data"][0]["customdata"]
    wanted = [8, 2, behind[0], behind[-1], 5, 18]  # the last one diverged
    pictures = [
        0,
        titles.index("loss against learning_rate"),
        over,
        over,
        titles.index("loss against b1"),
        titles.index("loss against learning_rate"),
    ]
    _, (_, *notes) = browsed(page, *(f"point({p}, {t})" for p, t in zip(pictures, wanted, strict=True)))
    assert [n["name"] for n in notes] == [f"Trial {i}" for i in wanted]
    assert [n["optimizer"] for n in notes] == [repr(swept().optimizer(i)) for i in wanted]
