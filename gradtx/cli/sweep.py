"""`gradtx sweep --optimizers sgd,adam,lion --learning-rates 1e-4:1:9 -o sweep.png`."""

from __future__ import annotations

import argparse
import functools
import math
import operator
import sys
import tempfile
from pathlib import Path
from typing import Any

from gradtx.cli.errors import CommandError, line
from gradtx.cli.names import made, own_rate, split
from gradtx.cli.output import PICTURES, writable


def add(commands: Any) -> None:
    """The arguments of the command, and what runs it."""
    command = commands.add_parser(
        "sweep",
        help="sweep learning rates of optimizers on handwritten digits",
        description="Trains a small classifier of handwritten digits (a hidden layer of 32, batches of 64) by each optimizer at each "
        "learning rate from each seed, all at once, and prints the best rate of each by the loss on digits held out, with the "
        "standard deviation over the seeds.",
        epilog="example: gradtx sweep --optimizers 'adam,sgd(momentum=0.9),lion' --learning-rates 1e-4:1e-1:9 -o sweep.png",
    )
    command.add_argument(
        "--optimizers",
        default="sgd,sgd(momentum=0.9),adam,lion",
        help="names or calls with numbers, separated by commas; one that sets its own learning rate is tried at that "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--learning-rates",
        default="1e-4:1:9",
        help="low:high:number, evenly spaced on a logarithmic scale, or a list such as 0.001,0.01 (default: %(default)s)",
    )
    command.add_argument("--seeds", type=int, default=3, help="how many runs of each setting (default: 3)")
    command.add_argument("--steps", type=int, default=300, help="default: 300")
    command.add_argument(
        "--policy",
        choices=("full", "halving", "hyperband"),
        default="full",
        help="full: all run to the end; halving: of each optimizer's settings the best third goes on, from a ninth of the steps; "
        "hyperband: the same, begun early with some and late with others, the rates drawn, evenly spread (default: full)",
    )
    command.add_argument("--folder", help="where the sweep is kept as it goes; the same command goes on from there")
    command.add_argument("--csv", help="a table of all runs (.csv)")
    command.add_argument("--size", choices=("column", "page", "talk"), default="page", help="to be read at (default: page)")
    command.add_argument("-o", "--output", help=f"a picture of loss against rate ({', '.join(PICTURES)}); none by default")
    command.set_defaults(run=_sweep)


def _sweep(given: argparse.Namespace) -> None:
    from gradtx.sweep import on_digits, run

    if given.seeds < 1 or given.steps < 1:
        raise CommandError("--seeds and --steps must be at least 1")
    rates = _rates(given.learning_rates, drawn=given.policy == "hyperband")
    everything = functools.reduce(
        operator.add, [_trials(t, rates, given.seeds) for t in dict.fromkeys(split(given.optimizers))]
    )
    output, table, folder = writable(given.output, *PICTURES), writable(given.csv, ".csv"), _folder(given.folder)
    try:
        policy = _policy(given.policy, given.steps)
        results = run(on_digits(), everything, given.steps, policy=policy, folder=folder, progress=sys.stderr.isatty())
    except (ValueError, TypeError) as error:  # another sweep in the folder; an optimizer that asks for more than there is
        raise CommandError(line(error), 1) from error
    if not len(results.at):
        raise KeyboardInterrupt
    _show(results, given)
    if table is not None:
        results.to_csv(table)
        print(f"Wrote {table} ({len(results)} runs).")
    if output is not None:
        _draw(results, output, given.size)
        print(f"Wrote {output}.")
    if results.interrupted:
        further = "; the same command goes on from there" if folder else "; with --folder it could go on from there"
        raise CommandError(f"stopped after {results.at[-1]} of {given.steps} steps{further}", 130)


def _show(results: Any, given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    labels = results.trials.columns["optimizer"]
    seconds = ", ".join(f"{s:.1f} s {doing}" for doing, s in results.seconds.items())
    table = Table(
        "optimizer", "best rate", "test loss", "accuracy", "diverged", title=f"digits, {len(results)} runs; {seconds}"
    )
    rows = []
    for label in dict.fromkeys(labels):
        lost = f"{(results.status[labels == label] == 'diverged').sum()} of {(labels == label).sum()}"
        try:
            best = results.best(label)
        except ValueError:
            rows.append((math.inf, (label, "", "all rates diverged", "", lost)))
            continue
        right = results.final("accuracy")[best.rows]
        loss = f"{best.score:.4f} ± {best.deviation:.4f}"
        rate = f"{best.values['learning_rate']:.3g}"
        rows.append((best.score, (label, rate, loss, f"{right.mean():.1%} ± {right.std():.1%}", lost)))
    for _, cells in sorted(rows):
        table.add_row(*cells)
    Console().print(table, markup=False)


def _draw(results: Any, output: Path, size: str) -> None:
    from gradtx import plotting
    from gradtx.plotting.style import legend_below, pyplot
    from gradtx.plotting.sweeps import response

    pyplot().switch_backend("Agg")
    with plotting.style(size):
        axes = response(results, "learning_rate")
        axes.get_legend().remove()
        faint = " (faint: stopped early)" if "stopped" in results.status else ""
        axes.set(xlabel=f"learning rate{faint}", ylabel=f"test loss after {results.at[-1]} steps")
        legend_below(axes.figure, axes)
        axes.figure.savefig(output)


def _trials(text: str, rates: dict[str, Any], seeds: int) -> Any:
    from gradtx.sweep import trials

    tx, own = made(text, 1.0), own_rate(text)
    if "learning_rate" not in type(tx)._kinds:
        raise CommandError(f"{text} has no learning rate to sweep: it finds its own")
    axis: dict[str, Any] = rates if own is None else {"learning_rate": [own]}
    try:
        return trials(tx, seeds=seeds, label=text, **axis)
    except (ValueError, TypeError) as error:
        raise CommandError(line(error)) from error


def _rates(text: str, drawn: bool) -> dict[str, Any]:
    """The axis of learning rates, and how it is drawn from if it is."""
    from gradtx.sweep import log, loguniform, sobol, values

    try:
        if drawn or ":" in text:
            low, high, number = text.split(":")
            ends, count = (float(low), float(high)), int(number)
            if count < 1:
                raise ValueError
        else:
            return {"learning_rate": values([float(x) for x in text.split(",")])}
    except ValueError:
        listed = "; hyperband draws from it" if drawn else ", or a list, as in 0.001,0.01"
        raise CommandError(f"--learning-rates {text!r}: give low:high:number, as in 1e-4:1e-1:9{listed}") from None
    try:
        if drawn:
            return {"learning_rate": loguniform(*ends), "samples": count, "sampler": sobol}
        return {"learning_rate": log(*ends, count)}
    except ValueError as error:
        raise CommandError(f"--learning-rates {text!r}: {line(error)}") from error


def _policy(name: str, steps: int) -> Any:
    from gradtx.sweep import apart, full, hyperband, successive_halving

    if name == "full":
        return full()
    start = -(-steps // 9)
    return apart(hyperband(start) if name == "hyperband" else successive_halving(start))


def _folder(text: str | None) -> Path | None:
    if text is None:
        return None
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=text).close()
    except OSError as error:
        raise CommandError(f"can't write in {text!r}: {error.strerror}", 1) from error
    return Path(text)
