"""Where and with what a figure was measured."""

import datetime
import importlib.metadata
import os
import pathlib
import platform

RESULTS = pathlib.Path(__file__).parent / "results"


def machine():
    versions = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "optax", "numpy")}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": versions,
    }
