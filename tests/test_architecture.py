"""The rules that hold the library together: who imports whom, what is final, what every public name and optimizer must have."""

import ast
import importlib
import inspect
import pkgutil
import sys
import types
from pathlib import Path

import pytest

import gradtx
from gradtx.core.node import Node
from gradtx.core.recipe import walk
from gradtx.testing import PROPERTIES
from tests import test_every_optimizer
from tests.optimizers import TABLE

PACKAGE = Path(gradtx.__file__).parent

# Which rooms a room may import besides itself and `typing`, which all may. Rooms are folders, or files beside `__init__.py`.
ROOMS = {
    "core": "",
    "typing": "core",
    "transforms": "core",
    "schedules": "core",
    "combinators": "core",
    "optimizers": "core transforms combinators schedules",
    "curvature": "core transforms combinators",
    "problems": "core",
    "solve": "core curvature",
    "distributed": "core transforms combinators optimizers",
    "sweep": "core problems solve training",
    "training": "core transforms combinators",
    "interop": "core transforms combinators optimizers",
    "testing": "core transforms combinators optimizers",
    "plotting": "core problems solve sweep training",
    # The public names. The outer rooms are imported when asked for.
    "__init__": "core transforms combinators schedules optimizers curvature solve",
    # May import everything, the package itself included.
    "cli": "core transforms combinators schedules optimizers curvature problems solve distributed sweep training interop testing "
    "plotting __init__",
}

# Other libraries, and the only rooms that may import them. Any that isn't here may not be imported at all.
LIBRARIES = {
    "jax": " ".join(r for r in ROOMS if r != "optimizers"),
    "numpy": " ".join(ROOMS),
    "chex": "testing",
    "optax": "interop",
    "flax": "training",
    "orbax": "training",
    "sklearn": "training sweep",
    "scipy": "sweep",
    "matplotlib": "plotting",
    "mpl_toolkits": "plotting",
    "plotly": "plotting",
    "PIL": "plotting",  # which matplotlib brings
    "rich": "cli training",
}


def imported(module, source):
    """The dotted names that a module imports, anywhere in it; `from gradtx import x` counts as `gradtx.x`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            yield from (f"{base}.{alias.name}" if base == "gradtx" else base for alias in node.names)


def forbidden(module, source):
    """What a module imports and may not."""
    room = module.split(".")[1]
    for name in imported(module, source):
        library, below = name.split(".")[0], name.partition(".")[2].split(".")[0]
        if library == "gradtx":
            # A name taken from the package itself, and not from a room, brings the whole of it.
            other = below if below in ROOMS else "__init__"
            if other not in {room, "typing", *ROOMS[room].split()}:
                yield f"{module}: {name}"
        elif library not in sys.stdlib_module_names and room not in LIBRARIES.get(library, "").split():
            yield f"{module}: {name}"


def modules():
    """Every module of the package by dotted name, packages with their `__init__`, and its file."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [(".".join(["gradtx", *file.relative_to(PACKAGE).with_suffix("").parts]), file) for file in files]


def test_every_room_is_in_the_table():
    there = {f.stem for f in PACKAGE.iterdir() if f.suffix == ".py" or (f / "__init__.py").exists()}
    assert there <= set(ROOMS)


