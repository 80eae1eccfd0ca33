"""THE table: every optimizer with its settings, its reference, and its counterpart in Optax. Every property test runs over it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtx
from gradtx.testing import Subject
from tests.references import classical as r
from tests.running import START


@dataclasses.dataclass(frozen=True)
class Row:
    """One optimizer at one setting."""

    name: str
    tx: gradtx.Transform
    reference: Callable[..., Any]
    settings: dict[str, Any]
    optax: str | None = None  # the same, in Optax
    optax_sign: float = 1.0
    tolerance: float = 2e-5  # of float32 against float64 after 200 steps, absolute and relative
    shape: tuple[int, ...] = (6,)  # of the parameter on which it is compared; six numbers in all
    exempt: dict[str, str] = dataclasses.field(
        default_factory=dict
    )  # a property's name (in gradtx.testing.PROPERTIES, or a test's without `test_`): the reason
    drift: float = 0.0  # how far a parameter of zero moves in a step at a gradient of zero

    @property
    def subject(self) -> Subject:
        return Subject(self.tx, self.start, drift=self.drift)

    @property
    def start(self) -> np.ndarray:
        return START.reshape(self.shape)


TABLE = [
    Row("sgd", gradtx.sgd(0.05), r.sgd, dict(lr=0.05), "sgd(0.05)"),
    Row("momentum", gradtx.sgd(0.01, momentum=0.9), r.momentum, dict(lr=0.01, gamma=0.9), "sgd(0.01, 0.9)"),
    Row(
        "nesterov_reformulated",
        gradtx.sgd(0.01, momentum=0.9, nesterov=True),
        r.nesterov_reformulated,
        dict(lr=0.01, gamma=0.9),
        "sgd(0.01, 0.9, nesterov=True)",
    ),
    Row("nesterov", gradtx.nesterov(0.01, 0.9), r.nesterov, dict(lr=0.01, gamma=0.9)),
    Row("adagrad", gradtx.adagrad(0.5), r.adagrad, dict(lr=0.5, start=0.1, eps=1e-7), "adagrad(0.5)"),
    Row("adadelta", gradtx.adadelta(), r.adadelta, dict(rho=0.9, eps=1e-6), "adadelta()", optax_sign=-1.0),
    Row("adadelta_rate", gradtx.adadelta(0.5), r.adadelta, dict(rho=0.9, eps=1e-6, lr=0.5), "adadelta(0.5)"),
    Row("rmsprop", gradtx.rmsprop(0.01), r.rmsprop, dict(lr=0.01, decay=0.9, eps=1e-8), "rmsprop(0.01)"),
    Row(
        "rmsprop_outside",
        gradtx.rmsprop(0.01, eps=1e-4, eps_in_sqrt=False),
        r.rmsprop,
        dict(lr=0.01, decay=0.9, eps=1e-4, inside=False),
        "rmsprop(0.01, eps=1e-4, eps_in_sqrt=False)",
    ),
    Row(
        "rmsprop_centered",
        gradtx.rmsprop(0.01, eps=1e-2, centered=True),
        r.rmsprop,
        dict(lr=0.01, decay=0.9, eps=1e-2, centered=True),
        "rmsprop(0.01, eps=1e-2, centered=True)",
    ),
    Row(
        "rmsprop_momentum",
        gradtx.rmsprop(0.01, eps=1e-4, momentum=0.5, bias_correction=True),
        r.rmsprop,
        dict(lr=0.01, decay=0.9, eps=1e-4, gamma=0.5, corrected=True),
        "rmsprop(0.01, eps=1e-4, momentum=0.5, bias_correction=True)",
    ),
    Row(
        "rmsprop_all",
        gradtx.rmsprop(0.01, eps=1e-2, eps_in_sqrt=False, centered=True, momentum=0.5, nesterov=True),
        r.rmsprop,
        dict(lr=0.01, decay=0.9, eps=1e-2, inside=False, centered=True, gamma=0.5, nesterov=True),
        "rmsprop(0.01, eps=1e-2, eps_in_sqrt=False, centered=True, momentum=0.5, nesterov=True)",
    ),
    Row("adam", gradtx.adam(0.05), r.adam, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8), "adam(0.05)"),
    Row(
        "adam_eps_root",
        gradtx.adam(0.05, eps_root=1e-2),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, eps_root=1e-2),
        "adam(0.05, eps_root=1e-2)",
    ),
    Row(
        "adamw",
        gradtx.adamw(0.05, weight_decay=0.1),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
        "adamw(0.05, weight_decay=0.1)",
    ),
    Row("amsgrad", gradtx.amsgrad(0.05), r.amsgrad, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8), "amsgrad(0.05)"),
    Row(
        "amsgrad_uncorrected",
        gradtx.amsgrad(0.05, b2=0.9, bias_correction_mu=False, bias_correction_nu=False),
        r.amsgrad,
        dict(lr=0.05, b1=0.9, b2=0.9, eps=1e-8, corrected=False),
        "amsgrad(0.05, b2=0.9, bias_correction_mu=False, bias_correction_nu=False)",
    ),
    Row("adamax", gradtx.adamax(0.05), r.adamax, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8), "adamax(0.05)"),
    Row("nadam", gradtx.nadam(0.05), r.nadam, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, ahead=1), "nadam(0.05)"),
    Row("nadam_ruder", gradtx.nadam(0.05, ahead=0), r.nadam, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, ahead=0)),
    Row(
        "adabelief",
        gradtx.adabelief(0.05),
        r.adabelief,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-16, eps_root=1e-16),
        "adabelief(0.05)",
    ),
    Row("yogi", gradtx.yogi(0.05), r.yogi, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-3), "yogi(0.05)", drift=2e-4),
    Row(
        "lion",
        gradtx.lion(0.01, weight_decay=0.1),
        r.lion,
        dict(lr=0.01, b1=0.9, b2=0.99, decay=0.1),
        "lion(0.01, weight_decay=0.1)",
    ),
    Row("laprop", gradtx.laprop(0.05), r.laprop, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-15)),
    # Precision of parameters: nothing changes for float32 and float64 ones.
    Row(
        "master_weights",
        gradtx.master_weights(gradtx.adamw(0.05, weight_decay=0.1)),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
    ),
    Row(
        "kahan",
        gradtx.kahan(gradtx.adamw(0.05, weight_decay=0.1)),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
        exempt={"state_is_kept_in_float32_or_wider": "what is lost is kept in the parameters' dtype: the pair is what counts"},
    ),
    Row(
        "stochastic_rounding",
        gradtx.stochastic_rounding(gradtx.rmsprop(0.01)),
        r.rmsprop,
        dict(lr=0.01, decay=0.9, eps=1e-8),
    ),
]

every_optimizer = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
