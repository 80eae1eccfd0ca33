"""`gradtx race --problem saddle --optimizers sgd,nesterov,adam -o race.gif`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gradtx.cli.errors import CommandError, line, meant
from gradtx.cli.names import made, split
from gradtx.cli.output import FILMS, PICTURES, writable


def add(commands: Any) -> None:
    """The arguments of the command, and what runs it."""
    command = commands.add_parser(
        "race",
        help="draw optimizers on a function, as a film or a picture",
        description="Draws the paths of optimizers on a function of two variables, and prints where each ends.",
        epilog="example: gradtx race --problem saddle --optimizers 'sgd,sgd(momentum=0.9),adam' --learning-rate 0.01 -o race.gif",
    )
    command.add_argument(
        "--problem", required=True, help="a function of two variables, as in gradtx.problems: saddle, beale, …"
    )
    command.add_argument("--optimizers", required=True, help="names or calls with numbers, separated by commas")
    command.add_argument("--learning-rate", type=float, default=0.01, help="of those that don't set their own (default: 0.01)")
    command.add_argument("--steps", type=int, default=200, help="default: 200")
    command.add_argument("--start", help="x,y; the problem's own by default")
    command.add_argument("--noise", type=float, default=0.0, help="the size of noise added to each gradient (default: 0)")
    command.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    command.add_argument("--on", choices=("contours", "surface"), default="contours", help="default: contours")
    command.add_argument("--frames", type=int, default=60, help="of a film (default: 60)")
    command.add_argument("--size", choices=("column", "page", "talk"), default="page", help="to be read at (default: page)")
    command.add_argument(
        "-o", "--output", help=f"a film ({', '.join(FILMS)}) or a picture ({', '.join(PICTURES)}); none by default"
    )
    command.set_defaults(run=_race)


def _race(given: argparse.Namespace) -> None:
    import jax
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from gradtx import problems

    output = writable(given.output, *FILMS, *PICTURES)
    problem = _problem(given.problem)
    named = {text: made(text, given.learning_rate) for text in split(given.optimizers)}
    if given.steps < 1 or given.frames < 1:
        raise CommandError("--steps and --frames must be at least 1")
    start = problem.start if given.start is None else _point(given.start)
    key = None
    if given.noise:
        if given.noise < 0:
            raise CommandError("--noise must not be negative")
        problem, key = problems.noisy(problem, given.noise), jax.random.key(given.seed)

    from gradtx.plotting.runs import paths

    try:
        runs = paths(problem, named, start, given.steps, key)
    except (ValueError, TypeError) as error:  # an optimizer that needs more than a function of the parameters gives
        raise CommandError(line(error), 1) from error
    table = Table("optimizer", "ends at", "value", "diverged", title=f"{problem.name}, {given.steps} steps")
    for name, run in runs.items():
        end = ", ".join(f"{x:.5g}" for x in run.points[-1])
        gone = int(run.diverged_at)
        table.add_row(name, f"({end})", f"{np.asarray(run.values)[-1]:.5g}", "" if gone < 0 else f"at step {gone}")
    Console().print(table)
    if output is not None:
        _draw(given, output, problem, named, start, key)
        print(f"Wrote {output}.")


def _draw(given: argparse.Namespace, output: Path, problem: Any, named: dict[str, Any], start: Any, key: Any) -> None:
    from gradtx import plotting
    from gradtx.plotting.style import pyplot

    pyplot().switch_backend("Agg")
    try:
        with plotting.style(given.size):
            if output.suffix.lower() in FILMS:
                more = dict(on=given.on, frames=given.frames, key=key, progress=sys.stderr.isatty())
                plotting.animate(problem, named, output, start, given.steps, **more)
            else:
                draw = plotting.contours if given.on == "contours" else plotting.surface
                draw(problem, named, start, given.steps, key=key).savefig(output)
    except (OSError, RuntimeError, ValueError) as error:
        raise CommandError(line(error), 1) from error


def _problem(name: str) -> Any:
    from gradtx import problems

    there = {n: p for n, p in vars(problems).items() if isinstance(p, problems.Problem)}
    flat = sorted(n for n, p in there.items() if p.dimension == 2)
    problem = there.get(name.replace("-", "_").lower())
    if problem is None:
        raise CommandError(f"no problem is called {name!r}{meant(name, flat)}; there are {', '.join(flat)}")
    if problem.dimension != 2:
        raise CommandError(f"{name} has {problem.dimension} dimensions, and a race takes two: {', '.join(flat)}")
    return problem


def _point(text: str) -> tuple[float, ...]:
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise CommandError(f"--start {text!r}: give two numbers, as in --start=1.0,-0.5") from None
    return x, y