@pytest.mark.parametrize(("module", "file"), modules(), ids=lambda x: x if isinstance(x, str) else "")
def test_imports_only_what_its_room_may(module, file):
    assert list(forbidden(module, file.read_text())) == []


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("gradtx.core.node", "import gradtx.transforms.bias", True),
        ("gradtx.core.node", "def f():\n    from gradtx.combinators.chain import chain", True),
        ("gradtx.core.node", "from gradtx.core.fields import Kind", False),
        ("gradtx.core.node", "from gradtx.typing import Decay", False),
        ("gradtx.core.node", "import gradtx", True),
        ("gradtx.transforms.bias", "from gradtx import chain", True),
        ("gradtx.transforms.bias", "from gradtx.schedules.basic import progress", True),
        ("gradtx.transforms.bias", "from ..combinators import chain", True),
        ("gradtx.transforms.bias", "from . import pointwise", False),
        ("gradtx.combinators.chain", "import optax", True),
        ("gradtx.combinators.chain", "import pandas", True),
        ("gradtx.optimizers.adam", "import jax.numpy as jnp", True),
        ("gradtx.optimizers.adam", "from gradtx.schedules.basic import linear_schedule", False),
        ("gradtx.optimizers.adam", "from gradtx.problems import beale", True),
        ("gradtx.training.loop", "import flax.linen as nn", False),
        ("gradtx.training.loop", "import gradtx.sweep.engine", True),
        ("gradtx.sweep.engine", "import flax", True),
        ("gradtx.sweep.engine", "import gradtx.training.loop", False),
        ("gradtx.plotting.contours", "import matplotlib.pyplot as plt", False),
        ("gradtx.solve.minimize", "import matplotlib.pyplot as plt", True),
        ("gradtx.interop.from_optax", "import optax", False),
        ("gradtx.__init__", "from gradtx.plotting import contours", True),
        ("gradtx.__init__", "from gradtx import typing", False),
        ("gradtx.cli", "import gradtx", False),
    ],
)
def test_the_reading_of_imports_tells_right_from_wrong(module, line, wrong):
    assert bool(list(forbidden(module, line))) is wrong


def public():
    """The public names, modules left out."""
    return {n: v for n, v in vars(gradtx).items() if not n.startswith("_") and not isinstance(v, types.ModuleType)}


def classes():
    return {n: v for n, v in public().items() if isinstance(v, type) and issubclass(v, Node)}


# Those from which users derive their own; every other class is final.
ABSTRACT = {"Transform", "Pointwise", "Accumulator", "Recipe", "Schedule", "Prox"}


@pytest.mark.parametrize("name", sorted(set(classes()) - ABSTRACT))
def test_concrete_classes_are_final(name):
    # Every module must be there for its subclasses to be known; what needs an extra that isn't installed is left out.
    for module in pkgutil.walk_packages([str(PACKAGE)], "gradtx."):
        if not module.name.startswith("gradtx.cli"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as missing:
                if (missing.name or "").split(".")[0] == "gradtx":
                    raise
    assert [c.__qualname__ for c in classes()[name].__subclasses__()] == []


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_name_has_a_docstring_and_an_example(name):
    value = public()[name]
    doc = vars(value).get("__doc__") if isinstance(value, type) else value.__doc__
    assert doc, "no docstring of its own"
    state = isinstance(value, type) and issubclass(value, tuple)
    if name not in ABSTRACT and not state:
        assert "Example:" in doc
        assert ">>> " in doc
    assert not inspect.cleandoc(doc).startswith(f"{name}(")


def optimizers():
    return {n: c for n, c in classes().items() if issubclass(c, gradtx.Recipe) and "learning_rate" in c._kinds}


@pytest.mark.parametrize("name", sorted(optimizers()))
def test_every_optimizer_has_a_row_and_stands_in_its_room(name):
    cls = optimizers()[name]
    assert cls.__module__.startswith(("gradtx.optimizers.", "gradtx.curvature."))
    assert any(isinstance(part, cls) for row in TABLE for part in walk(row.tx)), "no row in tests/optimizers.py"


def test_there_are_optimizers_to_check():
    assert {"sgd", "adam", "lion", "rmsprop"} <= set(optimizers())


@pytest.mark.parametrize("i", range(len(TABLE)), ids=lambda i: TABLE[i].name)
def test_every_row_is_complete(i):
    row = TABLE[i]
    assert [r.name for r in TABLE].count(row.name) == 1, "another row has the same name"
    assert row.reference.__module__.startswith("tests.references."), "the reference must be a loop of its own"
    properties = set(PROPERTIES) | {
        n.removeprefix("test_")
        for n, test in vars(test_every_optimizer).items()
        if n.startswith("test_") and "row" in inspect.signature(test).parameters
    }
    for name, reason in row.exempt.items():
        assert name in properties, f"exempt from {name!r}, which is none of {sorted(properties)}"
        assert reason.strip(), f"no reason to be exempt from {name!r}"


def test_references_use_neither_this_library_nor_its_peers():
    for file in (Path(__file__).parent / "references").glob("*.py"):
        names = {n.split(".")[0] for n in imported(f"tests.references.{file.stem}", file.read_text())}
        assert names <= {"numpy", "tests", "math", "itertools", "functools", "__future__", "scipy"}, file.name
