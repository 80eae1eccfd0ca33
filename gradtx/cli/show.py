"""`gradtx show adam`."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterable
from typing import Any

from gradtx.cli.mathematics import plain
from gradtx.cli.names import bound


def add(commands: Any) -> None:
    """The arguments of the command, and what runs it."""
    command = commands.add_parser(
        "show",
        help="one optimizer: equation, defaults, composition, source",
        description="One optimizer: its equation, its arguments with their defaults, what it is composed of, its source.",
    )
    command.add_argument("optimizer", help="its name, as in `gradtx list`, or a call: 'sgd(momentum=0.9)'")
    command.set_defaults(run=_show)


def _show(given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.syntax import Syntax

    kind, call, missing = bound(given.optimizer, 0.001)
    pieces = [f"give it {' and '.join(missing)}: '{kind.__name__}({missing[0]}=…)'"] if missing else list(composition(call()))
    console = Console()
    body, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("\nArgs:")
    console.print(f"[bold]{kind.__name__}[/bold]", highlight=False)
    console.print(plain(body).strip() + "\n", highlight=False, markup=False)
    console.print("[bold]arguments[/bold]")
    for name, parameter in inspect.signature(kind).parameters.items():
        default = "required" if parameter.default is parameter.empty else repr(parameter.default)
        console.print(f"  {name:<20}{default}", highlight=False, markup=False)
    console.print("\n[bold]composed of[/bold]")
    for line in pieces:
        console.print(f"  {line}", highlight=False, markup=False)
    if references := re.search(r"References:\n(.*?)(?:\n\n|\Z)", rest, re.DOTALL):
        console.print("\n[bold]from[/bold]")
        console.print(f"  {' '.join(references.group(1).split())}", highlight=False, markup=False)
    file, first = inspect.getsourcefile(kind.rule), inspect.getsourcelines(kind.rule)[1]
    console.print(f"\n[bold]source[/bold]  {file}:{first}", highlight=False, soft_wrap=True)
    console.print(
        Syntax(_without_docstring(inspect.getsource(kind.rule)), "python", background_color="default", word_wrap=True)
    )


def composition(tx: Any, depth: int = 0) -> Iterable[str]:
    """What an optimizer is composed of, a line a piece, recipes opened up."""
    import gradtx

    margin = "  " * depth
    if isinstance(tx, gradtx.Recipe):
        if depth:
            yield f"{margin}{tx!r}, which is"
        yield from composition(tx.resolve(0).compose(), depth + bool(depth))
        return
    inner = {n: v for n in tx._data if _has_parts(v := getattr(tx, n))}
    if not inner:
        yield f"{margin}{tx!r}"
        return
    label = f" {tx.name!r}" if isinstance(tx, gradtx.named) else ""
    numbers = [f"{n}={getattr(tx, n)!r}" for n in tx._data if n not in inner]
    yield f"{margin}{type(tx).__name__}{label}{' with ' + ', '.join(numbers) if numbers else ''}"
    for name, value in inner.items():
        parts = value if isinstance(value, tuple) else (value,)
        if len(inner) > 1:
            yield f"{margin}  {name}:"
        for part in parts:
            yield from composition(part, depth + 1 + (len(inner) > 1))


def _has_parts(value: Any) -> bool:
    import gradtx

    return isinstance(value, gradtx.Transform) or (
        isinstance(value, tuple) and bool(value) and all(isinstance(v, gradtx.Transform) for v in value)
    )


def _without_docstring(source: str) -> str:
    return re.sub(r'\n\s*""".*?"""', "", source, count=1, flags=re.DOTALL)
