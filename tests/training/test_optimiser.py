"""Optimisers: which parameter has which rate and decay, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.optimiser import optimiser_of, rate_of, rates_of, set_rate
from archsieve.training.recipe import Recipe


class Net(nn.Module):
    """Two layers with normalisations, one of them the head."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.GroupNorm(1, 2))
        self.head = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
        self.headless = nn.Linear(1, 1)


def groups(recipe, network):
    """Return by name what a parameter's group says of rate and decay."""
    names = {p: name for name, p in network.named_parameters()}
    return {
        names[p]: (group["lr"], group["weight_decay"])
        for group in optimiser_of(network, recipe).param_groups
        for p in group["params"]
    }


def test_plain_sgd_has_one_group():
    network = Net()
    optimiser = optimiser_of(network, Recipe(horizon=1, learning_rate=0.1, momentum=0.8, nesterov=True))
    (group,) = optimiser.param_groups
    assert type(optimiser) is torch.optim.SGD
    assert (group["momentum"], group["nesterov"]) == (0.8, True)
    assert all(one is other for one, other in zip(group["params"], network.parameters(), strict=True))


def test_rate_of_the_head_and_decay_of_norms():
    recipe = Recipe(horizon=1, learning_rate=0.1, weight_decay=0.01, head_factor=10, norm_decay=False)
    found = groups(recipe, Net())
    assert found.pop("body.0.weight") == found.pop("body.0.bias") == (0.1, 0.01)
    assert found.pop("headless.weight") == found.pop("headless.bias") == (0.1, 0.01)
    assert found.pop("head.0.weight") == found.pop("head.0.bias") == (1.0, 0.01)
    assert found.pop("head.1.weight") == found.pop("head.1.bias") == (1.0, 0.0)
    assert found == dict.fromkeys(["body.1.weight", "body.1.bias", "body.2.weight", "body.2.bias"], (0.1, 0.0))


def test_a_rate_is_set_for_all_groups():
    recipe = Recipe(horizon=1, learning_rate=0.1, head_factor=10, norm_decay=False, weight_decay=1.0)
    optimiser = optimiser_of(Net(), recipe)
    set_rate(optimiser, 0.02)
    assert rate_of(optimiser) == 0.02
    assert {group["lr"] for group in optimiser.param_groups} == {0.02, 0.2}


def test_groups_of_checkpoints_that_know_no_factor():
    optimiser = torch.optim.SGD(Net().parameters(), lr=1.0)
    set_rate(optimiser, 0.5)
    assert rate_of(optimiser) == 0.5


def test_a_step_of_adamw_by_hand():
    network = nn.Linear(1, 1, bias=False)
    recipe = Recipe(horizon=1, learning_rate=0.1, weight_decay=0.5, optimiser="adamw", betas=(0.5, 0.75))
    optimiser = optimiser_of(network, recipe)
    nn.init.constant_(network.weight, 2.0)
    weight, first, second = 2.0, 0.0, 0.0
    for step, gradient in enumerate((3.0, -1.0), 1):
        network.weight.grad = torch.full((1, 1), gradient)
        optimiser.step()
        first, second = 0.5 * first + 0.5 * gradient, 0.75 * second + 0.25 * gradient**2
        weight -= 0.1 * 0.5 * weight  # decoupled decay
        weight -= 0.1 * first / (1 - 0.5**step) / (math.sqrt(second / (1 - 0.75**step)) + 1e-8)
        assert network.weight.item() == pytest.approx(weight, rel=1e-6)


def test_weights_that_the_head_shares_are_the_heads():
    network = Net()
    network.body.append(nn.Conv2d(2, 2, 1))
    network.head[0].weight = network.body[3].weight
    found = groups(Recipe(horizon=1, learning_rate=0.1, head_factor=10), network)
    assert (found["body.3.weight"][0], found["body.3.bias"][0]) == (1.0, 0.1)


def test_a_head_that_is_no_module():
    network = nn.Sequential(nn.Linear(1, 1))
    network.head = lambda inputs: inputs
    with pytest.raises(SettingError, match="is for the module `head` of a network"):
        optimiser_of(network, Recipe(horizon=1, learning_rate=0.1, head_factor=2))


def test_a_warm_up_must_end_before_the_training():
    task = Synthetic(0.0, shape=(3, 8, 8), images=40)
    recipe = Recipe(horizon=2, learning_rate=1.0, batch_size=10, by_step=True, warm_up_steps=7, schedule="linear")
    rate = rates_of(recipe, task, processes=1)
    assert [rate(0, 0), rate(1, 3)] == pytest.approx([1e-6, 1 / 8])
    with pytest.raises(
        SettingError, match="The warm-up takes 8 steps, but the training has 8 in 2 epochs: set warm_up"
    ):
        rates_of(replace(recipe, warm_up_steps=8), task, processes=1)
    with pytest.raises(SettingError, match="The warm-up takes 7 steps, but the training has 4"):
        rates_of(replace(recipe, batch_size=20), task, processes=1)


def test_networks_without_a_head():
    with pytest.raises(SettingError, match="is for the module `head` of a network, but Sequential has only 0, 1: set"):
        optimiser_of(
            nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), Recipe(horizon=1, learning_rate=0.1, head_factor=2)
        )
