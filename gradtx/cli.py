"""The command line: `gradtx list`, `gradtx show adam`, `gradtx race --problem saddle --optimizers sgd,nesterov,adam -o race.gif`."""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

FILMS, PICTURES = (".gif", ".mp4", ".html"), (".png", ".pdf", ".svg")


class CommandError(Exception):
    """What is told in one line; `code` is the exit code: 2 for a wrong command, 1 for what went wrong on the way."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the exit code: 0, 1 if something went wrong, 2 if the command is wrong."""
    try:
        given = parser().parse_args(arguments)
        given.run(given)
    except CommandError as error:
        print(f"gradtx: {error}", file=sys.stderr)
        return error.code
    except ModuleNotFoundError as error:
        extra = {"rich": "cli", "matplotlib": "plot"}.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(f"gradtx: {error.name} is missing: pip install 'gradtx[{extra}]'", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `gradtx list | head`
        sys.stderr.close()
    except KeyboardInterrupt:
        print("gradtx: stopped", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    top = _Parser(prog="gradtx", description="Optimizers as values: list them, look into them, let them race.")
    commands = top.add_subparsers(title="commands", required=True, metavar="command", parser_class=_Parser)

    command = commands.add_parser("list", help="all optimizers, one line each", description="All optimizers, one line each.")
    command.add_argument("word", nargs="?", default="", help="only those in whose name or description it occurs")
    command.set_defaults(run=_list)

    command = commands.add_parser(
        "show",
        help="one optimizer: equation, defaults, composition, source",
        description="One optimizer: its equation, its arguments with their defaults, what it is composed of, its source.",
    )
    command.add_argument("optimizer", help="its name, as in `gradtx list`, or a call: 'sgd(momentum=0.9)'")
    command.set_defaults(run=_show)

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
    return top


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


def _show(given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.syntax import Syntax

    kind, call, missing = _bound(given.optimizer, 0.001)
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


def _race(given: argparse.Namespace) -> None:
    import jax
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from gradtx import problems

    output = _writable(given.output)
    problem = _problem(given.problem)
    named = {text: made(text, given.learning_rate) for text in _split(given.optimizers)}
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
        raise CommandError(_line(error), 1) from error
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
        raise CommandError(_line(error), 1) from error


def optimizers() -> dict[str, Any]:
    """The named optimizers of the library: recipes with a learning rate that are steps of their own, and no pieces of others."""
    import gradtx

    return {
        name: kind
        for name, kind in vars(gradtx).items()
        if isinstance(kind, type)
        and issubclass(kind, gradtx.Recipe)
        and not {"learning_rate", "max_learning_rate"}.isdisjoint(kind._kinds)
        and kind.__module__.startswith("gradtx.optimizers.")
        and not name.startswith("scale_by_")
    }


def made(text: str, learning_rate: float) -> Any:
    """The optimizer that a name or a call with literal arguments stands for."""
    return _bound(text, learning_rate)[1]()


def _bound(text: str, learning_rate: float) -> tuple[Any, Any, list[str]]:
    """The kind of optimizer, a function that makes it, and the arguments that it needs and has not got."""
    name, arguments, keywords = _parsed(text)
    there = optimizers()
    kind = there.get(name.replace("-", "_").lower())
    if kind is None:
        raise CommandError(f"no optimizer is called {name!r}{_meant(name, there)}; `gradtx list` has them all")
    parameters = inspect.signature(kind).parameters
    required = [n for n, p in parameters.items() if p.default is p.empty][len(arguments) :]
    # Adadelta, and the methods that find their rate themselves, have one of their own.
    if "learning_rate" in required:
        keywords.setdefault("learning_rate", learning_rate)

    def make() -> Any:
        try:
            return kind(*arguments, **keywords)
        except (TypeError, ValueError) as error:
            raise CommandError(_line(error)) from error

    return kind, make, [n for n in required if n not in keywords]


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


_SIGNS = {
    **{
        name: chr(0x3B1 + i)
        for i, name in enumerate(
            ["alpha", "beta", "gamma", "delta", "_", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi"]
        )
    },
    **dict(
        rho="ρ", sigma="σ", tau="τ", phi="φ", psi="ψ", varepsilon="ε", epsilon="ε", Delta="Δ", Theta="Θ", leftarrow="←", to="→"
    ),
    **dict(
        cdot="·", odot="⊙", le="≤", ge="≥", sum="Σ", prod="Π", infty="∞", nabla="∇", langle="⟨", rangle="⟩", dots="…", ldots="…"
    ),
    **dict(top="ᵀ", times="×", sim="~", approx="≈", circ="∘", quad=" ", mid="|", in_="∈"),
}


def plain(text: str) -> str:
    """The mathematics of a docstring as one reads it on a terminal: `\\\\sqrt{\\\\hat\\\\nu}` as √(ν̂)."""
    text = text.replace("$", "").replace("`", "").replace("\\,", " ").replace("\\|", "‖").replace("\\;", " ")
    text = re.sub(r"\\operatorname\{(\w+)\}\s*(?=[\\a-zA-Z])", r"\1 ", text)
    text = re.sub(r"\\frac(\d)(\w)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\(?:left|right|big|Big|operatorname|mathrm|text|mathbf|mathcal)(?![a-zA-Z])\s*", "", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda m: _SIGNS.get(m.group(1), m.group(0)), text)
    text = re.sub(
        r"\\(hat|bar|tilde)\s*\{?(\w)\}?", lambda m: m.group(2) + {"hat": "̂", "bar": "̄", "tilde": "̃"}[m.group(1)], text
    )
    for _ in range(4):  # inside out
        text = re.sub(r"\\t?d?frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1) / (\2)", text)
        text = re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", text)
        text = re.sub(
            r"([_^])\{([^{}]*)\}", lambda m: m.group(1) + (m.group(2) if len(m.group(2)) == 1 else f"({m.group(2)})"), text
        )
    return re.sub(r"\\sqrt\s*", "√", text).replace("\\", "").replace("{", "").replace("}", "")


def _summary(kind: Any) -> str:
    """The first line of the docstring, up to the equation."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def _without_docstring(source: str) -> str:
    return re.sub(r'\n\s*""".*?"""', "", source, count=1, flags=re.DOTALL)


def _split(text: str) -> list[str]:
    """At the commas outside parentheses."""
    parts = [p.strip() for p in re.split(r",(?![^()]*\))", text)]
    if not all(parts):
        raise CommandError(f"--optimizers {text!r}: there is an empty name in it")
    return parts


def _parsed(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """A name, or a call with literal arguments."""
    try:
        node = ast.parse(text.strip().replace("-", "_") if "(" not in text else text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and all(k.arg for k in node.keywords):
            values = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
            return node.func.id, [ast.literal_eval(a) for a in node.args], values
    except (SyntaxError, ValueError):
        pass
    raise CommandError(f"{text!r} is neither the name of an optimizer nor a call such as 'sgd(momentum=0.9)'")


def _problem(name: str) -> Any:
    from gradtx import problems

    there = {n: p for n, p in vars(problems).items() if isinstance(p, problems.Problem)}
    flat = sorted(n for n, p in there.items() if p.dimension == 2)
    problem = there.get(name.replace("-", "_").lower())
    if problem is None:
        raise CommandError(f"no problem is called {name!r}{_meant(name, flat)}; there are {', '.join(flat)}")
    if problem.dimension != 2:
        raise CommandError(f"{name} has {problem.dimension} dimensions, and a race takes two: {', '.join(flat)}")
    return problem


def _point(text: str) -> tuple[float, ...]:
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        raise CommandError(f"--start {text!r}: give two numbers, as in --start=1.0,-0.5") from None
    return x, y


def _writable(output: str | None) -> Path | None:
    """The path, if something can be written there: found out before the work, and not after it."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix.lower() not in FILMS + PICTURES:
        raise CommandError(f"{output!r}: the ending must be one of {', '.join(FILMS + PICTURES)}")
    there = path.exists()
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise CommandError(f"can't write {output!r}: {error.strerror}", 1) from error
    return path


def _meant(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.replace("-", "_").lower(), list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def run() -> NoReturn:
    """What the installed command calls."""
    sys.exit(main())


if __name__ == "__main__":
    run()
