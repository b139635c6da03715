"""What a command says beside the costs it goes by."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from archsieve.cli.notes import budget_notes, cost_notes
from archsieve.errors import SettingError
from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import FLOPS, MACS, PARAMS
from archsieve.registry import SEARCHERS
from archsieve.retraining.recipe_files import Training
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.within import Within
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.recipe import Recipe
from archsieve.training.rehearsal import rehearse

TASK = Synthetic(shape=(8,), num_outputs=2, images=20)
SAID = "{} does not count: aten._fft_r2c (1 call)."


class Spectrum(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, inputs):
        return self.layer(torch.fft.rfft(inputs).real)


@dataclass(frozen=True)
class Kinds(SearchSpace):
    """A linear layer, one behind a Fourier transform, and a network that cannot be built."""

    choices = (3,)

    def build(self, arch, task):
        if arch == (2,):
            raise SettingError("no")
        return Spectrum() if arch == (1,) else nn.Linear(8, 2)


SPACE = Kinds()


@pytest.mark.parametrize(
    ("estimators", "names"),
    [
        ([MACS()], ["macs"]),
        ([PARAMS(), Chance()], []),
        ([MeanRank((PARAMS(), MACS())), FLOPS()], ["macs", "flops"]),
        ([Predictor(MACS(), samples=2)], ["macs"]),
    ],
)
def test_estimators_and_what_they_are_made_of(estimators, names):
    assert cost_notes(estimators, SPACE, [(0,), (1,), (1,), (2,)], TASK) == tuple(SAID.format(n) for n in names)
    assert cost_notes(estimators, SPACE, [(0,)], TASK) == ()


def test_limits_are_costs_too():
    within = Within(Within(SPACE, TASK, Limits(max_macs=1e6)), TASK, Limits(max_params=1e6))
    assert cost_notes([Chance()], within, [(1,)], TASK) == (SAID.format("macs"),)
    assert cost_notes([Chance()], Within(SPACE, TASK, Limits(max_params=1e6)), [(1,)], TASK) == ()


def test_a_closed_form_leaves_nothing_out():
    assert cost_notes([MACS()], NASBench201(), [(0,) * 6], Synthetic()) == ()


def test_a_rehearsal_says_so():
    found = rehearse(Training(SPACE, TASK, Recipe(horizon=1, learning_rate=0.1), "own"), (1,), is_timed=False)
    assert (found.macs, found.notes) == (10, (SAID.format("MACs"),))


def test_a_search_that_ended_early_is_named():
    early = Stage(MACS, top=1, label="sizes", search=SEARCHERS["random_search"](), budget=25)
    every = Stage(MACS, top=1)
    (note,) = budget_notes((early, every), (19, 30))
    assert note.startswith("The search 'random_search' of the stage 'sizes' scored 19 networks of its budget of 25")
    assert budget_notes((early, every), (25, 1)) == ()
