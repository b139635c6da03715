"""Searches in tables of a part of a space: they draw among the networks that the table has."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.estimators.lookup import Lookup
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.recorded import recorded_networks
from archsieve.plans.run import run_plan
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.searchers.random_search import RandomSearch
from archsieve.searchers.regularized_evolution import RegularizedEvolution
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.within import Within
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

SPACE, TASK = NASBenchMacro(), Synthetic()
CIFAR = SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10)
ARCHS = list(enumerate_space(SPACE))
HERE = [arch for i, arch in enumerate(ARCHS) if i % 9 == 4]
NETWORKS = {SPACE.canonical(arch) for arch in HERE}


@pytest.fixture
def table(tmp_path):
    """Return a file with a ninth of the codes; every second field of its column `half` is empty."""
    path = tmp_path / "part.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["arch", "acc", "half"])
        writer.writerows(
            [SPACE.describe(arch), 50 + sum(arch), "" if i % 2 else 10 + sum(arch)] for i, arch in enumerate(HERE)
        )
    return path


def looked_up(table, column="acc"):
    return Lookup(column, file=str(table))


def plans(table):
    search = {"estimator": looked_up(table), "top": 1, "budget": 40}
    return {
        "a search of the whole space": Plan(SPACE, TASK, (Stage(**search, search=RandomSearch()),)),
        "an evolution": Plan(SPACE, TASK, (Stage(**search, search=RegularizedEvolution(10, 3)),)),
        "a sample": Plan(SPACE, TASK, (Stage(looked_up(table), top=1),), Pool(sample=40)),
        "an evolved pool": Plan(
            SPACE, TASK, (Stage(looked_up(table), top=1),), Pool(evolve=looked_up(table), budget=40, population=10)
        ),
    }


@pytest.mark.parametrize("kind", plans("x"))
def test_no_draw_is_spent_on_a_network_without_a_value(table, tmp_path, kind):
    plan = plans(table)[kind]
    with Session(tmp_path / "run", SPACE, TASK) as session:
        result = run_plan(plan, session)
    (stage,) = result.stages
    assert stage.failures == 0
    assert stage.candidates == 40 or (kind == "an evolved pool" and 10 <= stage.candidates <= 40)
    with np.load(tmp_path / "run" / "rounds.npz") as rounds:
        drawn = {tuple(map(int, code)) for name in rounds for code in rounds[name] if rounds[name].ndim == 2}
    assert drawn
    assert drawn <= NETWORKS


def test_networks_need_a_value_of_every_column_of_a_file(table):
    assert set(recorded_networks(SPACE, [looked_up(table)])) == NETWORKS
    both = recorded_networks(SPACE, [looked_up(table), looked_up(table, "half")])
    assert set(both) == set(recorded_networks(SPACE, [looked_up(table, "half")])) < NETWORKS


def test_without_a_partial_table_nothing_is_restricted(tmp_path):
    path = tmp_path / "whole.csv"
    path.write_text("arch,acc\n" + "".join(f"{SPACE.describe(arch)},{sum(arch)}\n" for arch in ARCHS))
    assert recorded_networks(SPACE, [looked_up(path)]) is None
    assert recorded_networks(SPACE, []) is None


def test_limits_hold_as_well(table):
    space = Within(SPACE, CIFAR, Limits(max_params=1_900_000))
    listed = recorded_networks(space, [looked_up(table)])
    assert set(listed) == {arch for arch in NETWORKS if space.is_valid(arch)} < NETWORKS


def test_tables_without_a_common_network_are_a_sentence(table, tmp_path):
    path = tmp_path / "other.csv"
    others = [a for a in ARCHS if SPACE.canonical(a) not in NETWORKS][:20]
    path.write_text("arch,acc\n" + "".join(f"{SPACE.describe(arch)},{sum(arch)}\n" for arch in others))
    with pytest.raises(SettingError, match=r"No network of nasbench-macro has a value of each column .*: acc, acc"):
        recorded_networks(SPACE, [looked_up(table), looked_up(path)])


def test_the_forecast_counts_them_and_a_larger_sample_is_refused(table, tmp_path):
    stages = (Stage(looked_up(table), top=1),)
    (row,) = forecast(Plan(SPACE, TASK, stages))
    assert row.candidates == len(NETWORKS)
    with (
        Session(tmp_path / "run", SPACE, TASK) as session,
        pytest.raises(SettingError, match=f"sample <= {len(NETWORKS)}` must hold"),
    ):
        run_plan(Plan(SPACE, TASK, stages, Pool(sample=len(NETWORKS) + 1)), session)


def test_a_search_says_how_many_there_are(table, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'space = "nasbench-macro"\ntask = "synthetic"\n[[stage]]\nestimator = { name = "lookup", column = "acc" }\n'
        'search = "random_search"\nbudget = 30\ntop = 1\n[final]\nname = "lookup"\ncolumn = "acc"\n'
    )
    run = ("search", str(plan), "--benchmark", str(table), "--out", str(tmp_path / "run"))
    result = invoke(*run)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert f"The table has values of {len(NETWORKS):,} networks of nasbench-macro, and the search draws" in said
    (stage,) = json.loads((tmp_path / "run" / "result.json").read_text())["stages"]
    assert (stage["candidates"], stage["failures"]) == (30, 0)
    audited = invoke("audit", str(tmp_path / "run"), "--networks", "5")
    assert audited.exit_code == 0, audited.stderr
