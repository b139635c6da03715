"""The page about models of one's own: its code is the examples', and its commands do what it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archsieve.plans.read import load_plan
from archsieve.spaces.within import Within
from archsieve.testing import SpaceContract
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "own_models"
PAGE = (ROOT / "docs" / "own_models.md").read_text()
FILES = re.findall(r"`examples/own_models/(\w+\.\w+)`:\n\n```\w+\n(.*?)\n```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^    (archsieve .*)$", PAGE, re.MULTILINE)
SEARCHES = [command for command in COMMANDS if command.startswith("archsieve search")]
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.fixture
def here(tmp_path, monkeypatch, restored):
    """A copy of the examples, in which commands run."""
    for path in FOLDER.iterdir():
        if path.suffix in (".py", ".toml"):
            shutil.copyfile(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def weights_of_the_backbone(here):
    import torch
    from backbone import features

    torch.manual_seed(0)
    torch.save(features().state_dict(), here / "backbone.pt")


@pytest.mark.parametrize(("name", "shown"), FILES, ids=[name for name, _ in FILES])
def test_the_page_shows_the_file(name, shown):
    assert (FOLDER / name).read_text() == shown + "\n"


def test_every_example_is_shown_and_searched():
    assert {f"{name}.py" for name in NAMES} <= {name for name, _ in FILES}
    assert sorted(shlex.split(command)[2] for command in SEARCHES) == [f"{name}.toml" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_its_networks_keep_the_laws(name, here):
    if name == "backbone":
        weights_of_the_backbone(here)
    plan = load_plan(here / f"{name}.toml", [name])
    space = plan.space.space if isinstance(plan.space, Within) else plan.space

    class Laws(SpaceContract):
        pass

    laws = Laws()
    laws.space, laws.task = space, plan.task
    for law in ("parse_inverts_describe", "canonical_is_a_fixed_point", "mutation_changes_one_decision"):
        getattr(laws, f"test_{law}")()
    laws.test_draws_come_from_the_given_generator()
    laws.test_networks_fit_the_task()


def test_the_command_shows_what_the_page_says(here):
    for command in (command for command in COMMANDS if command.startswith("archsieve space")):
        shown = invoke(*shlex.split(command)[1:])
        assert shown.exit_code == 0, shown.stderr
        if "resnet_like" in command:
            block = PAGE.partition(f"    {command}\n\n")[2].partition("\n\n`examples")[0]
            lines = [line.strip() for line in block.splitlines() if line.strip() not in ("", "...")]
            assert [line for line in lines if line not in map(str.strip, shown.stdout.splitlines())] == []


@pytest.mark.slow
@pytest.mark.parametrize("command", SEARCHES, ids=NAMES and [shlex.split(c)[2] for c in SEARCHES])
def test_its_searches_end_and_their_networks_go_home(command, here):
    name = Path(shlex.split(command)[2]).stem
    if name == "backbone":
        subprocess.run([sys.executable, "backbone.py"], check=True, cwd=here)
    result = invoke(*shlex.split(command.replace("RUN", str(here / "run")))[1:], "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["best"]
    home = invoke("export", here / "run", "--to", here / "home", "--plugin", f"{name}.py", "--json")
    assert home.exit_code == 0, home.stderr
    assert json.loads(home.stdout)["differences"] == {"network.py": {"2": 0.0, "5": 0.0}}


def test_lines_that_make_a_model_searchable():
    source = (FOLDER / "resnet_like.py").read_text()
    added = [line for line in source.splitlines() if re.search(r"\bchoice\(|\bone_of\(|import choice", line)]
    assert len(added) < 12
