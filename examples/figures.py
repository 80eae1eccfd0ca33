"""Makes the pictures of docs/figures.md: `python examples/figures.py`, or only some: `python examples/figures.py saddle cliff`."""

import functools
import pathlib
import sys

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from rich.progress import track

import gradtx
from gradtx import plotting
from gradtx.plotting.style import COLOURS, legend_below, panels, stroke
from gradtx.problems import (
    beale,
    bent_bowl,
    cliff,
    himmelblau,
    mini_batch,
    noisy,
    rosenbrock,
    saddle,
    straight_line,
    three_minima,
    two_neurons_cross_entropy,
    two_neurons_squared,
)
from gradtx.solve import trajectories, trajectory

mpl.use("Agg")

FOLDER = pathlib.Path(__file__).parent.parent / "docs" / "figures"

# The settings of the published demonstrations on Beale's function.
DEMONSTRATIONS = {
    "gradient descent": gradtx.sgd(0.002),
    "Momentum": gradtx.sgd(0.001, momentum=0.9),
    "Nesterov": gradtx.nesterov(0.0005, 0.9),
    "Adagrad": gradtx.adagrad(0.5, initial_accumulator_value=0.0, eps=1e-6),
    "Adadelta": gradtx.adadelta(rho=0.9, eps=1e-6),
    "RMSprop": gradtx.rmsprop(0.01),
    "Adam": gradtx.adam(0.1, b2=0.97, eps=1e-6),
    "AdaMax": gradtx.adamax(0.5, eps=1e-6),
    "Nadam": gradtx.nadam(0.3, eps=1e-6),
}
# And those with which a saddle is left.
LEAVING = {
    "gradient descent": gradtx.sgd(0.01),
    "Momentum": gradtx.sgd(0.01, momentum=0.95),
    "Nesterov": gradtx.nesterov(0.01, 0.95),
    "Adagrad": gradtx.adagrad(0.01, initial_accumulator_value=0.0, eps=1e-8),
    # As published, without a rate.
    "Adadelta": gradtx.chain(gradtx.scale_by_adadelta(rho=0.9, eps=1e-8), gradtx.scale(-1.0)),
    "RMSprop": gradtx.rmsprop(0.01),
    "Adam": gradtx.adam(0.01),
}
NEAR_BEALE = ((-0.7, 4.2), (-2.9, 2.3))


def beale_contours():
    return plotting.contours(beale, DEMONSTRATIONS, steps=1000, bounds=NEAR_BEALE)


def beale_film(progress=False):
    return plotting.animate(
        *(beale, DEMONSTRATIONS, FOLDER / "beale_film.gif"), steps=300, frames=45, bounds=NEAR_BEALE, progress=progress
    )


def saddle_film(progress=False):
    return plotting.animate(
        *(saddle, LEAVING, FOLDER / "saddle_film.gif"),
        **dict(steps=120, frames=45, on="surface", bounds=((-1.2, 1.2), (-1.2, 1.2)), view=(42, 20), progress=progress),
    )


def saddle_surface():
    return plotting.surface(saddle, LEAVING, steps=100, bounds=((-1.2, 1.2), (-1.2, 1.2)), view=(42, 20))


def momentum_and_nesterov():
    pair = {"Momentum, 0.95": gradtx.sgd(0.01, momentum=0.95), "Nesterov, 0.95": gradtx.nesterov(0.01, 0.95)}
    figure, [axes] = panels(1, 2, 0.8)
    narrow = gradtx.problems.least_squares(
        "narrow bowl", lambda v: v * jnp.asarray([1.0, 3.0], v.dtype), (4.0, 2.0), 0.0, [(0, 0)], ((-5, 5), (-2.5, 2.5))
    )
    plotting.contours(narrow, pair, steps=150, axes=axes[0])
    for i, (name, tx) in enumerate(pair.items()):
        run = trajectory(narrow, tx, jnp.array(narrow.start), 150)
        axes[1].plot(run.values, label=name, **stroke(i))
    axes[1].set(yscale="log", xlabel="step", ylabel="$f$", ylim=(1e-8, 1e2))
    legend_below(figure, axes[1])
    return figure


