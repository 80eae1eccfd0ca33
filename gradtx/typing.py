"""Types for the hyperparameters of your own rules and pieces: `def mine(learning_rate: NonNegative, b1: Decay = 0.9)`.

The annotation says which numbers are allowed, that the argument is a leaf, and that it takes a schedule.
"""

from gradtx.core.fields import (
    Decay,
    DType,
    Fraction,
    Hyper,
    Key,
    NonNegative,
    NonNegativeReal,
    Number,
    Positive,
    PositiveReal,
    Real,
    ScalarOrSchedule,
)
from gradtx.core.select import Where
from gradtx.core.trees import Tree

__all__ = [
    "DType",
    "Decay",
    "Fraction",
    "Hyper",
    "Key",
    "NonNegative",
    "NonNegativeReal",
    "Number",
    "Positive",
    "PositiveReal",
    "Real",
    "ScalarOrSchedule",
    "Tree",
    "Where",
]
