"""What `archsieve train RUN --rank K` trains: the architecture of a run, its space and its task."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from archsieve.errors import RunFolderError
from archsieve.plans.changes import apply_changes
from archsieve.plans.parts import make
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.retraining.from_run import found_by
from archsieve.retraining.recipe_files import training_of
from archsieve.runs.folder import write_json, write_rounds
from archsieve.searchers.contract import record
from archsieve.spaces.choices.space import OwnSpace
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.topformer.space import TopFormer
from archsieve.tasks.digits import Digits
from plugins.commands import invoke
from plugins.note import GENOTYPE, SEGMENTATION

HEAD = """
[space]
name = "nasbench-macro"
stem_width = 4
widths = [4, 4]
stages = [1, 1]
head_width = 8
[task]
name = "digits"
train_fraction = 0.3
"""
STAGES = '[[stage]]\nestimator = "params"\nkeep = 0.5\n[[stage]]\nestimator = "macs"\ntop = 1\n'
SPACE = NASBenchMacro(4, (4, 4), (1, 1), 8)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    (folder / "plan.toml").write_text(HEAD + STAGES)
    assert invoke("search", folder / "plan.toml", "--out", folder / "run").exit_code == 0
    return folder / "run"


def run_of(folder, head, space, codes, scores=None):
    """Write what a search leaves: its plan, its rounds and its result, the first code the best unless scores say so."""
    scores = -np.arange(len(codes), dtype=float) if scores is None else np.array(scores)
    folder.mkdir()
    (folder / "plan.toml").write_text(head + STAGES)
    best = codes[int(np.nanargmax(scores))]
    write_json(folder / "result.json", {"code": best, "best": space.describe(best), "stages": [{"label": "last"}]})
    write_rounds(folder, [record("last", codes, scores, np.array([0]))], {})
    return folder


def test_the_winner_is_trained_with_its_space_and_its_task(searched, tmp_path):
    result = invoke("train", searched, "--rank", 1, "--epochs", 1, "--out", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.stderr
    found, best = json.loads(result.stdout), json.loads((searched / "result.json").read_text())["best"]
    assert (found["architecture"], found["space"], found["task"]) == (best, "nasbench-macro", "digits")
    mark = json.loads((tmp_path / "run" / "training.json").read_text())
    assert (mark["space"]["stem_width"], mark["space"]["stages"]) == (4, [1, 1])
    assert mark["task"]["train_fraction"] == 0.3
    same = [
        w for t in ("stem_width=4", "widths=[4, 4]", "stages=[1, 1]", "head_width=8") for w in ("--set", f"space.{t}")
    ]
    by_hand = ["nasbench-macro", best, *same, "--task", "digits", "--set", "task.train_fraction=0.3"]
    again = invoke(
        "train", *by_hand, "--epochs", 1, "--out", tmp_path / "run", "--json"
    )  # the same training: nothing to do
    assert (again.exit_code, json.loads(again.stdout)["test"]) == (0, found["test"])
    without = invoke("train", searched, "--epochs", 1, "--out", tmp_path / "run", "--json")
    assert json.loads(without.stdout)["architecture"] == best


def test_every_rank_is_that_of_the_last_stage(searched):
    sizes = []
    for rank in range(1, 5):
        result = invoke("train", searched, "--rank", rank, "--dry-run", "--no-timing", "--json")
        assert result.exit_code == 0, result.stderr
        sizes.append(json.loads(result.stdout)["macs"])
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


def test_a_model_of_ones_own_is_trained_with_the_arguments_that_vary(tmp_path):
    head = """
