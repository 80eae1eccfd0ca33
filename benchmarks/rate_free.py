"""Methods without a tuned rate beside AdamW at the best of twenty rates: logistic regression on handwritten digits, five seeds.

The objective is scikit-learn's at its default C = 1, mean cross-entropy plus |w|²/2n: without the penalty the digits are separable, and the
loss falls to zero as fast as the weights grow. Every method has its default settings; AdamW's best rate is chosen for each seed by
the loss in question, which favours AdamW. Losses are taken at the evaluation parameters. Prints a table and writes `benchmarks/results/rate_free.json`.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import gradtx

SEEDS, EPOCHS, BATCH = 5, 100, 64
RATES = np.geomspace(1e-5, 3.0, 20)
METHODS = {
    "schedule_free_adamw": gradtx.schedule_free_adamw(),
    "prodigy": gradtx.prodigy(),
    "dadapt_adamw": gradtx.dadapt_adamw(),
    "dog": gradtx.dog(),
    "dowg": gradtx.dowg(),
    "cocob": gradtx.cocob(),
    "mechanize(adamw)": gradtx.mechanize(gradtx.adamw(1.0)),
    "momo_adam": gradtx.momo_adam(),
}
# With the decays that their authors publish them with: at a constant rate a method ends in the noise of that rate.
STEPS = EPOCHS * (1437 // BATCH)
METHODS |= {
    "prodigy, cosine": gradtx.prodigy(gradtx.cosine_decay_schedule(1.0, STEPS)),
    "dadapt_adamw, drops": gradtx.dadapt_adamw(
        gradtx.piecewise_constant_schedule(1.0, {int(part * STEPS): 0.1 for part in (0.6, 0.8, 0.95)})
    ),
}
LIMIT = 1.5


def data():
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16.0, labels, test_size=0.2, random_state=0, stratify=labels)
    x, x_test, y, y_test = (jnp.asarray(p, jnp.float32 if p.ndim == 2 else jnp.int32) for p in parts)
    return (x, y), (x_test, y_test)


def cross_entropy(params, x, y):
    scores = jax.nn.log_softmax(x @ params["w"] + params["b"])
    return -jnp.mean(jnp.take_along_axis(scores, y[:, None], axis=1))


def train(tx, key, seen, unseen):
    """The objective, and the cross-entropy on unseen data, after all epochs; each epoch has an order of its own."""
    x, y = seen

    def objective(params, x, y):
        return cross_entropy(params, x, y) + jnp.sum(params["w"] ** 2) / (2 * len(seen[1]))

    per_epoch = len(y) // BATCH
    first, orders = jax.random.split(key)
    params = {"w": 0.01 * jax.random.normal(first, (x.shape[1], 10)), "b": jnp.zeros(10)}
    shuffled = [jax.random.permutation(k, len(y))[: per_epoch * BATCH] for k in jax.random.split(orders, EPOCHS)]
    batches = jnp.concatenate(shuffled).reshape(-1, BATCH)

    def step(carry, batch):
        params, state = carry
        at = gradtx.gradient_params(tx, state, params)
        value, grads = jax.value_and_grad(objective)(at, x[batch], y[batch])
        updates, state = tx.update(grads, state, params, value=value)
        return (gradtx.apply_updates(params, updates), state), None

    (params, state), _ = jax.lax.scan(step, (params, tx.init(params)), batches)
    judged = gradtx.evaluation_params(tx, state, params)
    return jnp.stack([objective(judged, *seen), cross_entropy(judged, *unseen)])


def main() -> None:
    seen, unseen = data()
    keys = jax.vmap(jax.random.key)(jnp.arange(SEEDS))
    run = jax.jit(jax.vmap(lambda tx, key: train(tx, key, seen, unseen), in_axes=(None, 0)))
    swept = jax.jit(jax.vmap(lambda rate: run(gradtx.adamw(rate), keys)))(jnp.asarray(RATES, jnp.float32))
    swept = np.where(np.isnan(swept), np.inf, swept)
    best, chosen = swept.min(axis=0), RATES[swept.argmin(axis=0)]

    table = Table(
        "method", "objective", "/ best AdamW", "unseen data", "/ best AdamW", title=f"mean over {SEEDS} seeds; largest ratio"
    )
    table.add_row("adamw, best of 20 rates", f"{best[:, 0].mean():.4f}", "1.00", f"{best[:, 1].mean():.4f}", "1.00")
    results = {
        "setting": dict(data="scikit-learn digits", seeds=SEEDS, epochs=EPOCHS, batch=BATCH, rates=RATES.tolist()),
        "adamw": dict(objective=best[:, 0].tolist(), unseen=best[:, 1].tolist(), rates_chosen=chosen.tolist()),
    }
    for name, tx in METHODS.items():
        ends = np.asarray(run(tx, keys))
        ratios = ends / best
        shown = [f"{ratios[:, i].mean():.2f} ({ratios[:, i].max():.2f})" for i in (0, 1)]
        table.add_row(name, f"{ends[:, 0].mean():.4f}", shown[0], f"{ends[:, 1].mean():.4f}", shown[1])
        results[name] = dict(
            objective=ends[:, 0].tolist(),
            unseen=ends[:, 1].tolist(),
            ratio_objective=ratios[:, 0].tolist(),
            ratio_unseen=ratios[:, 1].tolist(),
            within_limit=dict(objective=bool(ratios[:, 0].max() <= LIMIT), unseen=bool(ratios[:, 1].max() <= LIMIT)),
        )
    Console().print(table)
    folder = pathlib.Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "rate_free.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
