"""What jacov and epe_nas read is rounding error where the summed outputs do not depend on the inputs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from archsieve.errors import ScoringError
from archsieve.registry import PROXIES
from estimators.tiny import probe

CHANNELS = 6


def block(*, ends_in_relu=True):
    layers = [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS)]
    return [*layers, nn.ReLU()] if ends_in_relu else layers


def network(*layers, head=nn.Linear):
    return nn.Sequential(
        nn.Conv2d(3, CHANNELS, 3), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head(CHANNELS, 4)
    ).train()


def perceptron(*layers):
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), *layers).train()


def pictures(count=12):
    inputs = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return probe(inputs, torch.arange(count) % 2, loss=nn.functional.cross_entropy, num_outputs=4)


CONSTANT = {
    "normalised before the mean": lambda: network(*block(ends_in_relu=False)),
    "normalised before the mean, 40 layers": lambda: network(*(block() * 19), *block(ends_in_relu=False)),
    "a linear layer after the normalisation": lambda: network(
        *block(ends_in_relu=False), nn.Conv2d(6, 6, 1, bias=False)
    ),
    "normalised outputs": lambda: perceptron(nn.Linear(16, 4), nn.BatchNorm1d(4)),
    "normalised features": lambda: perceptron(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 4)),
}
CONSTANT_BY_INPUT = {
    "softmax": lambda: nn.Sequential(network(*block()), nn.Softmax(1)).train(),
    "normalised by layer at the end": lambda: nn.Sequential(network(*block()), nn.LayerNorm(4)).train(),
}
VARYING = {
    "one output": lambda: nn.Sequential(perceptron(nn.Linear(16, 1)), nn.Flatten(0)),
    "outputs at each position": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1)
    ).train(),
    "nearly linear after the normalisation": lambda: perceptron(
        nn.Linear(16, 16), small(nn.BatchNorm1d(16)), nn.Tanh(), nn.Linear(16, 4)
    ),
    "rectified before the mean": lambda: network(*block()),
    "rectified before the mean, 40 layers": lambda: network(*(block() * 20)),
    "a path past the normalisation": lambda: network(Past(*block(ends_in_relu=False))),
    "normalised by layer": lambda: perceptron(nn.Linear(16, 16), nn.LayerNorm(16), nn.Linear(16, 4)),
    "no normalisation": lambda: perceptron(nn.Linear(16, 4)),
    "small outputs": lambda: Scaled(perceptron(nn.Linear(16, 4)), 1e-6),
    "large outputs with an offset": lambda: Scaled(perceptron(nn.Linear(16, 4)), 1e3, 1e6),
    "nearly saturated": lambda: nn.Sequential(Scaled(perceptron(nn.Linear(16, 4)), 8.0), nn.Sigmoid()),
}


def small(norm):
    nn.init.constant_(norm.weight, 0.01)
    return norm


class Past(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x.clamp(min=0) + self.layers(x)


class Scaled(nn.Module):
    def __init__(self, inner, factor, offset=0.0):
        super().__init__()
        self.inner, self.factor, self.offset = inner, factor, offset

    def forward(self, x):
        return self.factor * self.inner(x) + self.offset


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["jacov", "epe_nas"])
@pytest.mark.parametrize("kind", CONSTANT)
def test_it_is_refused(kind, name, seed):
    torch.manual_seed(seed)
    with pytest.raises(ScoringError, match="The summed outputs do not depend on the inputs"):
        PROXIES[name](CONSTANT[kind](), pictures())


@pytest.mark.parametrize("kind", CONSTANT_BY_INPUT)
def test_outputs_with_a_constant_sum_are_refused(kind):
    torch.manual_seed(0)
    with pytest.raises(ScoringError, match=r"The summed outputs do not depend on the inputs, .* ends in a softmax"):
        PROXIES["jacov"](CONSTANT_BY_INPUT[kind](), pictures())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["jacov", "epe_nas"])
@pytest.mark.parametrize("kind", VARYING)
def test_other_networks_are_scored(kind, name, seed):
    torch.manual_seed(seed)
    assert math.isfinite(PROXIES[name](VARYING[kind](), pictures()))


@pytest.mark.parametrize("kind", ["normalised before the mean", "a linear layer after the normalisation"])
def test_synflow_bn_of_constant_outputs_is_refused(kind):
    torch.manual_seed(0)
    with pytest.raises(ScoringError, match="The outputs do not depend on the weights"):
        PROXIES["synflow_bn"](CONSTANT[kind](), pictures())


def test_a_small_flow_is_no_rounding_error():
    torch.manual_seed(0)
    small = network(*block())
    with torch.no_grad():
        small[-1].weight.mul_(1e-9)
        small[-1].bias.zero_()
    whole = PROXIES["synflow_bn"](small, pictures())
    assert 0 < whole < 1e-6


def test_a_small_flow_that_overflows_in_single_precision_is_scored():
    """A path through 1e40 and back: its sum is small, and no rounding error."""
    torch.manual_seed(0)
    deep = nn.Sequential(network(*block()), *(nn.Linear(4, 4, bias=False) for _ in range(4))).train()
    with torch.no_grad():
        for layer, factor in zip(deep[1:], (1e30, 1e30, 1e-38, 1e-38), strict=True):
            layer.weight.mul_(factor)
    assert 0 < PROXIES["synflow_bn"](deep, pictures()) < 1e-6


class Fourier(nn.Module):
    """Has weights for each frequency; notes in which numbers they are used."""

    def __init__(self):
        super().__init__()
        self.frequencies, self.used_as = nn.Parameter(torch.randn(3, 8, 5, dtype=torch.complex64)), []

    def forward(self, x):
        self.used_as.append(self.frequencies.is_complex())
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.frequencies)


@pytest.mark.parametrize("name", ["synflow", "synflow_bn"])
def test_complex_weights_stay_complex(name):
    torch.manual_seed(0)
    fourier = Fourier()
    assert math.isfinite(PROXIES[name](nn.Sequential(fourier, network(*block())).train(), pictures()))
    assert fourier.used_as
    assert all(fourier.used_as)
