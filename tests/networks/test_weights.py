"""Weights as files: what comes back, what does not fit, and what is damaged."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from archsieve.errors import DataError, MissingDataError, SettingError
from archsieve.networks.building import laid_out
from archsieve.networks.weights import load_weights, read_weights, save_weights


def network(outputs=3):
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, outputs))


@pytest.fixture
def file(tmp_path):
    trained = network()
    trained(torch.randn(5, 2, 3, 3))  # moves the statistics
    path = tmp_path / "weights.safetensors"
    save_weights(path, laid_out(trained, "cpu"), {"seed": 3, "space": {"width": 4}})
    return path, trained


def test_weights_and_what_they_are_of_come_back(file):
    path, trained = file
    other = network()
    load_weights(path, other)
    assert len(trained.state_dict()) == 9
    for name, tensor in trained.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    assert read_weights(path)[1] == {"seed": 3, "space": {"width": 4}}


def test_a_file_of_another_program_says_nothing_of_itself(tmp_path):
    save_file(dict(network().state_dict()), tmp_path / "w.safetensors")
    assert read_weights(tmp_path / "w.safetensors")[1] == {}
    load_weights(tmp_path / "w.safetensors", network())


def test_what_does_not_fit_is_told_by_its_kind(file):
    path = file[0]
    with pytest.raises(SettingError) as caught:
        load_weights(path, network(outputs=5))
    assert str(caught.value) == (
        f"The weights in {path} do not fit this network: 2 tensors are of another shape, e.g. 3.weight is (3, 4) and "
        "not (5, 4)."
    )
    with pytest.raises(SettingError, match=r"2 tensors are missing, e\.g\. 4\.weight\."):
        load_weights(path, network().append(nn.Linear(3, 1)))
    with pytest.raises(SettingError, match=r"2 tensors are left over, e\.g\. 3\.bias"):
        load_weights(path, network()[:3])


def test_a_network_that_weights_do_not_fit_is_left_as_it_was(file):
    other = network(outputs=5)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(SettingError):
        load_weights(file[0], other)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())


def test_weights_that_modules_share_are_kept_too(tmp_path):
    def tied():
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    trained, other = tied(), tied()
    save_weights(tmp_path / "tied.safetensors", trained, {})
    load_weights(tmp_path / "tied.safetensors", other)
    assert torch.equal(other[0].weight, trained[0].weight)
    assert other[1].weight is other[0].weight


def test_a_file_cut_anywhere_is_one_sentence(file):
    path = file[0]
    data = path.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:end])
        with pytest.raises(DataError, match=r"weights\.safetensors is not a complete safetensors file"):
            load_weights(path, network())


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingDataError, match=r"There is no weights file .*none\.safetensors"):
        load_weights(tmp_path / "none.safetensors", network())
