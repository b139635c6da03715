"""The architectures of a published note, pasted into `score` and `train` as they stand; the task, and counts."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from torch import nn

from archsieve.cli import printing as console
from archsieve.cli.notes import other_network_note, task_note
from archsieve.cli.options import task_for
from archsieve.errors import MissingDataError
from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.size import MACS, PARAMS
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.registry import SPACES, TASKS
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.limits import Limits
from archsieve.spaces.topformer.space import TopFormer
from archsieve.spaces.within import Within
from archsieve.tasks.form_only import FormOnly
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke
from plugins.note import ATTENTIVENAS, GENOTYPE, SEGMENTATION
from plugins.shipped import shipped

PLAIN = ["--dry-run", "--no-timing"]
BIG = ["--recipe", "darts-imagenet"]


@pytest.fixture(autouse=True)
def without_data(monkeypatch, tmp_path):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path))


@pytest.mark.parametrize(
    ("space", "text", "changes", "params", "macs"),
    [
        ("attentivenas", ATTENTIVENAS, [], 17_986_104, 979_515_488),
        ("topformer", SEGMENTATION["base"], [], 8_414_038, 1_785_861_120),
        ("topformer", SEGMENTATION["small"], ["space.family=small"], 4_615_710, 1_170_143_360),
        ("topformer", SEGMENTATION["tiny"], ["space.family=tiny"], 2_930_910, 580_096_256),
        ("darts", GENOTYPE, ["space.width=36", "space.layers=20", "space.pool_norm=false"], 3_955_654, 615_809_664),
    ],
)
def test_a_pasted_network_is_scored_and_trained(space, text, changes, params, macs):
    changes = [word for change in changes for word in ("--set", change)]
    (scored,) = json.loads(invoke("score", space, text, *changes, "--json").stdout)
    assert (scored["params"], scored["macs"]) == (params, macs)
    if space == "attentivenas":
        shown = invoke("score", space, text)
        assert shown.exit_code == 0
        assert shown.stdout.split()[-2:] == [f"{params:,}", f"{macs:,}"]
    recipe = BIG if space == "attentivenas" else []  # no shipped recipe is made for that one
    trained = invoke("train", space, text, *changes, *recipe, *PLAIN, "--json")
    assert trained.exit_code == 0, trained.stderr
    found = json.loads(trained.stdout)
    assert (found["params"], found["macs"]) == (params, macs)


@pytest.mark.parametrize("command", ["score", "train"])
def test_a_network_of_another_family_says_which_and_how(command):
    result = invoke(command, "topformer", SEGMENTATION["tiny"], *(PLAIN if command == "train" else []))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("of the family 'tiny', and the family here is 'base': add --set space.family=tiny.\n")
    change = result.stderr.rpartition("add ")[2].rstrip(".\n").split()
    again = invoke(command, "topformer", SEGMENTATION["tiny"], *change, *(PLAIN if command == "train" else []))
    assert again.exit_code == 0
    assert "2,930,910" in again.stdout


def test_score_says_which_network_it_counts():
    searched = invoke("score", "darts", GENOTYPE)
    assert searched.stdout.split()[-2] == "1,188,074"
    assert searched.stderr.splitlines() == [
        "Task: cifar10, the default of darts: 3 x 32 x 32 to 10 outputs.",
        "Costs are of the darts network with width=32, layers=8, pool_norm=true; `archsieve train` by the recipe "
        "darts-cifar10 builds the one with width=36, layers=20, pool_norm=false (--set width=36 --set layers=20 --set "
        "pool_norm=false).",
    ]
    change = searched.stderr.rpartition("(")[2].partition(")")[0].split()
    trained = invoke("score", "darts", GENOTYPE, *change)
    assert trained.stdout.split()[-2] == "3,955,654"
    assert trained.stderr == "Task: cifar10, the default of darts: 3 x 32 x 32 to 10 outputs.\n"


def test_the_note_on_another_network_goes_with_costs_and_with_settings_nobody_named():
    assert other_network_note(DARTS(), Synthetic(), [Chance()]) == ""
    assert "width=32, layers=8" in other_network_note(DARTS(), Synthetic(), [MeanRank((Chance(), PARAMS()))])
    assert "recipe darts-imagenet" in other_network_note(DARTS(), FormOnly.of(TASKS["imagenet"]()), [MACS()])
    assert "network with layers=8, pool_norm=true;" in other_network_note(DARTS(width=8), Synthetic(), [MACS()])
    assert other_network_note(DARTS(36, 20, pool_norm=False), Synthetic(), [MACS()]) == ""
    assert other_network_note(TopFormer("tiny"), Synthetic(), [MACS()]) == ""
    assert other_network_note(SPACES["nasbench201"](), Synthetic(), [MACS()]) == ""
    assert other_network_note(AttentiveNAS(), Synthetic(), [MACS()]) == ""


# Tasks


@pytest.mark.parametrize("name", shipped(SPACES))
def test_every_space_has_a_task_of_its_own(name):
    space = SPACES[name]()
    task = TASKS[space.default_task]()
    assert len(task.input_shape) == 3
    assert Within(space, task, Limits(max_params=1e9)).default_task == space.default_task


def test_tasks_of_the_shipped_spaces():
    found = {name: SPACES[name]().default_task for name in shipped(SPACES)}
    others = {"attentivenas": "imagenet", "topformer": "ade20k", "topformer-hand-made": "ade20k"}
    assert found == dict.fromkeys(found, "cifar10") | others
    assert DARTS(stem="imagenet").default_task == "imagenet"


@pytest.mark.parametrize(
    ("arguments", "line", "params"),
    [
        (
            ["topformer-hand-made", "tiny"],
            "ade20k, the default of topformer-hand-made: 3 x 512 x 512 ",
            1_389_654,
        ),
        (["topformer-hand-made", "tiny", "--task", "cifar100"], "cifar100: 3 x 32 x 32 to 100 outputs", None),
        (
            ["attentivenas", ATTENTIVENAS, "--task", "cifar10"],
            "cifar10: 3 x 32 x 32 to 10 outputs.",
            17_986_104 - 990 * 1793,
        ),
        (
            ["attentivenas", ATTENTIVENAS, "--set", "task.num_outputs=20"],
            "imagenet: 3 x 224 x 224 to 20 outputs.",
            None,
        ),
        (["darts", GENOTYPE, "--set", "stem=imagenet"], "imagenet, the default of darts: 3 x 224 x 224 to 1,000", None),
    ],
)
def test_costs_need_no_data_and_say_of_what_they_are(arguments, line, params):
    result = invoke("score", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith(f"Task: {line}")
    (found,) = json.loads(result.stdout)
    assert all(type(found[name]) is int for name in ("params", "macs"))
    assert params in (None, found["params"])


def test_a_proxy_without_data_is_scored_on_noise_in_the_form_of_the_task(capsys):
    for space, name, items in ((AttentiveNAS(), "imagenet", 16), (TopFormer(), "ade20k", 8)):
        task = task_for(None, [ZeroCost("nwot")], (), space, 99)
        assert tuple(task.input_shape) == TASKS[name]().input_shape
        assert task.num_outputs == TASKS[name]().num_outputs
        assert len(next(iter(task.batches("train", batch_size=64)))[0]) == items
        assert f"The images of {name} are missing (see `archsieve data`): scoring on {items} items of noise" in (
            " ".join(capsys.readouterr().err.split())
        )
        assert task_note(task, None, space).endswith(" outputs, of noise.")
    assert task_for(None, [ZeroCost("nwot")], (), SPACES["nasbench201"](), 99) == Synthetic()


def test_the_data_of_a_benchmark_may_be_missing_too(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path))
    task = task_for(None, [ZeroCost("nwot")], (), SPACES["nasbench201"](), 0, "nasbench201-cifar100")
    assert (tuple(task.input_shape), task.num_outputs) == ((3, 32, 32), 100)
    assert "The images of cifar100 are missing (see `archsieve data`): scoring on 64 items of noise" in (
        " ".join(capsys.readouterr().err.split())
    )
    named = task_for("cifar100", [ZeroCost("nwot")], (), SPACES["nasbench201"](), 0, "nasbench201-cifar100")
    assert named == TASKS["cifar100"]()


@dataclass(frozen=True)
class Digit(SearchSpace):
    """A linear layer on digits."""

    choices = (2,)
    default_task = "digits"

    def build(self, arch, task):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, task.num_outputs))


def test_a_space_of_ones_own_may_name_its_task():
    assert task_for(None, [ZeroCost("nwot")], (), Digit(), 0) == TASKS["digits"]()
    costs = task_for(None, [PARAMS()], (), Digit(), 0)
    assert (costs.name, tuple(costs.input_shape), costs.num_outputs) == ("digits", (1, 8, 8), 10)
    assert task_note(costs, None, Digit()) == "Task: digits, the default of Digit: 1 x 8 x 8 to 10 outputs."


def test_a_form_alone_has_no_data():
    task = FormOnly.of(TASKS["imagenet"]())
    for ask in (lambda: task.batches("train"), lambda: task.loss(None, None), task.metric):
        with pytest.raises(MissingDataError, match="Only the form of the task imagenet is known here"):
            ask()


# Counts


def test_counts_are_printed_in_full(capsys):
    console.table(("name", "count", "score"), [("a", 1_188_074, 1.5), ("b", 35_000.0, 2.0), ("c", None, 1_234_567.5)])
    assert capsys.readouterr().out.splitlines() == [
        "name      count        score",
        "a     1,188,074          1.5",
        "b        35,000            2",
        "c             -  1.23457e+06",
    ]
    console.table(("count",), [(2.01615e8,), (float("nan"),), (3e20,)])
    assert capsys.readouterr().out.split() == ["count", "201,615,000", "nan", "300,000,000,000,000,000,000"]
