"""AZ-NAS: its three proxies against linear networks whose answer is algebra, and its aggregate by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import ScoringError
from archsieve.estimators.combined.az_nas import AZNAS
from archsieve.estimators.combined.swap_regularised import RegularisedSwap
from archsieve.networks.building import torch_generator
from archsieve.registry import PROXIES
from estimators.tiny import probe

DATA = probe(torch.zeros(64, 2, 32, 32), [0])


def drawn(name, *shape):
    """Return the weights that a layer of that name gets."""
    return nn.init.kaiming_normal_(torch.empty(shape), generator=torch_generator(0, "init", "az_nas", name))


def entropy(covariance):
    shares = np.linalg.eigvalsh(covariance)
    shares = shares / shares.sum()
    return float(-(shares * np.log(shares)).sum())


def test_two_mixtures_of_two_channels():
    # Noise has the covariance 1, mixed by W it has W W'; the Jacobian of a mixture is W itself.
    one, two = (drawn(name, 2, 2, 1, 1)[:, :, 0, 0].double().numpy() for name in "01")
    network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
    first, second = entropy(one @ one.T), entropy(two @ one @ (two @ one).T)
    assert PROXIES["az_expressivity"](network, DATA) == pytest.approx(first + second, abs=0.01)
    assert PROXIES["az_progressivity"](network, DATA) == pytest.approx(second - first, abs=0.01)
    sizes = [np.linalg.norm(w, 2) for w in (one, two)]
    assert PROXIES["az_trainability"](network, DATA) == pytest.approx(np.mean([2 - s - 1 / s for s in sizes]), abs=0.03)


def test_a_block_that_halves_the_map():
    # Of four neighbours one is taken: seen with its neighbours as channels, the Jacobian is W beside zeros.
    weight = drawn("0", 2, 2, 1, 1)[:, :, 0, 0].numpy()
    size = np.linalg.norm(weight, 2)
    network = nn.Sequential(nn.Conv2d(2, 2, 1, stride=2))
    assert PROXIES["az_trainability"](network, DATA) == pytest.approx(2 - size - 1 / size, abs=0.05)


def test_blocks_are_the_outermost_modules_that_hold_others():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU())

        def forward(self, inputs):
            return self.inside(inputs)

    class Same(Block):
        def forward(self, inputs):
            return inputs

    class Wrapper(nn.Module):
        def __init__(self, *blocks):
            super().__init__()
            self.network = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Sequential(*blocks))

        def forward(self, inputs):
            return self.network(inputs)

    assert PROXIES["az_expressivity"](Wrapper(Block(), Block()), DATA) <= 2 * math.log(2)
    assert math.isfinite(PROXIES["az_trainability"](Wrapper(Block(), Block()), DATA))
    assert PROXIES["az_trainability"](Wrapper(Block(), Same()), DATA) == -math.inf  # nothing to train
    with pytest.raises(ScoringError, match="this network has no block"):
        PROXIES["az_expressivity"](nn.Sequential(nn.ReLU()), DATA)


def test_the_aggregate_by_hand():
    columns = np.array([[3.0, 1, 1, 9], [2, 2, 2, 9], [1, np.nan, 3, 9]])
    scores = AZNAS().combine(columns, columns)
    # Places from below: 3, 2, 1 | 2, 3, 1 | 1, 2, 3 | ties share the lowest, 1, 1, 1; each divided by 3.
    expected = [math.log(a * b * c * 1 / 81) for a, b, c in ((3, 2, 1), (2, 3, 2), (1, 1, 3))]
    assert scores.tolist() == pytest.approx(expected)
    # Among others, one better than all has the last place, one worse the first; what has no score is worse still.
    best, worst = AZNAS().combine(np.array([[9.0] * 4, [0.0] * 4]), columns)
    assert (best, worst) == pytest.approx((math.log(1 * 1 * 1 / 3), 3 * math.log(1 / 3) + math.log(2 / 3)))


def test_regularised_swap_by_hand():
    columns = np.array([[10.0, 100], [20, 200], [30, 300]])
    scores = RegularisedSwap(mu=200, sigma=10_000).combine(columns, columns)
    assert scores.tolist() == pytest.approx([10 / math.e, 20, 30 / math.e])
    # Its own: mu is 300, sigma twice the variance, 2 * 20000 / 3.
    scores = RegularisedSwap().combine(columns, columns)
    assert scores.tolist() == pytest.approx([10 * math.exp(-3), 20 * math.exp(-0.75), 30])
    assert RegularisedSwap().combine(columns[:1], columns[:1]).tolist() == [10]
