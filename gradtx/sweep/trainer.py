"""What is run for each trial: pure functions, and the usual ones ready made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.core.points import evaluation_params, gradient_params
from gradtx.core.updates import apply_updates
from gradtx.sweep.trials import Trial
from gradtx.training.functional import model_functions


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Training as pure functions of one trial; the engine maps, jits and donates.

    Attributes:
        init: `(trial, key) -> carry`: the parameters, the optimizer's state and the trial, in any tree.
        step: `(carry, batch) -> (carry, loss)`: the same structure, shapes and dtypes; a scalar loss.
        evaluate: `carry -> scalar`, or a dictionary of scalars, of which the first is what trials are judged by.
        batch: `(step, trial) -> batch`, on the device; None hands None to `step`. What doesn't look at the trial is done once for all.
    """

    init: Callable[[Trial, jax.Array], Any]
    step: Callable[[Any, Any], tuple[Any, jax.Array]]
    evaluate: Callable[[Any], Any]
    batch: Callable[[Any, Trial], Any] | None = None


def one_step(loss: Callable[[Any], jax.Array], tx: Any, params: Any, state: Any) -> tuple[Any, Any, jax.Array]:
    """Parameters and state after a step on `loss`, and its value; the gradient is taken where the optimizer wants it."""
    value, grads = jax.value_and_grad(loss)(gradient_params(tx, state, params))
    updates, state = tx.update(grads, state, params, value=value, value_fn=loss)
    return apply_updates(params, updates), state, value


def minimizing(function: Callable[[Any], jax.Array], start: Any = None) -> Trainer:
    """Trials that minimize a function.

    Args:
        function: from parameters to a scalar, such as one of `gradtx.problems`.
        start: the first parameters, or a function `(trial, key) -> parameters`; the problem's own if None.

    Example:
        >>> from gradtx import sgd
        >>> from gradtx.problems import quadratic_1d
        >>> from gradtx.sweep import trials, run, minimizing, values
        >>> results = run(minimizing(quadratic_1d), trials(sgd, learning_rate=values(0.1, 0.4)), steps=10)
        >>> results.best().optimizer
        sgd(learning_rate=0.4)
    """
    first = getattr(function, "start", None) if start is None else start
    if first is None:
        raise ValueError("minimizing: the function has no start of its own; give one.")

    def init(trial: Trial, key: jax.Array) -> Any:
        params = jax.tree.map(jnp.asarray, first(trial, key) if callable(first) else _array(first))
        return trial, params, trial.optimizer.init(params)

    def step(carry: Any, batch: None) -> tuple[Any, jax.Array]:
        trial, params, state = carry
        params, state, value = one_step(function, trial.optimizer, params, state)
        return (trial, params, state), value

    def evaluate(carry: Any) -> jax.Array:
        trial, params, state = carry
        return function(evaluation_params(trial.optimizer, state, params))

    return Trainer(init, step, evaluate)


def _array(start: Any) -> Any:
    numbers = isinstance(start, tuple | list) and all(isinstance(x, int | float) for x in start)
    return jnp.asarray(start, jnp.result_type(float)) if numbers else start


