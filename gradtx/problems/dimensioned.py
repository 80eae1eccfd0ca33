"""The problems of any dimension from Moré, Garbow and Hillstrom (1981): numbers 20 to 35, each with a default dimension."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.problems import classical, surfaces
from gradtx.problems.least_squares import least_squares, like
from gradtx.problems.problem import Problem


def watson(n: int = 6) -> Problem:
    """Watson's function, $2 \\le n \\le 31$; the published minima are those of $n = 6, 9, 12$."""
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(n)
    powers, slopes = t**j, j * t ** np.maximum(j - 1, 0)

    def residuals(x: jax.Array) -> jax.Array:
        inner = like(slopes, x) @ x - (like(powers, x) @ x) ** 2 - 1
        return jnp.concatenate([inner, jnp.stack([x[0], x[1] - x[0] ** 2 - 1])])

    known = {6: 2.28767005355e-3, 9: 1.39976013817e-6, 12: 4.72238e-10}
    return least_squares(f"Watson, n = {n}", residuals, [0] * n, known.get(n))


def extended_rosenbrock(n: int = 10) -> Problem:
    """Rosenbrock's function in each of $n / 2$ pairs; $n$ even."""
    _even(n, 2)

    def residuals(x: jax.Array) -> jax.Array:
        a, b = x.reshape(-1, 2).T
        return jnp.concatenate([10 * (b - a**2), 1 - a])

    return least_squares(f"extended Rosenbrock, n = {n}", residuals, [-1.2, 1] * (n // 2), 0.0, [[1] * n])


def extended_powell_singular(n: int = 8) -> Problem:
    """Powell's singular function in each of $n / 4$ fours; $n$ a multiple of 4."""
    _even(n, 4)
    four = classical.powell_singular.residuals
    assert four is not None
    return least_squares(
        f"extended Powell singular, n = {n}",
        lambda x: jax.vmap(four)(x.reshape(-1, 4)).reshape(-1),
        [3, -1, 0, 1] * (n // 4),
        0.0,
        [[0] * n],
    )


def penalty_1(n: int = 4) -> Problem:
    """Penalty function I; the published minima are those of $n = 4, 10$."""
    known = {4: 2.249977500e-5, 10: 7.087651467e-5}
    return least_squares(
        f"penalty I, n = {n}",
        lambda x: jnp.concatenate([1e-5**0.5 * (x - 1), (jnp.sum(x**2) - 0.25)[None]]),
        range(1, n + 1),
        known.get(n),
    )


def penalty_2(n: int = 4) -> Problem:
    """Penalty function II; the published minima are those of $n = 4, 10$."""
    i = np.arange(2, n + 1)
    y, weights = np.exp(i / 10) + np.exp((i - 1) / 10), np.arange(n, 0, -1.0)

    def residuals(x: jax.Array) -> jax.Array:
        e, root = jnp.exp(x / 10), 1e-5**0.5
        middle = (root * (e[1:] + e[:-1] - like(y, x)), root * (e[1:] - np.exp(-0.1).item()))
        return jnp.concatenate([(x[0] - 0.2)[None], *middle, (like(weights, x) @ x**2 - 1)[None]])

    known = {4: 9.37629300735e-6, 10: 2.93660537e-4}
    return least_squares(f"penalty II, n = {n}", residuals, [0.5] * n, known.get(n))


def variably_dimensioned(n: int = 6) -> Problem:
    """A quadratic with a quartic term that couples all unknowns."""

    def residuals(x: jax.Array) -> jax.Array:
        total = like(np.arange(1.0, n + 1), x) @ (x - 1)
        return jnp.concatenate([x - 1, jnp.stack([total, total**2])])

    start = 1 - np.arange(1, n + 1) / n
    return least_squares(f"variably dimensioned, n = {n}", residuals, start, 0.0, [[1] * n])


def trigonometric(n: int = 5) -> Problem:
    """The trigonometric function; it has other minima besides that of 0."""

    def residuals(x: jax.Array) -> jax.Array:
        i = like(np.arange(1.0, n + 1), x)
        return n - jnp.sum(jnp.cos(x)) + i * (1 - jnp.cos(x)) - jnp.sin(x)

    return least_squares(f"trigonometric, n = {n}", residuals, [1 / n] * n, 0.0, [[0] * n])


def brown_almost_linear(n: int = 5) -> Problem:
    """Linear equations but for the last, a product."""

    def residuals(x: jax.Array) -> jax.Array:
        return jnp.concatenate([x[:-1] + jnp.sum(x) - (n + 1), (jnp.prod(x) - 1)[None]])

    return least_squares(f"Brown almost-linear, n = {n}", residuals, [0.5] * n, 0.0, [[1] * n])


def discrete_boundary_value(n: int = 8) -> Problem:
    """Finite differences for $u'' = (u + t + 1)^3 / 2$ with $u(0) = u(1) = 0$."""
    h = 1 / (n + 1)
    t = h * np.arange(1, n + 1)

    def residuals(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, 1)
        return 2 * x - padded[:-2] - padded[2:] + h**2 * (x + like(t, x) + 1) ** 3 / 2

    return least_squares(f"discrete boundary value, n = {n}", residuals, t * (t - 1), 0.0)


def discrete_integral(n: int = 8) -> Problem:
    """The same boundary value problem as an integral equation."""
    h = 1 / (n + 1)
    t = h * np.arange(1, n + 1)
    kernel = h / 2 * np.where(t[None] <= t[:, None], (1 - t[:, None]) * t[None], t[:, None] * (1 - t[None]))

    def residuals(x: jax.Array) -> jax.Array:
        return x + like(kernel, x) @ (x + like(t, x) + 1) ** 3

    return least_squares(f"discrete integral equation, n = {n}", residuals, t * (t - 1), 0.0)


def broyden_tridiagonal(n: int = 10) -> Problem:
    """Quadratic equations, each with its two neighbours."""

    def residuals(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, 1)
        return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1

    return least_squares(f"Broyden tridiagonal, n = {n}", residuals, [-1] * n, 0.0)


def broyden_banded(n: int = 10) -> Problem:
    """Cubic equations, each with five neighbours below and one above."""
    i = np.arange(n)
    near = ((i[None] >= i[:, None] - 5) & (i[None] <= i[:, None] + 1) & (i[None] != i[:, None])).astype(float)

    def residuals(x: jax.Array) -> jax.Array:
        return x * (2 + 5 * x**2) + 1 - like(near, x) @ (x * (1 + x))

    return least_squares(f"Broyden banded, n = {n}", residuals, [-1] * n, 0.0)


def linear_full_rank(n: int = 5, m: int = 10) -> Problem:
    """Linear least squares of full rank, $m \\ge n$; the least value is $m - n$ at $(-1, …, -1)$."""

    def residuals(x: jax.Array) -> jax.Array:
        return jnp.pad(x, (0, m - n)) - 2 / m * jnp.sum(x) - 1

    return least_squares(f"linear of full rank, n = {n}, m = {m}", residuals, [1] * n, float(m - n), [[-1] * n])


def linear_rank_one(n: int = 5, m: int = 10) -> Problem:
    """Linear least squares of rank one; the least value is $m(m - 1) / (2(2m + 1))$."""

    def residuals(x: jax.Array) -> jax.Array:
        i, j = like(np.arange(1.0, m + 1), x), like(np.arange(1.0, n + 1), x)
        return i * (j @ x) - 1

    return least_squares(f"linear of rank one, n = {n}, m = {m}", residuals, [1] * n, m * (m - 1) / (2 * (2 * m + 1)))


def linear_rank_one_with_zeros(n: int = 5, m: int = 10) -> Problem:
    """The same without the first and last row and column; the least value is $(m^2 + 3m - 6) / (2(2m - 3))$."""
    i, j = np.arange(m, dtype=float), np.arange(1.0, n + 1)
    i[-1] = j[0] = j[-1] = 0

    def residuals(x: jax.Array) -> jax.Array:
        return like(i, x) * (like(j, x) @ x) - 1

    least = (m**2 + 3 * m - 6) / (2 * (2 * m - 3))
    return least_squares(f"linear of rank one with zeros, n = {n}, m = {m}", residuals, [1] * n, least)


def chebyquad(n: int = 8) -> Problem:
    """The points of Chebyshev quadrature; the published minima are those of $n = 8, 9, 10$."""
    wanted = [0.0 if i % 2 else -1 / (i * i - 1) for i in range(1, n + 1)]

    def residuals(x: jax.Array) -> jax.Array:
        shifted = 2 * x - 1
        polynomials = [jnp.ones_like(x), shifted]
        for _ in range(n - 1):
            polynomials.append(2 * shifted * polynomials[-1] - polynomials[-2])
        return jnp.stack([jnp.mean(p) for p in polynomials[1:]]) - like(wanted, x)

    known = {1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 0.0, 6: 0.0, 7: 0.0, 8: 3.51687372568e-3, 9: 0.0, 10: 6.50395e-3}
    return least_squares(f"Chebyquad, n = {n}", residuals, np.arange(1, n + 1) / (n + 1), known.get(n))


def more_garbow_hillstrom() -> tuple[Problem, ...]:
    """All 35 problems of the paper in its order, each from its standard start.

    References:
        Moré, Garbow, Hillstrom (1981), Testing Unconstrained Optimization Software, ACM Transactions on Mathematical Software 7(1).

    Example:
        >>> from gradtx.problems import more_garbow_hillstrom
        >>> len(more_garbow_hillstrom()), more_garbow_hillstrom()[0].name
        (35, 'Rosenbrock')
    """
    c = classical
    beale = least_squares("Beale from (1, 1)", surfaces.beale_residuals, (1, 1), 0.0, [(3, 0.5)], surfaces.beale.bounds)
    return (
        *(surfaces.rosenbrock, c.freudenstein_roth, c.powell_badly_scaled, c.brown_badly_scaled, beale),
        *(c.jennrich_sampson, c.helical_valley, c.bard, c.gaussian, c.meyer, c.gulf, c.box, c.powell_singular, c.wood),
        *(c.kowalik_osborne, c.brown_dennis, c.osborne_1, c.biggs_exp6, c.osborne_2, watson()),
        *(extended_rosenbrock(), extended_powell_singular(), penalty_1(), penalty_2(), variably_dimensioned()),
        *(trigonometric(), brown_almost_linear(), discrete_boundary_value(), discrete_integral()),
        *(broyden_tridiagonal(), broyden_banded(), linear_full_rank(), linear_rank_one(), linear_rank_one_with_zeros()),
        chebyquad(),
    )


def _even(n: int, k: int) -> None:
    if n < k or n % k:
        raise ValueError(f"n = {n}; it must be a positive multiple of {k}.")
