"""Asynchronous methods, one event after another: whose turn it is is given."""

import numpy as np


def asynchronous(grad, x, order, apply):
    """A server applies each gradient when it comes: `apply(x, g, old, missed, staleness)` gives its new parameters."""
    total = np.zeros_like(x)
    readings = dict.fromkeys(order, (x, total, 0))
    path, late = [], []
    for t, i in enumerate(order):
        old, total_then, then = readings[i]
        g = grad(old)
        late.append(t - then)
        x = apply(x, g, old, total - total_then, t - then)
        total = total + g
        readings[i] = (x, total, t + 1)
        path.append(x)
    return np.array(path), late


def descent(lr):
    return lambda x, g, old, missed, staleness: x - lr * g


def staleness_scaled(lr):
    return lambda x, g, old, missed, staleness: x - lr / (1 + staleness) * g


def compensated(lr, strength):
    """Zheng et al. (2017), equation 10."""
    return lambda x, g, old, missed, staleness: x - lr * (g + strength * g * g * (x - old))


def adaptively_compensated(lr, strength, decay, eps=1e-7):
    """Zheng et al. (2017), equations 10 and 14."""
    mean_square = 0.0

    def apply(x, g, old, missed, staleness):
        nonlocal mean_square
        mean_square = decay * mean_square + (1 - decay) * g**2
        return x - lr * (g + strength / np.sqrt(mean_square + eps) * g * g * (x - old))

    return apply


def adaptive_revision(alpha):
    """McMahan and Streeter (2014), Algorithm 3."""
    z = largest = 1.0

    def apply(x, g, old, missed, staleness):
        nonlocal z, largest
        rate_old = alpha / np.sqrt(largest)
        z = z + g**2 + 2 * g * missed
        largest = np.maximum(largest, z)
        rate = alpha / np.sqrt(largest)
        x = x - rate * g
        return x + (rate_old - rate) * missed

    return apply


def adagrad(lr, initial):
    total = initial

    def apply(x, g, *late):
        nonlocal total
        total = total + g**2
        return x - lr * g / np.sqrt(total)

    return apply


def downpour(grad, x, order, lr, server, push, fetch):
    """Dean et al. (2012), Algorithm 1.1, the steps counted from 1; `server(x, g)` is the server's step."""
    local = dict.fromkeys(order, x)
    accrued = {i: np.zeros_like(x) for i in order}
    clock = dict.fromkeys(order, 0)
    path = []
    for i in order:
        g = grad(local[i])
        accrued[i] = accrued[i] + g
        local[i] = local[i] - lr * g
        clock[i] += 1
        if clock[i] % push == 0:
            x = server(x, accrued[i])
            accrued[i] = np.zeros_like(x)
        if clock[i] % fetch == 0:
            local[i] = x
        path.append(x)
    return np.array(path)


def easgd(grad, x, order, lr, alpha, period, momentum=0.0):
    """Zhang, Choromanska, LeCun (2015), Algorithms 1 and 2."""
    local = dict.fromkeys(order, x)
    speed = {i: np.zeros_like(x) for i in order}
    clock = dict.fromkeys(order, 0)
    path = []
    for i in order:
        before = local[i]
        if clock[i] % period == 0:
            local[i] = local[i] - alpha * (before - x)
            x = x + alpha * (before - x)
        speed[i] = momentum * speed[i] - lr * grad(before + momentum * speed[i])
        local[i] = local[i] + speed[i]
        clock[i] += 1
        path.append(x)
    return np.array(path)
