"""Sizes of an architecture: in closed form where the space has one, else counted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from torch import nn

from archsieve.errors import SettingError
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.sizes import count_size, notes_on, size_of
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic(shape=(2, 4, 4), num_outputs=3, images=8, test_images=4)


@dataclass(frozen=True)
class Lines(SearchSpace):
    """A convolution of one to three channels, then a linear layer."""

    @property
    def choices(self):
        return (3,)

    def build(self, arch, task):
        channels = arch[0] + 1
        return nn.Sequential(nn.Conv2d(2, channels, 1), nn.Flatten(), nn.Linear(16 * channels, task.num_outputs))


@dataclass(frozen=True)
class Told(Lines):
    """The same, which says another number of parameters: that closed forms are asked first."""

    def params(self, arch, task):
        return 1000 + arch[0]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_what_has_no_closed_form_is_counted(channels):
    arch = (channels - 1,)
    assert size_of(Lines(), arch, TASK, "params") == (2 + 1) * channels + (16 * channels + 1) * 3
    assert size_of(Lines(), arch, TASK, "macs") == 16 * 2 * channels + 16 * channels * 3


def test_a_closed_form_is_asked_first():
    assert size_of(Told(), (2,), TASK, "params") == 1002
    assert count_size(Told(), (2,), TASK, "params") == size_of(Lines(), (2,), TASK, "params")


def test_published_flops_are_the_spaces_own_or_none():
    with pytest.raises(SettingError, match=r"no `published_flops` of its own: use \"macs\"\."):
        size_of(Lines(), (0,), TASK, "published_flops")


def test_what_is_counted_whole_needs_no_note():
    assert notes_on(Lines(), [(0,), (2,)], TASK, "macs") == ()
    assert notes_on(Lines(), [(0,)], TASK, "params") == ()