[space]
name = "own"
factory = "plugins.own_nets:plain"
[space.vary]
width = [4, 8]
act = { plain = "relu", words = "tanh" }
[task]
name = "digits"
"""
    space = OwnSpace("plugins.own_nets:plain", vary={"width": [4, 8], "act": {"plain": "relu", "words": "tanh"}})
    run = run_of(tmp_path / "run", head, space, [(1, 1)])
    found = found_by(run, 1, "nasbench-macro", "digits", ["plugins.own_nets"])
    assert found.changes[1] == 'space.vary={"width" = [4, 8], "act" = {"plain" = "relu", "words" = "tanh"}}'
    parts = {"space": {"name": "own"}}
    apply_changes(parts, found.changes, own="space")
    assert make("space", parts["space"], ["plugins.own_nets"]).vary["act"]["words"] == "tanh"


def test_ranks_by_hand(tmp_path):
    codes = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    run = run_of(tmp_path / "run", HEAD, SPACE, codes, [1.0, 3.0, np.nan, 3.0, 2.0])
    assert [found_by(run, rank, None, None).arch for rank in (1, 2, 3, 4)] == ["01", "10", "11", "00"]
    with pytest.raises(
        RunFolderError, match=r"There is no rank 5 in .*: the last stage, 'last', has scores of 4 archi"
    ):
        found_by(run, 5, None, None)


def test_settings_of_the_command_line_go_after_those_of_the_run(searched):
    dry = ["--dry-run", "--no-timing", "--json"]
    narrow, wide = (
        json.loads(invoke("train", searched, *dry, "--set", f"space.head_width={n}").stdout)["params"] for n in (8, 16)
    )
    assert narrow < wide
    items = json.loads(invoke("train", searched, *dry, "--set", "task.train_fraction=0.6").stdout)["items"]
    assert items > json.loads(invoke("train", searched, *dry).stdout)["items"]
    other = invoke("train", searched, *dry, "--task", "cifar10")
    assert json.loads(other.stdout)["task"] == "cifar10"


def test_a_cell_is_trained_in_the_network_of_the_recipe(tmp_path):
    searched = DARTS(width=16, layers=5)
    head = '[space]\nname = "darts"\nwidth = 16\nlayers = 5\n[task]\nname = "cifar10"\nvalidation_fraction = 0.5\n'
    found = found_by(run_of(tmp_path / "run", head, searched, [searched.parse(GENOTYPE)]), 1, None, None)
    assert (found.space, found.task, found.changes) == ("darts", None, ())
    assert "The recipe has its own width, layers: set them with --set space.KEY=VALUE." in found.note
    training = training_of(found.space, "darts-cifar10", changes=found.changes)
    assert training.space == DARTS(36, 20, auxiliary=True, pool_norm=False)
    assert training.space.parse(found.arch) == searched.parse(GENOTYPE)
    assert training.task.validation_fraction == 0


def test_a_recipe_does_not_change_which_architecture_it_is(tmp_path):
    """The codes of all families of TopFormer are alike: only the notation tells them apart."""
    space = TopFormer("tiny")
    head = '[space]\nname = "topformer"\nfamily = "tiny"\n[task]\nname = "synthetic-segmentation"\nside = 64\n'
    head += '[stands_for]\nname = "ade20k"\n'
    found = found_by(run_of(tmp_path / "run", head, space, [space.parse(SEGMENTATION["tiny"])]), 1, None, None)
    assert (found.task, found.changes) == (None, ('space.family="tiny"',))
    assert training_of(found.space, "topformer-ade20k", changes=found.changes).space == space


def test_what_it_says(searched, tmp_path):
    note = invoke("train", searched, "--dry-run", "--no-timing").stderr.splitlines()[0]
    before, _, after = note.partition(" of nasbench-macro with ")
    assert re.fullmatch(rf"Rank 1 of {re.escape(str(searched))}: \d\d", before)
    assert after == (
        "space.stem_width=4, space.widths=[4, 4], space.stages=[1, 1], space.head_width=8, task.train_fraction=0.3. "
        "The validation part of the task is not trained on: --set task.validation_fraction=0 trains on all."
    )


def test_the_winner_of_the_demo_has_the_space_of_the_demo(tmp_path):
    plan = find_plan("demo")
    space = load_plan(plan).space
    arch = (1,) * len(space.choices)
    run = run_of(tmp_path / "run", "", space, [arch])
    shutil.copyfile(plan, run / "plan.toml")
    result = invoke("train", run, "--rank", 1, "--dry-run", "--no-timing", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["task"], found["params"]) == ("digits", space.params(arch, Digits()))


def broken(folder, searched, what):
    shutil.copytree(searched, folder)
    if what == "no plan":
        (folder / "plan.toml").unlink()
    elif what == "no space":
        (folder / "plan.toml").write_text("seed = 1\n")
    elif what == "no result":
        (folder / "result.json").unlink()
    elif what == "a training":
        write_json(folder / "result.json", {"test": 90.0})
    else:
        (folder / "rounds.npz").unlink()
    return folder


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("no plan", "There is no plan.toml in "),
        ("no space", "names no space and no task: restore the plan of the search."),
        ("no result", "There is no result.json in "),
        ("a training", "does not contain a search: pass the folder of a finished `archsieve search`."),
        ("no rounds", "There is no rounds.npz in "),
    ],
)
def test_a_folder_that_lacks_something_is_one_sentence(searched, tmp_path, what, sentence):
    result = invoke("train", broken(tmp_path / "run", searched, what), "--rank", 2, "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nasbench201"], 2, "Pass an architecture of the space nasbench201"),
        (["nowhere", "--rank", "1"], 1, "There is no result.json in nowhere"),
        (["nasbench201", "333123", "--rank", "1"], 1, "--rank applies to the folder of a search"),
        (["nasbench201", "--rank", "0"], 2, "--rank"),
    ],
)
def test_wrong_usage(arguments, code, sentence):
    result = invoke("train", *arguments)
    assert result.exit_code == code
    assert sentence in " ".join(result.stderr.replace("│", " ").split())
