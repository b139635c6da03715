"""NATS-Bench's size space: its strings, its networks by hand, and its sizes in closed form."""

from __future__ import annotations

import pytest
import torch

from archsieve.errors import ArchitectureError
from archsieve.networks.counting import count_macs, count_params
from archsieve.registry import SPACES
from archsieve.spaces.contract import size
from archsieve.tasks.cifar import CIFAR10

SPACE, TASK = SPACES["nats-size"](), CIFAR10()


def test_the_space_by_hand():
    assert size(SPACE) == 32_768
    assert SPACE.parse("8:16:24:32:64") == SPACE.parse("01237") == (0, 1, 2, 3, 7)
    assert SPACE.describe((7,) * 5) == "64:64:64:64:64"


@pytest.mark.parametrize(
    "text", ["8:16:24:32", "8:16:24:32:63", "8:16:24:32:64:64", "8:16:24:32:", "a:b:c:d:e", "01238"]
)
def test_other_strings_are_refused(text):
    with pytest.raises(ArchitectureError, match=r"is not an architecture of nats-size|01238"):
        SPACE.parse(text)


def test_parameters_by_hand():
    # All widths 8, so that no edge changes them. A 3x3 convolution of 8 to 8 channels with its normalisation has
    # 576 + 16; a cell five of them. Stem: 216 + 16. Residual block: two and the shortcut's 64. Head: 16, and 80 + 10.
    conv = 8 * 8 * 9 + 16
    assert SPACE.params((0,) * 5, TASK) == (216 + 16) + 3 * 5 * conv + 2 * (2 * conv + 64) + 16 + 90


@pytest.mark.parametrize("text", ["8:8:8:8:8", "8:16:24:32:64", "64:8:40:40:16"])
def test_closed_forms_are_counts_of_the_network(text):
    arch = SPACE.parse(text)
    network = SPACE.build(arch, TASK)
    assert SPACE.params(arch, TASK) == count_params(network)
    assert SPACE.macs(arch, TASK) == count_macs(network, TASK.input_shape)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_cell_that_changes_its_channels_does_so_at_its_input():
    network = SPACE.build(SPACE.parse("8:16:24:32:64"), TASK)
    convolutions = [m for m in network[3].modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convolutions] == [
        *((16, 24, 3), (16, 24, 3), (24, 24, 3)),
        *((16, 24, 1), (24, 24, 3), (24, 24, 3)),  # the skip carries the input over
    ]
