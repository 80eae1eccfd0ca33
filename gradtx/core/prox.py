"""What a proximal map is."""

from __future__ import annotations

from typing import Any

from gradtx.core.node import Node
from gradtx.core.trees import Tree


class Prox(Node):
    """A proximal map $\\operatorname{prox}_{\\eta h}(v) = \\arg\\min_x\\, h(x) + \\frac{1}{2\\eta}\\|x - v\\|^2$ of a penalty $h$; a projection if $h$ is 0 on a set and infinite elsewhere.

    Subclasses define `apply(x, step)` for one array in float32 or wider.
    """

    def apply(self, x: Any, step: Any) -> Any:
        """The map at one array with the step $\\eta$."""
        raise NotImplementedError(f"{type(self).__name__} must define apply(x, step).")

    def penalty(self, params: Tree) -> Any:
        """The penalty $h$ of a tree; 0 for a projection."""
        return 0.0
