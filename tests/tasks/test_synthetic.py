from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve.errors import SettingError
from archsieve.fingerprints import fingerprint
from archsieve.tasks import synthetic
from archsieve.tasks.synthetic import Synthetic


def test_equal_settings_give_equal_pixels_in_any_process():
    first = Synthetic(signal=1.0).load()
    synthetic._draw.cache_clear()
    again = Synthetic(signal=1.0).load()
    assert first is not again
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_other_seeds_give_other_pixels():
    assert not np.array_equal(Synthetic().load().train_images, Synthetic(data_seed=1).load().train_images)


def test_the_number_of_training_images_does_not_change_the_test_images():
    few, many = Synthetic(images=10, signal=1).load(), Synthetic(images=30, signal=1).load()
    assert np.array_equal(few.test_images, many.test_images)


def test_shape_count_and_classes_are_the_settings():
    task = Synthetic(shape=(1, 5, 7), num_outputs=4, images=11, test_images=6)
    data = task.load()
    assert task.input_shape == (1, 5, 7)
    assert data.train_images.shape == (11, 1, 5, 7)
    assert data.test_images.shape == (6, 1, 5, 7)
    assert np.bincount(data.train_labels).tolist() == [3, 3, 3, 2]


def test_noise_is_about_standard_normal():
    inputs, _ = next(Synthetic(validation_fraction=0).batches("train", batch_size=1000))
    assert abs(float(inputs.mean())) < 0.01
    assert abs(float(inputs.std()) - 1) < 0.05  # pixels end at two deviations


def nearest_mean_accuracy(task) -> float:
    """Accuracy of the nearest class mean, fitted on train."""
    (inputs, targets), (test, labels) = (next(task.batches(split, batch_size=1000)) for split in ("train", "test"))
    means = torch.stack([inputs[targets == k].flatten(1).mean(0) for k in range(task.num_outputs)])
    metric = task.metric()
    metric.update(-torch.cdist(test.flatten(1), means), labels)
    return metric.compute()


def test_a_signal_can_be_learnt_and_noise_cannot():
    assert nearest_mean_accuracy(Synthetic(signal=1.0)) > 95
    assert nearest_mean_accuracy(Synthetic(signal=0.0)) < 25


def test_a_list_from_a_plan_file_is_a_shape():
    assert Synthetic(shape=[3, 8, 8]) == Synthetic(shape=(3, 8, 8))
    assert Synthetic(shape=[3, 8, 8]).load() is Synthetic(shape=(3, 8, 8)).load()


def test_the_pixels_are_shared_and_locked():
    with pytest.raises(ValueError, match="read-only"):
        Synthetic().load().train_images[0] = 0


def test_one_setting_has_one_identity():
    assert fingerprint(Synthetic(signal=0)) == fingerprint(Synthetic(signal=0.0))
    assert fingerprint(Synthetic(signal=1)) != fingerprint(Synthetic(signal=0))
    assert fingerprint(Synthetic(data_seed=1)) != fingerprint(Synthetic())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"shape": (3, 32, 32, 3)}, r"`shape` must be .*, but got \(3, 32, 32, 3\)"),
        ({"shape": 32}, "`shape` must be"),
        ({"shape": (3, 0, 4)}, "`shape\\[1\\] >= 1` must hold, but got shape\\[1\\]=0"),
        ({"num_outputs": 0}, "`num_outputs >= 1` must hold, but got num_outputs=0"),
        ({"images": 0}, "`images >= 1` must hold"),
        ({"test_images": 0}, "`test_images >= 1` must hold"),
        ({"data_seed": "a"}, "`data_seed` must be a whole number, but got data_seed='a'"),
        ({"signal": -1}, "`0 <= signal < inf` must hold, but got -1"),
        ({"signal": float("nan")}, "`0 <= signal < inf` must hold, but got nan"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        Synthetic(**settings)


@pytest.mark.parametrize("shape", [(7,), (3, 11)])
def test_vectors_and_series(shape):
    task = Synthetic(shape=shape, num_outputs=3, images=60, test_images=9, signal=2.0)
    inputs, targets = next(iter(task.batches("train", batch_size=1000)))
    assert inputs.shape == (54, *shape)
    # What there is to learn: items of one class are closer to their mean than to that of another.
    means = [inputs[targets == label].mean(0) for label in range(3)]
    near = sum(
        int(min(range(3), key=lambda k: (x - means[k]).norm()) == y) for x, y in zip(inputs, targets, strict=True)
    )
    assert near > 50
    with pytest.raises(SettingError, match="Only pictures can be augmented"):
        next(iter(task.batches("train", batch_size=8, rng=np.random.default_rng(0), augment=True)))
