"""The table of a sweep in other libraries' hands."""

import numpy as np
import pytest

import gradtx
from gradtx.problems import rosenbrock
from gradtx.sweep import minimizing, run, trials, values


def swept():
    """Numbers, truth values, schedules and labels; columns that some trials lack; one that diverges."""
    rates = values(gradtx.cosine_decay_schedule(1e-3, 30), 1e-3)
    t = trials(gradtx.adam, learning_rate=rates, nesterov=[False, True], extra={"layers": [1]})
    t += trials(gradtx.sgd, learning_rate=[1e-4, 1e3], extra={"l2": [0.1], "mixed": [1, 2.5]})
    return run(minimizing(rosenbrock), t, steps=60)


def test_a_pandas_frame_is_the_table(tmp_path):
    pytest.importorskip("pandas")
    results = swept()
    frame, table = results.to_pandas(), results.table()
    assert list(frame) == list(table)
    assert len(frame) == 8
    for name, column in table.items():
        for got, wanted in zip(frame[name], column, strict=True):
            assert got == wanted or (got != got and (wanted is None or wanted != wanted)), name
    assert frame["loss"].dtype == np.float32
    assert (frame.groupby("optimizer")["steps"].max() == 60).all()


def test_a_parquet_file_is_the_table(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    results = swept()
    results.to_parquet(tmp_path / "sweep.parquet")
    read, table = pyarrow.parquet.read_table(tmp_path / "sweep.parquet"), results.table()
    assert read.column_names == list(table)
    kinds = {n: str(read.schema.field(n).type) for n in table}
    assert kinds["l2"] == kinds["mixed"] == "double"
    assert kinds["layers"] == kinds["seed"] == kinds["steps"] == "int64"
    assert kinds["nesterov"] == "bool"
    assert kinds["loss"] == "float"
    assert kinds["status"] in ("string", "large_string")
    for name, column in table.items():
        wanted = [x if x is None or kinds[name] in ("bool", "float", "double", "int64") else str(x) for x in column]
        np.testing.assert_equal(read[name].to_pylist(), wanted, err_msg=name)
