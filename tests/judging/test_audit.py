"""Audits of searches on made-up spaces whose truth is known: what was lost, where, and which stage is useless."""

import json
from dataclasses import asdict, dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from archsieve.errors import RunFolderError, SettingError
from archsieve.estimators.told import Told
from archsieve.judging.audit import again, audit, recipe_of
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan
from archsieve.report.audit_words import audit_lines, audit_table
from archsieve.report.load import read_run
from archsieve.report.outcome import worth_lines
from archsieve.report.run_page import run_page
from archsieve.report.stored import read_rows
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.searchers.random_search import RandomSearch
from plugins.commands import invoke
from plugins.line import Given, Line
from plugins.toy import TASK

pytest_plugins = ["plugins.fixtures"]

LINE = Line(60)
RNG = np.random.default_rng(5)
TRUE = RNG.permutation(60).astype(float)
NOISE = RNG.permutation(60).astype(float)


@dataclass(frozen=True)
class Trained:
    """Scores by a given truth; another repeat gives that minus `luck`."""

    values: tuple[float, ...]
    luck: float = 0.0
    repeat: int = field(default=0, metadata={"added": True})
    name: ClassVar[str] = "trained"
    version: ClassVar[int] = 1
    scores_metric: ClassVar[bool] = True

    def score(self, archs, ctx):
        return np.array([self.values[code] for (code,) in archs]) - self.luck * self.repeat


FULL = Trained(tuple(TRUE))


def searched(folder, first, *, full=FULL, keep=12, space=LINE, **settings):
    plan = Plan(space, TASK, (Stage(first, top=keep, label="cheap"), Stage(full, top=1, label="full")), **settings)
    with Session(folder, space, TASK, seed=plan.seed) as session:
        return plan, run_plan(plan, session)


def audited(folder, plan, networks):
    with Session(folder, plan.space, plan.task, seed=plan.seed) as session:
        return audit(plan, session, networks)


def test_an_audit_of_all_that_was_cut_is_exact(tmp_path):
    plan, result = searched(tmp_path, Given(tuple(NOISE)))
    found = audited(tmp_path, plan, 48)
    better = {str(code) for code in range(60) if TRUE[code] > TRUE[result.code[0]]}
    assert {b.architecture for b in found.better} == better
    assert {b.lost_by for b in found.better} == {"cheap"}
    assert found.as_good == len(better) > 0
    assert found.worth.low == pytest.approx(61 / (len(better) + 2))
    assert found.share == pytest.approx((len(better) / 59,) * 2)
    assert found.worth.next_low is None  # nothing is left to audit
    again = audited(tmp_path, plan, 10**6)
    assert again == found
    assert found.winner_trainings == 3  # of 48 networks, and not of the million asked for
    cheap, full = found.stages
    assert (cheap.cut, cheap.audited, full.cut, full.audited) == (48, 48, 11, 11)
    assert cheap.share == pytest.approx((len(better) / 48,) * 2)
    assert full.share == (0, 0)


@pytest.mark.parametrize(("networks", "says"), [(12, "30 more, or all"), (47, "30 more, or all"), (48, "good\n")])
def test_what_more_networks_could_say_is_told_while_some_are_left(tmp_path, networks, says):
    plan, _ = searched(tmp_path, Given(tuple(TRUE)))
    lines = audit_lines(asdict(audited(tmp_path, plan, networks)))
    assert says in "\n".join([*lines, ""])


def test_small_figures_of_a_stage_keep_two_digits():
    stage = {
        "label": "a", "cut": 9, "audited": 9, "as_good": 0, "share": (0.0, 0.0), "win": None, "tau": 0.5,
        "tau_interval": (-0.02, 0.6), "mkr": 0.000151, "mkr_interval": None,
    }  # fmt: skip
    _, (row,) = audit_table({"stages": [stage]})
    assert row[5:] == ["0.50 (-0.02 to 0.60)", "0.00015", "-"]


def test_tau_and_mkr_of_a_whole_audit_are_those_of_the_space(tmp_path):
    from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio

    plan, _ = searched(tmp_path, Given(tuple(NOISE)))
    cheap = audited(tmp_path, plan, 48).stages[0]
    assert cheap.tau == pytest.approx(kendall_tau(NOISE, TRUE))
    assert cheap.mkr == pytest.approx(minimum_keeping_ratio(NOISE, TRUE))


