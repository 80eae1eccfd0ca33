"""Methods beyond the classical ones that look at each number, or at its sign, by itself."""

import numpy as np

from tests.running import CURVATURE


def adamaxw(grad, x, steps, lr, b1, b2, eps, decay):
    m, u = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        x = x - lr * (m / (1 - b1**t) / u + decay * x)
    return x


def nadam_moment(m, g, t, b1):
    """Dozat's mixture of the average, corrected for the next step, and the gradient."""
    return b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)


def nadamw(grad, x, steps, lr, b1, b2, eps, decay):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        x = x - lr * (nadam_moment(m, g, t, b1) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * x)
    return x


def adabelief_nesterov(grad, x, steps, lr, b1, b2, eps, eps_root):
    m, s = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
        x = x - lr * nadam_moment(m, g, t, b1) / (np.sqrt(s / (1 - b2**t)) + eps)
    return x


def lion_soft(grad, x, steps, lr, b1, b2, decay, mode, beta=1.0):
    m = np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        c = b1 * m + (1 - b1) * g
        softened = np.tanh(beta * c) if mode == "smooth" else np.where(np.abs(c) < 1, c, np.sign(c))
        x = x - lr * (softened + decay * x)
        m = b2 * m + (1 - b2) * g
    return x


def radam(grad, x, steps, lr, b1, b2, eps, threshold, eps_root=0.0, nesterov=False):
    m, v = np.zeros_like(x), np.zeros_like(x)
    longest = 2 / (1 - b2) - 1
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        first = nadam_moment(m, g, t, b1) if nesterov else m / (1 - b1**t)
        rho = longest - 2 * t * b2**t / (1 - b2**t)
        if rho >= threshold:
            r = np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
            x = x - lr * r * first / (np.sqrt(v / (1 - b2**t) + eps_root) + eps)
        else:
            x = x - lr * first
    return x


def adan(grad, x, steps, lr, b1, b2, b3, eps, eps_root, decay=0.0, ahead=None):
    """The paper's, with its β one less these decays: its (1 − β₂) is b2, or `ahead`."""
    c = b2 if ahead is None else ahead
    m, v, n, last = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), None
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        change = np.zeros_like(g) if last is None else g - last
        last = g
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * change
        n = b3 * n + (1 - b3) * (g + c * change) ** 2
        direction = m / (1 - b1**t) + c * v / (1 - b2**t)
        x = x - lr * (direction / (np.sqrt(n / (1 - b3**t) + eps_root) + eps) + decay * x)
    return x


def sign_sgd(grad, x, steps, lr):
    for t in range(steps):
        x = x - lr * np.sign(grad(x, t))
    return x


def signum(grad, x, steps, lr, beta):
    m = np.zeros_like(x)
    for t in range(steps):
        m = beta * m + (1 - beta) * grad(x, t)
        x = x - lr * np.sign(m)
    return x


def rprop(grad, x, steps, lr, shrink, grow, least, most):
    """iRprop⁻ of Igel and Hüsken."""
    size, last = np.full_like(x, lr), np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t).copy()
        for i in range(x.size):
            if last[i] * g[i] > 0:
                size[i] = min(size[i] * grow, most)
            elif last[i] * g[i] < 0:
                size[i] = max(size[i] * shrink, least)
                g[i] = 0.0
        x = x - np.sign(g) * size
        last = g
    return x


def optimistic(grad, x, steps, lr, alpha, beta):
    last = None
    for t in range(steps):
        g = grad(x, t)
        last = g if last is None else last
        x = x - lr * ((alpha + beta) * g - beta * last)
        last = g
    return x


def optimistic_adam(grad, x, steps, alpha, beta, b1, b2, eps, nesterov):
    """With the rates in `alpha` and `beta`."""
    m, v, last = np.zeros_like(x), np.zeros_like(x), None
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        first = nadam_moment(m, g, t, b1) if nesterov else m / (1 - b1**t)
        a = first / (np.sqrt(v / (1 - b2**t)) + eps)
        x = x - (alpha + beta) * a + beta * (a if last is None else last)
        last = a
    return x


