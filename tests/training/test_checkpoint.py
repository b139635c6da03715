"""Checkpoints that hold no numbers, or more than they may, are refused."""

import os
import zipfile

import pytest
import torch

from archsieve.errors import RunFolderError
from archsieve.training import checkpoint
from archsieve.training.checkpoint import Place, load_checkpoint, save_checkpoint


def saved(path, change=lambda network, optimiser: None, **place):
    network = torch.nn.Linear(2, 2)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    change(network, optimiser)
    whole = {"epochs": 1, "inside": {}, "losses": torch.ones(1), "seconds": 1.0, **place}
    save_checkpoint(path, network, optimiser, Place(**whole))
    return network, optimiser


def with_nan(network, optimiser):
    network.weight.data[0, 0] = float("nan")


def with_nan_inside(network, optimiser):
    optimiser.state[network.bias]["momentum_buffer"][1] = float("nan")


@pytest.mark.parametrize(
    "wrong",
    [{"change": with_nan}, {"change": with_nan_inside}, {"epochs": -1}, {"seconds": float("nan")}, {"epochs": 10**12}],
    ids=["weights", "state of the optimiser", "epochs below 0", "seconds", "too many epochs"],
)
def test_a_checkpoint_with_nan_is_refused(tmp_path, wrong):
    path = tmp_path / "a.pt"
    network, optimiser = saved(path)
    assert load_checkpoint(path, network, optimiser).epochs == 1
    saved(path, **wrong)
    with pytest.raises(RunFolderError, match="delete it to train again"):
        load_checkpoint(path, network, optimiser)


def test_infinity_is_a_number(tmp_path):
    network, optimiser = saved(tmp_path / "a.pt", lambda net, _: net.bias.data.fill_(float("inf")))
    assert load_checkpoint(tmp_path / "a.pt", network, optimiser).epochs == 1


def test_a_bomb_and_a_pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_LARGEST", 100_000)
    path, network = tmp_path / "a.pt", torch.nn.Linear(2, 2)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1_000_000))
    with pytest.raises(RunFolderError, match="unpacks to more than 100,000 bytes"):
        load_checkpoint(path, network)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RunFolderError, match="a pipe"):
        load_checkpoint(path, network)
