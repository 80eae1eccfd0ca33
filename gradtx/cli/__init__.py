"""The command line: a file a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from gradtx.cli import listing, race, show, sweep
from gradtx.cli.errors import CommandError, line


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
        extra = {"rich": "cli", "matplotlib": "plot", "sklearn": "data"}.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(f"gradtx: {error.name} is missing: pip install 'gradtx[{extra}]'", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `gradtx list | head`
        sys.stderr.close()
    except OSError as error:  # a disk that is full, say
        print(f"gradtx: {line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gradtx: stopped", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """What reads the arguments; the command to run is in `run`."""
    top = _Parser(
        prog="gradtx", description="Optimizers as values: list them, look into them, let them race, sweep their learning rates."
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="command", parser_class=_Parser)
    for command in (listing, show, race, sweep):
        command.add(commands)
    return top


def run() -> NoReturn:
    """What the installed command calls."""
    sys.exit(main())
