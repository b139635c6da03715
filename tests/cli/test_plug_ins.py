"""The page about parts of one's own: its code is the examples', and its commands do what it says."""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plug_ins.md").read_text()
FILES = re.findall(r"`examples/(my_\w+\.\w+)`[^\n]*:\n\n```\w+\n(.*?)\n```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^    (archsieve .*|pytest .*)$", PAGE, re.MULTILINE)
LINES = {part: int(lines) for part, lines in re.findall(r"^\| (\w+) \| (\d+) \|", PAGE, re.MULTILINE)}
DEFINITIONS = {
    "proxy": ("my_proxy.py", "layer_count"),
    "space": ("my_space.py", "MyMLP"),
    "estimator": ("my_estimator.py", "EarlyOptions"),
    "searcher": ("my_searcher.py", "Climber"),
    "task": ("my_task.py", "Stripes"),
}


@pytest.mark.parametrize(("name", "shown"), FILES, ids=[name for name, _ in FILES])
def test_the_page_shows_the_file(name, shown):
    assert (ROOT / "examples" / name).read_text() == shown + "\n"


def test_the_page_shows_every_kind_and_a_command_for_each():
    assert {name for name, _ in FILES} >= {file for file, _ in DEFINITIONS.values()}
    assert len(COMMANDS) == len(FILES) - 1  # the searcher's is that of the plan


@pytest.mark.parametrize("part", DEFINITIONS)
def test_it_takes_as_many_lines_as_the_page_says(part):
    file, name = DEFINITIONS[part]
    text = (ROOT / "examples" / file).read_text()
    (node,) = [n for n in ast.parse(text).body if getattr(n, "name", "") == name]
    first = min(d.lineno for d in node.decorator_list)
    assert LINES[part] == sum(bool(line.strip()) for line in text.splitlines()[first - 1 : node.end_lineno])


SCORES = [command for command in COMMANDS if command.startswith("archsieve score")]


@pytest.mark.parametrize("command", SCORES)
def test_its_commands_score(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = invoke(*shlex.split(command)[1:], "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    asked = re.findall(r"--proxy (\w+)", command)
    assert [set(row) for row in rows] == [{"architecture", *asked}] * len(rows)
    scores = {row["architecture"]: row[asked[0]] for row in rows}
    expected = {"early_options": {"21": 2.5, "12": 2.0}, "widest_layer": {"21": 24}}
    assert expected.get(asked[0], scores) == scores
    assert all(isinstance(row[name], int | float) for row in rows for name in asked)


def test_its_plan_searches_with_all_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (command,) = (command for command in COMMANDS if command.startswith("archsieve search"))
    result = invoke(*shlex.split(command.replace("RUN", str(tmp_path / "run")))[1:], "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [(stage["candidates"], stage["kept"]) for stage in found["stages"]] == [(6, 4), (4, 2), (2, 1)]
    assert 50 < found["best_score"] <= 100  # it learns to tell the stripes


def test_its_parts_keep_the_laws():
    (command,) = (command for command in COMMANDS if command.startswith("pytest"))
    options = ("-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"))
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command), *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)
