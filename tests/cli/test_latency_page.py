"""docs/latency.md: the files it shows are those of the examples, and its searches run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from archsieve.estimators.measured.latency import Latency
from archsieve.estimators.measured.program import PLACES
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.read import load_plan
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "latency.md").read_text(encoding="utf-8")
FILES = re.findall(r"`(examples/latency/\w+\.\w+)`[^\n]*:\n\n```\w+\n(.*?)\n```", PAGE, re.DOTALL)
SEARCHES = re.findall(r"^    (archsieve search .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def here(tmp_path, monkeypatch, restored):
    """A copy of the examples, in which commands run."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "examples" / "own_models")
    return tmp_path


@pytest.mark.parametrize(("name", "shown"), FILES, ids=[name for name, _ in FILES])
def test_the_page_shows_the_file(name, shown):
    assert (ROOT / name).read_text(encoding="utf-8") == shown + "\n"


def test_every_plan_is_shown_and_searched():
    plans = sorted(f"examples/latency/{path.name}" for path in (ROOT / "examples" / "latency").glob("*.toml"))
    assert sorted(name for name, _ in FILES) == plans
    assert sorted(shlex.split(command)[2] for command in SEARCHES) == plans


def test_every_place_and_setting_is_on_the_page():
    for place in PLACES:
        assert f"`{{{place}}}`" in PAGE
    for setting in ("runtime", "clock", "spread", "least_share", "tries", "rounds"):
        assert f"`{setting}`" in PAGE
    usual = Latency()
    assert f"| {usual.spread}, {usual.least_share}, {usual.tries} |" in PAGE


def test_plans_of_the_page_can_be_read(here):
    pytest.importorskip("torch")
    with commands_allowed():
        plans = [load_plan(Path(name), ["resnet_like"]) for name, _ in FILES]
    assert plans[0].ceiling.most == 0.03
    assert [part.name for part in plans[1].stages[0].estimator.parts] == [
        "partial_training[2]",
        "latency[eager, CPU time]",
    ]
    for block in re.findall(r"```toml\n(\[limits\].*?)\n```", PAGE, re.DOTALL):
        path = here / "plan.toml"
        path.write_text(
            'space = "nasbench-macro"\ntask = "digits"\n' + block + '\n[[stage]]\nestimator = "params"\ntop = 1\n'
        )
        assert load_plan(path).ceiling.most == 8.0


@pytest.mark.slow
@pytest.mark.parametrize("command", SEARCHES, ids=lambda command: shlex.split(command)[2])
def test_its_searches_run(command, here):
    if "limited" in command and not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        pytest.skip("the extra `onnx` is not installed")
    done = invoke(*shlex.split(command)[1:], *(["--out", "runs/x"] if "--out" not in command else []))
    assert done.exit_code == 0, done.stderr
    (folder,) = (here / "runs").iterdir()
    result = json.loads((folder / "result.json").read_text())
    if result["limit"] is not None:
        assert result["limit"]["measured"] >= 6
    else:
        assert sum(network["is_best"] for network in result["front"]["networks"]) >= 1
