"""What a design chooses from: the mean rank, a model of the pilot, and what searches without a promise cost."""

import json

import numpy as np
import pytest

from archsieve.benchmarks.digits import DIGITS
from archsieve.design.choices import prices_apart_from_pilot, taught_by_pilot, with_mean_rank, without_promise
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.lookup import Lookup
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.runs.session import Session
from archsieve.tasks.digits import Digits
from plugins.commands import invoke

FULL = Lookup("curve_20", epochs_behind=20)
TASK = Digits(test_images=997, validation_fraction=0.625)


def test_the_mean_rank_of_several_proxies_is_added_once():
    proxies = [ZeroCost("nwot"), ZeroCost("swap")]
    assert with_mean_rank([*proxies, FULL]) == [*proxies, FULL, MeanRank(tuple(proxies))]
    assert with_mean_rank(proxies[:1]) == proxies[:1]
    own = [*proxies, MeanRank(tuple(proxies), weights=(2, 1))]
    assert with_mean_rank(own) == own


def test_the_pilots_trainings_are_not_paid_twice():
    model = taught_by_pilot(FULL, 50)
    prices = prices_apart_from_pilot([model, FULL], FULL, DIGITS.space, TASK, 729)
    assert prices.once[0] == prices.each[0] == 0
    assert (prices.each[1], prices.final) == (20, 20)


def test_networks_of_the_pilot_are_predicted_by_others(tmp_path):
    model = taught_by_pilot(FULL, 60)
    with Session(tmp_path, DIGITS.space, TASK) as session:
        pilot = session.pool(60)
        predicted, true = session.scores([model, FULL], pilot).T
    assert 0.1 < np.corrcoef(predicted, true)[0, 1] < 0.97  # a forest knows its own lesson by more


def test_costs_without_a_promise_by_hand():
    proxies = [ZeroCost("nwot"), ZeroCost("swap")]
    estimators = with_mean_rank(proxies)
    prices = prices_apart_from_pilot(estimators, FULL, DIGITS.space, TASK, 729)
    ranked, evolved = without_promise(estimators, prices)
    assert ranked.network_epochs == pytest.approx(75 * 20 + 729 * prices.each[2])
    assert evolved.network_epochs == 100 * 20
    assert without_promise([FULL], prices) == (evolved,)


PLAN = """
space = { name = "nasbench-macro", stem_width = 8, widths = [8, 16, 32], stages = [2, 2, 2], head_width = 64 }
task = { name = "digits", test_images = 997, validation_fraction = 0.625 }
[[stage]]
estimator = "nwot"
keep = 1.0
[[stage]]
estimator = "swap"
keep = 1.0
[final]
name = "lookup"
column = "curve_20"
epochs_behind = 20
"""


def test_the_command_offers_them(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    words = ["design", "nasbench-macro", "--estimators", tmp_path / "plan.toml", "--pilot-size", 60, "--delta", 0.3]
    found = invoke(*words, "--run", tmp_path / "run")
    assert found.exit_code == 0, found.stderr
    assert "the 75 best by mean rank, all trained" in found.stdout
    assert ".77 was kept for .90 promised" in found.stdout
    report = json.loads(invoke(*words, "--run", tmp_path / "run", "--json").stdout)
    names = {name for choice in report["choices"] for name in choice["estimators"]}
    assert names & {"mean_rank", "predictor"}
    assert [other["network_epochs"] for other in report["without_promise"]][1] == 2000
