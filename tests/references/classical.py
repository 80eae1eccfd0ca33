"""Gradient descent, momentum, and the adaptive methods up to LaProp."""

import numpy as np


def sgd(grad, x, steps, lr):
    for t in range(steps):
        x = x - lr * grad(x, t)
    return x


def momentum(grad, x, steps, lr, gamma):
    v = np.zeros_like(x)
    for t in range(steps):
        v = gamma * v + grad(x, t)
        x = x - lr * v
    return x


def nesterov_reformulated(grad, x, steps, lr, gamma):
    m = np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        m = gamma * m + g
        x = x - lr * (gamma * m + g)
    return x


def nesterov(grad, x, steps, lr, gamma):
    v = np.zeros_like(x)
    for t in range(steps):
        v = gamma * v + lr * grad(x - gamma * v, t)
        x = x - v
    return x


def adagrad(grad, x, steps, lr, start, eps):
    total = np.full_like(x, start)
    for t in range(steps):
        g = grad(x, t)
        total = total + g**2
        x = x - lr * g / np.sqrt(total + eps)
    return x


def adadelta(grad, x, steps, rho, eps, lr=1.0):
    of_gradients, of_steps = np.zeros_like(x), np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        of_gradients = rho * of_gradients + (1 - rho) * g**2
        step = np.sqrt(of_steps + eps) / np.sqrt(of_gradients + eps) * g
        of_steps = rho * of_steps + (1 - rho) * step**2
        x = x - lr * step
    return x


def rmsprop(grad, x, steps, lr, decay, eps, inside=True, centered=False, gamma=None, nesterov=False, corrected=False):
    mean, squares, v = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        mean = decay * mean + (1 - decay) * g
        squares = decay * squares + (1 - decay) * g**2
        weight = 1 - decay ** (t + 1) if corrected else 1.0
        size = squares / weight - (mean / weight) ** 2 if centered else squares / weight
        step = lr * (g / np.sqrt(size + eps) if inside else g / (np.sqrt(size) + eps))
        if gamma is not None:
            v = gamma * v + step
            step = gamma * v + step if nesterov else v
        x = x - step
    return x


def adam(grad, x, steps, lr, b1, b2, eps, eps_root=0.0, decay=0.0):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        x = x - lr * (m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t) + eps_root) + eps) + decay * x)
    return x


def amsgrad(grad, x, steps, lr, b1, b2, eps, corrected=True):
    m, v, largest = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        largest = np.maximum(largest, v / (1 - b2**t) if corrected else v)
        x = x - lr * (m / (1 - b1**t) if corrected else m) / (np.sqrt(largest) + eps)
    return x


def adamax(grad, x, steps, lr, b1, b2, eps):
    m, u = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        x = x - lr / (1 - b1**t) * m / u
    return x


def nadam(grad, x, steps, lr, b1, b2, eps, ahead):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        direction = b1 * m / (1 - b1 ** (t + ahead)) + (1 - b1) * g / (1 - b1**t)
        x = x - lr * direction / (np.sqrt(v / (1 - b2**t)) + eps)
    return x


def adabelief(grad, x, steps, lr, b1, b2, eps, eps_root):
    m, s = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
        x = x - lr * m / (1 - b1**t) / (np.sqrt(s / (1 - b2**t)) + eps)
    return x


def yogi(grad, x, steps, lr, b1, b2, eps, start=1e-6):
    m, v = np.full_like(x, start), np.full_like(x, start)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = v - (1 - b2) * np.sign(v - g**2) * g**2
        x = x - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)
    return x


def lion(grad, x, steps, lr, b1, b2, decay):
    m = np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        x = x - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * x)
        m = b2 * m + (1 - b2) * g
    return x


def laprop(grad, x, steps, lr, b1, b2, eps):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        v = b2 * v + (1 - b2) * g**2
        m = b1 * m + (1 - b1) * g / (np.sqrt(v / (1 - b2**t)) + eps)
        x = x - lr * m / (1 - b1**t)
    return x
