"""The learning rate and momentum learned by gradient through training: a whole training is a function of its optimizer.

`python -m examples.hypergradient [picture]`. Some of the digits train the classifier, others judge it; the derivative of the judgement with
respect to the optimizer says how the optimizer should have been. Maclaurin, Duvenaud, Adams (2015), Gradient-based Hyperparameter
Optimization through Reversible Learning.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import LOSS, TRAIN, beginning, save
from gradtx.plotting.style import panels, style
from gradtx.training import fit, minibatches, training_state, training_step

SIZE, HELD = 32, 400
JUDGES = tuple(a[:HELD] for a in TRAIN)
DATA = minibatches(tuple(a[HELD:] for a in TRAIN), SIZE, last="drop")
START, REST = beginning()


def batches(steps):
    """The first so many batches, stacked along a leading axis."""
    epochs = range(-(-steps // len(DATA.rows(0))))
    rows = jnp.concatenate([jnp.stack(DATA.rows(epoch)) for epoch in epochs])[:steps]
    return jax.tree.map(lambda a: jnp.asarray(a)[rows], DATA.data)


def optimizer(knobs):
    """The rate as its logarithm and momentum through a logistic function: any numbers will do."""
    return gradtx.sgd(jnp.exp(knobs["log_rate"]), momentum=jax.nn.sigmoid(knobs["logit_momentum"]))


def judged(knobs, seen):
    """The loss on the judges after a training on what is seen."""
    tx = optimizer(knobs)
    state = training_state(START[1], tx, model_state=REST["model_state"], key=REST["key"])
    state, _ = jax.lax.scan(lambda state, batch: training_step(LOSS, state, tx, batch), state, seen)
    return LOSS.evaluate(state.params, JUDGES, state=state.model_state)[0]


slope = jax.jit(jax.value_and_grad(judged))


def learn(knobs, steps, rounds):
    """Descent on the optimizer: what it was in each round, and how that was judged."""
    outer = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adam(0.2))
    seen, state, history = batches(steps), outer.init(knobs), []
    for _ in range(rounds):
        value, grads = slope(knobs, seen)
        history.append((float(value), knobs))
        updates, state = outer.update(grads, state, knobs)
        knobs = gradtx.apply_updates(knobs, updates)
    return history


def picture(history):
    """What was learned, round by round."""
    txs = [optimizer(knobs) for _, knobs in history]
    series = {
        "learning rate": [tx.learning_rate for tx in txs],
        "momentum": [tx.momentum for tx in txs],
        "loss of the judges": [value for value, _ in history],
    }
    with style():
        figure, [axes] = panels(1, 3)
        for axis, (name, values) in zip(axes, series.items(), strict=True):
            axis.plot(np.array(values))
            axis.set(title=name, xlabel="round")
        axes[0].set_yscale("log")
    return figure


def main(path="runs/hypergradient.png", steps=100, rounds=40):
    history = learn({"log_rate": jnp.float32(np.log(1e-3)), "logit_momentum": jnp.float32(0.0)}, steps, rounds)
    best = min(history, key=lambda h: h[0])
    table = Table(
        "", "learning rate", "momentum", "loss of the judges", "test accuracy", title=f"after trainings of {steps} steps"
    )
    accuracies = {}
    for name, (value, knobs) in {"before": history[0], "learned": best}.items():
        tx = optimizer(knobs)
        accuracies[name] = fit(*START, tx, DATA, steps=steps, every=steps, **REST).records[-1]["val_accuracy"]
        table.add_row(name, f"{tx.learning_rate:.4f}", f"{tx.momentum:.3f}", f"{value:.4f}", f"{accuracies[name]:.1%}")
    Console().print(table)
    save(picture(history), path)
    return history, accuracies


if __name__ == "__main__":
    main(*sys.argv[1:])