def test_it_goes_on_from_the_folder(tmp_path):
    plan, _ = searched(tmp_path, Given(tuple(TRUE)))
    scored = [len([r for r in read_rows(tmp_path) if r.name == "trained"])]
    for networks in (6, 10, 10):
        found = audited(tmp_path, plan, networks)
        assert found.audited == networks
        scored.append(len([r for r in read_rows(tmp_path) if r.name == "trained"]))
    assert scored == [12, 19, 23, 23]  # and the winner once more
    assert read_run(tmp_path).audit["audited"] == 10


def test_the_bound_is_in_the_result_until_a_benchmark_tells_the_truth(tmp_path):
    plan, _ = searched(tmp_path, Given(tuple(TRUE)))
    found = audited(tmp_path, plan, 12)
    worth = read_run(tmp_path).result["worth"]
    assert worth["low"] == pytest.approx(found.worth.low)
    assert (worth["source"], worth["audited"], worth["networks"]) == ("audit", 12, None)
    assert worth["next_low"] > worth["low"] > 3


def test_an_exact_worth_stays(tmp_path, publish):
    publish(LINE, {"accuracy": TRUE})
    plan, result = searched(tmp_path, Given(tuple(TRUE)))
    audited(tmp_path, plan, 12)
    assert read_run(tmp_path).result["worth"]["networks"] == result.worth.networks == pytest.approx(61 / 2)


def test_the_winner_is_trained_once_more_before_it_is_compared(tmp_path):
    lucky = Trained(tuple(TRUE), luck=10.0)
    plan, result = searched(tmp_path, Given(tuple(TRUE)), full=lucky)
    found = audited(tmp_path, plan, 48)
    assert found.winner_trainings == 3
    assert found.winner_score == result.best_score - 20  # on average
    assert found.as_good == 20  # all but the winner that have at least 39
    assert found.worth.as_good == 30  # by the worst of its trainings
    assert [e.repeat for e in again(lucky, plan, 2)] == [1, 2]


def test_what_cannot_be_trained_again_is_said(tmp_path):
    plan, _ = searched(tmp_path, Given(tuple(NOISE)), full=Given(tuple(TRUE)))
    assert audited(tmp_path, plan, 5).winner_trainings == 0


def test_the_recipe_is_the_final_training(tmp_path):
    other = Trained(tuple(NOISE))
    plan, result = searched(tmp_path, Given(tuple(TRUE)), final=other)
    assert recipe_of(plan) == other
    found = audited(tmp_path, plan, 59)
    assert found.as_good == sum(NOISE[result.code[0]] < NOISE)
    assert {b.lost_by for b in found.better} <= {"cheap", "full"}


def test_a_useless_stage_is_named_and_a_good_one_is_not(tmp_path):
    plan, _ = searched(tmp_path / "useless", Given(tuple(-TRUE)))
    found = audited(tmp_path / "useless", plan, 30).stages[0]
    assert found.win == 0
    assert found.accusation.startswith("The stage 'cheap' is no better than chance")
    plan, _ = searched(tmp_path / "good", Given(tuple(TRUE)))
    found = audited(tmp_path / "good", plan, 30).stages[0]
    assert (found.win, found.accusation) == (1, "")


def test_a_stage_that_ranks_as_parameters_is_named(tmp_path):
    @dataclass(frozen=True)
    class Sized(Line):
        def params(self, arch, task):
            return int(10 * TRUE[arch[0]])

    plan, _ = searched(tmp_path, Given(tuple(TRUE)), space=Sized(60))
    assert "adds nothing to parameters" in audited(tmp_path, plan, 12).stages[0].accusation


def test_what_a_search_did_not_ask_for_was_cut_too(tmp_path):
    plan = Plan(LINE, TASK, (Stage(FULL, top=1, search=RandomSearch(), budget=7),))
    with Session(tmp_path, LINE, TASK) as session:
        run_plan(plan, session)
    found = audited(tmp_path, plan, 59)
    assert found.stages[0].cut == 59
    assert found.as_good == sum(found.winner_score < TRUE)


