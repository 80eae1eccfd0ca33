"""THE table: every optimizer with its settings, its reference, and its counterpart in Optax. Every property test runs over it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import gradtx
from tests.references import classical as r
from tests.references import gates
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
    )  # a property's name (the test's, without `test_`): the reason

    @property
    def start(self) -> np.ndarray:
        return START.reshape(self.shape)


class one_example(gradtx.Transform):
    """Makes of a gradient a batch of one, for what takes a gradient per example."""

    def apply(self, updates, state, params=None, **extra):
        return jax.tree.map(lambda u: u[None], updates), ()


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
    Row("yogi", gradtx.yogi(0.05), r.yogi, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-3), "yogi(0.05)"),
    Row(
        "lion",
        gradtx.lion(0.01, weight_decay=0.1),
        r.lion,
        dict(lr=0.01, b1=0.9, b2=0.99, decay=0.1),
        "lion(0.01, weight_decay=0.1)",
    ),
    Row("laprop", gradtx.laprop(0.05), r.laprop, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-15)),
    # Gates, plateaus, private gradients
    Row(
        "multi_steps_adam",
        gradtx.MultiSteps(gradtx.adam(0.05), 2),
        gates.accumulated_adam,
        dict(k=2, lr=0.05, b1=0.9, b2=0.999, eps=1e-8),
        "MultiSteps(optax.adam(0.05), 2, accumulator_dtype=None).gradient_transformation()",
    ),
    Row(
        "multi_steps_of_one",
        gradtx.MultiSteps(gradtx.adam(0.05), 1, should_skip_update_fn=gradtx.skip_not_finite),
        gates.accumulated_adam,
        dict(k=1, lr=0.05, b1=0.9, b2=0.999, eps=1e-8),
        "MultiSteps(optax.adam(0.05), 1, should_skip_update_fn=optax.skip_not_finite).gradient_transformation()",
        exempt={"is_a_value": "the skipping is a function, which has a name and no plain form"},
    ),
    Row(
        "multi_steps_sum",
        gradtx.MultiSteps(gradtx.sgd(0.01, momentum=0.9), 3, use_grad_mean=False),
        gates.accumulated_momentum,
        dict(k=3, lr=0.01, gamma=0.9),
        "MultiSteps(optax.sgd(0.01, 0.9), 3, use_grad_mean=False, accumulator_dtype=None).gradient_transformation()",
    ),
    Row(
        "multi_steps_scheduled",
        gradtx.MultiSteps(
            gradtx.sgd(gradtx.exponential_decay(0.05, 1, 0.9)), gradtx.piecewise_constant_schedule(2.0, {5: 2.0})
        ),
        gates.accumulated_descent,
        dict(first=2, then=4, change=5, lr=0.05),
    ),
    Row(
        "apply_if_finite_adam",
        gradtx.apply_if_finite(gradtx.adam(0.05), 3),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8),
        "apply_if_finite(optax.adam(0.05), 3)",
    ),
    Row(
        "loss_scaling_sgd",
        gradtx.dynamic_loss_scaling(gradtx.sgd(0.05), init_scale=1.0, growth_interval=60),
        gates.scaled_descent,
        dict(lr=0.05, interval=60),
    ),
    Row(
        "plateau_sgd",
        gradtx.chain(gradtx.sgd(0.05), gradtx.reduce_on_plateau(0.5, patience=4, cooldown=3, accumulation_size=2)),
        gates.plateau_descent,
        dict(lr=0.05, factor=0.5, patience=4, rtol=1e-4, atol=0.0, cooldown=3, size=2),
        exempt={"zero_gradients_give_no_nan": "after one call of two there is no best value yet: it is infinite, as in Optax"},
    ),
    Row(
        "plateau_sgd_absolute",
        gradtx.chain(gradtx.sgd(0.05), gradtx.reduce_on_plateau(0.7, 3, rtol=0.0, atol=0.01, min_scale=0.2)),
        gates.plateau_descent,
        dict(lr=0.05, factor=0.7, patience=3, rtol=0.0, atol=0.01, cooldown=0, size=1, least=0.2),
        "chain(optax.sgd(0.05), optax.contrib.reduce_on_plateau(0.7, 3, rtol=0.0, atol=0.01, min_scale=0.2))",
    ),
    Row(
        "dpsgd",
        gradtx.chain(one_example(), gradtx.dpsgd(0.02, 0.8, 0.0, 0, momentum=0.5)),
        gates.clipped_momentum,
        dict(lr=0.02, clip=0.8, gamma=0.5),
        exempt={"is_a_value": "the batch of one is made by a class of the tests, which gradtx can't name"},
    ),
]

every_optimizer = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
