"""Own data and own training from the command line, and what their page says of settings and metrics."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archsieve.estimators.own_training import OwnTraining
from archsieve.registry import TASKS
from archsieve.tasks.metrics import DEFAULTS, METRICS
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own_data.md").read_text()
NETWORKS = """
from torch import nn


def pictures():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def series():
    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 1))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder as a newcomer has it: a module of networks, pictures, numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "my_networks.py").write_text(NETWORKS)
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(f"pictures/{label}/{i}.png")
    series = rng.standard_normal((40, 2, 8))
    np.savez("series.npz", x=series, y=series.mean((1, 2)))
    shutil.copy(ROOT / "tests" / "plugins" / "own_sets.py", tmp_path / "my_sets.py")
    shutil.copy(ROOT / "tests" / "plugins" / "trainings.py", tmp_path / "my_trainings.py")
    return tmp_path


def scores(*arguments):
    result = invoke("score-model", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)[0]


def said(*arguments):
    """Return the error of a command, without the name of its kind."""
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_network_is_scored_on_a_folder_of_pictures(folder):
    settings = ("--task", "images", "--set", "folder=pictures", "--set", "size=[8, 12]")
    row = scores("my_networks:pictures", *settings, "--proxy", "grad_norm", "--proxy", "macs")
    assert row["grad_norm"] > 0
    assert row["macs"] == 6 * 10 * 4 * 27 + 8  # a convolution, and a layer of eight weights


def test_a_network_is_scored_on_arrays_and_on_what_a_function_returns(folder):
    arrays = ("--task", "arrays", "--set", "file=series.npz", "--set", "kind=regression")
    assert scores("my_networks:series", *arrays, "--proxy", "snip")["snip"] > 0
    function = ("--task", "function", "--set", "task.function=my_sets:splits", "--plugin", "my_sets.py")
    noisy = invoke("score", "nasbench201", "333333", *function, "--proxy", "nwot", "--json")
    assert json.loads(noisy.stdout)[0]["nwot"] > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--task", "images"), "the task 'images' needs the setting 'folder'"),
        (("--task", "images", "--set", "folder=picture"), "There is no folder */picture. Did you mean 'pictures'?"),
        (("--task", "images", "--set", "foldr=pictures"), "has no key 'foldr'. Did you mean 'folder'?"),
        (("--set", "folder=pictures"), "--set folder=pictures is a setting of the task: name the task with --task"),
        (
            ("--task", "images", "--set", "folder=pictures", "--set", "size=8", "--set", "channels=1"),
            "does not take inputs of shape (1, 8, 8) * These are the inputs of the task 'images': change",
        ),
        (("--task", "function", "--set", "function=my_sets:splits"), "add --plugin my_sets.py"),
        (
            ("--task", "arrays", "--set", "file=series.npz"),
            "must be classes, but * is in item 0 (counted from 0): set kind =",
        ),
    ],
)
def test_what_goes_wrong_is_a_sentence(folder, arguments, sentence):
    error = said("score-model", "my_networks:pictures", *arguments, "--proxy", "nwot")
    for part in sentence.split("*"):
        assert part.strip() in error


PLAN = """
[space]
name = "nasbench201"
width = 2
cells = 1
stages = 1

[task]
name = "arrays"
file = "pixels.npz"
kind = "regression"

[pool]
sample = 4

[[stage]]
estimator = { name = "own_training", function = "my_trainings:TRAIN", budget = 1 }
top = 1
"""


def search(folder, name, *more):
    rng = np.random.default_rng(1)
    pixels = rng.standard_normal((40, 3, 8, 8))
    np.savez("pixels.npz", x=pixels, y=20 + pixels.mean((1, 2, 3)))
    (folder / "plan.toml").write_text(PLAN.replace("TRAIN", name))
    return "search", "plan.toml", "--out", "RUN", *more