def test_networks_outside_of_an_evolved_pool_are_audited(tmp_path):
    plan, _ = searched(
        tmp_path, Given(tuple(TRUE)), pool=Pool(evolve=Given(tuple(NOISE)), budget=8, population=4, tournament=2)
    )
    found = audited(tmp_path, plan, 60)
    assert found.stages[0].label == "outside of the pool"
    assert found.worth.count == 60
    assert sum(s.cut for s in found.stages) == 59


def test_a_space_too_large_to_list_is_sampled(tmp_path):
    large = Line(2 * 10**6)

    plan = Plan(large, TASK, (Stage(Ones(), top=1, search=RandomSearch(), budget=5),))
    with Session(tmp_path, large, TASK) as session:
        run_plan(plan, session)
    found = audited(tmp_path, plan, 12)
    assert found.worth.count == 2 * 10**6
    assert found.audited == 12


@dataclass(frozen=True)
class Ones:
    name: ClassVar[str] = "ones"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        return np.array([float(a[0]) for a in archs])


def test_where_the_search_scored_all_by_the_recipe_nothing_is_drawn(tmp_path):
    plan = Plan(LINE, TASK, (Stage(FULL, top=1),))
    run_there(tmp_path, plan)
    found = audited(tmp_path, plan, 12)
    assert (found.audited, found.worth.low) == (0, pytest.approx(61 / 2))
    lines = worth_lines(read_run(tmp_path).result)
    assert lines == [
        "Worth: at least 30 trainings of random search, 95 % confidence",
        "    Of 59 other networks none are at least as good",
    ]


def test_failures_of_audited_networks_are_no_hits(tmp_path):
    values = TRUE.copy()
    values[NOISE < 40] = np.nan
    plan, _ = searched(tmp_path, Given(tuple(NOISE)), full=Given(tuple(values)))
    assert np.isfinite(audited(tmp_path, plan, 20).worth.low)


def test_refusals_say_what_to_do(tmp_path):
    plan = Plan(LINE, TASK, (Stage(FULL, top=1),))
    with pytest.raises(RunFolderError, match=r"result\.json"):
        audited(tmp_path / "empty", plan, 3)
    told = Plan(LINE, TASK, (Stage(FULL, top=2), Stage(Told(), top=1)))
    run_there(tmp_path / "told", plan)
    with pytest.raises(SettingError, match="entered by hand"):
        audited(tmp_path / "told", told, 3)


def run_there(folder, plan):
    with Session(folder, LINE, TASK) as session:
        return run_plan(plan, session)


PLAN = """
seed = 0
space = { name = "nasbench-macro", stem_width = 8, widths = [8, 16, 32], stages = [2, 2, 2], head_width = 64 }
task = { name = "digits", test_images = 997, validation_fraction = 0.625 }
[[stage]]
label = "blind"
estimator = "chance"
top = 60
[[stage]]
label = "trained"
estimator = { name = "lookup", column = "curve_20", epochs_behind = 20 }
top = 1
"""


def test_the_command_audits_a_search_and_reports_show_it(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    folder = tmp_path / "run"
    found = invoke("search", tmp_path / "plan.toml", "--out", folder)
    assert found.exit_code == 0, found.stderr
    assert "Worth: " in found.stdout
    (folder / "result.json").write_text(json.dumps(json.loads((folder / "result.json").read_text())))
    found = invoke("audit", folder, "--networks", 60)
    assert found.exit_code == 0, found.stderr
    assert "which cannot be trained with another seed" in found.stdout
    assert "The stage 'blind' is no better than chance" in found.stdout
    assert "95 % confidence" in found.stdout
    assert "Audited: 60 networks" in invoke("report", folder).stdout
    tables = {table.title: table for table in run_page(folder).tables}
    assert [row[0] for row in tables["Audit of what was cut"].rows] == ["blind", "trained"]
    assert json.loads(invoke("audit", folder, "--networks", 12, "--json").stdout)["audited"] == 12


@pytest.mark.parametrize("name", ["nowhere", "unfinished"])
def test_the_command_refuses_what_is_no_finished_search(tmp_path, name):
    (tmp_path / "unfinished").mkdir()
    found = invoke("audit", tmp_path / name)
    assert found.exit_code == 1
    assert "archsieve search" in found.stderr
    assert not (tmp_path / "nowhere").exists()
