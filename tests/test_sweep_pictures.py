"""Pictures of sweeps show what was measured."""

import matplotlib as mpl
import numpy as np
import pytest

import gradtx
from gradtx.plotting.sweeps import heat_map, learning_curves, response, what_mattered
from gradtx.problems import rosenbrock
from gradtx.sweep import log, minimizing, run, successive_halving, trials, values
from gradtx.sweep.importance import importance

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def swept(policy=None):
    t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, 6), b1=values(0.0, 0.9), label="adam, mine")
    t = t + trials(gradtx.sgd, learning_rate=[1e-4, 1e-3, 1.0])
    return run(minimizing(rosenbrock), t, steps=60, policy=policy)


def test_loss_against_the_rate():
    results = swept()
    ax = response(results, "learning_rate")
    adam, sgd = (line for line in ax.get_lines() if line.get_linestyle() != "None")
    final = results.final()[:12].reshape(6, 2)
    np.testing.assert_allclose(adam.get_xdata(), log(1e-4, 1e-1, 6).options)
    np.testing.assert_allclose(adam.get_ydata(), final.mean(axis=1), rtol=1e-6)
    assert sgd.get_xdata().tolist() == [1e-4, 1e-3]  # the third diverged
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["adam, mine", "sgd"]
    assert ax.get_xscale() == "log"


def test_what_was_stopped_is_no_part_of_the_line():
    results = swept(successive_halving(10, 3))
    ends = {float(r) for r in results.trials.columns["learning_rate"][results.status == "done"]}
    drawn = [line for line in response(results, "learning_rate").get_lines() if line.get_linestyle() != "None"]
    assert {x for line in drawn for x in line.get_xdata()} == ends
    assert (results.status == "stopped").any()


def test_a_heat_map_over_two():
    t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, 4), b1=values(0.0, 0.5, 0.9))
    results = run(minimizing(rosenbrock), t, steps=60)
    cells = heat_map(results, "learning_rate", "b1").collections[0].get_array()
    np.testing.assert_allclose(np.asarray(cells).reshape(3, 4), results.final().reshape(4, 3).T, rtol=1e-6)


def test_stopped_curves_fade_and_the_best_stands_out():
    results = swept(successive_halving(10, 3))
    lines = [line for line in learning_curves(results).get_lines() if len(line.get_xdata()) > 1]
    (best,) = (line for line in lines if line.get_linewidth() == 2)
    np.testing.assert_array_equal(best.get_ydata(), results.curves["loss"][results.best().rows[0]])
    faded = sum(line.get_alpha() == 0.3 for line in lines)
    assert faded == (results.status != "done").sum() > 0


def test_importance_finds_what_matters():
    t = trials(gradtx.adam, learning_rate=log(1e-4, 1e-1, 12), eps=values(1e-8, 1e-9, 1e-10))
    results = run(minimizing(rosenbrock), t, steps=60)
    found = importance(results, trees=50)
    assert next(iter(found)) == "learning_rate"
    assert found["learning_rate"] > 10 * abs(found["eps"])
    widths = [bar.get_width() for bar in what_mattered(results).patches]
    assert widths[-1] > widths[0]


def test_bad_columns_are_named():
    with pytest.raises(ValueError, match="'b3'"):
        response(swept(), "b3")
    with pytest.raises(ValueError, match="no number"):
        response(swept(), "optimizer")


def test_curves_are_drawn_where_all_diverged():
    results = run(minimizing(rosenbrock), trials(gradtx.sgd, learning_rate=[1.0, 2.0]), steps=20)
    assert set(results.status) == {"diverged"}
    assert len(learning_curves(results).lines) >= 2
