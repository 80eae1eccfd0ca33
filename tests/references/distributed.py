"""Loops over workers, written from the equations: `grad(x, i, t)` is worker i's gradient at x in step t; `x` is [workers, ...]."""

import numpy as np


def data_parallel(grad, x, steps, rate):
    x = x.copy()
    for t in range(steps):
        x -= rate * np.mean([grad(x[i], i, t) for i in range(len(x))], 0)
    return x


def easgd(grad, x, steps, rate, moving_rate, period, momentum=0.0):
    x, centre, v = x.copy(), x[0].copy(), np.zeros_like(x)
    n = len(x)
    for t in range(steps):
        pull = moving_rate / n * (x - centre) if t % period == 0 else np.zeros_like(x)
        for i in range(n):
            v[i] = momentum * v[i] - rate * grad(x[i] + momentum * v[i], i, t)
        x = x + v - pull
        centre = centre + pull.sum(0)
    return x, centre


def local(grad, x, steps, rate, period, outer_rate=1.0, outer_momentum=0.0):
    """Local SGD; with an outer Nesterov step in the form of PyTorch, which DiLoCo uses."""
    x, old = x.copy(), x[0].copy()
    m = np.zeros_like(old)
    for t in range(steps):
        for i in range(len(x)):
            x[i] -= rate * grad(x[i], i, t)
        if (t + 1) % period == 0:
            drift = old - x.mean(0)
            m = outer_momentum * m + drift
            old = old - outer_rate * (drift + outer_momentum * m)
            x[:] = old
    return x


def gossip(grad, x, steps, rate, w):
    n = len(x)
    mixing = np.zeros((n, n))
    for i in range(n):
        mixing[i, i] += 1 - 2 * w
        mixing[i, (i + 1) % n] += w
        mixing[i, (i - 1) % n] += w
    for t in range(steps):
        g = np.stack([grad(x[i], i, t) for i in range(n)])
        x = np.einsum("ij,j...->i...", mixing, x) - rate * g
    return x


def compressed(grad, x, steps, rate, code):
    """`code` gives what arrives of an array."""
    x, unsent = x.copy(), np.zeros_like(x)
    for t in range(steps):
        sent = np.zeros_like(x)
        for i in range(len(x)):
            wanted = grad(x[i], i, t) + unsent[i]
            sent[i] = code(wanted)
            unsent[i] = wanted - sent[i]
        x = x - rate * sent.mean(0)
    return x, unsent


def top_k(ratio):
    def code(x):
        flat = x.ravel().copy()
        flat[np.argsort(-np.abs(flat), kind="stable")[max(1, flat.size // ratio) :]] = 0
        return flat.reshape(x.shape)

    return code


def sign_bits(x):
    return np.where(x >= 0, 1.0, -1.0) * np.abs(x).mean()


def int8(block):
    def code(x):
        out = np.empty(x.size)
        for k in range(0, x.size, block):
            part = x.ravel()[k : k + block]
            unit = np.abs(part).max() / 127
            out[k : k + block] = np.rint(part / unit) * unit
        return out.reshape(x.shape)

    return code


def powersgd(grad, x, steps, rate, q):
    """Matrices [workers, rows, columns]; `q` is the first right factor. Gram-Schmidt in place of a library's factorisation."""
    x, unsent = x.copy(), np.zeros_like(x)
    for t in range(steps):
        m = np.stack([grad(x[i], i, t) for i in range(len(x))]) + unsent
        p = (m @ q).mean(0)
        for j in range(p.shape[1]):
            for k in range(j):
                p[:, j] -= p[:, k] @ p[:, j] * p[:, k]
            p[:, j] /= np.linalg.norm(p[:, j])
        q = np.mean([mi.T @ p for mi in m], 0)
        mean = p @ q.T
        unsent = m - mean
        x = x - rate * mean
    return x


def streaming(grad, x, steps, rate, period, fragments, delay, mixing):
    """`x` is a list of arrays [workers, ...], array k in fragment k % fragments; the outer optimizer goes to the mean."""
    x, old = [a.copy() for a in x], [a[0].copy() for a in x]
    under_way = {}
    for s in range(1, steps + 1):
        for a in x:
            for i in range(len(a)):
                a[i] -= rate * grad(a[i], i, s - 1)
        for k, a in enumerate(x):
            p = k % fragments
            if s % period == p * period // fragments:
                under_way.setdefault(s + delay, []).append((k, a.mean(0) - old[k]))
        for k, step in under_way.pop(s, []):
            old[k] = old[k] + step
            for i in range(len(x[k])):
                x[k][i] = mixing * x[k][i] + (1 - mixing) * old[k]
    return x
