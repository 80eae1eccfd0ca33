"""Properties under JAX's control: compiled or not, in `cond` and `scan`, and with extra arguments passing through."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from gradtx.combinators.chain import chain
from gradtx.core.transform import Transform
from gradtx.core.trees import Tree
from gradtx.core.updates import apply_updates
from gradtx.testing.expect import expect, expect_close, expect_types
from gradtx.testing.problem import RIPPLES
from gradtx.testing.subject import Subject


def eager_equals_compiled(s: Subject) -> None:
    """Three steps, once eagerly and once compiled, give the same updates and state: nothing depends on when Python runs it."""
    params = s.start()
    compiled = jax.jit(lambda grads, state: s.update(grads, state, params))
    one = two = s.tx.init(params)
    for t in range(3):
        grads = RIPPLES.gradient(params, jnp.asarray(t))
        (eager, one), (traced, two) = s.update(grads, one, params), compiled(grads, two)
        expect_close(eager, traced, f"step {t} eagerly and compiled", 1e-5, 1e-6)
        expect_close(one, two, f"the state after step {t} eagerly and compiled", 1e-5, 1e-6)


def carried_by_scan(s: Subject) -> None:
    """`lax.scan` carries parameters and state, in bfloat16 too."""
    params = s.tree("bfloat16")

    def step(carry: tuple[Tree, Any], _: None) -> tuple[tuple[Tree, Any], None]:
        x, state = carry
        updates, state = s.update(x, state, x)
        return (apply_updates(x, updates), state), None

    carry = (params, s.tx.init(params))
    after = jax.eval_shape(lambda c: jax.lax.scan(step, c, None, 2)[0], carry)
    expect_types(after, carry, "what scan carries")


def carried_by_cond(s: Subject) -> None:
    """`lax.cond` can choose between a step and none."""
    params = s.start("bfloat16")
    state = s.tx.init(params)

    @jax.jit
    def maybe(go: Any, state: Any) -> Any:
        still = jax.tree.map(jnp.zeros_like, params)
        return jax.lax.cond(go, lambda s_: s.update(params, s_, params), lambda s_: (still, s_), state)

    for go in (True, False):
        step = int(maybe(go, state)[1].step)
        expect(step == int(go), f"after {'a' if go else 'no'} step the counter is {step}.")


class listener(Transform):
    """Hands updates on, and remembers whether it heard the extra argument."""

    heard: Any  # a list: static and compared by identity, so that it may be written to while tracing

    def apply(self, updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        self.heard.names.update(extra)
        return updates, ()


class _Heard:
    def __init__(self) -> None:
        self.names: set[str] = set()


def extra_arguments_get_through(s: Subject) -> None:
    """An extra argument that it doesn't know is no error, and reaches every transformation inside it."""
    params = s.start()
    s.tx.update(params, s.tx.init(params), params, **_extra(s, params))
    for name in s.tx._kinds:
        for tx, heard in _listening(s.tx, name):
            try:
                tx.update(params, tx.init(params), params, **_extra(s, params))
            except ValueError:  # a wrapper may not take any transformation
                if not heard.names:
                    continue
            expect("unknown_to_all" in heard.names, f"what stands in its field {name} doesn't get the extra arguments.")


def _extra(s: Subject, params: Tree) -> dict[str, Any]:
    known = RIPPLES.extra(params, jnp.zeros((), jnp.int32)) if s.extra is None else s.extra(params)
    return {**known, "unknown_to_all": jnp.ones(())}


def _listening(tx: Transform, name: str) -> list[tuple[Transform, _Heard]]:
    """The transformation with a listener in front of what stands in a field, once for each transformation there."""
    value = getattr(tx, name)
    inside = value if isinstance(value, tuple) else (value,)
    found = []
    for i, part in enumerate(inside):
        if not isinstance(part, Transform):
            continue
        heard = _Heard()
        new = tuple(chain(listener(heard), p) if j == i else p for j, p in enumerate(inside))
        try:
            found.append((tx.replace(**{name: new if isinstance(value, tuple) else new[0]}), heard))
        except (TypeError, ValueError):  # a field may take a certain kind only, such as an accumulator
            continue
    return found
