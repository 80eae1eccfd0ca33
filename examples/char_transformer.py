"""A small transformer learns Python's own help texts, character by character.

`python -m examples.char_transformer [picture]`. The text is that of the standard library's `pydoc_data.topics`, its last tenth held
out. Prints bits per character while it trains, and then what it writes.
"""

import pydoc_data.topics
import sys
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import gradtx
from examples.shared import save
from gradtx.plotting import style
from gradtx.sweep import cross_entropy
from gradtx.training import fit, minibatches, supervised_loss

TEXT = "".join(pydoc_data.topics.topics.values())
LETTERS = "".join(sorted(set(TEXT)))
CONTEXT = 128


class Block(nn.Module):
    """Attention to what came before, then a layer for each place; both add to what comes in, which is normalized for them."""

    heads: int

    @nn.compact
    def __call__(self, x):
        before = nn.make_causal_mask(x[..., 0])
        x = x + nn.MultiHeadDotProductAttention(self.heads, use_bias=False)(nn.LayerNorm()(x), mask=before)
        inner = nn.gelu(nn.Dense(4 * x.shape[-1])(nn.LayerNorm()(x)))
        return x + nn.Dense(x.shape[-1])(inner)


class Transformer(nn.Module):
    """From the numbers of characters, `[..., places]`, to logits of the next one at each place."""

    width: int = 128
    layers: int = 2
    heads: int = 4

    @nn.compact
    def __call__(self, text):
        letters = nn.Embed(len(LETTERS), self.width)
        places = self.param("places", nn.initializers.normal(0.02), (CONTEXT, self.width))
        x = letters(text) + jnp.broadcast_to(places[: text.shape[-1]], (*text.shape, self.width))
        for _ in range(self.layers):
            x = Block(self.heads)(x)
        return nn.Dense(len(LETTERS), use_bias=False)(nn.LayerNorm()(x))


def windows(numbers, stride):
    """All stretches of the text that begin at multiples of the stride, and the same one character on."""
    both = np.lib.stride_tricks.sliding_window_view(numbers, CONTEXT + 1)[::stride]
    return both[:, :-1], both[:, 1:]


def corpus():
    """Windows to train on, and those held out, which don't overlap."""
    numbers = np.array([LETTERS.index(c) for c in TEXT], np.int32)
    end = len(numbers) * 9 // 10
    return windows(numbers[:end], 8), windows(numbers[end:], CONTEXT)


def optimizer(steps, peak=3e-3):
    """AdamW with clipping; the rate warms up and falls in a cosine; only matrices decay."""
    rate = gradtx.warmup_cosine_decay_schedule(0.0, peak, steps // 20, steps, peak / 20)
    return gradtx.chain(
        gradtx.clip_by_global_norm(1.0),
        gradtx.adamw(rate, b2=0.98, weight_decay=0.1, mask="*kernel"),
    )


def train(model, steps, batch=16, every=100, callbacks=()):
    """The loss with the model in it, and the run."""
    text, held_out = corpus()
    loss = supervised_loss(model, cross_entropy)
    params, state = loss.init(jax.random.key(0), text[0][:1])
    run = fit(
        loss,
        params,
        optimizer(steps),
        minibatches(text, batch, last="drop"),
        steps=steps,
        every=every,
        model_state=state,
        key=jax.random.key(1),
        validation=minibatches(held_out, 64, shuffle=False),
        callbacks=callbacks,
    )
    return loss, run


def write(loss, params, start, length, temperature=0.7, seed=0):
    """The start, and so many characters drawn one after another."""

    @jax.jit
    def draw(text, last, key):
        logits, _ = loss.apply(params, {}, text, None)
        return jax.random.categorical(key, logits[last] / temperature)

    numbers = [LETTERS.index(c) for c in start]
    for key in jax.random.split(jax.random.key(seed), length):
        seen = numbers[-CONTEXT:]
        text = np.zeros(CONTEXT, np.int32)  # of one length, so that it compiles once; what comes behind isn't attended to
        text[: len(seen)] = seen
        numbers.append(int(draw(text, len(seen) - 1, key)))
    return "".join(LETTERS[i] for i in numbers)


def bits(nats):
    return nats / np.log(2)


def unigram():
    """Bits a character of one who knows only how frequent each is."""
    frequency = np.unique(list(TEXT), return_counts=True)[1] / len(TEXT)
    return float(-(frequency * np.log2(frequency)).sum())


def drawn(run):
    """Bits per character against the steps."""
    with style():
        figure, axes = plt.subplots()
        for name, label in (("loss", "training"), ("val_loss", "held out")):
            axes.plot(run.history["step"], bits(run.history[name]), label=label)
        axes.axhline(unigram(), color="0.6", linestyle=":", label="frequencies alone")
        axes.set(xlabel="step", ylabel="bits per character", ylim=(1, 5))
        axes.legend()
    return figure


def report(run):
    record = run.records[-1]
    train, held_out = bits(record["loss"]), bits(record["val_loss"])
    print(f"step {run.step:5}  training {train:.3f}  held out {held_out:.3f}  {record['seconds']:.0f} s", flush=True)


def main(path="runs/char_transformer.png", steps=1200):
    print(f"Frequencies alone: {unigram():.2f} bits per character.")
    loss, run = train(Transformer(), steps, callbacks=[report])
    print(write(loss, run.params, "The ", 400))
    print(f"{run.records[-1]['seconds']:.0f} s of training; {time.process_time():.0f} s of processor time in all.")
    save(drawn(run), path)


if __name__ == "__main__":
    main(*sys.argv[1:])
