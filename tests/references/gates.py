"""Accumulation, plateaus, loss scales and private gradients."""

import numpy as np

from tests.running import value


def accumulated(grad, x, steps, k, step, mean=True):
    """`step(t, g)` gives the move of the t-th step, counted from 0."""
    total, seen, t = np.zeros_like(x), 0, 0
    for call in range(steps):
        total = total + grad(x, call)
        seen += 1
        if seen == k(t):
            x = x + step(t, total / seen if mean else total)
            total, seen, t = np.zeros_like(x), 0, t + 1
    return x


def accumulated_adam(grad, x, steps, k, lr, b1, b2, eps):
    m, v = np.zeros_like(x), np.zeros_like(x)

    def step(t, g):
        m[...] = b1 * m + (1 - b1) * g
        v[...] = b2 * v + (1 - b2) * g**2
        return -lr * (m / (1 - b1 ** (t + 1))) / (np.sqrt(v / (1 - b2 ** (t + 1))) + eps)

    return accumulated(grad, x, steps, lambda t: k, step)


def accumulated_momentum(grad, x, steps, k, lr, gamma):
    m = np.zeros_like(x)

    def step(t, g):
        m[...] = gamma * m + g
        return -lr * m

    return accumulated(grad, x, steps, lambda t: k, step, mean=False)


def accumulated_descent(grad, x, steps, first, then, change, lr):
    """Of `first` calls a step for `change` steps, of `then` after that; the rate falls by a tenth at every step."""
    return accumulated(grad, x, steps, lambda t: first if t < change else then, lambda t, g: -lr * 0.9**t * g)


def scaled_descent(grad, x, steps, lr, interval):
    """The gradients come from a loss that was never scaled, and are divided by a scale that doubles every so often."""
    for t in range(steps):
        x = x - lr * grad(x, t) / 2.0 ** (t // interval)
    return x


def plateau_descent(grad, x, steps, lr, factor, patience, rtol, atol, cooldown, size, least=0.0):
    best, bad, rest, scale, values = np.inf, 0, 0, 1.0, []
    for t in range(steps):
        values.append(value(x, t))
        if len(values) == size:
            now, values = np.mean(values), []
            improved = now < best - (rtol * abs(best) if np.isfinite(best) else 0) - atol
            bad = 0 if improved else bad + 1
            best = now if improved else best
            if rest:
                rest, bad = rest - 1, 0
            elif bad == patience:
                scale, bad, rest = max(scale * factor, least), 0, cooldown
        x = x - lr * scale * grad(x, t)
    return x


def clipped_momentum(grad, x, steps, lr, clip, gamma):
    """DP-SGD without noise on a batch of one."""
    m = np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        m = gamma * m + g * min(1.0, clip / np.linalg.norm(g))
        x = x - lr * m
    return x
