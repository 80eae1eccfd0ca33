"""THE table: every optimizer with its settings, its reference, and its counterpart in Optax. Every property test runs over it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradtx
from gradtx.transforms.kron import probe
from gradtx.transforms.orthogonal import PRESETS
from tests.references import classical as r
from tests.references import matrix as rm
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


OF_ANOTHER_SHAPE = {
    "map_params_finds_what_mirrors_the_parameters": "the test tells parameters by their shape; tests/test_matrix.py does by their axes"
}


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
    Row("yogi", gradtx.yogi(0.05), r.yogi, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-3), "yogi(0.05)"),
    Row(
        "lion",
        gradtx.lion(0.01, weight_decay=0.1),
        r.lion,
        dict(lr=0.01, b1=0.9, b2=0.99, decay=0.1),
        "lion(0.01, weight_decay=0.1)",
    ),
    Row("laprop", gradtx.laprop(0.05), r.laprop, dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-15)),
    # Matrices.
    # (Optax's Adafactor computes its decay in float32 even in float64; tests/test_matrix.py compares with it.)
    Row(
        "adafactor",
        gradtx.adafactor(0.05, min_dim_size_to_factor=2),
        rm.adafactor,
        dict(lr=0.05),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
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
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "adafactor_full",
        gradtx.adafactor(0.05, min_dim_size_to_factor=2, factored=False, decay_offset=20),
        rm.adafactor,
        dict(lr=0.05, factored=False, offset=20),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row("adafactor_vector", gradtx.adafactor(0.05), rm.adafactor, dict(lr=0.05), exempt=OF_ANOTHER_SHAPE),
    Row(
        "came",
        gradtx.came(0.01, b3=0.99, weight_decay=0.1),
        rm.came,
        dict(lr=0.01, b1=0.9, b2=0.999, b3=0.99, eps1=1e-30, eps2=1e-16, decay=0.1),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "came_vector",
        gradtx.came(0.01, clipping_threshold=0.5),
        rm.came,
        dict(lr=0.01, b1=0.9, b2=0.999, b3=0.9999, eps1=1e-30, eps2=1e-16, d=0.5),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row("sm3", gradtx.sm3(0.5), rm.sm3, dict(lr=0.5, gamma=0.9, eps=1e-8), "sm3(0.5)", shape=(2, 3), exempt=OF_ANOTHER_SHAPE),
    Row(
        "sm3_vector", gradtx.sm3(0.5, 0.5), rm.sm3, dict(lr=0.5, gamma=0.5, eps=1e-8), "sm3(0.5, 0.5)", exempt=OF_ANOTHER_SHAPE
    ),
    # (Small rates: once the gradients are noise, five quintics make it 485 times larger, and rounding with it.)
    Row("muon", gradtx.muon(0.005), rm.muon, dict(lr=0.005), "contrib.muon(0.005)", shape=(2, 3)),
    Row(
        "muon_moonlight",
        gradtx.muon(
            0.03, "dion", 5, 0.9, weight_decay=0.1, nesterov=False, preconditioning="spectral", consistent_rms=0.2, adam_b2=0.99
        ),
        rm.muon,
        dict(lr=0.03, quintics=PRESETS["dion"], beta=0.9, decay=0.1, nesterov=False, scaling="spectral", moonlight=0.2),
        "contrib.muon(0.03, 'dion', 5, 0.9, weight_decay=0.1, nesterov=False, preconditioning='spectral', consistent_rms=0.2)",
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
    Row("adamuon", gradtx.adamuon(0.05, weight_decay=0.1), rm.adamuon, dict(lr=0.05, decay=0.1), shape=(2, 3)),
    Row(
        "normuon",
        gradtx.normuon(0.05, weight_decay=0.1),
        rm.normuon,
        dict(lr=0.05, decay=0.1),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "normuon_nesterov",
        gradtx.normuon(0.05, 0.9, nesterov=True),
        rm.normuon,
        dict(lr=0.05, beta=0.9, nesterov=True),
        shape=(3, 2),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "dion",
        gradtx.dion(0.005, rank=1, weight_decay=0.1),
        rm.dion,
        dict(lr=0.005, q=first_basis((2, 3), 1), decay=0.1),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "dion_full",
        gradtx.dion(0.005, beta=0.9),
        rm.dion,
        dict(lr=0.005, q=first_basis((3, 2), 2), beta=0.9),
        shape=(3, 2),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row("shampoo", gradtx.shampoo(0.1), rm.shampoo, dict(lr=0.1, eps=1e-6), shape=(2, 3), exempt=OF_ANOTHER_SHAPE),
    Row(
        "shampoo_averages",
        gradtx.shampoo(0.03, 0.9, 1e-4, update_every=3, momentum=0.9, weight_decay=0.1),
        rm.shampoo,
        dict(lr=0.03, b2=0.9, eps=1e-4, every=3, gamma=0.9, decay=0.1),
        shape=(3, 2),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "shampoo_grafted",
        gradtx.shampoo(0.05, graft=gradtx.scale_by_adam()),
        rm.adam_grafted_shampoo,
        dict(lr=0.05, eps=1e-6, b1=0.9, b2=0.999, adam_eps=1e-8),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "shampoo_one_side",
        gradtx.shampoo(0.1, max_size=2),
        rm.shampoo,
        dict(lr=0.1, eps=1e-6, longest=2),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row("shampoo_vector", gradtx.shampoo(0.5), r.adagrad, dict(lr=0.5, start=0.0, eps=1e-6), exempt=OF_ANOTHER_SHAPE),
    Row("soap", gradtx.soap(0.05), rm.soap, dict(lr=0.05), shape=(2, 3), exempt=OF_ANOTHER_SHAPE),
    Row(
        "soap_often",
        gradtx.soap(0.05, 0.9, 0.99, 0.8, update_every=2, weight_decay=0.1),
        rm.soap,
        dict(lr=0.05, b1=0.9, b2=0.99, beta=0.8, every=2, decay=0.1),
        shape=(3, 2),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "soap_one_side",
        gradtx.soap(0.05, max_size=2),
        rm.soap,
        dict(lr=0.05, longest=2),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row("soap_vector", gradtx.soap(0.05), r.adam, dict(lr=0.05, b1=0.95, b2=0.95, eps=1e-8), exempt=OF_ANOTHER_SHAPE),
    # (Optax's GaLore takes its projector in float32 even in float64; tests/test_matrix.py compares with it.)
    Row(
        "galore",
        gradtx.galore(0.05, rank=1, update_proj_gap=5, scale=0.5, weight_decay=0.1),
        rm.galore,
        dict(lr=0.05, rank=1, every=5, scale=0.5, decay=0.1),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "galore_long",
        gradtx.galore(0.05, rank=1, update_proj_gap=5, side="long"),
        rm.galore,
        dict(lr=0.05, rank=1, every=5, side="long"),
        shape=(3, 2),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "galore_vector",
        gradtx.galore(0.05),
        r.adam,
        dict(lr=0.05, b1=0.9, b2=0.999, eps=1e-8),
        "contrib.galore(0.05)",
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "kron",
        gradtx.kron(0.01, weight_decay=0.1),
        rm.kron,
        dict(lr=0.01, noise=noise((2, 3)), decay=0.1),
        shape=(2, 3),
        exempt=OF_ANOTHER_SHAPE,
    ),
    Row(
        "kron_seldom",
        gradtx.kron(0.01, 0.5, precond_lr=0.05, update_every=3, clipping_threshold=10.0),
        rm.kron,
        dict(lr=0.01, noise=noise((3, 2)), b1=0.5, rate=0.05, every=3, clip=10.0),
        shape=(3, 2),
        exempt=OF_ANOTHER_SHAPE,
    ),
]

every_optimizer = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
