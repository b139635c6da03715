"""Costs: in closed form where the space has it, else counted."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest
from torch import nn

from archsieve.estimators.contract import Context, Estimator
from archsieve.estimators.size import FLOPS, MACS, PARAMS, Size
from archsieve.registry import ESTIMATORS
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sizes import count_size
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import EstimatorContract

TASK = Synthetic(shape=(1, 4, 4), num_outputs=2, images=10)


@dataclass(frozen=True)
class Dense(SearchSpace):
    """One hidden layer of 1, 2 or 3 units on 16 pixels, with a ReLU."""

    choices = (3,)

    def build(self, arch, task):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, arch[0] + 1), nn.ReLU(), nn.Linear(arch[0] + 1, 2))


class ClosedForm(Dense):
    def params(self, arch, task):
        return 100 + arch[0]


@pytest.mark.parametrize(
    ("cost", "scores"),
    [
        (PARAMS, [17 + 4, 34 + 6, 51 + 8]),  # 16 weights and a bias a unit; two outputs
        (MACS, [16 + 2, 32 + 4, 48 + 6]),
        (FLOPS, [18 + 1, 36 + 2, 54 + 3]),  # a ReLU a unit
    ],
)
def test_counted_by_hand(cost, scores, tmp_path):
    assert cost().score([(0,), (1,), (2,)], Context(Dense(), TASK, tmp_path)).tolist() == scores


def test_a_closed_form_goes_first(tmp_path):
    ctx = Context(ClosedForm(), TASK, tmp_path)
    assert PARAMS().score([(0,), (2,)], ctx).tolist() == [100, 102]
    assert MACS().score([(0,), (2,)], ctx).tolist() == [18, 54]


@pytest.mark.parametrize("space", [NASBenchMacro(4, (6,), (2,), 8), NASBench201(width=4, cells=1, stages=2)])
@pytest.mark.parametrize("name", ["params", "macs"])
def test_both_ways_agree(space, name, tmp_path):
    ctx, estimator = Context(space, Synthetic(shape=(3, 8, 8), images=10), tmp_path), Size(name)
    arch = (1, 2) if len(space.choices) == 2 else (3, 2, 1, 0, 4, 3)
    assert estimator.score([arch], ctx).tolist() == [count_size(space, arch, ctx.task, name)]


@pytest.mark.parametrize("name", ["params", "macs", "flops"])
def test_each_is_an_estimator_under_its_name(name):
    estimator = ESTIMATORS[name]()
    assert isinstance(estimator, Estimator)
    assert estimator == Size(name)
    assert estimator.name == name


def test_the_version_of_a_count_is_raised_for_that_count_alone():
    assert {name: ESTIMATORS[name]().version for name in ("params", "macs", "flops")} == {
        "params": 1,
        "macs": 1,
        "flops": 2,  # a normalisation without parameters counts 1 an element, and no longer 2
    }


class TestParams(EstimatorContract):
    estimator, space = PARAMS(), NASBench201()


class TestFlops(EstimatorContract):
    estimator, space = FLOPS(), NASBench201(width=4, cells=1, stages=2)


def test_the_closed_form_needs_no_torch():
    code = """
import sys
from pathlib import Path
from archsieve.estimators.contract import Context
from archsieve.registry import ESTIMATORS, SPACES, TASKS
for name in ("nasbench-macro", "nasbench201"):
    space = SPACES[name]()
    arch = (2,) * len(space.choices)
    for cost in ("params", "macs"):
        print(int(ESTIMATORS[cost]().score([arch], Context(space, TASKS["cifar10"](), Path("unused")))[0]))
sys.exit("torch" in sys.modules and "torch was imported")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(done.stdout.split())) == 4
