"""The built-in task: handwritten digits and a small classifier of them."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import numpy as np

Examples = tuple[np.ndarray, np.ndarray]


class Classifier(nn.Module):
    """Logits of ten classes by one hidden layer.

    Attributes:
        width: units of the hidden layer.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from gradtx.training.digits import Classifier
        >>> model = Classifier()
        >>> images = jnp.zeros((5, 64))
        >>> model.apply(model.init(jax.random.key(0), images), images).shape
        (5, 10)
    """

    width: int = 32

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(10)(nn.relu(nn.Dense(self.width)(x)))


def digits() -> tuple[Examples, Examples]:
    """The 1797 digits of 8 x 8 pixels that come with scikit-learn, a stratified fifth of them held out.

    Returns:
        Images `[n, 64]` in [0, 1] and labels `[n]`, to train on and to be judged by: 1437 and 360 of them.

    Raises:
        ModuleNotFoundError: scikit-learn isn't there.

    Example:
        >>> from gradtx.training.digits import digits
        >>> train, test = digits()
        >>> train[0].shape, test[1].shape
        ((1437, 64), (360,))
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "sklearn":
            raise
        raise ModuleNotFoundError("The digits need scikit-learn: pip install 'gradtx[data]'.", name="sklearn") from error
    images, labels = load_digits(return_X_y=True)
    images, labels = (images / 16).astype(np.float32), labels.astype(np.int32)
    parts: Any = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
    x, x_test, y, y_test = parts
    return (x, y), (x_test, y_test)
