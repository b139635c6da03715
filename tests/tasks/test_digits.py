from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from archsieve import errors
from archsieve.tasks.digits import Digits


def test_it_holds_every_digit_of_scikit_learn_once():
    data = Digits().load()
    assert len(data.train_labels) == 1438
    assert len(data.test_labels) == 359
    ours = np.concatenate([data.train_images, data.test_images]).reshape(1797, 64)
    labels = np.concatenate([data.train_labels, data.test_labels])
    published = load_digits()
    theirs = np.column_stack([published.data, published.target])
    assert sorted(map(tuple, np.column_stack([ours, labels]))) == sorted(map(tuple, theirs))


def test_the_test_split_is_fixed():
    # Golden: the test images are part of what a published accuracy means.
    assert Digits(split_seed=5).load() is Digits().load()
    more = Digits(test_images=997)
    assert (len(more.load().train_labels), len(more.load().test_labels)) == (800, 997)
    assert more.load().test_images[:359].tobytes() == Digits().load().test_images.tobytes()
    assert "test_images" not in Digits().identity()
    assert more.identity()["test_images"] == 997
    for wrong in (0, 1797):
        with pytest.raises(errors.SettingError, match="`test_images"):
            Digits(test_images=wrong)
    assert Digits().load().test_labels[:12].tolist() == [4, 6, 9, 5, 5, 6, 1, 5, 9, 1, 2, 7]
    assert int(Digits().load().test_images.sum()) == 112_732


def test_every_digit_is_in_every_split():
    for split in ("train", "validation", "test"):
        labels = torch.cat([y for _, y in Digits().batches(split, batch_size=100)])
        assert labels.unique().tolist() == list(range(10))


def test_inputs_are_normalised():
    inputs = torch.cat([x for x, _ in Digits(validation_fraction=0).batches("train", batch_size=200)])
    assert inputs.shape == (1438, 1, 8, 8)
    assert abs(float(inputs.mean())) < 0.01
    assert abs(float(inputs.std()) - 1) < 0.01


def test_a_digit_is_never_mirrored():
    # Pixels move by one place at most, so that the ink of a row is the same or less, wherever it goes.
    still = torch.cat([x for x, _ in Digits().batches("train", batch_size=64, rng=np.random.default_rng(0))])
    rng = np.random.default_rng(0)
    moved = torch.cat([x for x, _ in Digits().batches("train", batch_size=64, rng=rng, augment=True)])
    padded = torch.nn.functional.pad(still, (1, 1, 1, 1), value=float(still.min()))
    crops = [padded[:, :, r : r + 8, c : c + 8] for r in range(3) for c in range(3)]
    assert torch.stack([(moved == crop).flatten(1).all(1) for crop in crops]).any(0).all()


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    from archsieve.tasks import digits

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    digits._load.cache_clear()
    with pytest.raises(errors.MissingPackageError, match=r"pip install 'archsieve\[data\]'"):
        Digits().load()
