"""Methods that work on matrices, or keep a row and a column for one. A matrix has as many rows as inputs, as many columns as outputs."""

import numpy as np


def rms(x):
    return np.sqrt(np.mean(x**2))


def _factored(r, c):
    """Algorithm 2 of Adafactor: sums, not means, of the rows and columns."""
    return np.outer(r, c) / r.sum()


def adafactor(
    grad, x, steps, lr=None, power=0.8, relative=True, clip=1.0, gamma=None, decay=0.0, eps=1e-30, factored=True, offset=0
):
    r, c, v, m = (np.zeros(n) for n in (x.shape[0], x.shape[-1], x.shape, x.shape))
    for t in range(steps):
        g = grad(x, t)
        b = 1 - (max(t - offset, 0) + 1.0) ** -power
        squares = g**2 + eps
        if factored and x.ndim == 2:
            r = b * r + (1 - b) * squares.sum(1)
            c = b * c + (1 - b) * squares.sum(0)
            u = g / np.sqrt(_factored(r, c))
        else:
            v = b * v + (1 - b) * squares
            u = g / np.sqrt(v)
        if clip:
            u = u / max(1, rms(u) / clip)
        u = u * (1 if lr is None else lr)
        if relative:
            u = u * max(1e-3, rms(x))
        if gamma is not None:
            u = m = gamma * m + (1 - gamma) * u
        x = x - u - decay * x
    return x


def came(grad, x, steps, lr, b1, b2, b3, eps1, eps2, d=1.0, decay=0.0):
    r, c, v, m, rs, cs = (np.zeros(n) for n in (x.shape[0], x.shape[-1], x.shape, x.shape, x.shape[0], x.shape[-1]))
    for t in range(steps):
        g = grad(x, t)
        squares = g**2 + eps1
        if x.ndim == 2:
            r = b2 * r + (1 - b2) * squares.sum(1)
            c = b2 * c + (1 - b2) * squares.sum(0)
            u = g / np.sqrt(_factored(r, c))
        else:
            v = b2 * v + (1 - b2) * squares
            u = g / np.sqrt(v)
        u = u / max(1, rms(u) / d)
        m = b1 * m + (1 - b1) * u
        step = m
        if x.ndim == 2:
            instability = (u - m) ** 2 + eps2
            rs = b3 * rs + (1 - b3) * instability.sum(1)
            cs = b3 * cs + (1 - b3) * instability.sum(0)
            step = m / np.sqrt(_factored(rs, cs))
        x = x - lr * (step + decay * x)
    return x


def sm3(grad, x, steps, lr, gamma, eps):
    """SM3-II over the rows and columns of a matrix, over the single numbers of a vector."""
    rows, columns, whole, m = (np.zeros(n) for n in (x.shape[0], x.shape[-1], x.shape, x.shape))
    for t in range(steps):
        g = grad(x, t)
        if x.ndim == 2:
            nu = np.minimum(rows[:, None], columns[None, :]) + g**2
            rows, columns = nu.max(1), nu.max(0)
        else:
            nu = whole = whole + g**2
        m = gamma * m + (1 - gamma) * g / np.sqrt(nu + eps)
        x = x - lr * m
    return x


STANDARD = [(3.4445, -4.7750, 2.0315)] * 5


def orth(x, quintics=STANDARD, scaling="frobenius", eps=1e-8):
    """The quintics on the singular values themselves."""
    if x.shape[0] > x.shape[1]:
        return orth(x.T, quintics, scaling, eps).T
    if scaling == "aol":
        x = x / np.sqrt(np.maximum(np.abs(x @ x.T).sum(1, keepdims=True), eps))
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    s = (
        s
        / {
            "frobenius": np.sqrt((s**2).sum()) + eps,
            "spectral": s.max() + eps,
            "schatten": np.sqrt(max(np.sqrt((s**4).sum()), eps)),
            "aol": 1.0,
        }[scaling]
    )
    for a, b, c in quintics:
        s = a * s + b * s**3 + c * s**5
    return u * s @ vt


def muon(
    grad, x, steps, lr, beta=0.95, nesterov=True, corrected=True, moonlight=None, decay=0.0, quintics=STANDARD, scaling="frobenius",
    adaptive=False,
):  # fmt: skip
    mu = np.zeros_like(x)
    rows, columns = x.shape
    for t in range(1, steps + 1):
        g = grad(x, t - 1)
        mu = beta * mu + (1 - beta) * g
        now, later = (1 - beta**t, 1 - beta ** (t + 1)) if corrected else (1, 1)
        m = beta * mu / later + (1 - beta) * g / now if nesterov else mu / now
        o = orth(m, quintics, scaling)
        if adaptive:
            o = np.sum(m * o) * o
        size = moonlight * np.sqrt(max(rows, columns)) if moonlight else np.sqrt(max(1, columns / rows))
        x = x - lr * (size * o + decay * x)
    return x


def adamuon(grad, x, steps, lr, beta=0.95, b2=0.95, eps=1e-8, decay=0.0, size=0.2):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t in range(steps):
        m = beta * m + grad(x, t)
        o = orth(np.sign(m))
        v = b2 * v + (1 - b2) * o**2
        o = o / (np.sqrt(v) + eps)
        x = x - lr * (size * np.sqrt(x.size) * o / np.linalg.norm(o) + decay * x)
    return x


def normuon(grad, x, steps, lr, beta=0.95, b2=0.95, eps=1e-8, decay=0.0, size=0.2, nesterov=False):
    m, v = np.zeros_like(x), np.zeros(x.shape[1])
    for t in range(steps):
        g = grad(x, t)
        m = beta * m + (1 - beta) * g
        o = orth(beta * m + (1 - beta) * g if nesterov else m)
        v = b2 * v + (1 - b2) * (o**2).mean(0)
        o = o / (np.sqrt(v) + eps)
        x = x - lr * (size * np.sqrt(x.size) * o / np.linalg.norm(o) + decay * x)
    return x


