"""Pretrained weights of a part of a network."""

from __future__ import annotations

import pytest
import torch

from archsieve.errors import DataError, MissingDataError, SettingError
from archsieve.networks.building import build_network
from archsieve.networks.weights import load_backbone, save_weights
from archsieve.spaces.topformer.space import HandMadeTopFormers
from archsieve.tasks.synthetic import Synthetic

SPACE, TINY = HandMadeTopFormers(), (2,)


def built(classes, seed):
    return build_network(SPACE, TINY, Synthetic(shape=(3, 32, 32), num_outputs=classes, images=10), seed)


def test_everything_but_the_classifier_of_another_task(tmp_path):
    pretrained, network = built(7, 0), built(5, 1)
    save_weights(tmp_path / "weights.safetensors", pretrained, {})
    before = network.head.classify.weight.clone()
    loaded = load_backbone(network, tmp_path / "weights.safetensors")
    assert loaded.missing == ("head.classify.weight", "head.classify.bias")
    assert set(loaded.taken) | set(loaded.missing) == set(network.state_dict())
    assert torch.equal(network.head.classify.weight, before)
    given, own = pretrained.state_dict(), network.state_dict()
    assert all(torch.equal(own[name], given[name]) for name in loaded.taken)
    assert torch.equal(network.stages[2][0].expand.conv.weight, pretrained.stages[2][0].expand.conv.weight)


def test_a_part_under_a_prefix(tmp_path):
    holder = torch.nn.ModuleDict({"backbone": torch.nn.ModuleDict({"stem": built(5, 0).stem})})
    save_weights(tmp_path / "weights.safetensors", holder, {})
    network = built(5, 1)
    loaded = load_backbone(network, tmp_path / "weights.safetensors", prefix="backbone.")
    assert {name.partition(".")[0] for name in loaded.taken} == {"stem"}
    assert all(not name.startswith("stem.") for name in loaded.missing)
    assert torch.equal(network.stem.conv.weight, holder["backbone"]["stem"].conv.weight)
    with pytest.raises(SettingError, match=r"none has the name and the shape .*, e\.g\. stem\.conv\.weight\."):
        load_backbone(network, tmp_path / "weights.safetensors")


def test_files_that_are_none(tmp_path):
    with pytest.raises(MissingDataError, match="There is no weights file"):
        load_backbone(built(5, 0), tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"pickle")
    with pytest.raises(DataError, match="is not a complete safetensors file"):
        load_backbone(built(5, 0), tmp_path / "bad.safetensors")
