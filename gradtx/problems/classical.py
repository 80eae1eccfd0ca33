"""The problems of fixed dimension from Moré, Garbow and Hillstrom (1981), Testing Unconstrained Optimization Software, ACM TOMS 7(1).

Numbers 2 to 20 of the paper; number 1 is `rosenbrock` and number 5 `beale`. All are sums of squares, with the paper's starts.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.problems.least_squares import least_squares, like


def _counted(m: int, x: jax.Array) -> jax.Array:
    """1, 2, …, m."""
    return like(np.arange(1, m + 1), x)


def _freudenstein_roth(v):
    x, y = v
    return jnp.stack([-13 + x + ((5 - y) * y - 2) * y, -29 + x + ((y + 1) * y - 14) * y])


def _powell_badly_scaled(v):
    x, y = v
    return jnp.stack([1e4 * x * y - 1, jnp.exp(-x) + jnp.exp(-y) - 1.0001])


def _brown_badly_scaled(v):
    x, y = v
    return jnp.stack([x - 1e6, y - 2e-6, x * y - 2])


def _jennrich_sampson(v):
    i = _counted(10, v)
    return 2 + 2 * i - (jnp.exp(i * v[0]) + jnp.exp(i * v[1]))


def _helical_valley(v):
    x, y, z = v
    turns = jnp.arctan2(y, x) / (2 * jnp.pi)
    # The paper's angle runs from -1/4 to 3/4 of a turn.
    turns = jnp.where(turns < -0.25, turns + 1, turns)
    return jnp.stack([10 * (z - 10 * turns), 10 * (jnp.sqrt(x**2 + y**2) - 1), z])


_BARD = (0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39)


def _bard(v):
    u = _counted(15, v)
    return like(_BARD, v) - (v[0] + u / ((16 - u) * v[1] + jnp.minimum(u, 16 - u) * v[2]))


_GAUSSIAN = (0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521)


def _gaussian(v):
    t = (8 - _counted(15, v)) / 2
    return v[0] * jnp.exp(-v[1] * (t - v[2]) ** 2 / 2) - like((*_GAUSSIAN, 0.3989, *_GAUSSIAN[::-1]), v)


_MEYER = (34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872)


def _meyer(v):
    t = 45 + 5 * _counted(16, v)
    return v[0] * jnp.exp(v[1] / (t + v[2])) - like(_MEYER, v)


def _gulf(v):
    # The exponent is |y - x₂|^x₃ / x₁; the paper's formula has a misprint (|y m i x₂|).
    t = np.arange(1, 100) / 100
    y = like(25 + (-50 * np.log(t)) ** (2 / 3), v)
    return jnp.exp(-(jnp.abs(y - v[1]) ** v[2]) / v[0]) - like(t, v)


def _box(v):
    t = _counted(10, v) / 10
    return jnp.exp(-t * v[0]) - jnp.exp(-t * v[1]) - v[2] * (jnp.exp(-t) - jnp.exp(-10 * t))


def _powell_singular(v):
    a, b, c, d = v
    return jnp.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


def _wood(v):
    a, b, c, d = v
    first, second = (10 * (b - a**2), 1 - a), (90**0.5 * (d - c**2), 1 - c)
    return jnp.stack([*first, *second, 10**0.5 * (b + d - 2), 10**-0.5 * (b - d)])


_KOWALIK = (0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246)
_DOSES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)


def _kowalik_osborne(v):
    u = like(_DOSES, v)
    return like(_KOWALIK, v) - v[0] * (u**2 + u * v[1]) / (u**2 + u * v[2] + v[3])


def _brown_dennis(v):
    t = _counted(20, v) / 5
    return (v[0] + t * v[1] - jnp.exp(t)) ** 2 + (v[2] + v[3] * jnp.sin(t) - jnp.cos(t)) ** 2


_OSBORNE_1 = (
    *(0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603, 0.580),
    *(0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406),
)


def _osborne_1(v):
    t = 10 * (_counted(33, v) - 1)
    return like(_OSBORNE_1, v) - (v[0] + v[1] * jnp.exp(-t * v[3]) + v[2] * jnp.exp(-t * v[4]))


def _biggs_exp6(v):
    t = _counted(13, v) / 10
    y = jnp.exp(-t) - 5 * jnp.exp(-10 * t) + 3 * jnp.exp(-4 * t)
    return v[2] * jnp.exp(-t * v[0]) - v[3] * jnp.exp(-t * v[1]) + v[5] * jnp.exp(-t * v[4]) - y


_OSBORNE_2 = (
    *(1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616, 0.606, 0.602),
    *(0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375),
    *(0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591),
    *(0.559, 0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054),
)


def _osborne_2(v):
    t = (_counted(65, v) - 1) / 10
    peaks = sum(v[1 + k] * jnp.exp(-((t - v[8 + k]) ** 2) * v[5 + k]) for k in range(3))
    return like(_OSBORNE_2, v) - (v[0] * jnp.exp(-t * v[4]) + peaks)


freudenstein_roth = least_squares("Freudenstein–Roth", _freudenstein_roth, (0.5, -2), 0.0, [(5, 4)], bounds=((-5, 20), (-4, 6)))
powell_badly_scaled = least_squares(
    "Powell badly scaled", _powell_badly_scaled, (0, 1), 0.0, [(1.0981593296998146e-05, 9.106146739865962)]
)
brown_badly_scaled = least_squares("Brown badly scaled", _brown_badly_scaled, (1, 1), 0.0, [(1e6, 2e-6)])
jennrich_sampson = least_squares(
    "Jennrich–Sampson", _jennrich_sampson, (0.3, 0.4), 124.3621823556148, [(0.2578252136703641,) * 2]
)
helical_valley = least_squares("helical valley", _helical_valley, (-1, 0, 0), 0.0, [(1, 0, 0)])
bard = least_squares(
    "Bard", _bard, (1, 1, 1), 8.214877306578978e-3, [(0.08241055974978902, 1.133036092029723, 2.343695178642536)]
)
gaussian = least_squares(
    "Gaussian", _gaussian, (0.4, 1, 0), 1.127932769618924e-8, [(0.39895613783875666, 1.0000190844878059, 0)]
)
meyer = least_squares("Meyer", _meyer, (0.02, 4000, 250), 87.9458551706)
gulf = least_squares("Gulf research and development", _gulf, (5, 2.5, 0.15), 0.0, [(50, 25, 1.5)])
box = least_squares("Box three-dimensional", _box, (0, 10, 20), 0.0, [(1, 10, 1), (10, 1, -1)])
powell_singular = least_squares("Powell singular", _powell_singular, (3, -1, 0, 1), 0.0, [(0, 0, 0, 0)])
wood = least_squares("Wood", _wood, (-3, -1, -3, -1), 0.0, [(1, 1, 1, 1)])
kowalik_osborne = least_squares(
    "Kowalik–Osborne",
    _kowalik_osborne,
    (0.25, 0.39, 0.415, 0.39),
    3.0750560384923815e-4,
    [(0.19280693457903786, 0.19128232873436674, 0.12305650692632064, 0.13606233068379472)],
)
brown_dennis = least_squares(
    "Brown–Dennis",
    _brown_dennis,
    (25, 5, -5, -1),
    85822.20162635637,
    [(-11.594439904762165, 13.203630051207202, -0.4034394881768595, 0.2367787744557363)],
)
osborne_1 = least_squares(
    "Osborne 1",
    _osborne_1,
    (0.5, 1.5, -1, 0.01, 0.02),
    5.464894697483052e-5,
    [(0.37541005210695205, 1.9358469127123683, -1.464687136613424, 0.01286753464005729, 0.022122699661672605)],
)
biggs_exp6 = least_squares("Biggs EXP6", _biggs_exp6, (1, 2, 1, 1, 1, 1), 0.0, [(1, 10, 1, 5, 4, 3)])
osborne_2 = least_squares("Osborne 2", _osborne_2, (1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5), 4.01377362935e-2)
