"""The command line, as a new user would try it."""

import pytest

import gradtx
from gradtx.cli import made, main, optimizers, plain

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
    for arguments in (["--help"], ["race", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    assert "--learning-rate" in capsys.readouterr().out


def test_mathematics_in_plain_letters():
    assert plain("$\\theta \\leftarrow \\theta - \\eta\\,\\hat\\mu / (\\sqrt{\\hat\\nu + \\varepsilon_r} + \\varepsilon)$") == (
        "θ ← θ - η μ̂ / (√(ν̂ + ε_r) + ε)"
    )
    assert plain("$\\frac{\\eta}{\\sqrt{G}}$, $b^{t+1}$") == "(η) / (√(G)), b^(t+1)"
