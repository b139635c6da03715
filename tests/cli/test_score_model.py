"""`archsieve score-model`: a network of one's own, and every way to name none."""

from __future__ import annotations

import json

import pytest

from archsieve.registry import PROXIES
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

READS = "this network reads values, so others may cost another"
SOURCE = """
import torch
from torch import nn

def build():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.SiLU(), nn.Linear(5, 3))
    nn.init.constant_(network[1].weight, 0.5)
    nn.init.constant_(network[3].weight, 2.0)
    return network

def series():
    return nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3))

def reads_values():
    return nn.Linear(int(torch.ones(2).sum()), 3)

class Spectrum(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.layer(torch.fft.rfft(inputs).real)

class EarlyExit(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, inputs):
        found = self.first(inputs)
        return found if found.softmax(1).max() > 0.99 else self.second(inputs)

number = 3

def no_network():
    return 4

def wants_more(width):
    return nn.Linear(width, 3)

def fails_inside():
    return nn.Linear("12", 3)

def may_be_told(width=12, *more, bias=True):
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 3, bias=bias))
"""


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Run the command in a folder that holds a model file."""
    (tmp_path / "models_of_mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: invoke("score-model", *arguments)


def test_the_weights_are_those_its_own_code_gives_it(score):
    proxies = [word for name in ("params", "macs", "l2_norm") for word in ("--proxy", name)]
    result = score("models_of_mine:build", "--shape", "3x2x2", "--outputs", "3", *proxies, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    (row,) = json.loads(result.stdout)
    assert row["architecture"] == "models_of_mine:build"
    assert (row["params"], row["macs"]) == (12 * 5 + 5 + 5 * 3 + 3, 12 * 5 + 5 * 3)
    assert row["l2_norm"] == pytest.approx(0.5 * 60**0.5 + 2 * 15**0.5)


@pytest.mark.parametrize(
    "name", sorted(n for n in PROXIES if n != "dss" and PROXIES[n].function.__module__.startswith("archsieve."))
)
def test_every_proxy_takes_a_series(score, name):
    result = score("models_of_mine.py:series", "--shape", "2x20", "--outputs", "3", "--proxy", name, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert isinstance(json.loads(result.stdout)[0][name], int | float)


def test_a_factory_that_computes_values(score):
    result = score("models_of_mine:reads_values", "--shape", "2", "--outputs", "3", "--proxy", "params", "--json")
    assert json.loads(result.stdout)[0]["params"] == 2 * 3 + 3


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("model", "macs", "note"),
    [
        ("Spectrum", 15, "macs does not count: aten._fft_r2c (1 call).\n"),
        (
            "EarlyExit",
            48,
            "macs is that of an input of zeros: this network reads values, so others may cost another.\n",
        ),
        ("build", 75, ""),
    ],
)
def test_what_multiply_adds_leave_out_is_said(score, model, macs, note, as_json):
    shape = "3x2x2" if model == "build" else "8"
    json_flag = ["--json"] if as_json else []
    result = score(f"models_of_mine:{model}", "--shape", shape, "--outputs", "3", *json_flag)
    assert (result.exit_code, result.stderr) == (0, note)
    found = json.loads(result.stdout)[0]["macs"] if as_json else int(result.stdout.split()[-1])
    assert found == macs


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["models_of_mine:biuld"], "The module 'models_of_mine' has no 'biuld'. Did you mean 'build'?"),
        (["models_of_mine"], "A model is named as module:function, e.g. my_model:build, but got 'models_of_mine'."),
        (["modles:build"], "The plugin 'modles' cannot be imported"),
        (["models_of_mine:number"], "The factory models_of_mine:number must be a class or function, but is 3."),
        (["models_of_mine:no_network"], "must return a torch.nn.Module, but returned int"),
        (["models_of_mine:wants_more"], "needs the argument 'width', which gets no value: vary it, give it a default"),
        (["models_of_mine:build", "--shape", "3xa"], "Write a shape as numbers with x between them, e.g. 3x32x32, but"),
        (["models_of_mine:build", "--shape", "3x9x9"], "models_of_mine:build does not take inputs of shape (3, 9, 9)"),
        (["models_of_mine:build", "--shape", "3x2x2"], "gives outputs of shape (3,), but the task has 10 classes"),
    ],
)
def test_what_cannot_be_scored_is_said(score, arguments, sentence):
    result = score(*arguments, "--proxy", "nwot")
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_an_error_inside_of_a_factory_says_where(score):
    result = score("models_of_mine:fails_inside", "--proxy", "params")
    assert result.exit_code == 1
    assert "models_of_mine:fails_inside makes no network with its defaults: TypeError: empty()" in result.stderr
    line = 1 + SOURCE.splitlines().index('    return nn.Linear("12", 3)')
    assert result.stderr.endswith(f"(models_of_mine.py, line {line}).\n")


def test_a_factory_may_have_arguments_that_it_does_not_need(score):
    result = score("models_of_mine:may_be_told", "--proxy", "params", "--shape", "3x2x2", "--outputs", "3", "--json")
    assert json.loads(result.stdout)[0]["params"] == 12 * 3 + 3
