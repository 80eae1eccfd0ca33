"""The examples that train for minutes, at reduced size; at full size in `make test-all`."""

import re

import jax
import numpy as np
import pytest

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("sklearn")
pytest.importorskip("rich")

from examples import char_transformer, digits_cnn_batchnorm, distributed_digits, resume_after_kill  # noqa: E402
from gradtx.sweep import cross_entropy  # noqa: E402
from gradtx.training import supervised_loss  # noqa: E402


def bits_held_out(run):
    return char_transformer.bits(run.records[-1]["val_loss"])


@pytest.fixture(scope="module")
def small_transformer():
    model = char_transformer.Transformer(width=32, layers=1, heads=2)
    return char_transformer.train(model, 60, batch=8, every=60)


def test_a_small_transformer_learns_more_than_frequencies(small_transformer):
    assert abs(char_transformer.unigram() - 4.69) < 0.05
    assert bits_held_out(small_transformer[1]) < 4.2


def test_the_transformer_does_not_see_what_comes(small_transformer):
    loss, run = small_transformer
    text = np.zeros((1, char_transformer.CONTEXT), np.int32)
    other = text.copy()
    other[0, 70] = 1
    seen, changed = (np.asarray(loss.apply(run.params, {}, x, None)[0])[0] for x in (text, other))
    np.testing.assert_array_equal(seen[:70], changed[:70])
    assert (seen[70:] != changed[70:]).any(axis=-1).all()


def test_it_writes_on_from_the_start(small_transformer):
    loss, run = small_transformer
    first, second = (char_transformer.write(loss, run.params, "The ", 5) for _ in range(2))
    assert first == second
    assert first.startswith("The ")
    assert len(first) == 9


def test_targets_are_one_character_on_and_what_is_held_out_is_the_end_of_the_text():
    (x, y), (x_test, y_test) = char_transformer.corpus()
    spell = lambda numbers: "".join(char_transformer.LETTERS[i] for i in numbers)
    text, end = char_transformer.TEXT, len(char_transformer.TEXT) * 9 // 10
    assert spell(x[3]) + spell(y[3][-1:]) == text[24 : 24 + char_transformer.CONTEXT + 1]
    assert spell(x[-1]) + spell(y[-1][-1:]) in text[:end]
    assert spell(x_test.ravel()) == text[end:][: x_test.size]
    np.testing.assert_array_equal(y_test.ravel()[:-1], x_test.ravel()[1:])


@pytest.mark.full
def test_the_transformer_gets_below_2_6_bits():
    assert bits_held_out(char_transformer.train(char_transformer.Transformer(), 1200)[1]) < 2.6


MODELS = {"linen": digits_cnn_batchnorm.Linen(), "nnx": lambda rngs: digits_cnn_batchnorm.NNX(rngs)}


@pytest.mark.parametrize("name", MODELS)
def test_digits_with_batch_normalization(name):
    trained, _, refreshed = digits_cnn_batchnorm.accuracies(MODELS[name], seeds=1, epochs=2)[0]
    assert max(trained, refreshed) > 0.8


@pytest.mark.full
@pytest.mark.parametrize("name", MODELS)
def test_digits_with_batch_normalization_at_full_size(name):
    trained, _, refreshed = digits_cnn_batchnorm.accuracies(MODELS[name], seeds=5, epochs=15).mean(axis=0)
    assert min(trained, refreshed) >= 0.98


def test_both_networks_are_the_same():
    images = digits_cnn_batchnorm.DATA[0][:2]
    sizes, outputs = [], []
    for model in MODELS.values():
        loss = supervised_loss(model, cross_entropy)
        params, statistics = loss.init(jax.random.key(0), images)
        params = jax.tree.map(lambda x: np.full_like(x, 0.01), params)
        sizes.append(sorted(np.size(x) for x in jax.tree.leaves(params)))
        outputs.append(loss.apply(params, statistics, images, None)[0])
    assert sizes[0] == sizes[1]
    np.testing.assert_allclose(*outputs, rtol=1e-5)


def test_batch_normalization_allows_a_rate_at_which_the_network_fails_without():
    normalized, bare = (digits_cnn_batchnorm.losses_by_rate(n, rates=[2.0], seeds=1, epochs=4) for n in (True, False))
    assert normalized.max() < 1
    assert bare.min() > 0.95 * digits_cnn_batchnorm.CHANCE


def test_a_training_that_was_killed_ends_as_one_that_was_not(tmp_path):
    kill = resume_after_kill.killed(100, tmp_path, lines=3, seconds=0.02)
    assert 0 < kill.kept < 100
    whole, resumed = resume_after_kill.train(100), resume_after_kill.train(100, tmp_path)
    seen = resume_after_kill.differences(resumed, whole)
    assert all(count and not differ for count, differ in seen.values()), seen
    resumed.state = resumed.state._replace(params=jax.tree.map(lambda x: -x, resumed.params))
    count, differ = resume_after_kill.differences(resumed, whole)["parameters"]
    assert differ == count


@pytest.mark.full
def test_ten_kills():
    seen = resume_after_kill.main()
    assert all(count and not differ for count, differ in seen.values()), seen


def test_workers_learn_the_digits_together():
    optimizer = distributed_digits.OPTIMIZERS["data parallel"]
    accuracy, _, sent = distributed_digits.over_all_devices(optimizer, steps=60)
    assert accuracy > 0.8
    assert sent == 60 * 4 * (64 * 32 + 32 + 32 * 10 + 10)
    shares = [distributed_digits.share(i, 2, 1000)[0].reshape(-1, 64) for i in range(2)]
    seen = [{image.tobytes() for image in share} for share in shares]
    assert not seen[0] & seen[1]


@pytest.mark.full
def test_processes_learn_the_digits_together():
    table = distributed_digits.main(2)[0]
    rows = {name: re.search(rf"{name} *│ ([\d.]+)% *│ [\d.]+ *│ (\d+)", table) for name in distributed_digits.OPTIMIZERS}
    accuracies, sent = ({name: float(row[i]) for name, row in rows.items()} for i in (1, 2))
    assert min(accuracies.values()) > 90
    assert max(accuracies, key=accuracies.get) == "data parallel"
    assert sent["each for itself"] == 0
    assert sent["data parallel"] / sent["elastic averaging"] == pytest.approx(10, rel=0.01)
    assert sent["data parallel"] / sent["DiLoCo"] == pytest.approx(20, rel=0.01)
