"""What exploring a factory brought is kept in the run folder, and holds as long as the code is the same."""

import json
import sys

import pytest

from archsieve.runs.folder import DECISIONS_FILE, claim
from archsieve.spaces.choices import space as module_of_space
from archsieve.spaces.choices.player import player_of
from archsieve.spaces.choices.space import OwnSpace
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic(shape=(6,), num_outputs=3, images=20)
NET = """
from torch import nn
from archsieve import choice
import {helper}

def net(scale=1):
    width = choice("width", {helper}.WIDTHS)
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A model that reads its options from a module beside it; begins a new process, as far as a space can tell."""
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))
    names = f"recorded_net_{tmp_path.name}", f"recorded_widths_{tmp_path.name}"
    runs = []
    explore = module_of_space.explore
    monkeypatch.setattr(module_of_space, "explore", lambda *args: (runs.append(1), explore(*args))[1])

    def anew(widths="4, 8", **settings):
        (code / f"{names[0]}.py").write_text(NET.format(helper=names[1]))
        (code / f"{names[1]}.py").write_text(f"WIDTHS = [{widths}]\n" + "#" * len(widths))
        for name in names:
            sys.modules.pop(name, None)
        player_of.cache_clear()
        runs.clear()
        return OwnSpace(f"{names[0]}:net", explore=5, **settings)

    yield anew, runs
    for name in names:
        sys.modules.pop(name, None)
    player_of.cache_clear()


def test_another_command_on_the_folder_does_not_explore(made, tmp_path):
    anew, runs = made
    folder = tmp_path / "run"
    first = anew()
    prints = claim(folder, Within(first, TASK, Limits(max_params=500)), TASK)
    assert len(runs) == 1
    again = anew()
    assert claim(folder, Within(again, TASK, Limits(max_params=500)), TASK) == prints
    assert runs == []
    assert again.explored == first.explored
    assert again.parse("width=8") == (1,)


def test_a_process_explores_equal_spaces_once(made):
    anew, runs = made
    space = anew()
    assert OwnSpace(space.factory, explore=5).choices == space.choices == (2,)
    assert len(runs) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: json.dumps({**json.loads(text), "explored": 3}),
        lambda text: text.replace('"layers": "', '"layers": "0'),
        lambda text: text.replace('"8"', '"9"'),
    ],
    ids=["half", "a list", "nothing", "no table", "other layers", "another option"],
)
def test_a_damaged_file_is_not_believed(made, tmp_path, change):
    anew, runs = made
    claim(tmp_path / "run", anew(), TASK)
    path = tmp_path / "run" / DECISIONS_FILE
    whole = path.read_text()
    path.write_text(change(whole))
    space = anew()
    claim(tmp_path / "run", space, TASK)
    assert len(runs) == 1
    assert [d.options for d in space.decisions] == [("4", "8")]
    assert json.loads(path.read_text()) == json.loads(whole)  # written again


def test_changed_code_is_explored_again(made, tmp_path):
    anew, runs = made
    space = anew()
    text = space.recorded
    assert anew().recall(text)
    other = anew("4, 8, 12")  # in the module beside it
    assert not other.recall(text)
    assert other.choices == (3,)
    assert len(runs) == 1
    assert not anew(vary={"scale": [1, 2]}).recall(text)
