"""Surfaces in one, two and three dimensions on which methods show what they do."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gradtx.problems.least_squares import least_squares
from gradtx.problems.problem import Problem

_box = lambda low, high, n=2: ((low, high),) * n


def beale_residuals(v):
    x, y = v
    return jnp.stack([1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3])


def _rosenbrock(v):
    return jnp.stack([10 * (v[1] - v[0] ** 2), 1 - v[0]])


def _beale_unbounded(v):
    x, y = v
    return (1.5 - x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.65 - x + x * y**3) ** 3


def _himmelblau(v):
    x, y = v
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _rastrigin(v):
    return 10 * v.size + jnp.sum(v**2 - 10 * jnp.cos(2 * jnp.pi * v))


def _ackley(v):
    root = jnp.sqrt(jnp.maximum(0.5 * jnp.sum(v**2), 1e-30))
    return -20 * jnp.exp(-0.2 * root) - jnp.exp(0.5 * jnp.sum(jnp.cos(2 * jnp.pi * v))) + 20 + jnp.e


def _goldstein_price(v):
    x, y = v
    a = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    b = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    return a * b


def _levy(v):
    w = 1 + (v - 1) / 4
    first, last = jnp.sin(jnp.pi * w[0]) ** 2, (w[-1] - 1) ** 2 * (1 + jnp.sin(2 * jnp.pi * w[-1]) ** 2)
    return first + jnp.sum((w[:-1] - 1) ** 2 * (1 + 10 * jnp.sin(jnp.pi * w[:-1] + 1) ** 2)) + last


saddle = Problem("saddle", lambda v: v[0] ** 2 - v[1] ** 2, (1.0, 1e-3), None, (), _box(-2, 2))
beale = least_squares("Beale", beale_residuals, (1.75, 1.9), 0.0, [(3.0, 0.5)], _box(-4.5, 4.5))
# A misprint of Beale's function that is on record: unbounded below, and so a test of what a diverging run gets.
beale_unbounded = Problem("Beale, unbounded variant", _beale_unbounded, (1.75, 1.9), None, (), _box(-4.5, 4.5))
bent_bowl = Problem(
    "x² + 0.1y² + 2z²",
    lambda v: v[0] ** 2 + 0.1 * v[1] ** 2 + 2 * v[2] ** 2,
    (-2.0, -2.0, -2.0),
    0.0,
    ((0.0, 0.0, 0.0),),
    _box(-3, 3, 3),
)
quadratic_1d = Problem("θ²", lambda v: jnp.sum(v**2), (1.0,), 0.0, ((0.0,),), _box(-2, 2, 1))
quadratic_2d = Problem("θ₁² + θ₂²", lambda v: jnp.sum(v**2), (2.0, 3.0), 0.0, ((0.0, 0.0),), _box(-4, 4))
rosenbrock = least_squares("Rosenbrock", _rosenbrock, (-1.2, 1.0), 0.0, [(1.0, 1.0)], ((-2, 2), (-1, 3)))
booth = Problem(
    "Booth", lambda v: (v[0] + 2 * v[1] - 7) ** 2 + (2 * v[0] + v[1] - 5) ** 2, (-5.0, 5.0), 0.0, ((1.0, 3.0),), _box(-10, 10)
)
himmelblau = Problem(
    "Himmelblau",
    _himmelblau,
    (0.0, 0.0),
    0.0,
    (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286170),
        (3.584428340330492, -1.848126526964404),
    ),
    _box(-5, 5),
)
rastrigin = Problem("Rastrigin", _rastrigin, (2.5, -1.5), 0.0, ((0.0, 0.0),), _box(-5.12, 5.12))
ackley = Problem("Ackley", _ackley, (2.0, 1.5), 0.0, ((0.0, 0.0),), _box(-5, 5))
styblinski_tang = Problem(
    "Styblinski–Tang",
    lambda v: 0.5 * jnp.sum(v**4 - 16 * v**2 + 5 * v),
    (0.0, 0.0),
    -78.33233140754282,
    ((-2.903534027771177, -2.903534027771177),),
    _box(-5, 5),
)
three_hump_camel = Problem(
    "three-hump camel",
    lambda v: 2 * v[0] ** 2 - 1.05 * v[0] ** 4 + v[0] ** 6 / 6 + v[0] * v[1] + v[1] ** 2,
    (-2.0, 2.0),
    0.0,
    ((0.0, 0.0),),
    _box(-5, 5),
)
goldstein_price = Problem("Goldstein–Price", _goldstein_price, (-1.0, 1.0), 3.0, ((0.0, -1.0),), _box(-2, 2))
levy = Problem("Levy", _levy, (-4.0, 4.0), 0.0, ((1.0, 1.0),), _box(-10, 10))
long_valley = Problem(
    "long valley", lambda v: v[0] ** 2 + 0.01 * v[1] ** 2, (1.0, 10.0), 0.0, ((0.0, 0.0),), ((-2, 2), (-12, 12))
)
plateau = Problem("plateau", lambda v: 1 - jnp.exp(-jnp.sum(v**2) / 2), (3.0, 2.0), 0.0, ((0.0, 0.0),), _box(-5, 5))
cliff = Problem(
    "cliff",
    lambda v: 0.05 * v[0] ** 2 + 0.05 * v[1] ** 2 + 100 * jax.nn.sigmoid(40 * (v[0] - 1.5)),
    (1.6, 1.0),
    None,
    (),
    _box(-3, 3),
)
