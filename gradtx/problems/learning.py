"""Small problems of learning: a straight line, a curve with several minima, two neurons, a network."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from gradtx.problems.least_squares import least_squares, like
from gradtx.problems.problem import Problem

_LINE = (2, 3, 3, 5, 8, 10, 10, 13, 15, 15, 16, 19, 19, 20, 22, 22, 25, 28)


def _line(w):
    """Half the mean square of 18 residuals: each is divided by √36."""
    x = like(np.arange(1.0, 19), w)
    return (w[0] + w[1] * x - like(_LINE, w)) / 6


straight_line = least_squares(
    "straight line",
    _line,
    (1.0, 1.0),
    0.44066047471620223,
    [(0.13725490196078427, 1.4767801857585139)],
    bounds=((-3, 3), (0.5, 2.5)),
)

# Descent from the start stops at the third. There are more outside the bounds, each higher than the one before.
three_minima = Problem(
    "three minima",
    lambda v: jnp.sum(0.05 * v**2 - jnp.cos(2 * v + 0.6)),
    (4.0,),
    -0.99560975800867,
    ((-0.2926826720067567,),),
    ((-5.0, 5.0),),
)


_TEACHER = (2.0, -3.0)


def _logit(w):
    """Of σ(w₂ σ(w₁ x)) at eight points."""
    return w[1] * jax.nn.sigmoid(w[0] * like((-4.0, -3, -2, -1, 1, 2, 3, 4), w))


def _squared(w):
    """The targets are the outputs at the teacher's weights."""
    return (jax.nn.sigmoid(_logit(w)) - jax.nn.sigmoid(_logit(like(_TEACHER, w)))) / 8**0.5


def _cross_entropy(w):
    target = jax.nn.sigmoid(_logit(like(_TEACHER, w)))
    return jnp.mean(jax.nn.softplus(_logit(w)) - _logit(w) * target)


two_neurons_squared = least_squares(
    "two neurons, squared error", _squared, (-3.0, 8.0), 0.0, [_TEACHER], bounds=((-6, 6), (-10, 10))
)
two_neurons_cross_entropy = Problem(
    "two neurons, cross-entropy", _cross_entropy, (-3.0, 8.0), 0.44775405217936376, (_TEACHER,), ((-6.0, 6.0), (-10.0, 10.0))
)


def _network(w):
    """Layers of 1, 4, 2 and 3 numbers, tanh between them, at the input 1."""
    sizes, x, used = (1, 4, 2, 3), jnp.ones((1,), w.dtype), 0
    for i, (before, after) in enumerate(itertools.pairwise(sizes)):
        weights = w[used : used + before * after].reshape(after, before)
        bias = w[used + before * after : used + (before + 1) * after]
        x, used = weights @ x + bias, used + (before + 1) * after
        x = jnp.tanh(x) if i < 2 else x
    return x


small_network = least_squares(
    "network 1-4-2-3",
    _network,
    tuple(np.round(np.random.default_rng(0).normal(size=27), 3).tolist()),
    0.0,
    [(0.0,) * 27],
)
