"""Parity with PyTorch: each call of `torch.optim` beside the gradtx expression that takes the same steps.

The table is also the documentation of the differences: where an argument gives PyTorch's convention it is that argument, where none
does it is the composition. docs/conventions.md explains them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx
from tests.running import START, gradient, run

torch = pytest.importorskip("torch", reason="PyTorch is not a dependency: pip install 'gradtx[parity]' to compare with it")

STEPS = 150

# torch.optim, the parameter left out; with its scheduler, if it has one | gradtx
VECTORS = [
    ("SGD(lr=0.05)", "sgd(0.05)"),
    ("SGD(lr=0.01, momentum=0.9)", "sgd(0.01, momentum=0.9)"),
    ("SGD(lr=0.01, momentum=0.9, nesterov=True)", "sgd(0.01, momentum=0.9, nesterov=True)"),
    ("SGD(lr=0.05, weight_decay=0.1)", "chain(add_decayed_weights(0.1), sgd(0.05))"),
    # The very first gradient is not dampened.
    (
        "SGD(lr=0.01, momentum=0.9, dampening=0.5)",
        "chain(scale_by_momentum(0.9, dampening=join_schedules([constant_schedule(0.0), constant_schedule(0.5)], [1])),"
        " scale_by_learning_rate(0.01))",
    ),
    # The rate stands outside of the momentum: one that falls scales the whole sum.
    ("SGD(lr=0.01, momentum=0.9), ExponentialLR(gamma=0.98)", "sgd(exponential_decay(0.01, 1, 0.98), momentum=0.9)"),
    ("SGD(lr=0.01, maximize=True)", "chain(scale(-1.0), sgd(0.01))"),
    # Epsilon outside of the root, and a sum that starts at 0.
    ("Adagrad(lr=0.5)", "chain(ratio(identity(), chain(square(), accumulate(), sqrt()), 1e-10), scale_by_learning_rate(0.5))"),
    (
        "Adagrad(lr=0.5, lr_decay=0.02, weight_decay=0.1, initial_accumulator_value=0.2, eps=1e-3)",
        "chain(add_decayed_weights(0.1), ratio(identity(), chain(square(), accumulate(0.2), sqrt()), 1e-3),"
        " scale_by_learning_rate(lambda t: 0.5 / (1 + 0.02 * t)))",
    ),
    ("Adadelta()", "adadelta()"),
    ("Adadelta(lr=0.5, rho=0.95, eps=1e-4, weight_decay=0.1)", "adadelta(0.5, 0.95, 1e-4, weight_decay=0.1)"),
    ("RMSprop(lr=0.01)", "rmsprop(0.01, decay=0.99, eps_in_sqrt=False)"),
    ("RMSprop(lr=0.01, alpha=0.9, eps=1e-3)", "rmsprop(0.01, decay=0.9, eps=1e-3, eps_in_sqrt=False)"),
    ("RMSprop(lr=0.01, eps=1e-2, centered=True)", "rmsprop(0.01, decay=0.99, eps=1e-2, eps_in_sqrt=False, centered=True)"),
    ("RMSprop(lr=0.01, momentum=0.9)", "rmsprop(0.01, decay=0.99, eps_in_sqrt=False, momentum=0.9)"),
    (
        "RMSprop(lr=0.01, eps=1e-2, centered=True, momentum=0.9, weight_decay=0.1)",
        "chain(add_decayed_weights(0.1), rmsprop(0.01, 0.99, 1e-2, eps_in_sqrt=False, centered=True, momentum=0.9))",
    ),
    # The rate stands outside of that momentum too.
    (
        "RMSprop(lr=0.01, momentum=0.9), ExponentialLR(gamma=0.98)",
        "chain(scale_by_rms(0.99, eps_in_sqrt=False), scale_by_momentum(0.9),"
        " scale_by_learning_rate(exponential_decay(0.01, 1, 0.98)))",
    ),
    ("Adam(lr=0.05)", "adam(0.05)"),
    ("Adam(lr=0.05, betas=(0.8, 0.99), eps=1e-2)", "adam(0.05, b1=0.8, b2=0.99, eps=1e-2)"),
    ("Adam(lr=0.05, weight_decay=0.1)", "chain(add_decayed_weights(0.1), adam(0.05))"),
    ("Adam(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)", "adamw(0.05, weight_decay=0.1)"),
    ("Adam(lr=0.05), CosineAnnealingLR(T_max=150)", "adam(cosine_decay_schedule(0.05, 150))"),
    # The maximum is taken before the correction, where amsgrad takes it behind.
    (
        "Adam(lr=0.05, amsgrad=True)",
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)),"
        " chain(square(), ema(0.999), amsgrad_max(), bias_correction(0.999), sqrt()), 1e-8), scale_by_learning_rate(0.05))",
    ),
    ("AdamW(lr=0.05)", "adamw(0.05, weight_decay=1e-2)"),
    ("AdamW(lr=0.05, weight_decay=0.1)", "adamw(0.05, weight_decay=0.1)"),
    # What a falling rate decays by falls with it.
    (
        "AdamW(lr=0.05, weight_decay=0.1), ExponentialLR(gamma=0.98)",
        "adamw(exponential_decay(0.05, 1, 0.98), weight_decay=0.1)",
    ),
    (
        "AdamW(lr=0.05, weight_decay=0.1, amsgrad=True)",
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)),"
        " chain(square(), ema(0.999), amsgrad_max(), bias_correction(0.999), sqrt()), 1e-8),"
        " add_decayed_weights(0.1), scale_by_learning_rate(0.05))",
    ),
    ("Adamax(lr=0.05)", "adamax(0.05)"),
    ("Adamax(lr=0.05, eps=0.1, weight_decay=0.1)", "chain(add_decayed_weights(0.1), adamax(0.05, eps=0.1))"),
    ("NAdam(lr=0.05)", "nadam(0.05, momentum_decay=4e-3)"),
    ("NAdam(lr=0.05, momentum_decay=0.1)", "nadam(0.05, momentum_decay=0.1)"),
    (
        "NAdam(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True)",
        "chain(nadam(0.05, momentum_decay=4e-3), decoupled_weight_decay(0.05 * 0.1))",
    ),
    # Epsilon is added before the correction; it matters where it is large.
    ("RAdam(lr=0.05, eps=0.0)", "radam(0.05, eps=0.0)"),
    (
        "RAdam(lr=0.05)",
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)),"
        " chain(square(), ema(0.999), sqrt(), offset(1e-8), square(), bias_correction(0.999), sqrt(), rectify(0.999))),"
        " scale_by_learning_rate(0.05))",
    ),
    (
        "RAdam(lr=0.05, betas=(0.9, 0.99), eps=1e-2)",
        "chain(ratio(chain(ema(0.9), bias_correction(0.9)),"
        " chain(square(), ema(0.99), sqrt(), offset(1e-2), square(), bias_correction(0.99), sqrt(), rectify(0.99))),"
        " scale_by_learning_rate(0.05))",
    ),
    (
        "RAdam(lr=0.05, eps=0.0, weight_decay=0.1, decoupled_weight_decay=True)",
        "chain(radam(0.05, eps=0.0), decoupled_weight_decay(0.05 * 0.1))",
    ),
    ("Rprop(lr=0.01)", "rprop(0.01)"),
    ("Rprop(lr=0.03, etas=(0.6, 1.5), step_sizes=(1e-2, 5e-2))", "rprop(0.03, 0.6, 1.5, 1e-2, 5e-2)"),
    # The rate is never above 1/sqrt(t), and what decays is multiplied by `lr` itself.
    ("Adafactor(lr=0.05)", "adafactor(lambda t: jnp.minimum(0.05, (t + 1) ** -0.5), min_dim_size_to_factor=1)"),
    (
        "Adafactor(lr=0.05, beta2_decay=-0.5, d=1.5, weight_decay=0.1)",
        "adafactor(lambda t: jnp.minimum(0.05, (t + 1) ** -0.5), decay_rate=0.5, clipping_threshold=1.5,"
        " weight_decay_rate=0.05 * 0.1)",
    ),
]
MATRICES = [
    ("Adafactor(lr=0.2)", "adafactor(lambda t: jnp.minimum(0.2, (t + 1) ** -0.5), min_dim_size_to_factor=1)"),
    # PyTorch's matrices are outputs by inputs, where Flax's are inputs by outputs. (The test runs its quintics in float64.)
    (
        "Muon(lr=0.005, eps=1e-30)",
        "muon(0.005, eps=1e-30, weight_decay=0.1, bias_correction=False, muon_weight_dimension_numbers=DimensionNumbers(-1, -2))",
    ),
    (
        "Muon(lr=0.01, momentum=0.9, nesterov=False, weight_decay=0.0, eps=1e-30, adjust_lr_fn='match_rms_adamw')",
        "muon(0.01, beta=0.9, nesterov=False, eps=1e-30, bias_correction=False, consistent_rms=0.2,"
        " muon_weight_dimension_numbers=DimensionNumbers(-1, -2))",
    ),
]


def optimizers(parameter):
    """`torch.optim`'s classes, for the one parameter, and its schedulers, for the optimizer made before."""
    made = []

    def optimizer(cls):
        return lambda **settings: made.append(cls([parameter], **settings)) or made[0]

    def scheduler(cls):
        return lambda **settings: cls(made[0], **settings)

    names = {name: optimizer(cls) for name, cls in vars(torch.optim).items() if isinstance(cls, type)}
    return names | {name: scheduler(cls) for name, cls in vars(torch.optim.lr_scheduler).items() if name.endswith("LR")}


def run_torch(call, x):
    parameter = torch.tensor(x, requires_grad=True)
    optimizer, *schedulers = eval(f"({call},)", optimizers(parameter))
    for t in range(STEPS):
        parameter.grad = torch.from_numpy(np.asarray(gradient(parameter.detach().numpy().copy(), t)))
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return parameter.detach().numpy()


ROWS = [(*row, (6,)) for row in VECTORS] + [(*row, shape) for row in MATRICES for shape in ((2, 3), (3, 2))]


# (Lenient, so that schedules can be written as users write them.)
@pytest.mark.lenient
@pytest.mark.parametrize(("call", "expression", "shape"), ROWS, ids=[f"{call} of {shape}" for call, _, shape in ROWS])
def test_takes_pytorchs_steps(call, expression, shape, monkeypatch):
    # PyTorch's Muon narrows to bfloat16, which would hide what is compared.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())
    start = START.reshape(shape)
    wanted = run_torch(call, start)
    assert np.max(np.abs(wanted - start)) > 0.1
    with jax.enable_x64():
        tx = eval(expression, vars(gradtx) | {"jnp": jnp})
        got = np.asarray(run(tx, jnp.asarray(start, "float64"), STEPS))
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)