def madgrad(grad, x, steps, lr, beta, eps, decay=0.0):
    x0, s, v = x.copy(), np.zeros_like(x), np.zeros_like(x)
    for k in range(steps):
        g = grad(x, k) + decay * x
        weight = (lr + eps) * np.sqrt(k + 1)
        s = s + weight * g
        v = v + weight * g**2
        z = x0 - s / (np.cbrt(v) + eps)
        x = beta * x + (1 - beta) * z
    return x


def ademamix(grad, x, steps, lr, b1, b2, b3, alpha, eps, eps_root=0.0, decay=0.0):
    fast, slow, v = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        fast = b1 * fast + (1 - b1) * g
        slow = b3 * slow + (1 - b3) * g
        v = b2 * v + (1 - b2) * g**2
        direction = (fast / (1 - b1**t) + alpha * slow) / (np.sqrt(v / (1 - b2**t) + eps_root) + eps)
        x = x - lr * (direction + decay * x)
    return x


def simplified_ademamix(grad, x, steps, lr, b1, b2, alpha, eps, eps_root=0.0, decay=0.0):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + g
        v = b2 * v + (1 - b2) * g**2
        x = x - lr * ((m + alpha * g) / (np.sqrt(v / (1 - b2**t) + eps_root) + eps) + decay * x)
    return x


def adopt(grad, x, steps, lr, b1, b2, eps, clipping=True, nesterov=False):
    """The paper's Algorithm 2; its step 0 only sets the second moment."""
    m = np.zeros_like(x)
    v = grad(x, 0) ** 2
    for t in range(1, steps):
        g = grad(x, t)
        u = g / np.maximum(np.sqrt(v), eps)
        if clipping:
            u = np.clip(u, -(t**0.25), t**0.25)
        m = b1 * m + (1 - b1) * u
        x = x - lr * (b1 * m + (1 - b1) * u if nesterov else m)
        v = b2 * v + (1 - b2) * g**2
    return x


def acprop(grad, x, steps, lr, b1, b2, eps, eps_root, decay=0.0):
    m, s = np.zeros_like(x), np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        known = s / (1 - b2**t) if t else np.ones_like(x)
        x = x - lr * (g / (np.sqrt(known) + eps) + decay * x)
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
    return x


def sophia(grad, x, steps, lr, b1, b2, eps, gamma, most, every, decay, estimate):
    m, h = np.zeros_like(x), np.zeros_like(x)
    for t in range(steps):
        g = grad(x, t)
        m = b1 * m + (1 - b1) * g
        if t % every == 0:
            h = b2 * h + (1 - b2) * estimate(x, g)
        u = m / np.maximum(gamma * h, eps)
        x = x - lr * ((u if most is None else np.clip(u, -most, most)) + decay * x)
    return x


def squared_gradient(x, g):
    return g**2


def second_derivatives(x, g):
    """Of the test problem, whose Hessian is diagonal: Hutchinson's estimate is exact."""
    return CURVATURE.reshape(x.shape) + 0.9 * np.cos(3 * x)


def grams(grad, x, steps, lr, b1, b2, eps, decay):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        size = np.abs(m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps))
        x = x - lr * (np.sign(g) * size + decay * x)
    return x


def nadam_dozat(grad, x, steps, lr, b1, b2, eps, psi):
    """As PyTorch states it; with psi = 1 as Keras does."""
    m, v, product = np.zeros_like(x), np.zeros_like(x), 1.0
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        now = b1 * (1 - 0.5 * 0.96 ** (t * psi))
        following = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * psi))
        product = product * now
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        mixture = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
        x = x - lr * mixture / (np.sqrt(v / (1 - b2**t)) + eps)
    return x
