"""Networks small enough for paper, and the probes that go with them."""

from __future__ import annotations

import torch
from torch import nn

from archsieve.estimators.zero_cost.proxy import Probe


def linear(rows, bias=None):
    """Return a linear layer with these weights."""
    weight = torch.tensor(rows, dtype=torch.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias, dtype=torch.float32))
    return layer


def half_square(outputs, targets):
    """Half the squared error, averaged over the batch: its derivative by an output is (output - target) / n."""
    return 0.5 * (outputs - targets).square().sum() / len(outputs)


def probe(inputs, targets, *, loss=half_square, num_outputs=1, seed=0):
    """Return a probe of one batch."""
    inputs = torch.as_tensor(inputs) if torch.is_tensor(inputs) else torch.tensor(inputs, dtype=torch.float32)
    targets = torch.as_tensor(targets)
    return Probe(((inputs, targets),), loss, num_outputs, seed)


def convolutional(classes=3):
    """Return a small network with everything the proxies speak of, in double precision; no bias before a BN."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=True),
        nn.ReLU(),
        nn.Conv2d(4, 4, 1, groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, classes),
    )
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn(p.shape))
    return network.double()


def pictures(count=6, classes=3):
    """Return a probe of random pictures for `convolutional`, with the cross entropy."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 2, 6, 6, generator=generator, dtype=torch.float64)
    targets = torch.arange(count) % classes
    return probe(inputs, targets, loss=nn.functional.cross_entropy, num_outputs=classes)
