"""Methods without a learning rate, and step sizes from the value of the loss, which is that of the test problem."""

import numpy as np

from tests.running import value


def polyak_sgd(grad, x, steps, most=1.0, scaling=1.0, f_min=0.0, eps=0.0, plus=False):
    for t in range(steps):
        g = grad(x, t)
        gap = value(x, t) - f_min
        if plus:
            gap = max(gap, 0.0)
        x = x - scaling * min(gap / (np.sum(g**2) + eps), most) * g
    return x


def momo(grad, x, steps, lr, beta=0.9, bound=0.0, decay=0.0, adapt=False):
    """Schaipp et al. (2023), Algorithm 1, with its initial values, and Algorithm 3's estimate of the bound."""
    lowest = bound
    for t in range(steps):
        f, g = value(x, t), grad(x, t)
        if t == 0:
            d, mean, product = g, f, g @ x
        d = beta * d + (1 - beta) * g
        mean = beta * mean + (1 - beta) * f
        product = beta * product + (1 - beta) * (g @ x)
        x, bound = momo_step(x, d, np.ones_like(x), mean, product, lr, decay, 1.0, bound, lowest, adapt)
    return x


def momo_adam(grad, x, steps, lr, b1=0.9, b2=0.999, eps=1e-8, bound=0.0, decay=0.0, adapt=False):
    """Schaipp et al. (2023), Algorithm 2."""
    d, v, mean, product, lowest = np.zeros_like(x), np.zeros_like(x), 0.0, 0.0, bound
    for t in range(steps):
        f, g = value(x, t), grad(x, t)
        d = b1 * d + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        mean = b1 * mean + (1 - b1) * f
        product = b1 * product + (1 - b1) * (g @ x)
        norm = eps + np.sqrt(v / (1 - b2 ** (t + 1)))
        x, bound = momo_step(x, d, norm, mean, product, lr, decay, 1 - b1 ** (t + 1), bound, lowest, adapt)
    return x


def momo_step(x, d, norm, mean, product, lr, decay, rho, bound, lowest, adapt):
    one = 1 + lr * decay
    squared = np.sum(d**2 / norm)
    if adapt and one * (mean - product) + d @ x < one * rho * bound:
        bound = max((one * (mean - product) + d @ x) / (2 * one * rho), lowest)
    tau = min(lr / rho, max(one * (mean - rho * bound - product) + d @ x, 0) / squared)
    if adapt:
        bound = max((mean + d @ x - product - tau * squared / 2) / rho, lowest)
    return (x - tau * d / norm) / one, bound


def dog(grad, x, steps, first, lr=1.0, eps=1e-8, decay=0.0, rate=None):
    """Ivgi, Hinder, Carmon (2023), equation DoG."""
    start, distances, squares = x, [first], 0.0
    for t in range(steps):
        g = grad(x, t) + decay * x
        distances.append(np.linalg.norm(x - start))
        squares += np.sum(g**2)
        eta = max(distances) / np.sqrt(squares + eps)
        if t == 0 and rate is not None:
            eta = rate
        x = x - lr * eta * g
    return x


def dowg(grad, x, steps, first, lr=1.0, eps=1e-4, decay=0.0):
    """Khaled, Mishchenko, Jin (2023), Algorithm 1; `first` is the squared distance at first."""
    start, farthest, v = x, first, 0.0
    for t in range(steps):
        g = grad(x, t) + decay * x
        farthest = max(farthest, np.sum((x - start) ** 2))
        v = v + farthest * np.sum(g**2)
        x = x - lr * farthest / (np.sqrt(v) + eps) * g
    return x


def cocob(grad, x, steps, alpha=100.0, eps=1e-8, lr=1.0, decay=0.0):
    """Orabona, Tommasi (2017), Algorithm 2, one coordinate after the other."""
    start, x = x, x.copy()
    largest, sizes, reward, theta = np.full_like(x, eps), np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t in range(steps):
        g = -lr * (grad(x, t) + decay * x)  # the paper's g is the negative gradient
        for i in range(x.size):
            largest[i] = max(largest[i], abs(g[i]))
            sizes[i] += abs(g[i])
            reward[i] = max(reward[i] + (x[i] - start[i]) * g[i], 0)
            theta[i] += g[i]
            beta = theta[i] / (largest[i] * max(sizes[i] + largest[i], alpha * largest[i]))
            x[i] = start[i] + beta * (largest[i] + reward[i])
    return x


def dadapt_adamw(grad, x, steps, d, lr=1.0, b1=0.9, b2=0.999, eps=1e-8, decay=0.0):
    """Defazio, Mishchenko (2023), Algorithm 5, with bias correction."""
    m, v, s, r = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), 0.0
    root = np.sqrt(b2)
    for k in range(1, steps + 1):
        g = grad(x, k - 1)
        rate = d * lr * np.sqrt(1 - b2**k) / (1 - b1**k)
        r = root * r + (1 - root) * rate * np.sum(g * s / (np.sqrt(v) + eps))
        s = root * s + (1 - root) * rate * g
        m = b1 * m + (1 - b1) * rate * g
        v = b2 * v + (1 - b2) * g**2
        x = x - decay * rate * x - m / (np.sqrt(v) + eps)
        d = max(d, r / ((1 - root) * np.sum(np.abs(s))))
    return x


def prodigy(grad, x, steps, d, lr=1.0, b1=0.9, b2=0.999, b3=None, eps=1e-8, coef=1.0, decay=0.0, safeguard=False):
    """Mishchenko, Defazio (2023), Algorithm 4, with bias correction; sums divided by d0² and by 1 - β3, which cancels."""
    start, d0 = x, d
    b3 = np.sqrt(b2) if b3 is None else b3
    m, v, s, r = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), 0.0
    for k in range(1, steps + 1):
        g = grad(x, k - 1)
        gamma = lr * np.sqrt(1 - b2**k) / (1 - b1**k)
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * d**2 * g**2
        r = b3 * r + gamma * d**2 / d0**2 * np.sum(g * (start - x))
        s = b3 * s + (1.0 if safeguard else gamma) * d**2 / d0**2 * g
        old, d = d, max(d, coef * r / np.sum(np.abs(s)))
        x = x - gamma * old * (m / (np.sqrt(v) + d * eps) + decay * x)
    return x


def mechanic_sgd(grad, x, steps, lr, decay=1e-2, eps=1e-8, s_init=1e-6, n=6):
    """Cutkosky, Defazio, Mehta (2023), Algorithm 1, with the later clipping; the base is gradient descent."""
    start, delta = x, np.zeros_like(x)
    beta = np.array([1 - 10.0**-i for i in range(1, n + 1)])
    m, v, r, s = np.zeros(n), np.zeros(n), np.zeros(n), np.full(n, s_init)
    for t in range(steps):
        g = grad(x, t)
        h = (g + decay * s.sum() * np.linalg.norm(g) / (np.linalg.norm(x) + eps) * x) @ delta
        clipped = np.clip(h, -m, m)
        m = np.maximum(beta * m, abs(h) + eps)
        v = beta**2 * v + h**2
        r = beta * r - s * clipped
        s = (s_init / n * m + np.maximum(r, 0)) / (np.sqrt(v) + eps)
        delta = delta - lr * g
        x = start + s.sum() * delta
    return x
