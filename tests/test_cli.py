"""The command line, as a new user would try it."""

import csv
import os

import numpy as np
import pytest

import gradtx
from gradtx.cli import main
from gradtx.cli.mathematics import plain
from gradtx.cli.names import made, optimizers

pytest.importorskip("rich")


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def test_list(run):
    code, out, _ = run("list")
    assert not set(optimizers()) & {"scale_by_adam", "decoupled_weight_decay", "grokfast", "measure_with_ema"}  # pieces
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0
    assert set(lines) == set(optimizers()) >= {"sgd", "adam", "lion", "muon", "polyak_sgd", "prodigy", "sophia"}
    assert not [line for line in lines.values() if "\\" in line or "$" in line or "{" in line]
    assert run("list", "ADAM")[1].count("\n") > 5
    code, out, err = run("list", "zebra")
    assert (code, out) == (1, "")
    assert "zebra" in err


def test_every_listed_optimizer_can_be_shown(run):
    for name in optimizers():
        code, out, err = run("show", name)
        assert (code, err) == (0, ""), name
        assert "composed of" in out
    assert "l2_norm_clip" in run("show", "dpsgd")[1]


def test_show(run):
    _, out, _ = run("show", "adam")
    for part in ("θ ← θ - η", "b2                  0.999", "bias_correction(decay=0.9)", "Kingma", "def adam("):
        assert part in out
    _, out, _ = run("show", "sgd(momentum=0.5)")
    assert "scale_by_momentum(decay=0.5)" in out


def test_made():
    assert made("sgd", 0.5) == gradtx.sgd(0.5)
    assert made("schedule-free-sgd", 0.5) == gradtx.schedule_free_sgd(gradtx.schedule_free_sgd().learning_rate)
    assert made("adam(0.1, b1=0.8)", 0.5) == gradtx.adam(0.1, b1=0.8)
    assert made("sgd(learning_rate=1, nesterov=True, momentum=0.9)", 0.5) == gradtx.sgd(1, 0.9, True)
    assert made("adadelta", 0.5) == gradtx.adadelta(1.0)


@pytest.mark.parametrize("name", ["race.gif", "race.png"])
def test_race(run, tmp_path, name):
    file = tmp_path / name
    code, out, err = run(
        *("race", "--problem", "saddle", "--optimizers", "sgd, sgd(momentum=0.9),momo", "--steps", "30"),
        *("--frames", "2", "--start=1,0.1", "-o", str(file)),
    )
    assert (code, err) == (0, "")
    assert all(n in out for n in ("sgd(momentum=0.9)", "momo", f"Wrote {file}"))
    assert file.stat().st_size > 1000


def test_race_under_noise(run):
    noisy = [
        run("race", "--problem", "saddle", "--optimizers", "sgd", "--steps", "30", "--noise", "0.1", "--seed", s) for s in "001"
    ]
    assert noisy[0] == noisy[1] != noisy[2]


def test_race_without_a_picture_tells_of_divergence(run):
    code, out, _ = run("race", "--problem", "rosenbrock", "--optimizers", "sgd", "--learning-rate", "0.1")
    assert code == 0
    assert "at step" in out


def test_sweep(run, tmp_path):
    pytest.importorskip("sklearn")
    picture, table = tmp_path / "sweep.png", tmp_path / "sweep.csv"
    arguments = (
        "sweep",
        "--optimizers",
        "adam,sgd,sgd(1e30)",
        "--learning-rates",
        "1e-3,0.01",
        "--seeds",
        "2",
        "--steps",
        "20",
    )
    arguments += ("--csv", str(table), "-o", str(picture), "--folder", str(tmp_path / "kept"))
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["optimizer"], float(r["learning_rate"]), r["seed"]) for r in rows] == [
        *(("adam", rate, seed) for rate in (1e-3, 0.01) for seed in "01"),
        *(("sgd", rate, seed) for rate in (1e-3, 0.01) for seed in "01"),
        *(("sgd(1e30)", 1e30, seed) for seed in "01"),
    ]
    lines = {c[0]: c[1:] for row in out.splitlines() if len(c := [x.strip() for x in row.strip("│").split("│")]) == 5}
    losses = np.array([float(r["loss"]) for r in rows[2:4]])  # Adam's at 0.01
    accuracies = np.array([float(r["accuracy"]) for r in rows[2:4]])
    said = f"{losses.mean():.4f} ± {losses.std():.4f}", f"{accuracies.mean():.1%} ± {accuracies.std():.1%}"
    assert lines["adam"] == ["0.01", *said, "0 of 4"]
    assert lines["sgd(1e30)"] == ["", "all rates diverged", "", "2 of 2"]
    assert picture.stat().st_size > 1000
    # What is there is not run again; another sweep is refused.
    assert "0.0 s running" in run(*arguments)[1]
    if os.path.exists("/dev/full"):
        table.unlink()
        table.symlink_to("/dev/full")
        code, _, err = run(*arguments)
        assert (code, err.count("\n")) == (1, 1)
        assert "No space" in err
    code, out, err = run(*arguments, "--steps", "30")
    assert (code, out) == (1, "")
    assert "another sweep" in err


