"""Optimizers by name, or by a call with literal arguments."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from gradtx.cli.errors import CommandError, line, meant


def optimizers() -> dict[str, Any]:
    """The named optimizers of the library: recipes with a learning rate that are steps of their own, and no pieces of others."""
    import gradtx

    return {
        name: kind
        for name, kind in vars(gradtx).items()
        if isinstance(kind, type)
        and issubclass(kind, gradtx.Recipe)
        and not {"learning_rate", "max_learning_rate"}.isdisjoint(kind._kinds)
        and kind.__module__.startswith("gradtx.optimizers.")
        and not name.startswith("scale_by_")
    }


def made(text: str, learning_rate: float) -> Any:
    """The optimizer that a name or a call with literal arguments stands for."""
    return bound(text, learning_rate)[1]()


def bound(text: str, learning_rate: float) -> tuple[Any, Any, list[str]]:
    """The kind of optimizer, a function that makes it, and the arguments that it needs and has not got."""
    name, arguments, keywords = _parsed(text)
    there = optimizers()
    kind = there.get(name.replace("-", "_").lower())
    if kind is None:
        raise CommandError(f"no optimizer is called {name!r}{meant(name, there)}; `gradtx list` has them all")
    parameters = inspect.signature(kind).parameters
    required = [n for n, p in parameters.items() if p.default is p.empty][len(arguments) :]
    # Adadelta, and the methods that find their rate themselves, have one of their own.
    if "learning_rate" in required:
        keywords.setdefault("learning_rate", learning_rate)

    def make() -> Any:
        try:
            return kind(*arguments, **keywords)
        except (TypeError, ValueError) as error:
            raise CommandError(line(error)) from error

    return kind, make, [n for n in required if n not in keywords]


def own_rate(text: str) -> float | None:
    """The learning rate that a call sets; None if it leaves it open."""
    name, arguments, keywords = _parsed(text)
    kind = optimizers()[name.replace("-", "_").lower()]
    return inspect.signature(kind).bind_partial(*arguments, **keywords).arguments.get("learning_rate")


def split(text: str) -> list[str]:
    """At the commas outside parentheses."""
    parts = [p.strip() for p in re.split(r",(?![^()]*\))", text)]
    if not all(parts):
        raise CommandError(f"--optimizers {text!r}: there is an empty name in it")
    return parts


def _parsed(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """A name, or a call with literal arguments."""
    try:
        node = ast.parse(text.strip().replace("-", "_") if "(" not in text else text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and all(k.arg for k in node.keywords):
            values = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
            return node.func.id, [ast.literal_eval(a) for a in node.args], values
    except (SyntaxError, ValueError):
        pass
    raise CommandError(f"{text!r} is neither the name of an optimizer nor a call such as 'sgd(momentum=0.9)'")
