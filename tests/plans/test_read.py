"""Plans as TOML: every key is understood or refused, in one sentence that names it."""

import re
import sys
from dataclasses import fields

import pytest

from archsieve.errors import PlanError, SettingError, UnknownNameError
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.lookup import Lookup
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.size import Size
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Pool, forecast
from archsieve.plans.parts import make
from archsieve.plans.plan_files import find_plan, plan_names
from archsieve.plans.plugins import load_plugin
from archsieve.plans.read import load_plan
from archsieve.searchers.contract import Stage
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sampling import draw_pool
from archsieve.spaces.within import Within
from archsieve.tasks.digits import Digits
from archsieve.tasks.synthetic import Synthetic

pytest_plugins = ["plugins.fixtures"]

HEAD = 'space = "nasbench-macro"\ntask = "digits"\n'
STAGE = '[[stage]]\nestimator = "params"\nkeep = 0.5\n'


@pytest.fixture
def load(tmp_path):
    """Return a function that writes a plan and reads it."""

    def load(text, plugins=()):
        path = tmp_path / "plan.toml"
        path.write_text(text)
        return load_plan(path, plugins)

    return load


def test_a_plan_within_limits(load):
    plan = load(HEAD + STAGE + "[limits]\nmax_macs = 6e8\nmin_params = 1000")
    assert plan.space == Within(NASBenchMacro(), Digits(), Limits(max_macs=6e8, min_params=1000))
    assert all(plan.space.macs(arch, plan.task) <= 6e8 for arch in draw_pool(plan.space, 0, 20))
    (row,) = forecast(load(HEAD + STAGE + "[limits]\nmax_macs = 2e6"))
    assert 0 < row.candidates < 3969


def test_a_plan_says_everything(load):
    plan = load(
        """
        title = "A title"
        seed = 7
        pool = { sample = 20 }
        final = { name = "partial_training", epochs = 3, split = "test" }
        [space]
        name = "nasbench-macro"
        widths = [8, 16]
        stages = [1, 2]
        [task]
        name = "synthetic"
        shape = [1, 8, 8]
        signal = 1
        [[stage]]
        label = "a vote"
        estimator = { name = "vote", quantile = 0.5, parts = ["nwot", "params", { name = "zero_cost", proxy = "zen" }] }
        above = 1
        [[stage]]
        estimator = { name = "one_shot", epochs = 2 }
        keep = 0.25
        [[stage]]
        estimator = { name = "lookup", column = "mean_acc" }
        top = 3
        """
    )
    assert (plan.title, plan.seed, plan.pool) == ("A title", 7, Pool(sample=20))
    assert plan.final == PartialTraining(epochs=3, split="test")
    assert plan.space == NASBenchMacro(widths=(8, 16), stages=(1, 2))
    assert plan.task == Synthetic(shape=(1, 8, 8), signal=1)
    vote = Vote(parts=(ZeroCost("nwot"), Size("params"), ZeroCost("zen")), quantile=0.5)
    assert plan.stages == (
        Stage(vote, above=1, label="a vote"),
        Stage(OneShot(epochs=2), keep=0.25),
        Stage(Lookup("mean_acc"), top=3),
    )
    assert [s.label for s in plan.stages] == ["a vote", "one_shot", "mean_acc"]


def test_what_is_not_said_has_a_default(load):
    plan = load(HEAD + STAGE)
    assert (plan.title, plan.seed, plan.pool, plan.final) == ("", 0, Pool(), None)
    assert (plan.space, plan.task) == (NASBenchMacro(), Digits())


def test_drop_is_one_stage_an_epoch_with_exact_fractions(load):
    plan = load(HEAD + '[[stage]]\nestimator = { name = "partial_training", horizon = 9 }\ndrop = [0.41, 0, 0.75, 1]\n')
    assert [s.keep for s in plan.stages] == [0.59, 1.0, 0.25, 0.0]
    assert [s.estimator for s in plan.stages] == [PartialTraining(epochs=e, horizon=9) for e in (1, 2, 3, 4)]
    assert [s.label for s in plan.stages] == [f"partial_training, epoch {e}" for e in (1, 2, 3, 4)]
    assert 1 - 0.41 != 0.59  # which is why the fractions are exact


