"""Properties of the hyperparameters: mapped over, differentiated, scheduled, kept in the state."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.injection import hyperparams, inject_hyperparams
from gradtx.core.node import trusted
from gradtx.core.recipe import Recipe, walk
from gradtx.core.schedule import Schedule
from gradtx.core.trees import Tree
from gradtx.testing.expect import expect, expect_close, expect_finite, expect_types
from gradtx.testing.numbers import Place, floats_of, get, hyperparameters, put, put_all, say
from gradtx.testing.problem import FLAT, RIPPLES, Problem, run
from gradtx.testing.subject import STEPS, Subject
from gradtx.typing import PositiveReal, Real


class moving(Schedule):
    """Straight from one number to another in some steps, then constant."""

    start: Real
    end: Real
    steps: PositiveReal

    def at(self, step: jax.Array) -> jax.Array:
        return self.start + (self.end - self.start) * jnp.minimum(step / self.steps, 1.0)


def vmap_equals_one_at_a_time(s: Subject) -> None:
    """`jax.vmap` over its numbers and over starting points gives what single runs give."""
    factors = [1.0, 0.5, 0.25]
    floats, rebuild = floats_of(s.tx)
    stacked = [jnp.stack([jnp.asarray(x) * f for f in factors]) for x in floats]
    starts = jax.tree.map(lambda x: jnp.stack([x * (1 - 0.1 * f) for f in factors]), s.start())
    together = jax.jit(jax.vmap(lambda floats, x: run(rebuild(floats), x, STEPS, RIPPLES, s.extra)))(stacked, starts)
    for i, f in enumerate(factors):
        alone = s.run(rebuild([x * f for x in floats]), _at(starts, i))
        expect_close(_at(together, i), alone, f"mapped and alone, all numbers times {f}", 2e-5, 2e-6)


def hypergradients_agree_with_finite_differences(s: Subject) -> None:
    """`jax.grad` with respect to each number of it agrees with difference quotients in float64."""
    with jax.enable_x64(True):
        floats, rebuild = floats_of(s.tx)
        loss = _loss(rebuild, s, RIPPLES)
        slopes = rebuild(loss([jnp.asarray(x, "float64") for x in floats], s.start("float64"))[1])
        expect(type(slopes) is type(s.tx), "the gradient is not shaped like the optimizer.")
        for place, value in hyperparameters(s.tx).items():
            slope = get(slopes, place)
            expect(np.isfinite(slope), f"the derivative with respect to {say(place)} is {slope}.")
            if abs(value) < 1e-5:  # a difference quotient in an epsilon of 1e-8 is rounding
                continue
            h = 1e-6 * abs(value)
            with trusted():  # one that stands at the edge of its range may leave it here
                ends = [floats_of(put(s.tx, place, value + d))[0] for d in (h, -h)]
            up, down = (loss([jnp.asarray(x, "float64") for x in end], s.start("float64"))[0] for end in ends)
            expect_close(slope, (up - down) / (2 * h), f"derivative and quotient in {say(place)}", 1e-4, 1e-5)


def hypergradients_are_finite_at_zero_gradients(s: Subject) -> None:
    """Where all gradients are zero the derivatives with respect to its numbers are no NaN."""
    floats, rebuild = floats_of(s.tx)
    start = jax.tree.map(jnp.ones_like, s.start())
    slopes = _loss(rebuild, s, FLAT)([jnp.asarray(x) for x in floats], start)[1]
    expect_finite(rebuild(slopes), "at zero gradients the derivative")


def _loss(rebuild: Any, s: Subject, problem: Problem) -> Any:
    """The end of a run, as a number, and its derivatives."""

    def loss(floats: list[Any], start: Tree) -> jax.Array:
        end = run(rebuild(floats), start, STEPS, problem, s.extra)
        return sum((jnp.sum(x**2) for x in jax.tree.leaves(end)), start=jnp.zeros(()))

    return jax.jit(jax.value_and_grad(loss))


def every_hyperparameter_takes_a_schedule(s: Subject) -> None:
    """A schedule in place of each number: a constant one changes nothing, its lengths can be mapped over, its value can be read."""
    numbers = hyperparameters(s.tx)
    try:
        _scheduled(s, numbers)
    except Exception as error:
        for place, value in numbers.items():
            try:
                _scheduled(s, {place: value})
            except Exception as own:
                raise AssertionError(f"{say(place)}: {own}") from own
        raise AssertionError(f"all at once: {error}") from error


def _scheduled(s: Subject, numbers: dict[Place, float]) -> None:
    def scheduled(end: float, steps: Any) -> Any:
        with trusted():
            return put_all(s.tx, {place: moving(value, end * value, steps) for place, value in numbers.items()})

    put_all(s.tx, {place: moving(value, 0.5 * value, 10.0) for place, value in numbers.items()})  # accepted when checked, too
    expect_close(s.run(scheduled(1.0, 10.0)), s.run(), "a constant schedule and the number", 1e-5, 1e-6)
    lengths = [5.0, 20.0]
    together = jax.jit(jax.vmap(lambda n: run(scheduled(0.5, n), s.start(), STEPS, RIPPLES, s.extra)))(jnp.array(lengths))
    for i, n in enumerate(lengths):
        expect_close(_at(together, i), s.run(scheduled(0.5, n)), f"schedules mapped and alone at length {n}", 2e-5, 2e-6)
    states = [_at_step(tx.init(s.start()), 10) for tx in (s.tx, scheduled(0.5, 10.0))]
    if not any(isinstance(part, inject_hyperparams) for part in walk(s.tx)):  # that one keeps the schedules themselves
        expect_types(states[1], states[0], "the state with schedules")
    plain, later = hyperparams(s.tx, states[0]), hyperparams(scheduled(0.5, 10.0), states[1])
    for name, value in later.items():
        expect(np.allclose(value, plain[name]) or np.allclose(value, 0.5 * plain[name]), f"hyperparams reads {name} = {value}.")
    halved = {name.split("/")[-1] for name, value in later.items() if np.allclose(value, 0.5 * plain[name])}
    for place, value in numbers.items():
        inside = any(isinstance(get(s.tx, place[:i]), Recipe) for i in range(len(place) - 1))
        names = {str(key) for key in place}
        expect(value == 0 or inside or halved & names, f"hyperparams doesn't show {say(place)} as it is in force.")


def hyperparameters_in_the_state_change_nothing(s: Subject) -> None:
    """`inject_hyperparams` around it gives the same updates, keeps float32 for bfloat16 parameters, and reads the same."""
    tx = inject_hyperparams(s.tx)
    expect_close(s.run(tx), s.run(), "with and without", 1e-5, 1e-6)
    params = s.start("bfloat16")
    state = tx.init(params)
    expect_types(s.update(params, state, params, tx)[1], state, "the new state")
    for name, value in state.inner.hyperparams.items():
        expect(value.dtype != jnp.bfloat16, f"{name} is kept in bfloat16.")
    plain = hyperparams(s.tx, s.tx.init(params))
    for name, value in hyperparams(tx, state).items():
        expect_close(value, plain[name], f"{name} in the state and outside", 1e-6, 0.0)


def _at(tree: Tree, i: int) -> Tree:
    return jax.tree.map(lambda x: x[i], tree)


def _at_step(state: Any, step: int) -> Any:
    """The state with every counter of steps set."""

    def one(path: Any, x: Any) -> Any:
        return jnp.full_like(x, step) if getattr(path[-1], "name", None) == "step" else x

    return jax.tree_util.tree_map_with_path(one, state)
