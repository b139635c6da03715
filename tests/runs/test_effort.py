"""What a network-epoch is: an epoch of the training that the user is after, and not of what stands in for its data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

from archsieve.errors import SettingError
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.told import Told
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import Plan, Pool, forecast, unit
from archsieve.plans.plan_files import find_plan, plan_names
from archsieve.plans.read import load_plan
from archsieve.plans.write import plan_text
from archsieve.runs.effort import Ledger, Unit, unit_of
from archsieve.searchers.contract import Stage
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.synthetic import Synthetic

SPACE = NASBenchMacro(stem_width=4, widths=(6, 8), stages=(1, 1), head_width=8)
NOISE = Synthetic(shape=(3, 32, 32), images=60)  # 54 to train on
SNIP = Stage(ZeroCost("snip", 27), top=1)


def epochs(plan):
    return [row.network_epochs for row in forecast(plan)]


def test_noise_is_no_unit():
    plan = Plan(SPACE, NOISE, (SNIP,))
    assert epochs(plan) == [None]
    assert unit(plan) == Unit(None, None)
    assert "unknown" in str(unit(plan))
    assert epochs(replace(plan, stages=(Stage(ZeroCost("l2_norm"), top=1),))) == [0]  # nothing, in any unit


def test_what_noise_stands_for_is_the_unit():
    plan = Plan(SPACE, NOISE, (SNIP,), stands_for=CIFAR10())
    n = forecast(plan)[0].candidates
    assert epochs(plan) == pytest.approx([n * 27 / 45_000])
    assert str(unit(plan)) == "one network trained once on the 45,000 training items of cifar10"
    assert epochs(replace(plan, task=replace(NOISE, images=600))) == pytest.approx(epochs(plan))  # whatever its size


def test_smaller_pictures_weigh_less():
    small = replace(NOISE, shape=(3, 16, 16))
    found = unit_of(SPACE, small, CIFAR10())
    assert found.scale == pytest.approx(54 / 45_000 / 4, rel=0.05)  # a quarter of the positions; the head is the same
    assert found.scale != pytest.approx(54 / 45_000 / 4, rel=1e-6)


@pytest.mark.parametrize(
    "trained",
    [
        Stage(PartialTraining(epochs=1), top=1),
        Stage(OneShot(epochs=2), top=1),
        Stage(Vote((ZeroCost("nwot"), OneShot(epochs=1)), calibration=3), top=1),
        Stage(Predictor(PartialTraining(epochs=1), samples=3), top=1),
    ],
)
def test_what_is_trained_on_is_a_unit(trained):
    assert unit(Plan(SPACE, NOISE, (SNIP, trained))) == Unit(NOISE, 1.0)
    assert unit(Plan(SPACE, NOISE, (SNIP,), final=PartialTraining(epochs=1))) == Unit(NOISE, 1.0)


def test_data_of_ones_own_are_a_unit():
    @dataclass(frozen=True)
    class Own:
        name: ClassVar[str] = "own"
        input_shape: ClassVar[tuple[int, ...]] = (3, 8, 8)
        num_outputs: ClassVar[int] = 4

        def count(self, split):
            return 90

    assert unit(Plan(SPACE, Own(), (SNIP,))).scale == 1
    silent = SimpleNamespace(input_shape=(3, 8, 8), num_outputs=4)  # it does not say how many items it has
    assert unit(Plan(SPACE, silent, (SNIP,))) == Unit(None, None)
    assert unit(Plan(SPACE, silent, (SNIP,), stands_for=Own())).epochs(1.0) is None


def test_a_plan_file_says_what_its_task_stands_for(tmp_path):
    plan = Plan(SPACE, NOISE, (SNIP,), pool=Pool(sample=3), stands_for=CIFAR10(validation_fraction=0.0))
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    assert load_plan(tmp_path / "plan.toml") == plan


def test_no_shipped_plan_counts_against_noise():
    for name in plan_names():
        plan = load_plan(find_plan(name))
        found = unit(plan)
        assert found.task is not None, name
        trains = plan.final is not None
        assert trains or not getattr(found.task, "is_made_up", False), name


def test_plans_of_proxies_cost_less_than_one_epoch_each_thousand_networks():
    for name in ("proxies-attentivenas", "proxies-topformer-base"):
        (first, *_) = forecast(load_plan(find_plan(name)))
        assert 0 < first.network_epochs / first.candidates < 0.001
    # 32 pictures of nwot's one pass and of zen's two, of 1,281,167 three times.
    (first, *_) = forecast(load_plan(find_plan("proxies-attentivenas")))
    assert first.network_epochs == pytest.approx(10_000 * 32 * (1 + 2) / (3 * 1_281_167))


def test_what_is_told_costs_what_is_said_to_stand_behind_it():
    told, unknown = Told(epochs_behind=12.5), Told()
    assert fingerprint(told) == fingerprint(unknown)  # its cost changes no score
    assert Ledger(SPACE, CIFAR10()).pay(told, 4) == 50.0
    ledger = Ledger(SPACE, CIFAR10())
    assert [ledger.pay(unknown, 4), ledger.pay(unknown, 4)] == [None, None]
    rows = forecast(Plan(SPACE, CIFAR10(), (Stage(ZeroCost("nwot"), top=4), Stage(told, top=1)), Pool(sample=6)))
    assert rows[-1].network_epochs == 50.0
    with pytest.raises(SettingError, match="epochs_behind"):
        Told(epochs_behind=-1.0)