def test_a_label_names_every_epoch(load):
    plan = load(HEAD + '[[stage]]\nlabel = "training"\nestimator = "partial_training"\ndrop = [0.5, 1]\n')
    assert [s.label for s in plan.stages] == ["training, epoch 1", "training, epoch 2"]


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ('pool = "all"', Pool()),
        ("pool = { sample = 5 }", Pool(sample=5)),
        ('pool = { evolve = "params" }', Pool(evolve=Size("params"), budget=500)),
        ('pool = { evolve = { name = "zero_cost", proxy = "zen" }, budget = 60 }', Pool(None, ZeroCost("zen"), 60)),
        (
            'pool = { evolve = "params", budget = 9, population = 4, tournament = 3 }',
            Pool(None, Size("params"), 9, 4, 3),
        ),
    ],
)
def test_pools(load, text, pool):
    assert load(f"{text}\n{HEAD}{STAGE}").pool == pool


@pytest.mark.parametrize("name", plan_names())
def test_shipped_plans_load_and_can_be_counted(name):
    plan = load_plan(find_plan(name))
    assert plan.title
    rows = forecast(plan)
    assert rows[0].candidates > 1
    assert all(row.kept is None or 1 <= row.kept <= row.candidates for row in rows)
    assert all(row.network_epochs is not None for row in rows)


@pytest.mark.parametrize("space", ["nasbench-macro", "nasbench201", "darts"])
@pytest.mark.parametrize("variant", ["", "-cpu"])
@pytest.mark.parametrize(
    ("letter", "start", "total"), [("a", 262, 455), ("a", 625, 1110), ("b", 131, 332), ("c", 16, 43)]
)
def test_shipped_pipelines_drop_what_the_paper_drops(space, variant, letter, start, total):
    plan = load_plan(find_plan(f"{letter}-{space}{variant}"))
    n, trained = start, 0
    for stage in plan.stages:
        if isinstance(stage.estimator, PartialTraining) and n > 1:
            trained += n
            n = stage.count(n)
    assert (n, trained) == (1, total)
    assert plan.stages[-1].estimator.horizon == {"nasbench-macro": 50, "nasbench201": 200, "darts": 200}[space]
    assert plan.stages[-1].estimator.nesterov == (space == "nasbench201")


@pytest.mark.parametrize("variant", ["", "-cpu"])
@pytest.mark.parametrize(("letter", "quantile"), [("b", 0.9), ("c", 0.99)])
def test_the_forest_picks_its_share_of_a_space_too_large_to_list(variant, letter, quantile):
    plan = load_plan(find_plan(f"{letter}-darts{variant}"))
    predictor, vote = plan.stages[:2]
    assert predictor.top == round(2 * (1 - quantile) * plan.pool.sample)
    assert predictor.estimator.teacher == vote.estimator  # by the thresholds of the same 200
    assert (vote.estimator.quantile, vote.estimator.calibration, predictor.estimator.samples) == (quantile, 200, 200)


def test_a_baseline_scores_by_what_it_evolved():
    for name in plan_names():
        if name.startswith(("spos-", "zero-cost-")):
            plan = load_plan(find_plan(name))
            assert plan.stages[0].estimator == plan.pool.evolve
            assert (plan.pool.budget, plan.pool.population, plan.pool.tournament) == (500, 20, 20)


