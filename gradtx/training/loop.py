"""`fit`: the loop around the step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.core.injection import hyperparams
from gradtx.core.transform import Transform
from gradtx.training.calls import Calls
from gradtx.training.checkpoints import Checkpoints
from gradtx.training.data import as_source
from gradtx.training.evaluation import Evaluation
from gradtx.training.interrupts import interrupts
from gradtx.training.nnx_model import NNXModel, is_nnx
from gradtx.training.progress import shown
from gradtx.training.run import Best, Run
from gradtx.training.step import training_state


def fit(
    loss: Callable[..., Any],
    params: Any,
    optimizer: Transform,
    data: Any,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    model_state: Any = None,
    key: jax.Array | None = None,
    validation: Any = None,
    evaluate: Callable[..., Any] | None = None,
    every: int | None = None,
    monitor: str | None = None,
    mode: str = "min",
    steps_per_call: int = 1,
    nonfinite: str = "raise",
    stop: Sequence[Callable[[Run], str | None]] = (),
    callbacks: Sequence[Callable[[Run], Any]] = (),
    checkpoints: Checkpoints | None = None,
    progress: bool = False,
) -> Run:
    """Trains: a jitted step with donated buffers, over batches in order, with records, validation, callbacks and checkpoints.

    Args:
        loss: `loss(params, batch)`, called with `state=model_state` and `key=` besides where these are given. It returns a scalar; or
            the scalar and a dictionary of metrics; with a `model_state` the scalar and the new state, or these two and the metrics.
        params: any tree of arrays; or an `nnx.Module`, which `loss(model, batch)` takes then and which holds the trained parameters at the end.
        optimizer: any transformation of gradtx, or of Optax through `gradtx.interop.from_optax`.
        data: `Batches` (see `minibatches`, `full_batch`, `curriculum`), whose arrays are put on the device once; a tree of arrays, which is one
            batch; or any iterable over batches, begun anew each epoch: a list, a data loader of Grain, tf.data or PyTorch (as arrays).
        epochs: passes over the data. One of `epochs` and `steps` must be given; with both, what comes first ends the run.
        steps: in all, those before a resume included.
        model_state: what the model keeps besides its parameters (batch statistics). A step that is left out leaves it too.
        key: from which each step draws a key of its own, `fold_in(key, step)`.
        validation: like `data`: measured at each record with the parameters to evaluate, means over the examples.
        evaluate: `evaluate(params, batch)`, with `state=` where there is a `model_state`: a scalar or a dictionary. `loss.evaluate` or the loss
            itself if None.
        every: steps between records; an epoch if None.
        monitor: which number of the records says what is best, such as "val_loss"; the best parameters are kept then.
        mode: "min" or "max".
        steps_per_call: so many steps run in one compiled scan; small models are bound by Python otherwise. Best a divisor of `every` and of
            the batches of an epoch: each other length that turns up is compiled too.
        nonfinite: "raise" or "skip": what happens when the loss or the gradient is not finite. Such a step is left out either way.
        stop: conditions such as `early_stopping(...)`: asked at each record; the first that gives a reason, in words, ends the run.
        callbacks: called at each record with the `Run`; they may read, `adjust` or `stop` it.
        checkpoints: where the run is kept; if a checkpoint is there, it goes on from the last.
        progress: shows a bar (`pip install 'gradtx[cli]'`).

    Returns:
        The `Run`: `run.params`, `run.history` (whose `seconds` include compiling), `run.best`, `run.reason`. After Ctrl-C too.

    Raises:
        ValueError, TypeError: an argument, the data or a checkpoint doesn't fit; says how.
        FloatingPointError: the loss or its gradient is not finite: which step, which batch, which array. Its attribute `run` is the run.

    Example:
        >>> import gradtx, jax.numpy as jnp
        >>> from gradtx.training import fit, minibatches
        >>> x = jnp.linspace(-1, 1, 8)
        >>> loss = lambda p, batch: jnp.mean((p["a"] * batch[0] + p["b"] - batch[1]) ** 2)
        >>> run = fit(loss, {"a": 0.0, "b": 0.0}, gradtx.adam(0.1), minibatches((x, 3 * x + 1), 4), epochs=100)
        >>> {n: round(float(v), 2) for n, v in run.params.items()}, run.reason
        ({'a': 3.0, 'b': 1.0}, 'all 100 epochs are done')
    """
    _check_arguments(optimizer, epochs, steps, every, steps_per_call, mode, nonfinite)
    model = None
    if is_nnx(params):
        model = NNXModel(params)
        loss, evaluate = model.loss(loss), model.evaluation(evaluate or loss)
        params, model_state = model.params, model.rest
    source = as_source(data)
    evaluation = None
    if validation is not None:
        evaluation = Evaluation(loss, evaluate, as_source(validation), simple=model_state is None and key is None)
    run = Run(optimizer, training_state(params, optimizer, model_state=model_state, key=key))
    if checkpoints is not None:
        checkpoints.open(run)
    calls = Calls(run, loss, source, nonfinite)
    if run.records:
        _ask(stop, run)
    began = time.perf_counter() - (run.records[-1]["seconds"] if run.records else 0.0)
    with interrupts() as interrupted, shown(progress, run, epochs, steps) as show:
        while run.reason is None:
            reason = _over(run, epochs, steps) or ("it was interrupted from the keyboard" if interrupted() else None)
            ended = False
            if reason is None:
                ended = calls.advance(_room(run.step, steps_per_call, every, steps))
                reason = _over(run, epochs, steps)
                show()
            if calls.any and (reason or (ended if every is None else run.step % every == 0)):
                numbers = {n: float(x) for n, x in hyperparams(run.optimizer, run.state.opt_state).items() if jnp.ndim(x) == 0}
                record = {"step": run.step, "epoch": run.epoch, **calls.means(), **(evaluation(run) if evaluation else {})}
                run.records.append(record | numbers | {"seconds": time.perf_counter() - began})
                if monitor is not None:
                    _keep_best(run, monitor, mode)
                for callback in callbacks:
                    callback(run)
                _ask(stop, run)
                if checkpoints is not None:
                    checkpoints.save(run)
            run.reason = run.reason or reason
    if model is not None:
        model.update(run.params, run.state.model_state)
    return run


def _over(run: Run, epochs: int | None, steps: int | None) -> str | None:
    if epochs is not None and run.epoch >= epochs:
        return f"all {epochs} epochs are done"
    if steps is not None and run.step >= steps:
        return f"all {steps} steps are done"
    return None


def _ask(stop: Sequence[Callable[[Run], str | None]], run: Run) -> None:
    for condition in stop:
        run.reason = run.reason or condition(run)


def _room(step: int, at_once: int, every: int | None, steps: int | None) -> int:
    """How many steps the next call may do, so that records and the end fall between calls."""
    to_record = at_once if every is None else every - step % every
    to_end = at_once if steps is None else steps - step
    return min(at_once, to_record, to_end)


def _keep_best(run: Run, monitor: str, mode: str) -> None:
    record = run.records[-1]
    if monitor not in record:
        raise ValueError(f"fit: monitor is {monitor!r}; the records have {sorted(record)}.")
    score, sign = record[monitor], -1 if mode == "max" else 1
    if run.best is None or sign * score < sign * run.best.score:
        params, model_state = jax.tree.map(lambda x: jnp.array(x, copy=True), (run.evaluation_params, run.state.model_state))
        run.best = Best(run.step, score, params, model_state)


def _check_arguments(
    optimizer: Any, epochs: Any, steps: Any, every: Any, steps_per_call: Any, mode: str, nonfinite: str
) -> None:
    if not isinstance(optimizer, Transform):
        raise TypeError(
            f"fit: optimizer is {optimizer!r}, no transformation of gradtx; of Optax's, gradtx.interop.from_optax makes one."
        )
    if epochs is None and steps is None:
        raise ValueError("fit: give epochs or steps, or both.")
    counts = {"epochs": epochs, "steps": steps, "every": every, "steps_per_call": steps_per_call}
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"fit: {name} is {value!r}; it must be a whole number, 1 or more.")
    for name, value, allowed in (("mode", mode, ("min", "max")), ("nonfinite", nonfinite, ("raise", "skip"))):
        if value not in allowed:
            raise ValueError(f"fit: {name} is {value!r}; it must be {allowed[0]!r} or {allowed[1]!r}.")
