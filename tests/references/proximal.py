"""Proximal methods as loops over NumPy arrays."""

import numpy as np


def _soft(x, threshold):
    return np.where(x > threshold, x - threshold, np.where(x < -threshold, x + threshold, 0.0))


def proximal_gradient(gradient, x, steps, *, lr, strength):
    for t in range(steps):
        x = _soft(x - lr * gradient(x, t), lr * strength)
    return x


def fista(gradient, x, steps, *, lr, strength):
    y, s = x, 1.0
    for t in range(steps):
        new = _soft(y - lr * gradient(y, t), lr * strength)
        after = (1 + np.sqrt(1 + 4 * s * s)) / 2
        y = new + (s - 1) / after * (new - x)
        x, s = new, after
    return x