PARTIAL = '[[stage]]\nestimator = "partial_training"\n'
MISTAKES = {
    # the keys of a plan
    "misspelt key": ("sead = 1\n" + HEAD + STAGE, "the plan has no key 'sead'. Did you mean 'seed'?"),
    "plural key": (HEAD + '[[stages]]\nestimator = "params"', "the plan has no key 'stages'. Did you mean 'stage'?"),
    "no space": ('task = "digits"\n' + STAGE, "the key 'space' is missing."),
    "no task": ('space = "nasbench-macro"\n' + STAGE, "the key 'task' is missing."),
    "no stage": (HEAD, "the key 'stage' is missing."),
    "empty stages": ("stage = []\n" + HEAD, "A plan needs at least one stage, but has none."),
    "one stage as a table": (HEAD + '[stage]\nestimator = "params"', "stage must be a list of tables [[stage]], but"),
    "stage of numbers": ("stage = [1]\n" + HEAD, "stage 1 must be a table, but is 1."),
    "text for seed": ('seed = "1"\n' + HEAD + STAGE, "seed must be a whole number, but is '1'."),
    "fraction for seed": ("seed = 1.5\n" + HEAD + STAGE, "seed must be a whole number, but is 1.5."),
    "bool for seed": ("seed = true\n" + HEAD + STAGE, "seed must be a whole number, but is True."),
    "number for title": ("title = 3\n" + HEAD + STAGE, "title must be a text, but is 3."),
    # spaces and tasks
    "number for space": ('space = 3\ntask = "digits"\n' + STAGE, "space must be a name or table, but is 3."),
    "space without name": (
        'task = "digits"\nspace = { widths = [1] }\n' + STAGE,
        "name of the space must be a text, but is None.",
    ),
    "setting of space": (
        'task = "digits"\nspace = { name = "nasbench-macro", width = [8] }\n' + STAGE,
        "the space 'nasbench-macro' has no key 'width'. Did you mean 'widths'?",
    ),
    "type in space": (
        'task = "digits"\nspace = { name = "nasbench-macro", widths = 8 }\n' + STAGE,
        "widths must be a list of whole numbers, but is 8.",
    ),
    "bool in list": (
        'task = "digits"\nspace = { name = "nasbench-macro", widths = [true] }\n' + STAGE,
        "widths must be a list of whole numbers, but is True.",
    ),
    "range in space": (
        'task = "digits"\nspace = { name = "nasbench-macro", widths = [8] }\n' + STAGE,
        "`widths` and `stages` need one number for each stage, but got widths=(8,), stages=(2, 3, 3).",
    ),
    "setting of task": (
        'space = "nasbench-macro"\ntask = { name = "digits", validation_fracion = 0.1 }\n' + STAGE,
        "the task 'digits' has no key 'validation_fracion'. Did you mean 'validation_fraction'?",
    ),
    "range in task": (
        'space = "nasbench-macro"\ntask = { name = "digits", validation_fraction = 1.5 }\n' + STAGE,
        "`0 <= validation_fraction < 1` must hold, but got 1.5.",
    ),
    # limits
    "key of limits": (
        HEAD + STAGE + "[limits]\nmax_mac = 6e8",
        "the table of limits has no key 'max_mac'. Did you mean 'max_macs'?",
    ),
    "text for limits": ("limits = 6e8\n" + HEAD + STAGE, "limits must be a table, but is 600000000.0."),
    "text for limit": (HEAD + STAGE + '[limits]\nmax_macs = "small"', "max_macs must be a number, but is 'small'."),
    "no limit": (
        HEAD + STAGE + "[limits]",
        "A limit needs at least one of max_macs, max_params, min_macs, min_params, max_published_flops, "
        "min_published_flops, max_activation_bytes.",
    ),
    "limits crossed": (
        HEAD + STAGE + "[limits]\nmax_macs = 5\nmin_macs = 6",
        "`0 <= min_macs <= max_macs` must hold, but got 6 and 5.",
    ),
    # stages
    "key of stage": (
        HEAD + STAGE + '[[stage]]\nestimator = "params"\nkeap = 0.5',
        "stage 2 has no key 'keap'. Did you mean 'keep'?",
    ),
    "no estimator": (HEAD + "[[stage]]\nkeep = 0.5", "stage 1 needs an estimator."),
    "no rule": (HEAD + '[[stage]]\nestimator = "params"', "stage 1: A stage needs exactly one of keep, top and above"),
    "two rules": (HEAD + STAGE + "top = 3", "stage 1: A stage needs exactly one of keep, top and above, but got {"),
    "keep above 1": (
        HEAD + '[[stage]]\nestimator = "params"\nkeep = 1.5',
        "stage 1: `0 <= keep <= 1` must hold, but got keep=1.5.",
    ),
    "keep below 0": (HEAD + '[[stage]]\nestimator = "params"\nkeep = -0.1', "`0 <= keep <= 1` must hold"),
    "keep nan": (HEAD + '[[stage]]\nestimator = "params"\nkeep = nan', "stage 1: keep must be a number, but is nan."),
    "above nan": (HEAD + '[[stage]]\nestimator = "params"\nabove = nan', "stage 1: above must be a number, but is nan"),
    "text for keep": (
        HEAD + '[[stage]]\nestimator = "params"\nkeep = "half"',
        "stage 1: keep must be a number, but is 'half'.",
    ),
    "bool for keep": (HEAD + '[[stage]]\nestimator = "params"\nkeep = true', "keep must be a number, but is True."),
    "bool for top": (HEAD + '[[stage]]\nestimator = "params"\ntop = true', "top must be a whole number, but is True."),
    "fraction for top": (HEAD + '[[stage]]\nestimator = "params"\ntop = 2.0', "top must be a whole number, but is 2.0"),
    "top below 1": (HEAD + '[[stage]]\nestimator = "params"\ntop = 0', "stage 1: `top >= 1` must hold, but got top=0."),
    "number for label": (HEAD + STAGE + "label = 1", "label must be a text, but is 1."),
    # drop
    "drop with keep": (HEAD + PARTIAL + "drop = [0.5]\nkeep = 0.5", "stage 1: `drop` needs an estimator with"),
    "drop without epochs": (
        HEAD + '[[stage]]\nestimator = "params"\ndrop = [0.5]',
        "`drop` needs an estimator with epochs",
    ),
    "drop and epochs": (
        HEAD + '[[stage]]\nestimator = { name = "partial_training", epochs = 9 }\ndrop = [0.5, 1]',
        "stage 1: `drop` trains one epoch for each fraction, here 2, but the estimator has epochs=9: leave `epochs`",
    ),
    "evolution by what is relative": (
        HEAD + STAGE + '[pool]\nevolve = { name = "vote", parts = ["params"] }',
        "An evolution scores networks one by one, but the scores of 'vote' are relative to the networks scored with",
    ),
    "drop above 1": (
        HEAD + PARTIAL + "drop = [0.5, 1.5]",
        "stage 1: `drop` needs one fraction in 0..1 for each epoch, but",
    ),
    "drop below 0": (
        HEAD + PARTIAL + "drop = [-0.5]",
        "`drop` needs one fraction in 0..1 for each epoch, but got [-0.5].",
    ),
    "bool in drop": (
        HEAD + PARTIAL + "drop = [true]",
        "`drop` needs one fraction in 0..1 for each epoch, but got [True].",
    ),
    "text in drop": (
        HEAD + PARTIAL + 'drop = ["a"]',
        "`drop` needs one fraction in 0..1 for each epoch, but got ['a'].",
    ),
    "empty drop": (
        HEAD + PARTIAL + "drop = []",
        "stage 1: `drop` needs one fraction in 0..1 for each epoch, but got [].",
    ),
    "number for drop": (HEAD + PARTIAL + "drop = 0.5", "stage 1: drop must be a list of fractions, but is 0.5."),
    "label of drop": (HEAD + PARTIAL + "drop = [0.5]\nlabel = 1", "stage 1: label must be a text, but is 1."),
    # estimators
    "setting of estimator": (
        HEAD + '[[stage]]\nestimator = { name = "one_shot", epoch = 3 }\nkeep = 1',
        "the estimator 'one_shot' has no key 'epoch'. Did you mean 'epochs'?",
    ),
    "setting of a proxy": (
        HEAD + '[[stage]]\nestimator = { name = "nwot", batchsize = 3 }\nkeep = 1',
        "the estimator 'nwot' has no key 'batchsize'. Did you mean 'batch_size'?",
    ),
    "a proxy's proxy": (
        HEAD + '[[stage]]\nestimator = { name = "nwot", proxy = "zen" }\nkeep = 1',
        "the estimator 'nwot' has no key 'proxy'.",
    ),
    "no column": (HEAD + '[[stage]]\nestimator = "lookup"\nkeep = 1', "'lookup' needs the setting 'column'."),
    "bool for int": (
        HEAD + '[[stage]]\nestimator = { name = "one_shot", epochs = true }\nkeep = 1',
        "epochs must be a whole number, but is True.",
    ),
    "fraction for int": (
        HEAD + '[[stage]]\nestimator = { name = "one_shot", epochs = 2.5 }\nkeep = 1',
        "epochs must be a whole number, but is 2.5.",
    ),
    "text for float": (
        HEAD + '[[stage]]\nestimator = { name = "one_shot", learning_rate = "fast" }\nkeep = 1',
        "learning_rate must be a number, but is 'fast'.",
    ),
    "nan for float": (
        HEAD + '[[stage]]\nestimator = { name = "one_shot", learning_rate = nan }\nkeep = 1',
        "learning_rate must be a number, but is nan.",
    ),
    "number for bool": (
        HEAD + '[[stage]]\nestimator = { name = "partial_training", nesterov = 1 }\nkeep = 1',
        "nesterov must be a truth value, but is 1.",
    ),
    "range in estimator": (
        HEAD + '[[stage]]\nestimator = { name = "nwot", batch_size = 0 }\nkeep = 1',
        "`batch_size >= 1` must hold, but got batch_size=0.",
    ),
    "unknown split": (
        HEAD + '[[stage]]\nestimator = { name = "partial_training", split = "tset" }\nkeep = 1',
        "`split` must be 'validation' or 'test', but got 'tset'.",
    ),
    "text for parts": (
        HEAD + '[[stage]]\nestimator = { name = "vote", parts = "nwot" }\nkeep = 1',
        "parts must be a list, but is 'nwot'.",
    ),
    "no parts": (
        HEAD + '[[stage]]\nestimator = { name = "vote", parts = [] }\nkeep = 1',
        "A vote needs at least one part, but got none.",
    ),
    "range of quantile": (
        HEAD + '[[stage]]\nestimator = { name = "vote", parts = ["zen"], quantile = 1 }\nkeep = 1',
        "`0 <= quantile < 1` must hold, but got quantile=1.",
    ),
    # pools
    "number for pool": ("pool = 3\n" + HEAD + STAGE, "pool must be a 'all' or a table with sample"),
    "text for pool": ('pool = "some"\n' + HEAD + STAGE, "pool must be a 'all' or a table with sample"),
    "key of pool": ("pool = { sampel = 3 }\n" + HEAD + STAGE, "the pool has no key 'sampel'. Did you mean 'sample'?"),
    "empty pool": ("pool = {}\n" + HEAD + STAGE, "the pool needs either `sample` or `evolve`, but got {}."),
    "both in pool": (
        'pool = { sample = 3, evolve = "params" }\n' + HEAD + STAGE,
        "the pool needs either `sample` or `evolve`, but got {",
    ),
    "budget without evolve": ("pool = { sample = 3, budget = 9 }\n" + HEAD + STAGE, "`budget` needs `evolve`."),
    "text for sample": ('pool = { sample = "3" }\n' + HEAD + STAGE, "sample must be a whole number, but is '3'."),
    "bool for sample": ("pool = { sample = true }\n" + HEAD + STAGE, "sample must be a whole number, but is True."),
    "sample below 1": ("pool = { sample = 0 }\n" + HEAD + STAGE, "`sample >= 1` must hold for a pool, but got sample"),
    "budget below 1": (
        'pool = { evolve = "params", budget = 0 }\n' + HEAD + STAGE,
        "`budget >= 1` must hold for a pool, but got budget=0.",
    ),
    "text for budget": (
        'pool = { evolve = "params", budget = "9" }\n' + HEAD + STAGE,
        "budget must be a whole number, but is '9'.",
    ),
    # not TOML
    "no TOML": ("space: nasbench-macro", "cannot be read: Expected '=' after a key"),
    "two values": ("seed = 1\nseed = 2", "cannot be read: Cannot overwrite a value"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_sentence_that_names_it(load, text, sentence):
    with pytest.raises(PlanError, match=re.escape(sentence)) as caught:
        load(text)
    assert "\n" not in str(caught.value)
    assert "plan.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('space = "nasbench-makro"\ntask = "digits"\n', "no space 'nasbench-makro'. Did you mean 'nasbench-macro'?"),
        ('space = "nasbench-macro"\ntask = "digit"\n', "There is no task 'digit'. Did you mean 'digits'?"),
        (HEAD + "final = 'partial_trainin'\n", "no estimator or proxy 'partial_trainin'. Did you mean 'partial_tr"),
        (HEAD + "pool = { evolve = 'nwto' }\n", "There is no estimator or proxy 'nwto'. Did you mean 'nwot'?"),
        (HEAD + "final = { name = 'zero_cost', proxy = 'zne' }\n", "There is no proxy 'zne'. Did you mean 'zen'?"),
        (HEAD + "final = { name = 'vote', parts = ['zne'] }\n", "no estimator or proxy 'zne'. Did you mean 'zen'?"),
    ],
)
def test_an_unknown_name_comes_with_the_near_miss(load, text, sentence):
    with pytest.raises(UnknownNameError, match=re.escape(sentence)) as caught:
        load(text + STAGE)
    assert str(caught.value).startswith("In the plan ")


