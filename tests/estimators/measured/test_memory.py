"""Memory: weights and live tensors, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archsieve import SearchSpace
from archsieve.errors import SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.measured.memory import Memory
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic(shape=(2, 4, 4), num_outputs=3, images=8, test_images=4)


class Convolution(SearchSpace):
    """One convolution of 5 or 10 channels, an activation, and three numbers that are no weights."""

    name = "convolution"
    choices = (2,)

    def build(self, arch, task):
        network = nn.Sequential(nn.Conv2d(2, 5 * (arch[0] + 1), 1, bias=False), nn.ReLU())
        network.register_buffer("numbers", torch.zeros(3))
        return network


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("option", [0, 1])
def test_by_hand(batch, option, tmp_path):
    channels = 5 * (option + 1)
    scored = Memory(batch).score([(option,)], Context(Convolution(), TASK, tmp_path))
    tensors = round(-scored[0] * 1e6) - 4 * 2 * channels - 4 * 3
    # The input is held by its caller; the convolution's output is alive with that of the activation.
    assert tensors == 4 * 16 * batch * (2 + 2 * channels)


class Asking(nn.Sequential):
    """Asks for a number of its input, which no tensor on the meta device has."""

    def forward(self, x):
        if x.sum().item() > 1e9 or x.numpy().size == 0:
            raise ValueError("not met")
        return super().forward(x)


class Asks(Convolution):
    def build(self, arch, task):
        network = super().build(arch, task)
        asking = Asking(*network)
        asking.register_buffer("numbers", network.numbers)
        return asking


def test_a_network_that_does_not_run_on_meta_is_counted_by_running_it(tmp_path):
    plain, asking = (Memory(4).score([(1,)], Context(space, TASK, tmp_path)) for space in (Convolution(), Asks()))
    assert asking == plain


def test_names_and_words():
    assert (Memory().name, Memory(8).name) == ("memory", "memory[batch 8]")
    assert Memory().measure.text(-2.5) == "2.5 (lower is better)"
    with pytest.raises(SettingError, match="batch >= 1"):
        Memory(0)


def test_another_device_is_refused(tmp_path):
    with pytest.raises(SettingError, match="the device is 'mps'"):
        Memory().score([(0,)], Context(Convolution(), TASK, tmp_path, device="mps"))


@pytest.mark.gpu
def test_a_gpu_needs_at_least_what_is_counted(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA")
    counted = Memory(64).score([(1,)], Context(Convolution(), TASK, tmp_path))
    peak = Memory(64).score([(1,)], Context(Convolution(), TASK, tmp_path, device="cuda"))
    assert peak[0] <= 0.9 * counted[0] < 0
