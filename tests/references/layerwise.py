"""Methods that measure an array, or a part of it, as a whole."""

import numpy as np


def size(x):
    return np.sqrt(np.sum(x**2))


def lars(grad, x, steps, lr, coefficient, gamma, decay=0.0, eps=0.0, nesterov=False):
    v = np.zeros_like(x)
    for t in range(steps):
        d = grad(x, t) + decay * x
        step = lr * coefficient * size(x) / (size(d) + eps) * d
        v = gamma * v + step
        x = x - (gamma * v + step if nesterov else v)
    return x


def lamb(grad, x, steps, lr, b1, b2, eps, eps_root=0.0, decay=0.0):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        d = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t) + eps_root) + eps) + decay * x
        x = x - lr * size(x) / size(d) * d
    return x


def fromage(grad, x, steps, lr):
    for t in range(steps):
        g = grad(x, t)
        x = (x - lr * size(x) / size(g) * g) / np.sqrt(1 + lr**2)
    return x


def novograd(grad, x, steps, lr, b1, b2, eps, eps_root=0.0, decay=0.0):
    m, v = np.zeros_like(x), None
    for t in range(steps):
        g = grad(x, t)
        v = size(g) ** 2 if v is None else b2 * v + (1 - b2) * size(g) ** 2
        m = b1 * m + (g / (np.sqrt(v + eps_root) + eps) + decay * x)
        x = x - lr * m
    return x


def cautious_adamw(grad, x, steps, lr, b1, b2, eps, decay):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        u = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)
        agrees = u * g > 0
        x = x - lr * (x.size / (np.count_nonzero(agrees) + 1) * np.where(agrees, u, 0.0) + decay * x)
    return x


def mars(grad, x, steps, lr, b1, b2, eps, gamma, most, decay):
    m, v, last = np.zeros_like(x), np.zeros_like(x), None
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        c = g if last is None else g + gamma * b1 / (1 - b1) * (g - last)
        last = g
        if most is not None and size(c) > most:
            c = most * c / size(c)
        m = b1 * m + (1 - b1) * c
        v = b2 * v + (1 - b2) * c**2
        x = x - lr * (m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * x)
    return x


def stable_adamw(grad, x, steps, lr, b1, b2, eps, decay):
    """The paper's Algorithm 2, with its decays that start at 0 in place of corrected averages."""
    v, u = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        first, second = (b * (1 - b ** (t - 1)) / (1 - b**t) for b in (b1, b2))
        v = first * v + (1 - first) * g
        u = second * u + (1 - second) * g**2
        rms = np.sqrt(np.mean(g**2 / np.maximum(u, eps**2)))
        rate = lr / max(1.0, rms)
        x = x - rate * decay * x - rate * v / (np.sqrt(u) + eps)
    return x


def adam_mini(grad, x, steps, lr, b1, b2, eps, blocks, decay=0.0):
    """`blocks` lists the parts of the array that share a second moment."""
    m, v = np.zeros_like(x), np.zeros(len(blocks))
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        step = np.zeros_like(x)
        for i, block in enumerate(blocks):
            v[i] = b2 * v[i] + (1 - b2) * np.mean(g[block] ** 2)
            step[block] = m[block] / (1 - b1**t) / (np.sqrt(v[i] / (1 - b2**t)) + eps)
        x = x - lr * (step + decay * x)
    return x