def test_a_file_that_is_no_text_is_a_sentence(tmp_path):
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match=r"The plan .*plan\.toml cannot be read: 'utf-8' codec"):
        load_plan(tmp_path / "plan.toml")
    with pytest.raises(PlanError, match=r"cannot be read: .*No such file"):
        load_plan(tmp_path / "nothing.toml")
    with pytest.raises(PlanError, match="cannot be read"):
        load_plan(tmp_path)


def test_a_plan_is_found_by_path_before_name(tmp_path, monkeypatch):
    assert find_plan("demo").name == "demo.toml"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("")
    assert find_plan("demo").stat().st_size == 0
    with pytest.raises(UnknownNameError, match=r"no plan file 'dmeo', nor a shipped plan .* Did you mean 'demo'\?"):
        find_plan("dmeo")


@pytest.mark.parametrize("kind", ["space", "task", "estimator"])
def test_what_make_gives_is_a_frozen_dataclass(kind):
    made = make(kind, {"space": "nasbench-macro", "task": "digits", "estimator": "nwot"}[kind])
    with pytest.raises(AttributeError):
        setattr(made, fields(made)[0].name, None)


def test_a_setting_out_of_range_is_what_its_class_says():
    with pytest.raises(SettingError, match="`batch_size >= 1` must hold"):
        make("estimator", {"name": "nwot", "batch_size": 0})


