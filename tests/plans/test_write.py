"""Plans as text: what is written is read again as the same plan, or it is refused."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from archsieve.errors import SettingError
from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.az_nas import AZNAS
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import Size
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.plan_files import find_plan, plan_names
from archsieve.plans.read import load_plan
from archsieve.plans.write import plan_text
from archsieve.registry import ESTIMATORS
from archsieve.searchers.contract import Stage
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.within import Within
from archsieve.tasks.digits import Digits
from archsieve.tasks.synthetic import Synthetic
from plugins.toy import Counting, Learner

pytest_plugins = ["plugins.fixtures"]

STAGE = Stage(Size("params"), keep=0.5)


@pytest.fixture
def again(tmp_path):
    """Return a function that writes a plan and reads it."""

    def again(plan, comments=(), plugins=()):
        path = tmp_path / "plan.toml"
        path.write_text(plan_text(plan, comments), encoding="utf-8")
        return load_plan(path, plugins)

    return again


def plan_of(*stages, **settings):
    return Plan(**{"space": NASBenchMacro(), "task": Digits(), "stages": stages or (STAGE,), **settings})


@pytest.mark.parametrize("name", plan_names())
def test_every_shipped_plan_is_read_as_it_was(again, name):
    plan = load_plan(find_plan(name))
    assert again(plan) == plan
    assert again(replace(plan, seed=plan.seed + 1)) != plan


def test_limits_and_settings_of_nested_lists(again):
    space, limits = AttentiveNAS(resolutions=(160, 192), kernels=((3,),) * 7), Limits(max_macs=6e8, min_params=1000)
    plan = plan_of(space=Within(space, Digits(), limits))
    assert again(plan) == plan
    assert again(plan) != again(replace(plan, space=space))


def test_limits_for_another_task_are_refused():
    plan = plan_of(space=Within(NASBenchMacro(), Synthetic(), Limits(max_macs=6e8)))
    with pytest.raises(SettingError, match=r"Limits of the form Form.* cannot be written to a plan of another task"):
        plan_text(plan)


def test_a_plan_says_everything(again):
    parts = (ZeroCost("nwot"), Size("macs"), ZeroCost("nwot", batch_size=16, options=(("activations", "relu"),)))
    plan = plan_of(
        Stage(MeanRank(parts, calibration=50), keep=0.59, label='a "mean" rank: größer'),
        Stage(Vote((MeanRank(parts), Chance()), quantile=0.25), above=1.5),
        Stage(AZNAS(), above=-1),
        Stage(OneShot(epochs=2, sampling="fair"), keep=0.0),
        Stage(Lookup("mean_acc", epochs_behind=50.0), keep=1.0),
        Stage(Replay(epochs=3, benchmark="nasbench-macro-digits"), top=7),
        Stage(PartialTraining(epochs=1, nesterov=True, learning_rate=1e-3), top=1, label="training"),
        space=NASBenchMacro(stem_width=4, widths=(4, 8), stages=(1, 2)),
        task=Synthetic(shape=(3, 8), signal=0.5),
        pool=Pool(sample=20),
        final=PartialTraining(epochs=3, split="test"),
        seed=2**40,
        title='A title with a "quote", a \\ and a\nsecond line',
    )
    assert again(plan) == plan


@pytest.mark.parametrize(
    "rule", [{"keep": 0.1}, {"keep": 0.0}, {"keep": 1.0}, {"top": 1}, {"above": 0.0}, {"above": -3}]
)
def test_rules_are_kept(again, rule):
    (stage,) = again(plan_of(Stage(Size("params"), **rule))).stages
    assert {name: getattr(stage, name) for name in ("keep", "top", "above")} == {
        "keep": None,
        "top": None,
        "above": None,
        **rule,
    }


@pytest.mark.parametrize(
    "pool",
    [
        Pool(),
        Pool(sample=5),
        Pool(evolve=Size("params")),
        Pool(evolve=ZeroCost("nwot", options=(("activations", "relu"),)), budget=60),
        Pool(evolve=MeanRank((Size("params"), ZeroCost("zen")), calibration=50), budget=9, population=4, tournament=3),
    ],
)
def test_pools_are_kept(again, pool):
    assert again(plan_of(pool=pool)).pool == pool


def test_an_estimator_that_learns_from_another_is_kept(again):
    options = (("max_depth", 3), ("n_estimators", 20))
    teacher = Vote((PartialTraining(epochs=2), ZeroCost("nwot")))
    plan = plan_of(Stage(Predictor(teacher, above=1.0, samples=50, options=options), keep=0.5))
    assert again(plan) == plan


def test_a_proxy_is_called_by_its_name_and_its_options_stay(again):
    table = tomllib.loads(plan_text(plan_of(Stage(ZeroCost("nwot", options=(("activations", "relu"),)), keep=0.5))))
    assert table["stage"][0]["estimator"] == {"name": "nwot", "options": {"activations": "relu"}}
    estimator = (
        again(plan_of(Stage(ZeroCost("nwot", options=(("activations", "relu"),)), keep=0.5))).stages[0].estimator
    )
    assert estimator == ZeroCost("nwot", options=(("activations", "relu"),))
    assert estimator != ZeroCost("nwot")


def test_defaults_are_left_out():
    table = tomllib.loads(plan_text(plan_of(STAGE, final=PartialTraining(epochs=2))))
    assert table == {
        "seed": 0,
        "space": {"name": "nasbench-macro"},
        "task": {"name": "digits"},
        "stage": [{"label": "params", "estimator": {"name": "params"}, "keep": 0.5}],
        "final": {"name": "partial_training", "epochs": 2},
    }


def test_comments_appear_on_top(again):
    comments = ("The first line.", 'It says "no": a = 1.', "")
    plan = plan_of(title="A title")
    text = plan_text(plan, comments)
    assert text.splitlines()[:3] == ["# The first line.", '# It says "no": a = 1.', "# "]
    assert text == "# The first line.\n" + '# It says "no": a = 1.\n# \n' + plan_text(plan)
    assert again(plan, comments) == plan


def test_what_a_plugin_registers_is_named_so(again, restored):
    ESTIMATORS.add("my_counting", Counting)
    plan = plan_of(Stage(Counting(salt=3), keep=0.5))
    assert 'name = "my_counting"\nsalt = 3' in plan_text(plan)
    assert again(plan) == plan


def test_what_nobody_registered_is_named_by_its_module(again):
    plan = plan_of(Stage(Counting(salt=3), keep=0.5))
    assert 'name = "plugins.toy:Counting"\nsalt = 3' in plan_text(plan)
    assert again(plan, plugins=["plugins.toy"]) == plan


@dataclass(frozen=True)
class Odd:
    """An estimator with settings of many kinds."""

    folder: Any = None
    limit: int | None = 5
    proxy: str = ""
    columns: tuple[Any, ...] = ()
    flags: tuple[tuple[str, Any], ...] = field(default=(), metadata={"pairs": True})
    name: ClassVar[str] = "odd"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (Odd(folder=Path("a")), r"The setting folder=PosixPath\('a'\) cannot be written to a plan file\."),
        (Odd(folder={1, 2}), r"The setting folder=\{1, 2\} cannot be written to a plan file\."),
        (Learner(teacher=Counting()), r"The setting teacher=Counting\(.*\) cannot be written to a plan file\."),
    ],
)
def test_a_setting_without_a_place_is_refused(estimator, sentence):
    for plan in (plan_of(Stage(estimator, keep=0.5)), plan_of(final=estimator), plan_of(pool=Pool(evolve=estimator))):
        with pytest.raises(SettingError, match=sentence):
            plan_text(plan)


@pytest.mark.parametrize("estimator", [Odd(columns=(Path("a"),)), Odd(columns=(None,)), Odd(flags=(("a", None),))])
def test_a_setting_in_a_list_without_a_place_is_refused(estimator):
    with pytest.raises(SettingError, match="cannot be written to a plan file"):
        plan_text(plan_of(Stage(estimator, keep=0.5)))


def test_none_where_the_default_is_something_is_refused():
    with pytest.raises(SettingError, match="cannot be written to a plan file"):
        plan_text(plan_of(Stage(Odd(limit=None), keep=0.5)))


def test_a_setting_named_proxy_is_no_name(again, restored):
    ESTIMATORS.add("odd", Odd)
    plan = plan_of(Stage(Odd(proxy="nwot"), keep=0.5))
    assert again(plan) == plan


def test_a_comment_of_two_lines_is_two_comments(again):
    assert again(plan_of(), ["one\ntwo"]) == plan_of()


def test_a_short_stage_has_lines_of_its_own(again):
    plan = Plan(NASBenchMacro(), Digits(), (Stage(Chance(), top=3), Stage(Size("params"), top=1)))
    text = plan_text(plan)
    assert text.count("\n[[stage]]\n") == 2
    assert [line for line in text.split("\n") if line.startswith("top = ")] == ["top = 3", "top = 1"]
    assert again(plan) == plan
