"""Estimators on networks that judge every pixel: proxies, partial training and a supernet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import PartialScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxies.az_nas import _read
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.registry import PROXIES
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.layers.chain import Chain
from archsieve.spaces.topformer.space import HandMadeTopFormers
from archsieve.tasks.synthetic_segmentation import SyntheticSegmentation
from estimators.zero_cost.test_every_proxy import ANYWHERE

TASK = SyntheticSegmentation(side=16, images=24, test_images=6)
KERNELS = (1, 3)


@dataclass(frozen=True)
class Dense(SearchSpace):
    """Two layers of 1x1 or 3x3, and the outputs of every pixel at half the resolution."""

    choices = (2, 2)

    def stem(self):
        return nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU())

    def block(self, position, option):
        size = KERNELS[option]
        return nn.Sequential(nn.Conv2d(6, 6, size, padding=size // 2, bias=False), nn.BatchNorm2d(6), nn.ReLU())

    def head(self):
        return nn.Conv2d(6, 4, 1)

    def build(self, arch, task):
        return Chain(self, task, self, [(option,) for option in arch])

    def supernet(self, task):
        return Chain(self, task, self, [range(2)] * 2)


SPACES = {"chain": (Dense(), [(0, 1), (1, 1)]), "pyramid": (HandMadeTopFormers(), [(2,), (1,)])}


@pytest.mark.parametrize("space", SPACES)
def test_every_proxy_scores_or_says_why_not(space, tmp_path):
    space, archs = SPACES[space]
    task = SyntheticSegmentation(side=96, images=10, test_images=1)
    members = [ZeroCost(name, batch_size=3) for name in ANYWHERE]
    with pytest.raises(PartialScoringError) as failed:
        members[0].score_group(members, archs, Context(space, task, tmp_path))
    refused = {ANYWHERE[column]: reason for (_, column), reason in failed.value.reasons.items()}
    assert set(refused) == {"epe_nas"}
    assert (
        refused["epe_nas"] == "epe_nas compares inputs of one class, but targets of shape (3, 96, 96) are not classes."
    )
    for name, scores in zip(ANYWHERE, failed.value.scores.T, strict=True):
        assert name in refused or np.isfinite(scores).all(), name
        constant = name in ("epe_nas", "trainable_layers") or (name == "swap")  # three inputs have few patterns
        assert constant or scores[0] != scores[1], name


class Dropped(nn.Module):
    """Features, dropout and a classifier of every pixel."""

    def __init__(self, probability):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.dropout = nn.Dropout2d(probability)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, inputs):
        return self.head(self.dropout(self.body(inputs)))


def test_zen_moves_the_inputs_and_not_the_masks():
    inputs, targets = next(TASK.batches("train", batch_size=4))
    probe = Probe(((inputs, targets),), TASK.loss, 4)
    without, half = (PROXIES["zen"](Dropped(p), probe) for p in (0.0, 0.5))
    assert half == without


class Scale(nn.Module):
    """A block that is a 1x1 convolution, plus what it is given besides."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 1, bias=False)

    def forward(self, inputs, other=None):
        return self.convolution(inputs) + (0 if other is None else 10 * other)


class Joined(nn.Module):
    """Two blocks, the second of which may be given the first's output besides its input."""

    def __init__(self, joins):
        super().__init__()
        self.one, self.two, self.joins = Scale(), Scale(), joins

    def forward(self, inputs):
        first = self.one(inputs)
        return self.two(inputs, first) if self.joins else self.two(inputs)


def test_the_jacobian_of_a_block_is_its_own():
    probe = Probe(((torch.zeros(4, 1, 8, 8), None),), TASK.loss, 1)
    apart, joined = (_read(Joined(joins), probe) for joins in (False, True))
    assert joined.singular_values == apart.singular_values


@dataclass(frozen=True)
class Fine(Dense):
    """Three layers of 1x1 or 3x3 at full resolution, behind one of 1x1."""

    width: int = 12
    choices = (2,) * 3

    def stem(self):
        return self.layer(3, 1)

    def block(self, position, option):
        return self.layer(self.width, KERNELS[option])

    def layer(self, inputs, size):
        layers = (
            nn.Conv2d(inputs, self.width, size, padding=size // 2, bias=False),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
        )
        return nn.Sequential(*layers)

    def head(self):
        return nn.Conv2d(self.width, 4, 1)

    def build(self, arch, task):
        return Chain(self, task, self, [(option,) for option in arch])


def test_partial_training_learns_what_only_neighbours_say(tmp_path):
    estimator = PartialTraining(epochs=12, horizon=12, batch_size=10, split="test")
    pixels, neighbours = (0, 0, 0), (1, 1, 1)
    found = {}
    for shuffled in (False, True):
        task = SyntheticSegmentation(side=32, images=100, test_images=40, noise=4, shuffle_masks=shuffled)
        ctx = Context(Fine(), task, tmp_path / str(shuffled))
        found[shuffled] = dict(zip((pixels, neighbours), estimator.score([pixels, neighbours], ctx), strict=True))
    assert found[False][neighbours] > found[False][pixels] + 30
    assert abs(found[True][neighbours] - found[True][pixels]) < 3
    assert abs(found[False][pixels] - found[True][pixels]) < 3


@pytest.mark.parametrize("batch_norm", ["batch", "recalibrated"])
def test_a_supernet_scores_its_paths(batch_norm, tmp_path):
    estimator = OneShot(epochs=2, batch_size=6, batch_norm=batch_norm, recalibration_batches=2)
    ctx = Context(Dense(), TASK, tmp_path)
    estimator.fit([], ctx, None)
    archs = [(0, 0), (1, 1), (0, 1)]
    scores = estimator.score(archs, ctx)
    assert scores.shape == (3,)
    assert ((scores >= 0) & (scores <= 100)).all()
    assert scores[::-1].tolist() == estimator.score(archs[::-1], ctx).tolist()
