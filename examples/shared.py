"""What the examples of training have in common: the digits' classifier as `fit` takes it, and where a picture goes."""

import pathlib

import jax
import matplotlib as mpl

from gradtx.sweep import accuracy, cross_entropy
from gradtx.training import supervised_loss
from gradtx.training.digits import Classifier, digits

mpl.use("Agg")

TRAIN, TEST = digits()
# One loss for all runs: a step is compiled once for each kind of optimizer, not for each run.
LOSS = supervised_loss(Classifier(), cross_entropy, {"accuracy": accuracy})


def beginning(seed=0):
    """The first arguments of `fit`, and what goes with a model: its parameters, its state and a key."""
    params, state = LOSS.init(jax.random.key(seed), TRAIN[0][:1])
    return (LOSS, params), dict(model_state=state, key=jax.random.key(seed), validation=TEST)


def save(figure, path):
    """Writes a picture, its folder too, and says where."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"Wrote {path}.")
