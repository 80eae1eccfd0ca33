"""What goes wrong, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CommandError(Exception):
    """What is told in one line; `code` is the exit code: 2 for a wrong command, 1 for what went wrong on the way."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


def meant(name: str, names: Iterable[str]) -> str:
    """The nearest name, as a question to end a message with; nothing if none is near."""
    near = difflib.get_close_matches(name.replace("-", "_").lower(), list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def line(error: Exception) -> str:
    """Its message without line breaks."""
    return " ".join(str(error).split())
