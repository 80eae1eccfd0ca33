"""Every notebook runs from top to bottom: at reduced size, in full in `make test-all`. They are stored without output."""

import json
import pathlib
import sys
import types

import pytest

from tests.conftest import FULL

pytest.importorskip("matplotlib").use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

NOTEBOOKS = sorted((pathlib.Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
# In place of the cell that is tagged "parameters".
REDUCED = {
    "1_one_frame": "steps = 100",
    "2_momentum_and_nesterov": "steps, n = 200, 12",
    "3_adaptive_rates": "steps, n = 300, 15",
    "4_composing": "steps = 100",
    "5_hypergradients": "steps, rounds = 50, 8",
    "6_sweeping": "steps, n, seeds = 60, 4, 2",
    "7_second_order": "sizes = (10, 30)",
    "8_many_workers": "steps, seeds, crowds = 100, 2, (4,)",
}


def test_there_are_notebooks():
    assert {n.stem for n in NOTEBOOKS} == set(REDUCED)


@pytest.mark.lenient  # as a reader's session is
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_runs_from_top_to_bottom(path, monkeypatch):
    cells = json.loads(path.read_text())["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert sum("parameters" in c["metadata"].get("tags", ()) for c in cells) == 1
    session = types.ModuleType("__main__")  # where pickle looks for what a notebook defines
    monkeypatch.setitem(sys.modules, "__main__", session)
    try:
        for i, cell in enumerate(cells):
            if cell["cell_type"] != "code":
                continue
            assert cell["outputs"] == []
            source = "".join(cell["source"])
            if "parameters" in cell["metadata"].get("tags", ()) and not FULL:
                source = REDUCED[path.stem]
            exec(compile(source, f"{path.name}, cell {i}", "exec"), vars(session))
    finally:
        plt.close("all")
