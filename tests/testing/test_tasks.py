"""The laws of a task catch tasks that would give wrong scores, and pass one that is right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
import torch

from archsieve.networks.form import Input
from archsieve.tasks.contract import Task
from archsieve.tasks.noise import Noise
from archsieve.testing import TaskContract

from .broken import broken_laws, laws_of

SPLITS = {"train": 40, "validation": 9, "test": 11}


class MeanAccuracy:
    def __init__(self):
        self.hits, self.items = 0, 0

    def update(self, outputs, targets):
        self.hits += int((outputs.argmax(1) == targets).sum())
        self.items += len(targets)

    def compute(self):
        return 100 * self.hits / self.items


@dataclass(frozen=True)
class Points(Task):
    """Points on a line: the sign is the class."""

    name, input_shape, num_outputs = "points", (2,), 2

    def _points(self, split):
        rng = np.random.default_rng(list(SPLITS).index(split))
        points = rng.standard_normal((SPLITS[split], 2), dtype=np.float32)
        return torch.from_numpy(points), torch.from_numpy((points[:, 0] > 0).astype(np.int64))

    def batches(self, split, *, batch_size, rng=None, augment=False, device="cpu"):
        inputs, targets = self._points(split)
        order = np.arange(len(inputs)) if rng is None else rng.permutation(len(inputs))
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            yield inputs[places], targets[places]

    def count(self, split):
        return SPLITS[split]

    def loss(self, outputs, targets):
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metric(self):
        return MeanAccuracy()


class LosesTheRest(Points):
    """Drops the last and smaller batch."""

    def batches(self, split, *, batch_size, **settings):
        whole = list(super().batches(split, batch_size=batch_size, **settings))
        return iter(whole[:-1] or whole)


class CountsWrong(Points):
    def count(self, split):
        return 60


class SumsItsLoss(Points):
    def loss(self, outputs, targets):
        return torch.nn.functional.cross_entropy(outputs, targets, reduction="sum")


class MeanOfBatches(Points):
    """Its metric is a mean of batches, so that an item of a small one counts more."""

    def metric(self):
        metric, shares = MeanAccuracy(), []
        metric.update = lambda outputs, targets: shares.append(float((outputs.argmax(1) == targets).float().mean()))
        metric.compute = lambda: 100 * sum(shares) / len(shares)
        return metric


class PublishesErrors(Points):
    """Its metric is an error, but it says that higher is better."""

    def metric(self):
        metric = MeanAccuracy()
        metric.compute = lambda: 100 - MeanAccuracy.compute(metric)
        return metric


class ShufflesByItself(Points):
    """Draws its order from numpy's own generator."""

    def batches(self, split, *, rng=None, **settings):
        own = np.random.RandomState() if rng is None else np.random
        return super().batches(split, rng=own, **settings)


class ValidatesOnTraining(Points):
    def _points(self, split):
        inputs, targets = super()._points("train")
        return (inputs[:9], targets[:9]) if split == "validation" else super()._points(split)


class ClassesFromOne(Points):
    def _points(self, split):
        inputs, targets = super()._points(split)
        return inputs, targets + 1


class DoublePrecision(Points):
    def _points(self, split):
        inputs, targets = super()._points(split)
        return inputs.double(), targets


class LendsItsData(Points):
    """Yields its own tensors, which the caller may write to."""

    kept: dict = {}  # noqa: RUF012

    def _points(self, split):
        return self.kept.setdefault(split, super()._points(split))

    def batches(self, split, *, batch_size, rng=None, augment=False, device="cpu"):
        inputs, targets = self._points(split)
        order = torch.arange(len(inputs)) if rng is None else torch.from_numpy(rng.permutation(len(inputs)))
        for places in order.split(batch_size):
            part = slice(int(places[0]), int(places[-1]) + 1) if rng is None else places
            yield inputs[part], targets[part]


class AugmentsTests(Points):
    """Adds noise whenever there is a generator."""

    def batches(self, split, *, rng=None, **settings):
        for inputs, targets in super().batches(split, rng=rng, **settings):
            noise = 0 if rng is None else torch.from_numpy(rng.standard_normal(inputs.shape, dtype=np.float32))
            yield inputs + noise, targets


class KnowsMoreThanItsSettings(Points):
    """A copy has other data: what it holds is in no field."""

    drawn = count(3)

    def __init__(self):
        object.__setattr__(self, "_seed", next(self.drawn))

    def __setstate__(self, state):
        self.__init__()

    def _points(self, split):
        rng = np.random.default_rng([self._seed, list(SPLITS).index(split)])
        points = rng.standard_normal((SPLITS[split], 2), dtype=np.float32)
        return torch.from_numpy(points), torch.from_numpy((points[:, 0] > 0).astype(np.int64))


WRONG = [
    (LosesTheRest, "test_the_batch_size_changes_no_item"),
    (CountsWrong, "test_counts_are_true"),
    (SumsItsLoss, "test_the_loss_is_a_mean_with_a_gradient"),
    (MeanOfBatches, "test_the_metric_counts_every_item_once"),
    (PublishesErrors, "test_the_loss_and_metric_prefer_the_truth"),
    (ShufflesByItself, "test_a_split_without_generator_is_always_the_same"),
    (ShufflesByItself, "test_equal_generators_give_equal_batches"),
    (ShufflesByItself, "test_batches_leave_the_random_state_alone"),
    (ValidatesOnTraining, "test_splits_share_no_item"),
    (ClassesFromOne, "test_batches_have_the_promised_form"),
    (DoublePrecision, "test_batches_have_the_promised_form"),
    (LendsItsData, "test_batches_belong_to_the_caller"),
    (AugmentsTests, "test_what_is_scored_on_is_not_augmented"),
    (AugmentsTests, "test_shuffling_keeps_the_items"),
    (KnowsMoreThanItsSettings, "test_a_copy_is_the_same_task"),
    (type("NoOutputs", (Points,), {"num_outputs": 2.0}), "test_its_form_is_plain"),
]


@pytest.mark.parametrize(("wrong", "law"), WRONG)
def test_a_wrong_task_is_caught(wrong, law, tmp_path):
    assert law in broken_laws(TaskContract, tmp_path, task=wrong())


def test_every_law_catches_something():
    assert {law for _, law in WRONG} == set(laws_of(TaskContract))


class Duck:
    """The same task by its looks alone."""

    name, input_shape, num_outputs = "points", (2,), 2
    higher_is_better = True
    _points, batches, loss, metric = Points._points, Points.batches, Points.loss, Points.metric
    identity = dict


TOKENS = Noise((Input((4,), tokens=9), Input((3,))), 5, items=12)
NUMBERS = Noise((Input((4,)),), 3, "mse", items=12)
LOGITS = Noise((Input((4,), name="x"), Input((3,), name="y")), 2, "bce", items=12)


@pytest.mark.parametrize(
    "task", [Points(), Duck(), TOKENS, NUMBERS, LOGITS], ids=["points", "duck", "tokens", "numbers", "logits"]
)
def test_a_right_task_passes(task, tmp_path):
    assert broken_laws(TaskContract, tmp_path, task=task) == []
