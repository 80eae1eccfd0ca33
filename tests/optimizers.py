"""THE table: every optimizer with its settings, its reference, and its counterpart in Optax. Every property test runs over it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtx
from tests.references import classical as r
from tests.references import points as of_points
from tests.references import ratefree as free
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


# These properties call the optimizer without the loss; `tests/test_ratefree.py` checks them with it.
NEEDS_VALUE = dict.fromkeys(
    [
        "hypergradients_are_finite_at_zero_gradients",
        "state_and_updates_keep_their_types",
        "zero_gradients_give_no_nan",
        "small_float16_gradients_count",
        "complex_parameters",
        "empty_tree",
        "frozen_integers_beside_trained_floats",
        "carried_by_cond",
        "hyperparameters_in_the_state_change_nothing",
    ],
    "its step is a function of the loss, which this property doesn't pass",
)
NO_RATE = dict.fromkeys(
    ["is_a_value", "compiles_once_for_two_learning_rates", "hyperparameters_in_the_state_change_nothing"],
    "it has no learning rate",
) | {"refuses_the_state_of_another": "it has no state that could differ, and asks for the loss first"}

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
    # Points: averages and look-aheads. Optax starts the warm-up at 0 in its steps and at 1 in its weights; the paper at 1 in both.
    Row(
        "schedule_free_sgd",
        gradtx.schedule_free_sgd(0.1),
        of_points.schedule_free,
        dict(lr=0.1, beta=0.9),
        "contrib.schedule_free_sgd(0.1)",
    ),
    Row(
        "schedule_free_sgd_warm",
        gradtx.schedule_free_sgd(0.1, warmup_steps=19.5, b1=0.7, weight_decay=0.1, weight_lr_power=1.5),
        of_points.schedule_free,
        dict(lr=0.1, beta=0.7, warmup=19.5, decay=0.1, power=1.5),
    ),
    Row(
        "schedule_free_adamw",
        gradtx.schedule_free_adamw(0.05, weight_decay=0.1),
        of_points.schedule_free,
        dict(lr=0.05, beta=0.9, b2=0.999, eps=1e-8, decay=0.1),
        "contrib.schedule_free_adamw(0.05, weight_decay=0.1)",
    ),
    # Without a rate, and step sizes from the loss. Optax divides by Polyak's scaling, and leaves MoMo's step out of the division of its decay.
    Row("polyak_sgd", gradtx.polyak_sgd(0.3), free.polyak_sgd, dict(most=0.3), "polyak_sgd(0.3)", exempt=NEEDS_VALUE | NO_RATE),
    Row(
        "polyak_sgd_plus",
        gradtx.polyak_sgd(0.5, scaling=0.5, f_min=-1.0, eps=0.1, variant="sps+"),
        free.polyak_sgd,
        dict(most=0.5, scaling=0.5, f_min=-1.0, eps=0.1, plus=True),
        exempt=NEEDS_VALUE | NO_RATE,
    ),
    Row("momo", gradtx.momo(0.3), free.momo, dict(lr=0.3), "contrib.momo(0.3)", exempt=NEEDS_VALUE),
    Row(
        "momo_adaptive",
        gradtx.momo(0.3, beta=0.8, lower_bound=-3.0, weight_decay=0.1, adapt_lower_bound=True),
        free.momo,
        dict(lr=0.3, beta=0.8, bound=-3.0, decay=0.1, adapt=True),
        exempt=NEEDS_VALUE,
    ),
    Row("momo_adam", gradtx.momo_adam(0.05), free.momo_adam, dict(lr=0.05), "contrib.momo_adam(0.05)", exempt=NEEDS_VALUE),
    Row(
        "momo_adam_adaptive",
        gradtx.momo_adam(0.05, lower_bound=-3.0, weight_decay=0.1, adapt_lower_bound=True),
        free.momo_adam,
        dict(lr=0.05, bound=-3.0, decay=0.1, adapt=True),
        exempt=NEEDS_VALUE,
    ),
    Row(
        "dog",
        gradtx.dog(0.8, ("distance", 0.1)),
        free.dog,
        dict(first=0.1, lr=0.8),
        "contrib.dog(0.8, ('distance', 0.1))",
    ),
    Row(
        "dog_heuristic",
        gradtx.dog(0.5, ("heuristic", 0.01), weight_decay=0.1),
        free.dog,
        dict(first=0.01 * (1 + np.linalg.norm(START)), lr=0.5, decay=0.1),
        "contrib.dog(0.5, ('heuristic', 0.01), weight_decay=0.1)",
    ),
    Row(
        "dog_rate",
        gradtx.dog(init_step=("learning_rate", 0.01)),
        free.dog,
        dict(first=0.0, rate=0.01),
        "contrib.dog(init_step=('learning_rate', 0.01))",
    ),
    Row("dowg", gradtx.dowg(0.5), free.dowg, dict(first=1e-4, lr=0.5), "contrib.dowg(0.5)"),
    Row(
        "dowg_decay",
        gradtx.dowg(0.5, 0.01, weight_decay=0.1),
        free.dowg,
        dict(first=0.01, lr=0.5, decay=0.1),
        "contrib.dowg(0.5, 0.01, weight_decay=0.1)",
    ),
    Row(
        "cocob",
        gradtx.cocob(),
        free.cocob,
        dict(),
        "contrib.cocob()",
        exempt={"compiles_once_for_two_learning_rates": "its rate scales the gradients, on whose scale it doesn't depend"},
    ),
    Row(
        "cocob_decay",
        gradtx.cocob(0.7, alpha=20.0, eps=1.5, weight_decay=0.1),
        free.cocob,
        dict(alpha=20.0, eps=1.5, lr=0.7, decay=0.1),
        "contrib.cocob(0.7, alpha=20.0, eps=1.5, weight_decay=0.1)",
    ),
    Row(
        "dadapt_adamw",
        gradtx.dadapt_adamw(0.5, estim_lr0=0.05, weight_decay=0.1),
        free.dadapt_adamw,
        dict(d=0.05, lr=0.5, decay=0.1),
        "contrib.dadapt_adamw(0.5, estim_lr0=0.05, weight_decay=0.1)",
    ),
    Row(
        "prodigy",
        gradtx.prodigy(0.5, estim_lr0=0.01, weight_decay=0.1),
        free.prodigy,
        dict(d=0.01, lr=0.5, decay=0.1),
        "contrib.prodigy(0.5, estim_lr0=0.01, weight_decay=0.1)",
    ),
    Row(
        "prodigy_guarded",
        gradtx.prodigy(0.5, (0.8, 0.99), 0.9, estim_lr0=0.01, estim_lr_coef=0.7, safeguard_warmup=True),
        free.prodigy,
        dict(d=0.01, lr=0.5, b1=0.8, b2=0.99, b3=0.9, coef=0.7, safeguard=True),
        "contrib.prodigy(0.5, (0.8, 0.99), 0.9, estim_lr0=0.01, estim_lr_coef=0.7, safeguard_warmup=True)",
    ),
]

every_optimizer = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
