"""THE table: every optimizer with its settings, its reference, and its counterpart in Optax. Every property test runs over it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import gradtx
from gradtx.testing import Subject
from gradtx.transforms.kron import probe
from gradtx.transforms.orthogonal import PRESETS
from tests.references import classical as r
from tests.references import gates, second, zoo
from tests.references import layerwise as layer
from tests.references import matrix as rm
from tests.references import points as of_points
from tests.references import proximal as of_prox
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
    # A property's name (in gradtx.testing.PROPERTIES, or a test's without `test_`): the reason.
    exempt: dict[str, str] = dataclasses.field(default_factory=dict)
    drift: float = 0.0  # how far a parameter of zero moves in a step at a gradient of zero

    @property
    def subject(self) -> Subject:
        return Subject(self.tx, self.start, drift=self.drift)

    @property
    def start(self) -> np.ndarray:
        return START.reshape(self.shape)


class one_example(gradtx.Transform):
    """Makes of a gradient a batch of one, for what takes a gradient per example."""

    def apply(self, updates, state, params=None, **extra):
        return jax.tree.map(lambda u: u[None], updates), ()


NOISY = dict.fromkeys(
    ("follows_its_equations", "zero_gradients_give_no_nan", "complex_parameters"),
    "the noise is another at each precision, phase and path; tests/test_pieces.py checks its law",
)

REAL = {"complex_parameters": "a real function of complex numbers has no complex Hessian; a clear error says so"}


def first_basis(shape, rank):
    """The random basis with which Dion starts."""
    return np.asarray(gradtx.scale_by_dion(rank).init(np.zeros(shape, np.float32)).inner.q, np.float64)


def noise(shape):
    """What Kron draws at a step."""
    return lambda t: np.asarray(probe(0, t, "", np.zeros(shape, np.float32)), np.float64)


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
    ),
    # The zoo of first-order methods.
    Row(
        "adamaxw",
        gradtx.adamaxw(0.05, weight_decay=0.1),
        zoo.adamaxw,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
        "adamaxw(0.05, weight_decay=0.1)",
    ),
    Row(
        "nadamw",
        gradtx.nadamw(0.05, weight_decay=0.1),
        zoo.nadamw,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
        "nadamw(0.05, weight_decay=0.1)",
    ),
    Row(
        "nadam_torch",
        gradtx.nadam(0.05, momentum_decay=4e-3),
        zoo.nadam_dozat,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, psi=4e-3),
    ),
    Row(
        "nadam_keras",
        gradtx.nadam(0.05, momentum_decay=1.0),
        zoo.nadam_dozat,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, psi=1.0),
    ),
    Row(
        "adabelief_nesterov",
        gradtx.adabelief(0.05, nesterov=True),
        zoo.adabelief_nesterov,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-16, eps_root=1e-16),
        "adabelief(0.05, nesterov=True)",
    ),
    Row(
        "lion_smooth",
        gradtx.lion(0.05, weight_decay=0.1, mode="smooth", smooth_beta=2.0),
        zoo.lion_soft,
        dict(lr=0.05, b1=0.9, b2=0.99, decay=0.1, mode="smooth", beta=2.0),
    ),
    Row(
        "lion_refined",
        gradtx.lion(0.05, weight_decay=0.1, mode="refined"),
        zoo.lion_soft,
        dict(lr=0.05, b1=0.9, b2=0.99, decay=0.1, mode="refined"),
    ),
    # In float32 Optax's rho is the difference of two numbers near 2000: its first rectified step is off by a hundredth at b2 = 0.999.
    Row("radam", gradtx.radam(0.05), zoo.radam, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, threshold=5.0)),
    Row(
        "radam_paper",
        gradtx.radam(0.05, b2=0.9, threshold=4.0),
        zoo.radam,
        dict(lr=0.05, b1=0.9, b2=0.9, eps=1e-8, threshold=4.0),
        "radam(0.05, b2=0.9, threshold=4.0)",
    ),
    Row(
        "radam_nesterov",
        gradtx.radam(0.05, b2=0.9, eps_root=1e-2, nesterov=True),
        zoo.radam,
        dict(lr=0.05, b1=0.9, b2=0.9, eps=1e-8, threshold=5.0, eps_root=1e-2, nesterov=True),
        "radam(0.05, b2=0.9, eps_root=1e-2, nesterov=True)",
    ),
    # Optax multiplies the differences by 1 - b2 where the paper, in these decays, has b2.
    Row(
        "adan",
        gradtx.adan(0.05, weight_decay=0.1),
        zoo.adan,
        dict(lr=0.05, b1=0.98, b2=0.92, b3=0.99, eps=1e-8, eps_root=1e-8, decay=0.1),
    ),
    Row(
        "adan_optax",
        gradtx.adan(0.05, look_ahead=0.08),
        zoo.adan,
        dict(lr=0.05, b1=0.98, b2=0.92, b3=0.99, eps=1e-8, eps_root=1e-8, ahead=0.08),
        "adan(0.05)",
    ),
    Row("lamb", gradtx.lamb(0.01), layer.lamb, dict(lr=0.01, b1=0.9, b2=0.999, eps=1e-6), "lamb(0.01)"),
    Row(
        "lamb_decay",
        gradtx.lamb(0.01, eps_root=1e-2, weight_decay=0.1),
        layer.lamb,
        dict(lr=0.01, b1=0.9, b2=0.999, eps=1e-6, eps_root=1e-2, decay=0.1),
        "lamb(0.01, eps_root=1e-2, weight_decay=0.1)",
    ),
    Row(
        "lars",
        gradtx.lars(0.05, trust_coefficient=0.1),
        layer.lars,
        dict(lr=0.05, coefficient=0.1, gamma=0.9),
        "lars(0.05, trust_coefficient=0.1)",
    ),
    Row(
        "lars_decay",
        gradtx.lars(0.05, 0.1, trust_coefficient=0.1, eps=0.01, nesterov=True),
        layer.lars,
        dict(lr=0.05, coefficient=0.1, gamma=0.9, decay=0.1, eps=0.01, nesterov=True),
        "lars(0.05, 0.1, trust_coefficient=0.1, eps=0.01, nesterov=True)",
    ),
    Row("fromage", gradtx.fromage(0.01), layer.fromage, dict(lr=0.01), "fromage(0.01)"),
    Row(
        "novograd",
        gradtx.novograd(0.01),
        layer.novograd,
        dict(lr=0.01, b1=0.9, b2=0.25, eps=1e-6),
        "novograd(0.01)",
    ),
    Row(
        "novograd_decay",
        gradtx.novograd(0.01, eps_root=0.1, weight_decay=0.1),
        layer.novograd,
        dict(lr=0.01, b1=0.9, b2=0.25, eps=1e-6, eps_root=0.1, decay=0.1),
        "novograd(0.01, eps_root=0.1, weight_decay=0.1)",
    ),
    Row("sign_sgd", gradtx.sign_sgd(0.01), zoo.sign_sgd, dict(lr=0.01), "sign_sgd(0.01)"),
    Row("signum", gradtx.signum(0.01), zoo.signum, dict(lr=0.01, beta=0.9), "signum(0.01)"),
    # Optax (0.2.8) gives each step one call too late; its first is zero.
    Row("rprop", gradtx.rprop(0.01), zoo.rprop, dict(lr=0.01, shrink=0.5, grow=1.2, least=1e-6, most=50.0)),
    Row(
        "rprop_bounds",
        gradtx.rprop(0.03, 0.6, 1.5, 1e-2, 5e-2),
        zoo.rprop,
        dict(lr=0.03, shrink=0.6, grow=1.5, least=1e-2, most=5e-2),
    ),
    Row("noisy_sgd", gradtx.noisy_sgd(0.01), r.sgd, dict(lr=0.01), exempt=NOISY),
    Row(
        "optimistic_gradient_descent",
        gradtx.optimistic_gradient_descent(0.05),
        zoo.optimistic,
        dict(lr=0.05, alpha=1.0, beta=1.0),
        "optimistic_gradient_descent(0.05)",
    ),
    Row(
        "optimistic_gradient_descent_half",
        gradtx.optimistic_gradient_descent(0.05, 0.8, 0.5),
        zoo.optimistic,
        dict(lr=0.05, alpha=0.8, beta=0.5),
        "optimistic_gradient_descent(0.05, 0.8, 0.5)",
    ),
    Row(
        "optimistic_adam_v2",
        gradtx.optimistic_adam_v2(0.05),
        zoo.optimistic_adam,
        dict(alpha=0.05, beta=0.05, b1=0.9, b2=0.999, eps=1e-8, nesterov=True),
        "optimistic_adam_v2(0.05)",
    ),
    Row(
        "optimistic_adam_v2_paper",
        gradtx.optimistic_adam_v2(0.05, beta=0.5, nesterov=False),
        zoo.optimistic_adam,
        dict(alpha=0.05, beta=0.025, b1=0.9, b2=0.999, eps=1e-8, nesterov=False),
        "optimistic_adam_v2(0.05, beta=0.5, nesterov=False)",
    ),
    Row(
        "optimistic_adam",
        gradtx.optimistic_adam(0.05, 0.02),
        zoo.optimistic_adam,
        dict(alpha=0.05, beta=0.02, b1=0.9, b2=0.999, eps=1e-8, nesterov=True),
    ),
    # Optax takes the root of the step count in float32 also where all else is float64; tests/test_pieces.py compares at that precision.
    Row("madgrad", gradtx.madgrad(0.05), zoo.madgrad, dict(lr=0.05, beta=0.9, eps=1e-6)),
    Row(
        "madgrad_decay",
        gradtx.madgrad(0.05, 0.5, 0.1, 1e-2),
        zoo.madgrad,
        dict(lr=0.05, beta=0.5, eps=1e-2, decay=0.1),
    ),
    Row(
        "ademamix",
        gradtx.ademamix(0.03),
        zoo.ademamix,
        dict(lr=0.03, b1=0.9, b2=0.999, b3=0.9999, alpha=5.0, eps=1e-8),
        "contrib.ademamix(0.03)",
    ),
    Row(
        "ademamix_decay",
        gradtx.ademamix(0.03, b3=0.99, eps_root=1e-2, weight_decay=0.1),
        zoo.ademamix,
        dict(lr=0.03, b1=0.9, b2=0.999, b3=0.99, alpha=5.0, eps=1e-8, eps_root=1e-2, decay=0.1),
        "contrib.ademamix(0.03, b3=0.99, eps_root=1e-2, weight_decay=0.1)",
    ),
    Row(
        "simplified_ademamix",
        gradtx.simplified_ademamix(0.002, b1=0.9, alpha=2.0, weight_decay=0.1),
        zoo.simplified_ademamix,
        dict(lr=0.002, b1=0.9, b2=0.95, alpha=2.0, eps=1e-8, decay=0.1),
        "contrib.simplified_ademamix(0.002, b1=0.9, alpha=2.0, weight_decay=0.1)",
    ),
    Row("adopt", gradtx.adopt(0.05), zoo.adopt, dict(lr=0.05, b1=0.9, b2=0.9999, eps=1e-6), "contrib.adopt(0.05)"),
    Row(
        "adopt_unclipped",
        gradtx.adopt(0.01, b2=0.9, eps=1e-2, nesterov=True, use_clipping=False),
        zoo.adopt,
        dict(lr=0.01, b1=0.9, b2=0.9, eps=1e-2, clipping=False, nesterov=True),
        "contrib.adopt(0.01, b2=0.9, eps=1e-2, nesterov=True, use_clipping=False)",
    ),
    # Optax takes ACProp's residual from the mean of before; tests/test_conventions.py has how the two are related.
    Row(
        "acprop",
        gradtx.acprop(0.01),
        zoo.acprop,
        dict(lr=0.01, b1=0.9, b2=0.999, eps=1e-16, eps_root=1e-16),
    ),
    Row(
        "acprop_decay",
        gradtx.acprop(0.01, b2=0.9, eps=1e-2, eps_root=1e-3, weight_decay=0.1),
        zoo.acprop,
        dict(lr=0.01, b1=0.9, b2=0.9, eps=1e-2, eps_root=1e-3, decay=0.1),
    ),
    # Optax corrects the momentum for its start and uses an estimate only from the next step on; the paper does neither.
    Row(
        "sophia",
        gradtx.sophia(0.01, gamma=0.5),
        zoo.sophia,
        dict(lr=0.01, b1=0.965, b2=0.99, eps=1e-8, gamma=0.5, most=1.0, every=10, decay=1e-4, estimate=zoo.second_derivatives),
    ),
    Row(
        "sophia_fisher",
        gradtx.sophia(0.01, b2=0.9, gamma=2.0, clip_threshold=0.8, update_interval=3, hessian_diagonal_fn=gradtx.square()),
        zoo.sophia,
        dict(lr=0.01, b1=0.965, b2=0.9, eps=1e-8, gamma=2.0, most=0.8, every=3, decay=1e-4, estimate=zoo.squared_gradient),
    ),
    Row(
        "cautious_adamw",
        gradtx.cautious_adamw(0.05, weight_decay=0.1),
        layer.cautious_adamw,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
    ),
    Row("grams", gradtx.grams(0.05, weight_decay=0.1), zoo.grams, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1)),
    Row(
        "mars",
        gradtx.mars(0.05, weight_decay=0.1),
        layer.mars,
        dict(lr=0.05, b1=0.95, b2=0.99, eps=1e-8, gamma=0.025, most=1.0, decay=0.1),
    ),
    Row(
        "mars_unclipped",
        gradtx.mars(0.05, gamma=0.1, max_norm=None),
        layer.mars,
        dict(lr=0.05, b1=0.95, b2=0.99, eps=1e-8, gamma=0.1, most=None, decay=0.0),
    ),
    Row(
        "stable_adamw",
        gradtx.stable_adamw(0.05, weight_decay=0.1),
        layer.stable_adamw,
        dict(lr=0.05, b1=0.9, b2=0.99, eps=1e-6, decay=0.1),
    ),
    Row(
        "adam_mini",
        gradtx.adam_mini(0.05),
        layer.adam_mini,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, blocks=[slice(None)]),
    ),
    Row(
        "adam_mini_columns",
        gradtx.adam_mini(0.05, weight_decay=0.1, keep_axis=-1),
        layer.adam_mini,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, blocks=[(slice(None), i) for i in range(3)], decay=0.1),
        shape=(2, 3),
    ),
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
    Row("polyak_sgd", gradtx.polyak_sgd(0.3), free.polyak_sgd, dict(most=0.3), "polyak_sgd(0.3)"),
    Row(
        "polyak_sgd_plus",
        gradtx.polyak_sgd(0.5, scaling=0.5, f_min=-1.0, eps=0.1, variant="sps+"),
        free.polyak_sgd,
        dict(most=0.5, scaling=0.5, f_min=-1.0, eps=0.1, plus=True),
    ),
    Row("momo", gradtx.momo(0.3), free.momo, dict(lr=0.3), "contrib.momo(0.3)"),
    Row(
        "momo_adaptive",
        gradtx.momo(0.3, beta=0.8, lower_bound=-3.0, weight_decay=0.1, adapt_lower_bound=True),
        free.momo,
        dict(lr=0.3, beta=0.8, bound=-3.0, decay=0.1, adapt=True),
    ),
    Row("momo_adam", gradtx.momo_adam(0.05), free.momo_adam, dict(lr=0.05), "contrib.momo_adam(0.05)"),
    Row(
        "momo_adam_adaptive",
        gradtx.momo_adam(0.05, lower_bound=-3.0, weight_decay=0.1, adapt_lower_bound=True),
        free.momo_adam,
        dict(lr=0.05, bound=-3.0, decay=0.1, adapt=True),
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
    # Matrices.
    # (Optax's Adafactor computes its decay in float32 even in float64; tests/test_matrix.py compares with it.)
    Row(
        "adafactor",
        gradtx.adafactor(0.05, min_dim_size_to_factor=2),
        rm.adafactor,
        dict(lr=0.05),
        shape=(2, 3),
    ),
    Row(
        "adafactor_absolute",
        gradtx.adafactor(
            0.05,
            min_dim_size_to_factor=2,
            decay_rate=0.5,
            multiply_by_parameter_scale=False,
            clipping_threshold=None,
            momentum=0.9,
            weight_decay_rate=0.01,
            eps=1e-3,
        ),
        rm.adafactor,
        dict(lr=0.05, power=0.5, relative=False, clip=None, gamma=0.9, decay=0.01, eps=1e-3),
        shape=(3, 2),
    ),
    Row(
        "adafactor_full",
        gradtx.adafactor(0.05, min_dim_size_to_factor=2, factored=False, decay_offset=20),
        rm.adafactor,
        dict(lr=0.05, factored=False, offset=20),
        shape=(2, 3),
    ),
    Row("adafactor_vector", gradtx.adafactor(0.05), rm.adafactor, dict(lr=0.05)),
    Row(
        "came",
        gradtx.came(0.01, b3=0.99, weight_decay=0.1),
        rm.came,
        dict(lr=0.01, b1=0.9, b2=0.999, b3=0.99, eps1=1e-30, eps2=1e-16, decay=0.1),
        shape=(2, 3),
        exempt={
            "hypergradients_are_finite_at_zero_gradients": "at a second moment of 1e-33 (its eps is 1e-30) JAX's derivative of a quotient, "
            "slope / moment * gradient in that order, overflows float32 before it meets the zero"
        },
    ),
    Row(
        "came_vector",
        gradtx.came(0.01, clipping_threshold=0.5),
        rm.came,
        dict(lr=0.01, b1=0.9, b2=0.999, b3=0.9999, eps1=1e-30, eps2=1e-16, d=0.5),
    ),
    Row("sm3", gradtx.sm3(0.5), rm.sm3, dict(lr=0.5, gamma=0.9, eps=1e-8), "sm3(0.5)", shape=(2, 3)),
    Row("sm3_vector", gradtx.sm3(0.5, 0.5), rm.sm3, dict(lr=0.5, gamma=0.5, eps=1e-8), "sm3(0.5, 0.5)"),
    # (Small rates: once the gradients are noise, five quintics make it 485 times larger, and rounding with it.)
    Row("muon", gradtx.muon(0.005), rm.muon, dict(lr=0.005), "contrib.muon(0.005)", shape=(2, 3)),
    Row(
        "muon_moonlight",
        gradtx.muon(
            0.03, "dion", 5, 0.9, weight_decay=0.1, nesterov=False, preconditioning="spectral", consistent_rms=0.2, adam_b2=0.99
        ),
        rm.muon,
        dict(lr=0.03, quintics=PRESETS["dion"], beta=0.9, decay=0.1, nesterov=False, scaling="spectral", moonlight=0.2),
        "contrib.muon(0.03, 'dion', 5, 0.9, weight_decay=0.1, nesterov=False, preconditioning='spectral', consistent_rms=0.2, adam_b2=0.99)",
        shape=(3, 2),
    ),
    Row(
        "muon_aol",
        gradtx.muon(0.005, ns_steps=4, preconditioning="aol", bias_correction=False),
        rm.muon,
        dict(lr=0.005, quintics=rm.STANDARD[:4], scaling="aol", corrected=False),
        shape=(2, 3),
    ),
    Row(
        "muon_adaptive",
        gradtx.muon(0.01, adaptive=True, preconditioning="schatten"),
        rm.muon,
        dict(lr=0.01, adaptive=True, scaling="schatten"),
        "contrib.muon(0.01, adaptive=True, preconditioning='schatten')",
        shape=(3, 2),
    ),
    Row(
        "muon_vector",
        gradtx.muon(0.05, adam_weight_decay=0.1, nesterov=False),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8, decay=0.1),
        "contrib.muon(0.05, adam_weight_decay=0.1, nesterov=False)",
    ),
    Row(
        "adamuon",
        gradtx.adamuon(0.05, weight_decay=0.1),
        rm.adamuon,
        dict(lr=0.05, decay=0.1),
        shape=(2, 3),
        exempt={
            "complex_parameters": "a matrix of signs is often of rank one, and five quintics enlarge what rounding leaves in the other "
            "directions 480 times a step: turned runs part after eight steps, though each step turns (tests/test_matrix.py)"
        },
    ),
    Row(
        "normuon",
        gradtx.normuon(0.05, weight_decay=0.1),
        rm.normuon,
        dict(lr=0.05, decay=0.1),
        shape=(2, 3),
    ),
    Row(
        "normuon_nesterov",
        gradtx.normuon(0.05, 0.9, nesterov=True),
        rm.normuon,
        dict(lr=0.05, beta=0.9, nesterov=True),
        shape=(3, 2),
    ),
    Row(
        "dion",
        gradtx.dion(0.005, rank=1, weight_decay=0.1),
        rm.dion,
        dict(lr=0.005, q=first_basis((2, 3), 1), decay=0.1),
        shape=(2, 3),
    ),
    Row(
        "dion_full",
        gradtx.dion(0.005, beta=0.9),
        rm.dion,
        dict(lr=0.005, q=first_basis((3, 2), 2), beta=0.9),
        shape=(3, 2),
        exempt={
            "small_float16_gradients_count": "a constant gradient is of rank one: the second direction is what rounding says"
        },
    ),
    Row("shampoo", gradtx.shampoo(0.1), rm.shampoo, dict(lr=0.1, eps=1e-6), shape=(2, 3)),
    Row(
        "shampoo_averages",
        gradtx.shampoo(0.03, 0.9, 1e-4, update_every=3, momentum=0.9, weight_decay=0.1),
        rm.shampoo,
        dict(lr=0.03, b2=0.9, eps=1e-4, every=3, gamma=0.9, decay=0.1),
        shape=(3, 2),
    ),
    Row(
        "shampoo_grafted",
        gradtx.shampoo(0.05, graft=gradtx.scale_by_adam()),
        rm.adam_grafted_shampoo,
        dict(lr=0.05, eps=1e-6, b1=0.9, b2=0.999, adam_eps=1e-8),
        shape=(2, 3),
    ),
    Row(
        "shampoo_one_side",
        gradtx.shampoo(0.1, max_size=2),
        rm.shampoo,
        dict(lr=0.1, eps=1e-6, longest=2),
        shape=(2, 3),
    ),
    Row("shampoo_vector", gradtx.shampoo(0.5), r.adagrad, dict(lr=0.5, start=0.0, eps=1e-6)),
    Row("soap", gradtx.soap(0.05), rm.soap, dict(lr=0.05), shape=(2, 3)),
    Row(
        "soap_often",
        gradtx.soap(0.05, 0.9, 0.99, 0.8, update_every=2, weight_decay=0.1),
        rm.soap,
        dict(lr=0.05, b1=0.9, b2=0.99, beta=0.8, every=2, decay=0.1),
        shape=(3, 2),
    ),
    Row(
        "soap_one_side",
        gradtx.soap(0.05, max_size=2),
        rm.soap,
        dict(lr=0.05, longest=2),
        shape=(2, 3),
    ),
    Row("soap_vector", gradtx.soap(0.05), r.adam, dict(lr=0.05, b1=0.95, b2=0.95, eps=1e-8)),
    # (Optax's GaLore takes its projector in float32 even in float64; tests/test_matrix.py compares with it.)
    Row(
        "galore",
        gradtx.galore(0.05, rank=1, update_proj_gap=5, scale=0.5, weight_decay=0.1),
        rm.galore,
        dict(lr=0.05, rank=1, every=5, scale=0.5, decay=0.1),
        shape=(2, 3),
    ),
    Row(
        "galore_long",
        gradtx.galore(0.05, rank=1, update_proj_gap=5, side="long"),
        rm.galore,
        dict(lr=0.05, rank=1, every=5, side="long"),
        shape=(3, 2),
    ),
    Row(
        "galore_vector",
        gradtx.galore(0.05),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8),
        "contrib.galore(0.05)",
    ),
    Row(
        "kron",
        gradtx.kron(0.01, weight_decay=0.1),
        rm.kron,
        dict(lr=0.01, noise=noise((2, 3)), decay=0.1),
        shape=(2, 3),
    ),
    Row(
        "kron_seldom",
        gradtx.kron(0.01, 0.5, precond_lr=0.05, update_every=3, clipping_threshold=10.0),
        rm.kron,
        dict(lr=0.01, noise=noise((3, 2)), b1=0.5, rate=0.05, every=3, clip=10.0),
        shape=(3, 2),
    ),
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
    # Penalties that a gradient can't take.
    Row(
        "proximal_gradient",
        gradtx.proximal_gradient(0.1, gradtx.prox_l1(0.3)),
        of_prox.proximal_gradient,
        dict(lr=0.1, strength=0.3),
    ),
    # The look-ahead carries each step's rounding on: some n² / 2 times 6e-8 after n steps.
    Row("fista", gradtx.fista(1e-4, gradtx.prox_l1(0.3)), of_prox.fista, dict(lr=1e-4, strength=0.3), tolerance=1e-3),
    # Methods that use the Hessian: refuse complex parameters, where it is none.
    Row("newton", gradtx.newton(0.1, regularization=1.0), second.newton, dict(lr=0.1, alpha=1.0), exempt=REAL),
    Row("newton_shifted", gradtx.newton(0.1), second.newton, dict(lr=0.1, alpha=0.0), exempt=REAL),
    Row(
        "saddle_free_newton",
        gradtx.saddle_free_newton(0.1, damping=0.5),
        second.saddle_free_newton,
        dict(lr=0.1, alpha=0.5),
        exempt=REAL,
    ),
]

every_optimizer = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