def scheduled_momentum():
    rising = gradtx.linear_schedule(0.5, 0.99, 200)
    falling = gradtx.linear_schedule(0.99, 0.5, 400)
    lines = {
        "0.5": gradtx.sgd(5e-4, momentum=0.5),
        "0.99": gradtx.sgd(5e-4, momentum=0.99),
        "0.5 rising to 0.99": gradtx.sgd(5e-4, momentum=rising),
        "0.99 falling to 0.5": gradtx.sgd(5e-4, momentum=falling),
    }
    figure = plotting.convergence(rosenbrock, lines, steps=1000)
    figure.axes[1].set_ylim(1e-6, 1e2)
    return figure


def coordinates():
    return plotting.coordinates(saddle, LEAVING, (0.001, 0.01, 0.1), steps=400, bounds=((-1.1, 1.1), (-0.1, 1.5)))


def stochastic_loss():
    start, key = jnp.array(straight_line.start), jax.random.key(0)
    figure, [axes] = panels(1, 2, 0.8)
    for i, size in enumerate((1, 4, 18)):
        run = trajectory(mini_batch(straight_line, size), gradtx.sgd(0.002), start, 1000, key=key)
        name = "all 18" if size == 18 else f"{size} of 18"
        axes[0].plot(run.values, label=name, **stroke(i), linewidth=0.7 if size < 18 else None, zorder=4 - i / 10)
        axes[1].plot(size * np.arange(1001), run.values, label=name, **stroke(i), linewidth=0.7 if size < 18 else None)
    axes[0].set(xlabel="step", ylabel="loss on all data", yscale="log")
    axes[1].set(xlabel="samples seen", yscale="log", xlim=(0, 1000))
    legend_below(figure, axes[0])
    return figure


def loss_over_rates():
    figure, axes = panels(1, 3, 1.0, sharey=True)
    rates = 10.0 ** jnp.arange(-4, 0)
    shown = {"gradient descent": gradtx.sgd(0.1), "RMSprop": gradtx.rmsprop(0.1), "Adam": gradtx.adam(0.1)}
    for axis, (name, tx) in zip(axes[0], shown.items(), strict=True):
        runs = trajectories(rosenbrock, tx, jnp.array([rosenbrock.start]), 1000, learning_rate=rates)
        for i, rate in enumerate(rates):
            end = int(runs.diverged_at[i, 0])
            values = runs.values[i, 0, : end if end >= 0 else None]
            label = f"$10^{{{round(np.log10(rate))}}}$"
            axis.plot(np.arange(len(values)), values, label=label, **stroke(i))
        axis.set(title=name, yscale="log", ylim=(1e-8, 1e3), xlabel="step", xlim=(-15, 1000))
    axes[0, 0].set_ylabel("$f$ of Rosenbrock")
    legend_below(figure, axes[0, 0])
    return figure


def rates_and_momenta():
    momenta = jnp.linspace(0.0, 0.995, 80)
    return plotting.rate_basins(
        rosenbrock, gradtx.sgd(0.1, momentum=0.9), jnp.logspace(-5, -1.5, 120), steps=500, momentum=momenta
    )


def basins_of_attraction():
    figure, [axes] = panels(1, 2, 0.9)
    pair = {"gradient descent, 0.01": gradtx.sgd(0.01), "Momentum 0.9, 0.01": gradtx.sgd(0.01, momentum=0.9)}
    for axis, (name, tx) in zip(axes, pair.items(), strict=True):
        plotting.start_basins(himmelblau, tx, 1000, n=160, axes=axis)
        axis.set_title(name)
    legend_below(figure, max(axes, key=lambda a: len(a.get_legend_handles_labels()[0])))
    return figure