@pytest.mark.full
def test_a_sweep_by_hyperband(run, tmp_path):
    pytest.importorskip("scipy")
    table = tmp_path / "sweep.csv"
    arguments = ("sweep", "--optimizers", "adam,sgd", "--learning-rates", "1e-3:1e-1:9", "--seeds", "1", "--steps", "18")
    code, out, err = run(*arguments, "--policy", "hyperband", "--csv", str(table))
    assert (code, err) == (0, "")
    assert "sgd" in out
    with table.open() as file:
        rows = list(csv.DictReader(file))
    for name in ("adam", "sgd"):
        steps = {int(r["steps"]) for r in rows if r["optimizer"] == name}
        assert steps >= {2, 18}
        assert len([r for r in rows if r["optimizer"] == name]) == 9


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "command"),
        (["fly"], 2, "fly"),
        (["show", "admm"], 2, "did you mean 'adam'?"),
        (["show", "zzzzzz"], 2, "gradtx list"),
        (["show", "import os"], 2, "neither"),
        (["show", "adam(b1=2)"], 2, "b1 = 2"),
        (["show", "adam(beta=2)"], 2, "beta"),
        (["race", "--problem", "sadle", "--optimizers", "sgd"], 2, "did you mean 'saddle'?"),
        (["race", "--problem", "bent_bowl", "--optimizers", "sgd"], 2, "3 dimensions"),
        (["race", "--problem", "saddle", "--optimizers", "sgd,"], 2, "empty"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "--steps", "0"], 2, "at least 1"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "--steps", "many"], 2, "many"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "--learning-rate", "-1"], 2, "learning_rate"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "--start", "1"], 2, "two numbers"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "--noise", "-1"], 2, "negative"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "-o", "race.doc"], 2, ".gif"),
        (["race", "--problem", "saddle", "--optimizers", "sgd", "-o", "/no/such/folder/race.gif"], 1, "can't write"),
        (["sweep", "--optimizers", "admm"], 2, "did you mean 'adam'?"),
        (["sweep", "--optimizers", "polyak_sgd"], 2, "no learning rate"),
        (["sweep", "--learning-rates", "1:2"], 2, "1e-4:1e-1:9"),
        (["sweep", "--learning-rates", "1:2:0"], 2, "1e-4:1e-1:9"),
        (["sweep", "--learning-rates", "0:2:3"], 2, "> 0"),
        (["sweep", "--learning-rates", "0.1,-0.1"], 2, "learning_rate = -0.1"),
        (["sweep", "--learning-rates", "0.1,0.2", "--policy", "hyperband"], 2, "hyperband draws"),
        (["sweep", "--policy", "half"], 2, "halving"),
        (["sweep", "--seeds", "0"], 2, "at least 1"),
        (["sweep", "-o", "sweep.gif"], 2, ".png"),
        (["sweep", "--csv", "sweep.txt"], 2, ".csv"),
        (["sweep", "--csv", "/no/such/folder/sweep.csv"], 1, "can't write"),
        (["sweep", "--folder", "/dev/null/sweep"], 1, "can't write"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_errors_take_one_line(run, arguments, code, says):
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert err.count("\n") == 1
    assert err.startswith("gradtx: ")
    assert says in err


def test_help(capsys):
    for arguments in (["--help"], ["race", "--help"], ["sweep", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    assert "--learning-rates" in capsys.readouterr().out


def test_mathematics_in_plain_letters():
    assert plain("$\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$") == (
        "θ ← θ - η μ̂ / (√(ν̂ + ε_r) + ε)"
    )
    assert plain("$\\frac{\\eta}{\\sqrt{G}}$, $b^{t+1}$") == "(η) / (√(G)), b^(t+1)"
