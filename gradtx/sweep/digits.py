"""The built-in task, ready to sweep."""

from __future__ import annotations

from gradtx.sweep.trainer import Trainer, accuracy, supervised


def on_digits(width: int = 32) -> Trainer:
    """Trials that train a small classifier of handwritten digits, judged by the loss and the accuracy on digits held out.

    Args:
        width: units of its hidden layer.

    Raises:
        ModuleNotFoundError: scikit-learn isn't there.

    Example:
        >>> from gradtx import adam
        >>> from gradtx.sweep import on_digits, run, trials
        >>> results = run(on_digits(), trials(adam, learning_rate=[1e-4, 1e-2]), steps=20)
        >>> results.best().optimizer
        adam(learning_rate=0.01)
    """
    from gradtx.training.digits import Classifier, digits  # and with it Flax, for those who want it

    return supervised(Classifier(width), *digits(), metrics={"accuracy": accuracy})