def local_minimum():
    figure, [[axes]] = panels(1, 1, 0.5)
    x = np.linspace(*three_minima.bounds[0], 400)
    axes.plot(x, jax.vmap(three_minima)(jnp.asarray(x[:, None], float)), color="0.4", linewidth=1.2)
    runs = {"gradient descent": gradtx.sgd(0.05), "Momentum 0.985": gradtx.sgd(0.05, momentum=0.985)}
    for i, (name, tx) in enumerate(runs.items()):
        run = trajectory(three_minima, tx, jnp.array(three_minima.start), 1500)
        lifted = np.asarray(run.values) + 0.12 * i
        axes.plot(run.points[:120, 0], lifted[:120], ".-", label=name, color=COLOURS[i], linewidth=0.7, markersize=5)
        axes.plot(run.points[-1], lifted[-1], "o", color=COLOURS[i], markeredgecolor="black")
    axes.plot(three_minima.at[0], three_minima.minimum, "*", color="white", markeredgecolor="black", markersize=12)
    axes.set(xlabel="$x$", ylabel="$f$")
    legend_below(figure, axes)
    return figure


def two_losses():
    figure, [axes] = panels(1, 2, 0.9)
    for axis, problem in zip(axes, (two_neurons_squared, two_neurons_cross_entropy), strict=True):
        start = (-4.0, 8.0)
        plotting.contours(problem, {"gradient descent, rate 1, 300 steps": gradtx.sgd(1.0)}, start, 300, axes=axis)
        axis.set(title=problem.name.removeprefix("two neurons, "), xlabel="$w_1$", ylabel="$w_2$")
    legend_below(figure, axes[0])
    return figure


def squashing():
    """The derivatives of the logistic function and of tanh, and the gradient after many layers."""
    figure, [axes] = panels(1, 2, 0.8)
    x = jnp.linspace(-6, 6, 300)
    functions = {"logistic": jax.nn.sigmoid, "tanh": jnp.tanh}
    for i, (name, f) in enumerate(functions.items()):
        axes[0].plot(x, jax.vmap(jax.grad(f))(x), label=f"{name}$'$", **stroke(i))
    axes[0].set(xlabel="$x$", ylim=(0, 1.05))
    axes[0].legend(loc="upper right")
    width, deepest = 64, 40

    def gradient_norms(key, activation, scale):
        """Of the output's mean with respect to each layer's input, the last layer first."""
        weights = scale / width**0.5 * jax.random.normal(key, (deepest, width, width))

        def forward(x, w):
            y, pull = jax.vjp(lambda x: activation(w @ x), x)
            return y, pull

        x, pulls = jax.random.normal(key, (width,)), []
        for w in weights:
            x, pull = forward(x, w)
            pulls.append(pull)
        g, norms = jnp.ones(width) / width, []
        for pull in reversed(pulls):
            (g,) = pull(g)
            norms.append(jnp.linalg.norm(g))
        return jnp.stack(norms)

    identity = lambda x: x
    lines = {
        "logistic, weights 1": (jax.nn.sigmoid, 1.0),
        "tanh, weights 1": (jnp.tanh, 1.0),
        "linear, weights 0.8": (identity, 0.8),
        "linear, weights 1": (identity, 1.0),
        "linear, weights 1.25": (identity, 1.25),
    }
    for i, (name, (f, scale)) in enumerate(lines.items()):
        run = jax.jit(jax.vmap(functools.partial(gradient_norms, activation=f, scale=scale)))
        norms = np.median(run(jax.random.split(jax.random.key(0), 20)), axis=0)
        # Beyond that float32 has no numbers so small.
        axes[1].plot(np.arange(1, deepest + 1), np.where(norms > 0, norms, np.nan), label=name, **stroke(i))
    axes[1].set(yscale="log", xlabel="layers passed", ylabel="size of the gradient", ylim=(1e-20, 1e5))
    legend_below(figure, axes[1])
    return figure