# Plugins

PLUGIN = """
from dataclasses import dataclass
from archsieve import SPACES, SearchSpace

@dataclass(frozen=True)
class Mine(SearchSpace):
    depth: int = 2
    choices = (2, 2)
    def build(self, arch, task): ...

def function(): ...
"""
OWN = 'space = { name = "my_plugin:Mine", depth = 3 }\ntask = "digits"\n' + STAGE


@pytest.fixture
def plugin(tmp_path, restored):
    path = tmp_path / "my_plugin.py"
    path.write_text(PLUGIN)
    return path


def test_code_is_run_only_if_the_command_line_names_it(load, plugin, monkeypatch):
    monkeypatch.syspath_prepend(plugin.parent)
    with pytest.raises(PlanError, match=r"would run code of the module 'my_plugin', .* add --plugin my_plugin\.py"):
        load(OWN)
    assert "my_plugin" not in sys.modules


def test_code_that_the_command_line_names_is_run(load, plugin):
    module = load_plugin(str(plugin))
    plan = load(OWN, [module])
    assert (type(plan.space).__name__, plan.space.depth) == ("Mine", 3)


def test_another_plugin_does_not_count(load, plugin):
    with pytest.raises(PlanError, match="which no --plugin names"):
        load(OWN, ["my_other_plugin"])


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("my_plugin:Mien", UnknownNameError, "The module 'my_plugin' has no 'Mien'. Did you mean 'Mine'?"),
    ],
)
def test_something_else_in_a_plugin_is_a_sentence(load, plugin, name, error, sentence):
    module = load_plugin(str(plugin))
    with pytest.raises(error, match=re.escape(sentence)):
        load(f'space = "{name}"\ntask = "digits"\n{STAGE}', [module])


