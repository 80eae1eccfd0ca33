"""A network whose outputs minimize a function: layers of 1, 4, 2 and 3, fed with 1, whose three outputs are to make their squares small.

`python -m examples.function_network [picture]`. There is no data: the loss is the function itself, at what the network puts out.
"""

import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

import gradtx
from examples.shared import save
from gradtx.plotting import curves
from gradtx.training import fit

OPTIMIZERS = {
    "gradient descent": gradtx.sgd(0.05),
    "momentum": gradtx.sgd(0.05, momentum=0.9),
    "Adam": gradtx.adam(0.01),
}


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.tanh(nn.Dense(4)(x))
        x = nn.tanh(nn.Dense(2)(x))
        return nn.Dense(3, bias_init=nn.initializers.normal(1.0))(x)  # biases of 0 would be most of the answer


def squares(params, x):
    return jnp.sum(Network().apply(params, x) ** 2)


def main(path="runs/function_network.png", steps=300):
    one = jnp.ones(1)
    start = Network().init(jax.random.key(0), one)
    table = Table("optimizer", "x1", "x2", "x3", "x1² + x2² + x3²", title=f"what the network puts out after {steps} steps")
    table.add_row("(none)", *(f"{x:.1e}" for x in Network().apply(start, one)), f"{squares(start, one):.1e}")
    runs = {}
    for name, tx in OPTIMIZERS.items():
        run = fit(squares, start, tx, [one], steps=steps, every=1)
        table.add_row(name, *(f"{x:.1e}" for x in Network().apply(run.params, one)), f"{squares(run.params, one):.1e}")
        runs[name] = run
    Console().print(table)
    save(curves(runs), path)
    return runs


if __name__ == "__main__":
    main(*sys.argv[1:])
