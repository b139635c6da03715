"""What holds for every registered task; those that read files get a tiny copy of their own."""

from __future__ import annotations

import subprocess
import sys
import typing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from operator import methodcaller

import numpy as np
import pytest
import torch

from archsieve.fingerprints import fingerprint
from archsieve.registry import TASKS
from archsieve.testing import TaskContract

from .tiny import write_ade20k, write_photographs, write_published

OWN_DATA = ("arrays", "function", "images", "table")  # whose files are settings: see test_own_data.py
# Other tests register tasks of their own, which promise less.
SHIPPED = [name for name in TASKS if name not in OWN_DATA and TASKS[name].__module__.startswith("archsieve.")]


@pytest.fixture(params=SHIPPED)
def task(request, tmp_path):
    kind = TASKS[request.param]
    if request.param == "ade20k":
        return kind(source=str(write_ade20k(tmp_path)), crop=48)
    if request.param == "imagenet":
        return kind(source=str(write_photographs(tmp_path, seed=1)), num_outputs=3, size=12, resize=14)
    return kind(source=str(write_published(tmp_path, request.param))) if kind.sources else kind()


class TestEveryTask(TaskContract):
    @pytest.fixture(autouse=True)
    def _task(self, task):
        self.task = task


def test_it_is_registered_by_its_name(task):
    assert TASKS[task.name] is type(task)
    assert task.num_outputs > 1
    assert 0 <= measured_at_random(task) <= 100


def measured_at_random(task):
    inputs, targets = next(task.batches("train", batch_size=8))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(inputs[0].numel(), task.num_outputs))
    if targets.dim() > 1:
        network = torch.nn.Conv2d(len(inputs[0]), task.num_outputs, 1)
    metric = task.metric()
    metric.update(network(inputs), targets)
    return metric.compute()


def test_augmentation_changes_pictures_and_not_their_shape(task):
    def draw(augment):
        return next(task.batches("train", batch_size=64, rng=np.random.default_rng(3), augment=augment))

    (plain, targets), (augmented, same) = draw(False), draw(True)
    assert targets.dim() > 1 or torch.equal(targets, same)
    assert plain.shape == augmented.shape
    assert not torch.equal(plain, augmented)


def targets_of_tests(task):
    """Return all targets of the test split, as numbers in a row."""
    return np.concatenate([targets.flatten().numpy() for _, targets in task.batches("test", batch_size=64)])


def test_it_is_sent_to_a_worker_as_plain_settings(task):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        identity = pool.submit(methodcaller("identity"), task).result()
        targets = pool.submit(targets_of_tests, task).result()
    assert identity == task.identity()
    assert np.array_equal(targets, targets_of_tests(task))


def test_every_setting_counts_in_the_fingerprint(task):
    other = type(task)(**{**vars(task), "split_seed": 1})
    wider = type(task)(**{**vars(task), "validation_fraction": 0.2})
    assert len({fingerprint(t) for t in (task, other, wider)}) == 3


def test_its_annotations_can_be_resolved(task):
    # Plan files are checked against them.
    assert typing.get_type_hints(type(task))["validation_fraction"] is float


def test_looking_at_tasks_imports_nothing_heavy():
    code = """
import sys
from archsieve.registry import TASKS
for name in TASKS:
    kind = TASKS[name]
    if name in ("arrays", "function", "images", "table"):  # which need settings
        kind.name
        continue
    task = kind()
    (task.name, task.input_shape, task.num_outputs, task.higher_is_better, task.sources, task.is_present())
heavy = {"torch", "datasets", "sklearn", "PIL", "pyarrow", "huggingface_hub", "scipy"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
