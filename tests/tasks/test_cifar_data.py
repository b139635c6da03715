"""The real CIFAR-10, where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve.runs.score_tables import shipped
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.data import published

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def task():
    missing = [source.file for source in CIFAR10.sources if source.find() is None]
    if missing:
        pytest.skip(f"ARCHSIEVE_DATA has no {missing[0]}")
    return CIFAR10()


def test_it_has_the_published_size(task):
    data = task.load()
    assert data.train_images.shape == (50_000, 3, 32, 32)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10


def test_its_pixels_are_those_of_the_known_copy(task):
    content = task.identity()["content"]
    (known,) = (copy for copy in published.KNOWN if copy.content == content)
    assert published.hash_of_pixels(task.load()) == known.pixels
    assert {content} == {t.card.task["content"] for t in shipped() if t.card.task["name"] == "cifar10"}


def test_a_tenth_is_for_validation(task):
    counts = {s: sum(len(y) for _, y in task.batches(s, batch_size=512)) for s in ("train", "validation", "test")}
    assert counts == {"train": 45_000, "validation": 5_000, "test": 10_000}


def test_inputs_are_normalised(task):
    inputs = torch.cat([x for x, _ in task.batches("validation", batch_size=512)])
    assert inputs.mean((0, 2, 3)).abs().max() < 0.05
    assert (inputs.std((0, 2, 3)) - 1).abs().max() < 0.05
