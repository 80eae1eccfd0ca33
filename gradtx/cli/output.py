"""Files to be written."""

from __future__ import annotations

from pathlib import Path

from gradtx.cli.errors import CommandError

FILMS, PICTURES = (".gif", ".mp4", ".html"), (".png", ".pdf", ".svg")


def writable(output: str | None, *endings: str) -> Path | None:
    """The path, if something can be written there: found out before the work, and not after it."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix.lower() not in endings:
        raise CommandError(f"{output!r}: the ending must be {'one of ' if len(endings) > 1 else ''}{', '.join(endings)}")
    there = path.exists()
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise CommandError(f"can't write {output!r}: {error.strerror}", 1) from error
    return path
