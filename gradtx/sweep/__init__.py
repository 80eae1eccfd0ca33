"""Many optimizers at once: spaces, the engine, policies, results."""

from gradtx.sweep.digits import on_digits
from gradtx.sweep.engine import run
from gradtx.sweep.importance import importance
from gradtx.sweep.policies import (
    Decision,
    Policy,
    Report,
    apart,
    early_stopping,
    full,
    hyperband,
    population_based,
    successive_halving,
)
from gradtx.sweep.progress import Event, bar
from gradtx.sweep.results import Best, Results
from gradtx.sweep.space import (
    Space,
    choice,
    grid,
    integer,
    linear,
    log,
    loguniform,
    normal,
    product,
    random,
    sobol,
    uniform,
    values,
    zipped,
)
from gradtx.sweep.tensorboard import tensorboard
from gradtx.sweep.trainer import Trainer, accuracy, cross_entropy, minimizing, sampled, shuffled, supervised
from gradtx.sweep.trials import Trial, Trials, trials

__all__ = [
    "Best",
    "Decision",
    "Event",
    "Policy",
    "Report",
    "Results",
    "Space",
    "Trainer",
    "Trial",
    "Trials",
    "accuracy",
    "apart",
    "bar",
    "choice",
    "cross_entropy",
    "early_stopping",
    "full",
    "grid",
    "hyperband",
    "importance",
    "integer",
    "linear",
    "log",
    "loguniform",
    "minimizing",
    "normal",
    "on_digits",
    "population_based",
    "product",
    "random",
    "run",
    "sampled",
    "shuffled",
    "sobol",
    "successive_halving",
    "supervised",
    "tensorboard",
    "trials",
    "uniform",
    "values",
    "zipped",
]
