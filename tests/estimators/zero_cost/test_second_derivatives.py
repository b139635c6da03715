"""Second derivatives against torch's own, in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archsieve.estimators.zero_cost.second_derivatives import FastSecondDerivatives


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def derivatives(network, inputs, fast):
    """Return output, first gradients and second derivatives along them, by the inputs and all convolutions' weights."""
    inputs = inputs.clone().requires_grad_()
    leaves = [inputs, *(p for p in network.parameters() if p.dim() > 1)]
    with FastSecondDerivatives() if fast else torch.enable_grad():
        output = network(inputs)
        first = torch.autograd.grad((output**3).sum() + output.sin().sum(), leaves, create_graph=True)
    product = sum((g * noise(*g.shape, seed=9 + i)).sum() for i, g in enumerate(first))
    second = torch.autograd.grad(product, leaves)
    return [output, *first, *second]


def assert_same(network, inputs):
    network = network.double()
    states = []
    found = []
    for fast in (False, True):
        for module in network.modules():
            if hasattr(module, "reset_running_stats"):
                module.reset_running_stats()
        found.append(derivatives(network, inputs, fast))
        states.append({name: value.clone() for name, value in network.state_dict().items()})
    for torchs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-9, atol=1e-9)
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value)
    assert max(float(t.detach().abs().max()) for t in found[0]) > 0.1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stride": 2, "padding": 1},
        {"padding": (0, 2), "dilation": 2, "bias": False},
        {"groups": 4, "padding": 1},
        {"groups": 2, "stride": (1, 3)},
        {"padding": "same"},
    ],
    ids=str,
)
def test_convolutions(settings):
    assert_same(nn.Conv2d(4, 8, 3, **settings), noise(3, 4, 8, 8))


def test_convolutions_of_one_and_three_dimensions():
    assert_same(nn.Conv1d(2, 3, 3, stride=2, padding=1), noise(3, 2, 9))
    assert_same(nn.Conv3d(2, 3, 2, padding=1), noise(2, 2, 4, 4, 4))


@pytest.mark.parametrize("settings", [{}, {"affine": False}, {"momentum": 0.3, "eps": 0.5}], ids=str)
def test_batch_normalisation(settings):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, **settings))
    with torch.no_grad():
        for parameter in network[1].parameters():
            parameter.copy_(noise(4, seed=3))
    assert_same(network, noise(5, 3, 4, 4))
    assert_same(nn.Sequential(nn.BatchNorm1d(6, **settings)), noise(7, 6))


def test_in_evaluation_it_is_torchs_own():
    assert_same(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval(), noise(2, 3, 4, 4))


def test_a_whole_network():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.Sigmoid(),
        nn.Conv2d(8, 2, 1),
        nn.AdaptiveAvgPool2d(1),
    )
    assert_same(network.to(memory_format=torch.channels_last), noise(4, 3, 6, 6))
