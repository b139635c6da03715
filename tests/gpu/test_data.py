"""Batches and metrics on a device: those of the CPU."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.networks.building import as_inputs, laid_out
from archsieve.tasks.data import moving
from archsieve.tasks.data.scenes import IGNORED
from archsieve.tasks.evaluation import evaluate
from archsieve.tasks.segmentation import MeanIoU

from .small import PIXELS, TASK, network


def stream(task, device, split="train", **settings):
    rng = np.random.default_rng(0)
    batches = list(task.batches(split, batch_size=7, rng=rng, device=device, **settings))
    assert {tensor.device.type for batch in batches for tensor in batch} == {device}
    return [[tensor.cpu() for tensor in batch] for batch in batches]


@pytest.mark.parametrize("most", [moving.MOST_BYTES, 0])
def test_augmented_pictures_are_the_same(device, monkeypatch, most):
    """Whether they lie on the device or are sent batch by batch."""
    monkeypatch.setattr(moving, "MOST_BYTES", most)
    task = replace(TASK, cutout=5)
    for there, here in zip(stream(task, device, augment=True), stream(task, "cpu", augment=True), strict=True):
        torch.testing.assert_close(there, here, rtol=0, atol=1e-6)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_scenes_are_the_same(device, split):
    for there, here in zip(stream(PIXELS, device, split), stream(PIXELS, "cpu", split), strict=True):
        assert all(map(torch.equal, there, here))


def test_accuracy_is_that_of_the_cpu(device):
    found = [evaluate(laid_out(network(), place).eval(), TASK, "test", device=place) for place in (device, "cpu")]
    assert found[0] == pytest.approx(found[1], abs=100 / 40)


def test_mean_iou_is_that_of_the_cpu(device):
    generator = torch.Generator().manual_seed(0)
    outputs = torch.rand(2, 4, 5, 6, generator=generator)
    targets = torch.randint(4, (2, 5, 6), generator=generator)
    targets[0, :2], outputs[1, :, 0, 0] = IGNORED, torch.nan
    found = {}
    for place in (device, "cpu"):
        metric = MeanIoU(4)
        for _ in range(2):
            metric.update(outputs.to(place), targets.to(place))
        found[place] = metric.compute(), metric.pixel_accuracy()
    assert found[device] == found["cpu"]


POOLINGS = {
    "average": nn.AvgPool2d(3, 1, 1),
    "average without its border": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "average, stride 2": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "average, whole windows": nn.AvgPool2d(2, 2, ceil_mode=True),
    "adaptive": nn.AdaptiveAvgPool2d(3),
    "max": nn.MaxPool2d(3, 2, 1),
    "convolution": nn.Conv2d(4, 4, 3, 2, 1, groups=2, bias=False),
    "normalisation": nn.BatchNorm2d(4),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients_of_layers_are_those_of_the_cpu(name, device):
    """In the layout in which networks are computed there."""
    gradients = []
    for place in (device, "cpu"):
        layer = laid_out(copy.deepcopy(POOLINGS[name]), place)
        inputs = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(0))
        inputs = as_inputs(inputs.to(place)).requires_grad_()
        outputs = layer(inputs)
        outputs.backward(torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1)).to(place))
        gradients.append([inputs.grad, *(weight.grad for weight in layer.parameters())])
    for there, here in zip(*gradients, strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-5)