def dion(grad, x, steps, lr, q, beta=0.95, decay=0.0):
    """Algorithm 1, on the transposed matrix: outputs by inputs."""
    theta, m = x.T, np.zeros_like(x.T)
    outputs, inputs = theta.shape
    for t in range(steps):
        b = m + grad(theta.T, t).T
        p, _ = np.linalg.qr(b @ q)
        r = b.T @ p
        m = b - (1 - beta) * p @ r.T
        q = r / np.linalg.norm(r, axis=0)
        theta = theta - lr * (np.sqrt(outputs / inputs) * p @ q.T + decay * theta)
    return theta.T


def _power(a, p):
    w, v = np.linalg.eigh(a)
    return v * np.maximum(w, 0) ** p @ v.T


def shampoo(grad, x, steps, lr, eps, b2=None, every=1, gamma=None, decay=0.0, graft=None, longest=np.inf):
    """Algorithm 1; `graft` gives from a stream of gradients the step whose length is taken."""
    rows, columns = x.shape
    left, right, v = np.eye(rows), np.eye(columns), np.zeros_like(x)
    sums = [np.zeros((rows, rows)), np.zeros((columns, columns))]
    sides = [rows <= longest, columns <= longest]
    for t in range(steps):
        g = grad(x, t)
        for i, new in enumerate((g @ g.T, g.T @ g)):
            sums[i] = sums[i] + new if b2 is None else b2 * sums[i] + (1 - b2) * new
        if t % every == 0:
            left, right = (
                _power(s + eps * np.eye(len(s)), -1 / (2 * sum(sides))) if side else np.eye(len(s))
                for s, side in zip(sums, sides, strict=True)
            )
        u = left @ g @ right
        if graft is not None:
            u = u * np.linalg.norm(graft(g)) / np.linalg.norm(u)
        if gamma is not None:
            u = v = gamma * v + u
        x = x - lr * (u + decay * x)
    return x


def adam_grafted_shampoo(grad, x, steps, b1, b2, adam_eps, **settings):
    m, v, t = np.zeros_like(x), np.zeros_like(x), 0

    def adam(g):
        nonlocal m, v, t
        m, v, t = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2, t + 1
        return m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + adam_eps)

    return shampoo(grad, x, steps, graft=adam, **settings)


def soap(grad, x, steps, lr, b1=0.95, b2=0.95, beta=0.95, eps=1e-8, every=10, decay=0.0, longest=np.inf):
    """Algorithms 3 and 4; the first gradient only makes the basis."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    sums = [np.zeros((n, n)) for n in x.shape]
    bases = [np.eye(n) for n in x.shape]
    for t in range(steps):
        g = grad(x, t)
        step = np.zeros_like(x)
        if t > 0:
            left, right = bases
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * (left.T @ g @ right) ** 2
            n = left.T @ m @ right / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)
            step = left @ n @ right.T
        for i, new in enumerate((g @ g.T, g.T @ g)):
            sums[i] = beta * sums[i] + (1 - beta) * new
            if len(new) > longest:
                continue
            if t == 0:
                bases[i] = np.linalg.eigh(sums[i])[1][:, ::-1]
            elif t % every == 0:
                bases[i] = np.linalg.qr(sums[i] @ bases[i])[0]
        x = x - lr * (step + decay * x)
    return x


def galore(grad, x, steps, lr, rank, every, side="short", scale=1.0, b1=0.9, b2=0.999, eps=1e-8, decay=0.0):
    """Algorithm 2: Adam on the projected gradient."""
    of_rows = x.shape[0] == x.shape[1] or (x.shape[0] < x.shape[1]) == (side == "short")
    m = v = 0.0
    for t in range(steps):
        g = grad(x, t)
        if t % every == 0:
            u, _, vt = np.linalg.svd(g, full_matrices=False)
            p = u[:, :rank] if of_rows else vt[:rank].T
            p = p * np.sign([column[np.argmax(np.abs(column))] for column in p.T])  # the sign is free: so that it stays
        low = p.T @ g if of_rows else g @ p
        m = b1 * m + (1 - b1) * low
        v = b2 * v + (1 - b2) * low**2
        n = m / (1 - b1 ** (t + 1)) / (np.sqrt(v / (1 - b2 ** (t + 1))) + eps)
        x = x - lr * (scale * (p @ n if of_rows else n @ p.T) + decay * x)
    return x


def _norm_below(x):
    y = x @ x[:, np.argmax((x**2).sum(0))]
    return np.linalg.norm(x @ y / np.linalg.norm(y))


def kron(grad, x, steps, lr, noise, b1=0.9, rate=0.1, every=1, clip=1.1, decay=0.0):
    """Whitening by triangular factors; `noise` gives V at a step."""
    m = np.zeros_like(x)
    left, right = (np.eye(n) for n in x.shape)
    for t in range(steps):
        m = b1 * m + (1 - b1) * grad(x, t)
        g = m / (1 - b1 ** (t + 1))
        if t % every == 0:
            a = left @ g @ right.T
            b = np.linalg.inv(left).T @ noise(t) @ np.linalg.inv(right)
            new_left = left - rate * np.triu(a @ a.T - b @ b.T) @ left / _norm_below(a @ a.T + b @ b.T)
            right = right - rate * np.triu(a.T @ a - b.T @ b) @ right / _norm_below(a.T @ a + b.T @ b)
            left = new_left
        u = left.T @ left @ g @ right.T @ right
        u = u / max(1, rms(u) / clip)
        x = x - lr * (u + decay * x)
    return x
