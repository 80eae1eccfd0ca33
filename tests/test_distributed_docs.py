"""What docs/distributed.md shows is what happens."""

import doctest
import pathlib

import pytest

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "distributed.md"


def test_every_block_of_the_page_runs():
    pytest.importorskip("orbax.checkpoint")
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert tried > 25