def at_a_cliff():
    lines = {
        "not clipped": gradtx.sgd(0.2),
        "clipped by value at 1": gradtx.chain(gradtx.clip(1.0), gradtx.sgd(0.2)),
        "clipped by norm at 1": gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.sgd(0.2)),
    }
    figure, [axes] = panels(1, 3, 1.0)
    start = (1.6, 2.0)
    # The whole, and what is near the cliff.
    for ax, bounds in zip(axes, [((-15, 3), (-3, 3)), ((0, 2), (0, 2.4))], strict=False):
        plotting.contours(cliff, lines, start, 80, bounds=bounds, axes=ax)
    axes[0].set_xticks(range(-15, 1, 5))
    axes[1].set_ylabel("")
    for i, (name, tx) in enumerate(lines.items()):
        run = trajectory(cliff, tx, jnp.array(start), 80)
        axes[2].plot(run.values, label=name, **stroke(i))
    axes[2].set(xlabel="step", ylabel="$f$", yscale="log")
    legend_below(figure, axes[2])
    return figure


STEEPEST = gradtx.chain(gradtx.scale_by_learning_rate(1.0), gradtx.scale_by_exact_linesearch())


def zigzag():
    bowl = gradtx.problems.Problem(
        "bowl", lambda v: (v[0] ** 2 + 10 * v[1] ** 2) / 2, (10.0, 1.0), 0.0, ((0.0, 0.0),), ((-3, 11), (-2.2, 2.2))
    )
    figure, [[axes]] = panels(1, 1, 0.42)
    plotting.contours(bowl, axes=axes)
    for i, (name, tx, steps) in enumerate(
        [("steepest descent", STEEPEST, 30), ("conjugate gradients", gradtx.conjugate_gradient(), 2)]
    ):
        points = trajectory(bowl, tx, jnp.array(bowl.start), steps).points
        axes.plot(*points.T, "o-", markersize=4, label=name, color=COLOURS[i])
    axes.set_aspect("equal")
    legend_below(figure, axes)
    return figure


def effective_rates():
    shown = {
        "Adagrad, 0.5": gradtx.adagrad(0.5, initial_accumulator_value=0.0, eps=1e-6),
        "RMSprop, 0.01": gradtx.rmsprop(0.01),
        "Adam, 0.1": gradtx.adam(0.1),
    }
    return plotting.effective_rates(bent_bowl, shown, steps=150)


def averaging():
    """What averages are good for: the last point and the averaged one under noise."""
    lines = {
        "gradient descent": gradtx.sgd(0.05),
        "its average (EMA 0.99)": gradtx.chain(gradtx.sgd(0.05), gradtx.ema_params(0.99)),
        "schedule-free": gradtx.schedule_free_sgd(0.05, b1=0.9),
    }
    problem = noisy(gradtx.problems.quadratic_2d, 2.0)
    return plotting.convergence(problem, lines, steps=1000, key=jax.random.key(1))


def gradient_noise():
    """Exactly on the ridge gradient descent ends at the saddle point; with noise that decays it leaves."""
    start = jnp.array([1.0, 0.0])
    figure, [[axes]] = panels(1, 1, 0.5)
    plain = trajectory(saddle, gradtx.sgd(0.01), start, 600)
    axes.plot(np.abs(plain.points[:, 1]), label="gradient descent", **stroke(0))
    for seed in range(5):
        run = trajectory(saddle, gradtx.noisy_sgd(0.01, eta=0.01, gamma=0.55, key=seed), start, 600)
        label = "with noise, five seeds" if seed == 0 else None
        axes.plot(np.abs(run.points[:, 1]), label=label, color=COLOURS[1], linewidth=0.8)
    axes.set(xlabel="step", ylabel="$|y|$", ylim=(-0.05, 2))
    legend_below(figure, axes)
    return figure


PICTURES = {
    f.__name__: f
    for f in (
        *(beale_contours, beale_film, saddle_surface, saddle_film, momentum_and_nesterov, scheduled_momentum, coordinates),
        *(stochastic_loss, loss_over_rates, rates_and_momenta, basins_of_attraction, local_minimum, two_losses, squashing),
        *(at_a_cliff, zigzag, effective_rates, averaging, gradient_noise),
    )
}


def main(names):
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        sys.exit(f"No picture is called {unknown[0]!r}; there are {', '.join(PICTURES)}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with plotting.style("page"):
        for name in track(names or list(PICTURES), "drawing"):
            figure = PICTURES[name]()
            if not isinstance(figure, pathlib.Path):
                figure.savefig(FOLDER / f"{name}.png")
                mpl.pyplot.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