def test_a_factory_named_as_a_space_is_the_own_space_with_that_factory(load, plugin):
    module = load_plugin(str(plugin))
    plan = load(f'space = "my_plugin:function"\ntask = "digits"\n{STAGE}', [module])
    same = load(f'space = {{name = "own", factory = "my_plugin:function"}}\ntask = "digits"\n{STAGE}', [module])
    assert plan.space == same.space
    with pytest.raises(PlanError, match="not a dataclass"):
        load(
            f'space = {{name = "my_plugin:function", factory = "my_plugin:other"}}\ntask = "digits"\n{STAGE}', [module]
        )


def test_a_plugin_file_that_is_missing_is_a_sentence(tmp_path):
    with pytest.raises(PlanError, match=r"^There is no plugin file '.*nothing\.py'\.$"):
        load_plugin(str(tmp_path / "nothing.py"))
    with pytest.raises(PlanError, match=r"'no_such_module' cannot be imported: ModuleNotFoundError"):
        load_plugin("no_such_module")


@pytest.mark.parametrize(
    ("code", "reason"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("def", "SyntaxError: "), ("import nothing_such", "No module")],
)
def test_a_plugin_that_fails_is_a_sentence(tmp_path, restored, code, reason):
    (tmp_path / "my_failing_plugin.py").write_text(code)
    with pytest.raises(PlanError, match=rf"my_failing_plugin\.py' cannot be imported: .*{reason}"):
        load_plugin(str(tmp_path / "my_failing_plugin.py"))


@pytest.mark.parametrize("name", ["json", "random", "numpy", "archsieve"])
def test_a_plugin_with_the_name_of_another_module_is_a_sentence(tmp_path, restored, name):
    (tmp_path / f"{name}.py").write_text("raise SystemExit")
    with pytest.raises(PlanError, match=rf"{name}\.py' has the name of the module .*{name}.*: rename the file\."):
        load_plugin(str(tmp_path / f"{name}.py"))


def test_a_plugin_named_with_what_is_in_it_says_how_to_name_its_file():
    with pytest.raises(PlanError, match=r"'my_net:Net' names 'Net' in it: --plugin my_net\.py\."):
        load_plugin("my_net:Net")
    with pytest.raises(
        PlanError, match=r"'nets/my_net.py:Net' names a file: write 'my_net:Net', and pass the file with "
    ):
        make("space", {"name": "own", "factory": "nets/my_net.py:Net"})
