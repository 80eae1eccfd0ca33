"""Training models of Flax, or plain functions: the loop, the order of the data, stopping, checkpoints."""

from gradtx.training.checkpoints import Checkpoints
from gradtx.training.data import Batches, curriculum, full_batch, minibatches
from gradtx.training.functional import model_functions
from gradtx.training.loop import fit
from gradtx.training.range_test import RangeTest, range_test
from gradtx.training.run import Best, Run
from gradtx.training.statistics import refresh_statistics
from gradtx.training.step import TrainingState, training_state, training_step
from gradtx.training.stopping import early_stopping, gradient_below, time_limit
from gradtx.training.supervised import SupervisedLoss, supervised_loss

__all__ = [
    "Batches",
    "Best",
    "Checkpoints",
    "RangeTest",
    "Run",
    "SupervisedLoss",
    "TrainingState",
    "curriculum",
    "early_stopping",
    "fit",
    "full_batch",
    "gradient_below",
    "minibatches",
    "model_functions",
    "range_test",
    "refresh_statistics",
    "supervised_loss",
    "time_limit",
    "training_state",
    "training_step",
]