def shuffled(data: Any, size: int, seed: int = 0, epochs: int = 16) -> Callable[[Any, Trial], Any]:
    """Batches in a new order each epoch, the same for all trials: they are gathered once for all.

    Args:
        data: a tree of arrays with the examples along the first axis.
        size: of a batch; what is left over at the end of an epoch is left out.
        seed: of the orders.
        epochs: how many orders are drawn; then they are used again.
    """
    count = _examples("shuffled", data, size)
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(count)[: count // size * size].reshape(-1, size) for _ in range(epochs)]
    rows, data = jnp.asarray(np.concatenate(orders), jnp.int32), jax.tree.map(jnp.asarray, data)

    def batch(step: Any, trial: Trial) -> Any:
        return jax.tree.map(lambda x: x[rows[step % len(rows)]], data)

    return batch


def sampled(data: Any, size: int) -> Callable[[Any, Trial], Any]:
    """Batches drawn with replacement, by the trial's seed, or by `trial.values["data_seed"]` if there is one.

    Args:
        data: a tree of arrays with the examples along the first axis.
        size: of a batch.
    """
    count, data = _examples("sampled", data, size), jax.tree.map(jnp.asarray, data)

    def batch(step: Any, trial: Trial) -> Any:
        key = jax.random.fold_in(jax.random.key(jnp.asarray(trial.values.get("data_seed", trial.seed), jnp.int32)), step)
        rows = jax.random.randint(jax.random.fold_in(key, 1), (size,), 0, count)
        return jax.tree.map(lambda x: x[rows], data)

    return batch


def _examples(who: str, data: Any, size: int) -> int:
    lengths = {len(x) for x in jax.tree.leaves(data)}
    if len(lengths) != 1:
        raise ValueError(f"{who}: the arrays have {sorted(lengths)} examples; they must have as many.")
    (count,) = lengths
    if not 1 <= size <= count:
        raise ValueError(f"{who}: batches of {size} can't be made from {count} examples.")
    return count


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean negative log-probability of the right class: $-\\frac1n\\sum_i \\log p_{i, y_i}$."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)
    return -jnp.mean(chosen)


def supervised(
    model: Any,
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    *,
    loss: Callable[[Any, Any], jax.Array] = cross_entropy,
    metrics: Mapping[str, Callable[[Any, Any], jax.Array]] | None = None,
    batch_size: int = 64,
    batch: Callable[[Any, Trial], Any] | None = None,
    penalty: Callable[[Any, Mapping[str, Any]], jax.Array] | None = None,
    initial: Callable[[Any, Mapping[str, Any]], Any] | None = None,
) -> Trainer:
    """The usual case: inputs and targets, a model, a loss.

    Args:
        model: as `gradtx.training.model_functions` takes it: a Flax linen module, a function from `nnx.Rngs` to an nnx one, or a pair of
            functions. Batch statistics and the like are kept.
        train: inputs and targets to train on.
        test: those to be judged by.
        loss: from outputs and targets to a scalar.
        metrics: what else is measured on `test`, by name.
        batch_size: examples a step, in shuffled order, the same for all trials.
        batch: other batches, such as `sampled(train, 64)`: an order of its own for each seed.
        penalty: `(params, trial.values) -> scalar`, added to the loss in training: regularisation to sweep.
        initial: `(params, trial.values) -> params`: a change of the initial values to sweep.

    Example:
        >>> import flax.linen as nn, jax.numpy as jnp
        >>> from gradtx import adam
        >>> from gradtx.sweep import trials, run, supervised, log
        >>> x, y = jnp.eye(8), jnp.arange(8)
        >>> t = trials(adam, learning_rate=log(1e-3, 1.0, 4))
        >>> results = run(supervised(nn.Dense(8), (x, y), (x, y), batch_size=8), t, steps=20)
        >>> results.best().optimizer
        adam(learning_rate=1.0)
    """
    make, apply = model_functions(model)
    (inputs, _), batches = train, batch or shuffled(train, batch_size)
    test_inputs, test_targets = jax.tree.map(jnp.asarray, test)
    example = jax.tree.map(lambda a: jnp.asarray(a[:1]), inputs)

    def init(trial: Trial, key: jax.Array) -> Any:
        params, rest = make(key, example)
        params = params if initial is None else initial(params, trial.values)
        return trial, params, rest, trial.optimizer.init(params), jax.random.key_data(jax.random.fold_in(key, 1))

    def step(carry: Any, batch: Any) -> tuple[Any, jax.Array]:
        trial, params, rest, state, key = carry
        x, y = batch
        here = jax.random.fold_in(jax.random.wrap_key_data(key), state.step)

        def objective(p: Any) -> jax.Array:
            value = loss(apply(p, rest, x, here)[0], y)
            return value if penalty is None else value + penalty(p, trial.values)

        params, state, value = one_step(objective, trial.optimizer, params, state)
        if rest:
            rest = apply(params, rest, x, here)[1]
        return (trial, params, rest, state, key), value

    def evaluate(carry: Any) -> dict[str, jax.Array]:
        trial, params, rest, state, _ = carry
        outputs, _ = apply(evaluation_params(trial.optimizer, state, params), rest, test_inputs, None)
        return {"loss": loss(outputs, test_targets)} | {n: f(outputs, test_targets) for n, f in (metrics or {}).items()}

    return Trainer(init, step, evaluate, batches)


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The part of the examples whose class has the largest output."""
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels)
