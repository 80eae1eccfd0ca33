"""`python -m gradtx.cli`."""

from gradtx.cli import run

run()
