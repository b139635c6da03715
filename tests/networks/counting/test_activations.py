"""The most bytes of live activations, beside numbers worked out by hand."""

import pytest
import torch
from torch import nn

from archsieve.networks.counting import count_activation_bytes, examined


class Residual(nn.Module):
    def __init__(self, width, adds):
        super().__init__()
        self.layer, self.adds = nn.Linear(width, width, bias=False), adds

    def forward(self, x):
        y = torch.relu(self.layer(x))
        return x + y if self.adds else y


CASES = [
    # the input of 4 numbers stays; 8 before and 8 after the ReLU
    (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (4,), 4 * (4 + 8 + 8)),
    (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 2)), (4,), 4 * (4 + 8 + 2)),
    (lambda: nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.Flatten()), (2, 6, 6), 4 * (2 * 36 + 5 * 36)),  # a view
    (lambda: nn.Linear(4, 8).double(), (4,), 8 * (4 + 8)),
    (lambda: nn.Identity(), (7,), 4 * 7),
    (lambda: Residual(6, adds=False), (6,), 4 * (6 + 6 + 6)),
    (lambda: Residual(6, adds=True), (6,), 4 * (6 + 6 + 6)),
    (lambda: nn.Sequential(Residual(6, adds=True), Residual(6, adds=True)), (6,), 4 * (6 + 6 + 6 + 6)),
]


@pytest.mark.parametrize(("make", "shape", "expected"), CASES)
def test_it_is_what_is_alive_at_once(make, shape, expected):
    assert count_activation_bytes(make(), shape) == expected
    assert examined(make, lambda network: count_activation_bytes(network, shape)) == expected  # on meta
    with torch.device("meta"):
        network = make()
    assert count_activation_bytes(network, shape) == expected


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    count_activation_bytes(network, (3,))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.training
