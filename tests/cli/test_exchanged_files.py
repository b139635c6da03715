"""Files of a run folder exchanged for those of another search, and folders that cannot be written: a sentence."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from archsieve.runs.store_errors import _cause
from plugins.commands import TINY, invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

STAGE = '[[stage]]\nestimator = "params"\ntop = 3\n[[stage]]\nestimator = "macs"\ntop = 1\n'


def searched(folder, *changes):
    plan = folder / "plan.toml"
    plan.write_text(TINY.strip() + "\n" + STAGE)
    ended = invoke("search", plan, "--out", folder / "run", *changes)
    assert ended.exit_code == 0, ended.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    changes = {"own": (), "seed": ("--set", "seed=99"), "space": ("--set", "space.stem_width=5")}
    return {name: searched(tmp_path_factory.mktemp(name), *more) for name, more in changes.items()}


@pytest.fixture
def run(runs, tmp_path):
    return Path(shutil.copytree(runs["own"], tmp_path / "copy"))


def fails(result, *words):
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()[-1:]
    assert line.startswith("Error: "), result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in line


@pytest.mark.parametrize("other", ["seed", "space"])
def test_results_of_another_search_are_named(runs, run, tmp_path, other):
    shutil.copy(runs[other] / "results.sqlite", run / "results.sqlite")
    for command in (
        ["report", run],
        ["report", run, "--csv"],
        ["report", run, "--json"],
        ["report", run, "--html", tmp_path / "page.html"],
        ["report", run, "--files", tmp_path / "files"],
        ["export", run, "--to", tmp_path / "home"],
        ["verify", run],
    ):
        fails(invoke(*command), "results.sqlite is of another search", "Put back its own")
    ended = invoke("search", runs["own"].parent / "plan.toml", "--out", run)
    assert ended.exit_code == 0, ended.stderr
    assert invoke("report", run).exit_code == 0


def test_results_of_another_space_are_named_before_the_search_is_finished(runs, run, tmp_path):
    shutil.copy(runs["space"] / "results.sqlite", run / "results.sqlite")
    (run / "result.json").unlink()
    for more in ([], ["--csv"], ["--html", tmp_path / "page.html"]):
        ended = invoke("report", run, *more)
        fails(ended, "no score in it has the space of this one", "Put back its own")
        assert ended.stdout == ""


def test_a_plan_of_another_seed_is_named(runs, run, tmp_path):
    shutil.copy(runs["seed"] / "plan.toml", run / "plan.toml")
    for command in (["export", run, "--to", tmp_path / "home"], ["verify", run]):
        fails(invoke(*command), "plan.toml is of another search: its seed is 99")


def test_a_folder_in_the_place_of_the_results_is_named(run):
    (run / "results.sqlite").unlink()
    (run / "results.sqlite").mkdir()
    fails(invoke("search", run / "plan.toml", "--out", run), "results.sqlite: it is a folder")


def test_a_folder_that_is_read_only_says_so(run, monkeypatch):
    monkeypatch.setattr("archsieve.runs.store_errors.os.access", lambda path, mode: False)
    cause = _cause(sqlite3.OperationalError("unable to open database file"), run / "results.sqlite")
    assert cause == "its folder is read-only (unable to open database file). Allow writing, or copy the folder"
