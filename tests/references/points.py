"""Methods that are judged, or take their gradient, elsewhere than at the parameters."""

import numpy as np


def schedule_free(grad, x, steps, lr, beta, warmup=0, power=2.0, decay=0.0, b2=None, eps=0.0):
    """Defazio et al. (2024), Algorithm 1 for AdamW and equations 3 to 5 for gradient descent; gives the point y of the gradients."""
    z, v, largest, weights = x, np.zeros_like(x), 0.0, 0.0
    for t in range(1, steps + 1):
        y = (1 - beta) * z + beta * x
        g = grad(y, t - 1)
        rate = lr * min(1.0, t / warmup) if warmup else lr
        direction = g
        if b2 is not None:
            v = b2 * v + (1 - b2) * g**2
            direction = g / (np.sqrt(v / (1 - b2**t)) + eps)
        z = z - rate * direction - rate * decay * y
        largest = max(largest, rate)
        weights = weights + largest**power
        c = largest**power / weights
        x = (1 - c) * x + c * z
    return (1 - beta) * z + beta * x


def lookahead_sgd(grad, x, steps, lr, k, alpha):
    """Zhang et al. (2019), Algorithm 1: the inner loop k steps, the outer one step; the slow and the fast weights."""
    slow, t = x, 0
    fast = slow
    while t < steps:
        fast = slow
        for _ in range(min(k, steps - t)):
            fast = fast - lr * grad(fast, t)
            t += 1
        if t % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow
    return slow, fast


def sam_sgd(grad, x, steps, lr, rho):
    """Foret et al. (2020), Algorithm 1; two gradients a step, the first at even calls."""
    for t in range(steps):
        g = grad(x, 2 * t)
        worst = x + rho * g / np.linalg.norm(g)
        x = x - lr * grad(worst, 2 * t + 1)
    return x
