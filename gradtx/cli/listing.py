"""`gradtx list`."""

from __future__ import annotations

import argparse
from typing import Any

from gradtx.cli.errors import CommandError
from gradtx.cli.mathematics import plain
from gradtx.cli.names import optimizers


def add(commands: Any) -> None:
    """The arguments of the command, and what runs it."""
    command = commands.add_parser("list", help="all optimizers, one line each", description="All optimizers, one line each.")
    command.add_argument("word", nargs="?", default="", help="only those in whose name or description it occurs")
    command.set_defaults(run=_list)


def _list(given: argparse.Namespace) -> None:
    from rich.console import Console

    rows = {name: plain(_summary(made)) for name, made in optimizers().items()}
    word = given.word.lower()
    rows = {name: line for name, line in sorted(rows.items()) if word in name or word in line.lower()}
    if not rows:
        raise CommandError(f"no optimizer's name or description has {given.word!r} in it", 1)
    console, width = Console(), max(map(len, rows))
    for name, line in rows.items():
        text = f"{name:<{width}}  {line}"
        if console.is_terminal:
            console.print(text, no_wrap=True, overflow="ellipsis", crop=True, highlight=False, markup=False)
        else:  # the whole of it, for a pipe
            print(text)


def _summary(kind: Any) -> str:
    """The first line of the docstring, up to the equation."""
    return (kind.__doc__ or "").strip().splitlines()[0]
