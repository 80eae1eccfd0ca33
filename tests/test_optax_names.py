"""Nothing of Optax is missing without a word: its names and arguments against ours and docs/optax.md."""

import inspect
import re
import types
import warnings
from pathlib import Path

import pytest

import gradtx

optax = pytest.importorskip("optax")
import optax.contrib  # noqa: E402, F811
import optax.tree  # noqa: E402

PAGE = (Path(__file__).parents[1] / "docs" / "optax.md").read_text()
NAMES, ARGUMENTS = (set(re.findall(r"`(\w+)`", part)) for part in PAGE.split("## Arguments that differ"))
MODULES = (optax, optax.contrib, optax.tree)


def public(module):
    return [n for n in dir(module) if not n.startswith("_") and not isinstance(getattr(module, n), types.ModuleType)]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_every_name_is_here_or_on_the_page(module):
    assert [n for n in public(module) if n not in NAMES and not hasattr(gradtx, n)] == []


def arguments(f):
    return [(p.name, p.default) for p in inspect.signature(f).parameters.values()]


def same_default(a, b):
    return a is b or a == b or str(a) == getattr(b, "__name__", None)


SHARED = sorted(
    {n for m in MODULES[:2] for n in public(m) if n[0].islower() and callable(getattr(gradtx, n, None)) and n not in ARGUMENTS}
)


@pytest.mark.parametrize("name", SHARED)
def test_arguments_and_defaults_are_optaxs(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optax's own deprecations
        theirs = getattr(optax.contrib, name, None) or getattr(optax, name)
    ours, wanted = arguments(getattr(gradtx, name)), arguments(theirs)
    assert [n for n, _ in ours[: len(wanted)]] == [n for n, _ in wanted]
    assert [n for (n, a), (_, b) in zip(ours, wanted, strict=False) if not same_default(a, b)] == []
