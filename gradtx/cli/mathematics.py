"""Equations on a terminal."""

from __future__ import annotations

import re

_SIGNS = {
    **{
        name: chr(0x3B1 + i)
        for i, name in enumerate(
            ["alpha", "beta", "gamma", "delta", "_", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi"]
        )
    },
    **dict(
        rho="ρ", sigma="σ", tau="τ", phi="φ", psi="ψ", varepsilon="ε", epsilon="ε", Delta="Δ", Theta="Θ", leftarrow="←", to="→"
    ),
    **dict(
        cdot="·", odot="⊙", le="≤", ge="≥", sum="Σ", prod="Π", infty="∞", nabla="∇", langle="⟨", rangle="⟩", dots="…", ldots="…"
    ),
    **dict(top="ᵀ", times="×", sim="~", approx="≈", circ="∘", quad=" ", mid="|", in_="∈"),
}


def plain(text: str) -> str:
    """The mathematics of a docstring as one reads it on a terminal: `\\\\sqrt{\\\\hat\\\\nu}` as √(ν̂)."""
    text = text.replace("$", "").replace("`", "").replace("\\,", " ").replace("\\|", "‖").replace("\\;", " ")
    text = re.sub(r"\\operatorname\{(\w+)\}\s*(?=[\\a-zA-Z])", r"\1 ", text)
    text = re.sub(r"\\frac(\d)(\w)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\(?:left|right|big|Big|operatorname|mathrm|text|mathbf|mathcal)(?![a-zA-Z])\s*", "", text)
    text = re.sub(r"\\([a-zA-Z]+)", lambda m: _SIGNS.get(m.group(1), m.group(0)), text)
    text = re.sub(
        r"\\(hat|bar|tilde)\s*\{?(\w)\}?", lambda m: m.group(2) + {"hat": "̂", "bar": "̄", "tilde": "̃"}[m.group(1)], text
    )
    for _ in range(4):  # inside out
        text = re.sub(r"\\t?d?frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1) / (\2)", text)
        text = re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", text)
        text = re.sub(
            r"([_^])\{([^{}]*)\}", lambda m: m.group(1) + (m.group(2) if len(m.group(2)) == 1 else f"({m.group(2)})"), text
        )
    return re.sub(r"\\sqrt\s*", "√", text).replace("\\", "").replace("{", "").replace("}", "")
