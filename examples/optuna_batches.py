"""Optuna proposes, the sweep runs the proposals together: ask and tell in batches.

`python -m examples.optuna_batches`, with `gradtx[optuna]`.
"""

import math

import optuna

import gradtx
from examples.demo import STEPS
from gradtx.sweep import on_digits, run, trials, zipped

BATCHES, SIZE = 4, 16


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # constant_liar: the proposals of a batch keep apart although none of them has been told yet.
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True))
    trainer = on_digits()  # one trainer: only the first batch is compiled
    for batch in range(BATCHES):
        asked = [study.ask() for _ in range(SIZE)]
        space = zipped(
            learning_rate=[t.suggest_float("learning_rate", 1e-4, 1.0, log=True) for t in asked],
            b1=[t.suggest_float("b1", 0.5, 0.99) for t in asked],
        )
        results = run(trainer, trials(gradtx.adam, space), STEPS)
        for trial, loss in zip(asked, results.final(), strict=True):
            if math.isfinite(loss):
                study.tell(trial, float(loss))
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
        print(f"batch {batch + 1}: best loss {study.best_value:.4f} with {study.best_params} ({results.seconds})")


if __name__ == "__main__":
    main()
