"""Spaces of recorded values: their published sizes and their texts."""

from __future__ import annotations

import pytest

from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.contract import size
from archsieve.spaces.recorded.flexibert import FlexiBERT
from archsieve.spaces.recorded.vision import AutoFormer, PiT
from archsieve.tasks.cifar import CIFAR10


def test_their_sizes():
    # Encoders of two layers leave the other two layers at zero.
    assert size(FlexiBERT()) == 2 * 2 * 48**4
    assert 2 * (48**2 + 48**4) == 10_621_440  # as published
    assert size(PiT()) == 4 * 4 * 3**6
    assert not FlexiBERT().is_valid((0, 0, *[0] * 8, 1, *[0] * 7))
    assert not AutoFormer().is_valid((0, 1, *[0] * 26, 0, 1))


@pytest.mark.parametrize(
    ("space", "text"),
    [
        *((FlexiBERT(), text) for text in ("256:SA-WMA-4-1024-3", "64:SA-WMA-4-1024-3,DSC-5-2-512-1", "a:b", "256:")),
        (FlexiBERT(), "256:SA-WMA-4-1024-3,SA-DCT-4-1024-3"),
        *((PiT(), text) for text in ("40:6:3-4-6", "40:6:3-4-6:2-8", "40:6:4-4-6:2-8-8", "41:6:3-4-6:2-8-8")),
        (AutoFormer(), "192:" + ",".join(["3.5-3"] * 11)),
        (AutoFormer(), "192:" + ",".join(["3.6-3"] * 12)),
        (AutoFormer(), "192:" + ",".join(["nan-3"] * 12)),
    ],
)
def test_other_texts_are_refused(space, text):
    with pytest.raises(ArchitectureError, match=f"is not an architecture of {space.name}: "):
        space.parse(text)


@pytest.mark.parametrize("space", [FlexiBERT(), AutoFormer(), PiT()], ids=["flexibert", "autoformer", "pit"])
def test_there_are_no_networks(space):
    assert space.is_recorded
    with pytest.raises(SettingError, match="does not build the networks"):
        space.build((0,) * len(space.choices), CIFAR10())