def test_a_search_by_own_training_shows_the_error_as_it_is(folder):
    result = invoke(*search(folder, "fitted", "--plugin", "my_trainings.py"))
    assert result.exit_code == 0, result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("In the last stage"))
    assert re.search(r"own_training\[1\]: mean absolute error \d\.\d+ \(lower is better\)", line)
    again = invoke("report", "RUN")  # runs no code
    assert line in again.stdout
    np.savez("pixels.npz", x=np.zeros((40, 3, 8, 8)), y=np.arange(40.0))
    assert "The run folder RUN was made for another task: its content is" in said(
        "search", "plan.toml", "--out", "RUN", "--plugin", "my_trainings.py"
    )
    search(folder, "fitted")  # the data as they were
    home = invoke("export", "RUN", "--to", "HOME", "--format", "torch-export", "--plugin", "my_trainings.py")
    assert home.exit_code == 0, home.stderr
    facts = json.loads((folder / "HOME" / "architecture.json").read_text())
    assert "after 1 epoch, by own_training[1]" in facts["weights"]
    assert (facts["task"]["kind"], facts["task"]["numbers"]) == ("regression", ["0"])
    assert abs(facts["task"]["target_mean"][0] - 20) < 0.1
    assert len(facts["task"]["input_mean"]) == 3


def test_code_that_only_the_plan_names_does_not_run(folder):
    assert "'my_trainings:fitted' would run code of the module" in said(*search(folder, "fitted"))


def test_a_network_on_which_the_training_fails_is_counted(folder):
    result = invoke(*search(folder, "raises", "--plugin", "my_trainings.py"))
    assert result.exit_code == 1
    assert "my_trainings:raises raised KeyError: 'momentum'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["my_sensors.py", "sensors.toml", "my_training.py"])
def test_the_page_shows_the_file(name):
    assert f"\n{(ROOT / 'examples' / 'own_data' / name).read_text()}```\n" in PAGE


SEARCHES = re.findall(r"\| `(archsieve search [^`]*)` \|", PAGE)
QUICK = {  # limits under which few networks are left, and what is trained less
    "pictures": ("max_macs=200_000", {"sample = 40": "sample = 6", "top = 6": "top = 2", " = 15": " = 1"}),
    "sensors": ("max_macs=20_000", {"top = 8": "top = 2", "budget = 5": "budget = 2"}),
    "words": ("max_macs=25_000", {"top = 4": "top = 2", "budget = 4": "budget = 1", "budget = 16": "budget = 2"}),
}


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A folder with the examples, and the data that one of them writes."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(ROOT / "examples", folder / "examples")
    command = [sys.executable, "examples/own_data/make_data.py", "DATA"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("command", SEARCHES, ids=QUICK)
def test_its_searches_run(command, examples, monkeypatch, tmp_path):
    monkeypatch.chdir(examples)
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path))
    plan = re.search(r"own_data/(\w+)\.toml", command)[1]
    limit, changes = QUICK[plan]
    text = (examples / "examples" / "own_data" / f"{plan}.toml").read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "quick.toml").write_text(text)
    quick = command.replace(f"examples/own_data/{plan}.toml", str(tmp_path / "quick.toml")).replace(
        "RUN", str(tmp_path / "run")
    )
    result = invoke(*shlex.split(quick)[1:], "--set", f"limits.{limit}", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [stage["failures"] for stage in found["stages"]] == [0, 0]
    assert found["best_score_kind"] == "metric"


@pytest.mark.slow
@pytest.mark.parametrize(("command", "least"), list(zip(SEARCHES, (45, -150, 0.9), strict=True)), ids=QUICK)
def test_its_searches_find_networks_that_learn(command, least, examples, monkeypatch, tmp_path):
    monkeypatch.chdir(examples)
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path))
    result = invoke(*shlex.split(command.replace("RUN", str(tmp_path / "run")))[1:], "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["best_score"] > least


def test_the_page_names_settings_and_metrics_that_there_are():
    known = {field.name for name in ("images", "table", "arrays", "function") for field in fields(TASKS[name])}
    known |= {field.name for field in fields(OwnTraining)} | {"target_scale", "own_training", "collate_fn", "one_of"}
    known |= {*METRICS, "x_train", "x_validation", "x_test"}
    words = set(re.findall(r"`([a-z]\w*_\w+)`", PAGE))
    assert words <= known, words - known
    for kind, metric in DEFAULTS.items():
        first = re.search(rf"\| `{kind}` \|.*\| `(\w+)`[^|]*\|\n", PAGE)
        assert first is not None
        assert first[1] == metric
    for name, metric in METRICS.items():
        assert all(re.search(rf"\| `{kind}` \|.*`{name}`", PAGE) for kind in metric.kinds)
    share = next(f.default for f in fields(TASKS["table"]) if f.name == "validation_fraction")
    assert f"`validation_fraction` and `test_fraction`, {share}" in PAGE
