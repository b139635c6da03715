"""Data on their way to a device."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from archsieve.tasks.data import moving
from archsieve.tasks.synthetic import Synthetic
from no_float64 import accelerator_without_float64

TASK = Synthetic(shape=(3, 8, 8), images=40, cutout=3)


def stream(device, **settings):
    rng = np.random.default_rng(0)
    batches = list(TASK.batches("train", batch_size=7, rng=rng, augment=True, device=device, **settings))
    assert all(tensor.device.type == device for batch in batches for tensor in batch)
    return [torch.cat([batch[i] for batch in batches]).cpu() for i in (0, 1)]


@pytest.mark.parametrize("most", [moving.MOST_BYTES, 100])
def test_pictures_are_the_same_on_a_device_whether_they_lie_there_or_not(monkeypatch, most):
    monkeypatch.setattr(moving, "MOST_BYTES", most)
    here = stream("cpu")
    with accelerator_without_float64() as device:
        there = stream(device)
    assert all(map(torch.equal, here, there))


def test_pictures_are_sent_once_and_leave_with_the_array():
    array = np.arange(12)
    array.flags.writeable = False
    with accelerator_without_float64() as device:
        before = len(moving._resident)
        assert moving.resident(array, device) is moving.resident(array, device)
        assert moving.resident(array, device).tolist() == list(range(12))
        assert len(moving._resident) == before + 1
        del array
        gc.collect()
        assert len(moving._resident) == before


def test_what_stays_on_the_cpu_is_not_copied(monkeypatch):
    monkeypatch.setattr(moving, "resident", lambda *args: pytest.fail("copied"))
    stream("cpu")


def test_constants_are_sent_once():
    assert moving.constant((0.5, 0.25), "cpu") is moving.constant((0.5, 0.25), "cpu")
    assert moving.constant((0.5, 0.25), "cpu").tolist() == [0.5, 0.25]
