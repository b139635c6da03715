"""What a training will take: parameters, steps, and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from archsieve.networks.counting import count_auxiliary_params
from archsieve.retraining.recipe_files import Training, training_of
from archsieve.spaces.contract import SearchSpace
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.recipe import Recipe
from archsieve.training.rehearsal import rehearse

CELL = "0-2-3-2-5-4-5-3-3-5-3-3-0-3-3-2-1-5-0-1-3-0-0-0"  # the cell that the recipes' integers were published for
TASK = Synthetic(0.0, shape=(3, 1, 1), num_outputs=2, images=45, test_images=5)


class TwoHeads(nn.Module):
    """A trunk, a head, a head in training alone, a weight that both use, and one that nobody calls."""

    def __init__(self, seconds=0.0):
        super().__init__()
        self.trunk, self.head, self.auxiliary = (
            nn.Linear(3, 4),
            nn.Linear(4, 2),
            nn.Sequential(nn.ReLU(), nn.Linear(4, 2)),
        )
        self.idle, self.seconds = nn.Linear(7, 7), seconds

    def forward(self, inputs):
        time.sleep(self.seconds)
        trunk = self.trunk(inputs.flatten(1))
        return (self.head(trunk), self.auxiliary(trunk)) if self.training else self.head(trunk)


@dataclass(frozen=True)
class Heads(SearchSpace):
    seconds: float = 0.0
    choices: ClassVar[tuple[int, ...]] = (2,)

    def build(self, arch, task):
        return TwoHeads(self.seconds)


def test_an_auxiliary_head_is_what_is_called_in_training_alone():
    for training in (True, False):
        network = TwoHeads().train(training)
        assert count_auxiliary_params(network, (3,)) == 4 * 2 + 2
        assert network.training is training
        assert network.auxiliary.training is training
    assert count_auxiliary_params(nn.Linear(3, 2), (3,)) == 0


def test_parameters_and_steps_are_counted_without_a_step():
    training = Training(Heads(), TASK, Recipe(horizon=7, learning_rate=0.1, batch_size=8), "own")
    found = rehearse(training, (1,), is_timed=False)
    # 3*4+4 in the trunk, 4*2+2 in the head, and 7*7+7 that lie idle.
    assert (found.params, found.auxiliary_params, found.macs) == (16 + 10 + 56, 10, 12 + 8)
    assert (found.items, found.steps_per_epoch, found.steps, found.epochs) == (45, 6, 42, 7)
    assert (found.timed_steps, found.seconds_per_step, found.hours) == (0, None, None)


def test_time_is_in_proportion_to_the_items_timed():
    recipe = Recipe(horizon=10, learning_rate=0.1, batch_size=32, auxiliary_weight=0.4)
    task = replace(TASK, images=320)
    found = rehearse(Training(Heads(0.02), task, recipe, "own"), (1,))
    assert (found.timed_steps, found.timed_items, found.is_timed_on_noise) == (3, 16, False)
    # A step of 16 sleeps for 20 ms; a batch of 32 is two of those.
    assert 0.04 <= found.seconds_per_step < 0.4
    assert found.hours == pytest.approx(found.seconds_per_step * 10 * 10 / 3600)


def test_an_epoch_of_one_step_can_be_timed():
    task = replace(TASK, images=9)
    found = rehearse(Training(Heads(0.01), task, Recipe(horizon=1, learning_rate=0.1, batch_size=9), "own"), (1,))
    assert (found.timed_steps, found.timed_items) == (1, 9)
    assert found.seconds_per_step >= 0.01


def test_where_the_data_are_not_noise_is_timed():
    class Absent(type(TASK)):
        def is_present(self):
            return False

        def load(self):
            raise AssertionError("it is not here")

        def totals(self):
            return 1000, 10

    found = rehearse(Training(Heads(), Absent(**vars(TASK)), Recipe(horizon=1, learning_rate=0.1), "own"), (1,))
    assert (found.is_timed_on_noise, found.timed_steps, found.items) == (True, 3, 1000)


@pytest.mark.parametrize(
    ("recipe", "params", "with_head", "macs", "steps"),
    [
        ("darts-cifar10", 3_955_654, 4_432_080, 615_809_664, 521),
        ("darts-imagenet", 5_523_136, 6_783_912, 613_501_632, 1252),
    ],
)
def test_the_published_networks_have_the_published_sizes(monkeypatch, recipe, params, with_head, macs, steps):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    training = training_of("darts", recipe)
    found = rehearse(training, training.space.parse(CELL), is_timed=False)
    assert (found.params, found.params + found.auxiliary_params, found.macs) == (params, with_head, macs)
    assert found.steps_per_epoch == steps


def test_rehearsing_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    rehearse(Training(Heads(), TASK, Recipe(horizon=1, learning_rate=0.1), "own"), (1,))
    assert torch.equal(torch.get_rng_state(), before)
