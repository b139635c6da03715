"""`--set`: one way to change settings for every command that takes a space, a plan or a recipe."""

from __future__ import annotations

import json
import re

import pytest

from archsieve._checksums import without_checksum_line
from archsieve.errors import PlanError
from archsieve.plans.changes import apply_changes, changed_plan
from archsieve.plans.read import load_plan
from archsieve.registry import BENCHMARKS
from archsieve.retraining.recipe_files import training_of
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from plugins.commands import TINY, invoke

CELL = "333123"
FORM = ["--task", "synthetic", "--json"]


def scored(*arguments):
    result = invoke("score", *arguments, *FORM)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)[0]


def test_a_name_alone_is_of_the_own_part_and_values_are_those_of_toml():
    parts = {"space": {"name": "x"}, "task": {}}
    apply_changes(parts, ["a=1", "b = [2, 3]", "c='d'", "e=f g", "space.h=true", "task.i=1e3", "j.k=2"], "space")
    own = {"name": "x", "a": 1, "b": [2, 3], "c": "d", "e": "f g", "h": True, "j.k": 2}
    assert parts == {"space": own, "task": {"i": 1000.0}}


def test_a_changed_plan_leaves_the_plan_as_it_was():
    table = {"space": "nasbench201", "task": {"name": "digits"}, "seed": 1, "stage": []}
    changes = ["width=4", "seed=7", "task.train_fraction=0.5", "title=mine"]
    assert changed_plan(table, changes) == {
        "space": {"name": "nasbench201", "width": 4},
        "task": {"name": "digits", "train_fraction": 0.5},
        "seed": 7,
        "title": "mine",
        "stage": [],
    }
    assert table == {"space": "nasbench201", "task": {"name": "digits"}, "seed": 1, "stage": []}
    assert changed_plan(table, []) == table
    assert changed_plan(table, ["limits.max_macs=1e6"]) == {**table, "limits": {"max_macs": 1e6}}


def test_score_takes_settings_of_the_space_and_of_the_task():
    whole, small = scored("nasbench201", CELL), scored("nasbench201", CELL, "--set", "width=4", "--set", "cells=1")
    assert small["params"] < whole["params"]
    assert small == scored("nasbench201", CELL, "--set", "space.width=4", "--set", "space.cells=1")
    wide = scored("nasbench201", CELL, "--set", "task.shape=[3, 64, 64]")
    assert (wide["params"], wide["macs"] > 3 * whole["macs"]) == (whole["params"], True)


def test_train_and_score_count_the_same_network():
    changes = [word for text in ("width=4", "cells=1") for word in ("--set", f"space.{text}")]
    trained = invoke("train", "nasbench201", CELL, *changes, "--dry-run", "--no-timing", "--json")
    assert json.loads(trained.stdout)["params"] == scored("nasbench201", CELL, *changes)["params"]


def test_measure_takes_settings_and_says_when_no_table_is_about_them():
    result = invoke("measure", "nasbench-macro", "--set", "head_width=64")
    assert result.exit_code == 1
    assert "No benchmark covers the space nasbench-macro with these settings" in result.stderr
    space = BENCHMARKS["nasbench-macro-digits"].space
    given = [
        "--set",
        f"stem_width={space.stem_width}",
        "--set",
        "head_width=65",
        "--benchmark",
        "nasbench-macro-digits",
    ]
    refused = invoke("measure", "nasbench-macro", *given)
    assert "'nasbench-macro-digits' does not cover the space nasbench-macro with these settings" in refused.stderr


def test_a_search_by_a_changed_plan_is_kept_with_its_changes(tmp_path):
    path, run = tmp_path / "plan.toml", tmp_path / "run"
    path.write_text(f'{TINY}[[stage]]\nestimator = "params"\ntop = 1\n')
    changes = ["--set", "head_width=16", "--set", "seed=3"]
    result = invoke("search", path, "--out", run, *changes, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["seed"] == 3
    assert " --set head_width=16 --set seed=3" in found["provenance"]["command"]
    assert without_checksum_line((run / "plan.toml").read_text()).startswith(
        "# plan.toml, changed: head_width=16; seed=3\n"
    )
    kept = load_plan(run / "plan.toml")
    assert kept == load_plan(path, changes=["head_width=16", "seed=3"])
    assert (kept.seed, kept.space) == (3, NASBenchMacro(4, (4, 4), (1, 1), 16))
    assert invoke("search", run / "plan.toml", "--out", run).exit_code == 0
    other = invoke("search", path, "--out", run)
    assert other.exit_code == 1
    assert "was made for another space: its head_width is 16, and here it is 8." in other.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["score", "nasbench201", CELL, "--set", "widht=4"],
            "the space 'nasbench201' has no key 'widht'. Did you mean 'w",
        ),
        (["score", "nasbench201", CELL, "--set", "width"], "a change is written as key=value, e.g. width=16 or"),
        (["score", "nasbench201", CELL, "--set", "width=four"], "width must be a whole number, but is 'four'."),
        (["score", "nasbench201", CELL, "--set", "task.crop=4"], "has no key 'crop'"),
        (
            ["score", "topformer", "0" * 38, "--set", "family=large"],
            "There is no family 'large'. Known: base, small, ti",
        ),
        (["measure", "nasbench201", "--set", "widht=4"], "the space 'nasbench201' has no key 'widht'."),
        (["search", "demo", "--set", "widht=[4]", "--dry-run"], "the space 'nasbench-macro' has no key 'widht'."),
        (["search", "demo", "--set", "limits.max_mac=1", "--dry-run"], "the table of limits has no key 'max_mac'."),
        (["search", "demo", "--set", "=4", "--dry-run"], "a change is written as key=value"),
        (["search", "demo", "--set", "seed=x", "--dry-run"], "seed must be a whole number, but is 'x'."),
        (["train", "topformer", "0" * 38, "--set", "family=tiny"], "no key 'family'. Did you mean 'space.family'?"),
        (
            ["train", "nasbench201", CELL, "--set", "width=4"],
            "no key 'width'. Did you mean 'space.width'?",
        ),
    ],
)
def test_what_cannot_be_set_is_one_sentence(arguments, sentence):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(re.escape(sentence), result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_a_plan_without_a_space_says_so_before_its_changes(tmp_path):
    (tmp_path / "plan.toml").write_text('task = "digits"\n[[stage]]\nestimator = "params"\ntop = 1\n')
    with pytest.raises(PlanError, match="the key 'space' is missing"):
        load_plan(tmp_path / "plan.toml", changes=["width=1"])


def test_a_recipe_keeps_its_own_names():
    training = training_of("nasbench201", "nasbench201", changes=["epochs=3", "space.width=4", "task.cutout=8"])
    assert (training.recipe.horizon, training.space.width, training.task.cutout) == (3, 4, 8)
