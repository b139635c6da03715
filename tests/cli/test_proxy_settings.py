"""`--proxy NAME:SETTING=VALUE`: settings of an estimator on the command line, and how often a proxy is scored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from archsieve import Session, ZeroCost
from archsieve.cli.options import estimators_named
from archsieve.errors import PlanError, SettingError
from archsieve.estimators.combined.repeated import Repeated
from archsieve.plans.changes import part_in
from archsieve.plans.parts import make
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

SMALL = [word for s in ("stem_width=4", "widths=[4]", "stages=[2]", "head_width=4") for word in ("--set", s)]
SCORE = ["score", "nasbench-macro", "00", "12", "22", *SMALL, "--task", "synthetic", "--recompute", "--json"]


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("nwot", {"name": "nwot"}),
        ("nwot:batch_size=8", {"name": "nwot", "batch_size": 8}),
        ("nwot:options={ activations = 'relu' }", {"name": "nwot", "options": {"activations": "relu"}}),
        ("nwot[activations=relu]", {"name": "nwot", "options": {"activations": "relu"}}),
        (
            "lswag[first=0.5, last=0.75]:batch_size=8:repeats=2",
            {
                "name": "repeated",
                "repeats": 2,
                "estimator": {"name": "lswag", "options": {"first": 0.5, "last": 0.75}, "batch_size": 8},
            },
        ),
        ("my_file:Mine", {"name": "my_file:Mine"}),
        ("my_file:Mine[wide=1]", {"name": "my_file:Mine", "options": {"wide": 1}}),
        ("my_file:Mine:depth=2:mode=wide", {"name": "my_file:Mine", "depth": 2, "mode": "wide"}),
        ("zen:repeats=3", {"name": "repeated", "repeats": 3, "estimator": {"name": "zen"}}),
        (
            "zen:batch_size=4:repeats=3:calibration=9",
            {"name": "repeated", "repeats": 3, "calibration": 9, "estimator": {"name": "zen", "batch_size": 4}},
        ),
        ("repeated:estimator=zen:repeats=2", {"name": "repeated", "estimator": "zen", "repeats": 2}),
    ],
)
def test_how_it_is_written(text, table):
    assert part_in(text) == table


def test_a_proxy_is_scored_several_times(tmp_path):
    done = invoke(*SCORE, "--proxy", "snip:batch_size=8:repeats=3", "--proxy", "params")
    assert done.exit_code == 0, done.stderr
    found = [row["snip x 3"] for row in json.loads(done.stdout)]
    space, proxy = NASBenchMacro(stem_width=4, widths=(4,), stages=(2,), head_width=4), ZeroCost("snip", batch_size=8)
    with Session(tmp_path, space, Synthetic(), tables=()) as session:
        scores = session.scores(Repeated(proxy, 3).parts, [(0, 0), (1, 2), (2, 2)])
    wins = [[np.mean([(a > b) + (a == b) / 2 for a in one for b in other]) for other in scores] for one in scores]
    assert found == pytest.approx([np.mean(row) for row in wins])


@pytest.mark.parametrize("proxy", ["snip:batch_size=8:repeats=2", "az_nas:batch_size=8"])
def test_a_score_that_compares_networks_says_so(proxy):
    together = "compare the networks of this command with each other"
    assert f"{together}, not with those of another call." in invoke(*SCORE, "--proxy", proxy).stderr
    alone = invoke(*[word for word in SCORE if word not in ("12", "22")], "--proxy", proxy)
    assert f"{together}, and there is only one: such a score tells nothing." in alone.stderr
    calibrated = invoke(*SCORE, "--proxy", f"{proxy}:calibration=3", "--proxy", "snip:batch_size=8")
    assert (calibrated.exit_code, together in calibrated.stderr) == (0, False)


@pytest.mark.parametrize("proxy", ["snip:repeats=2", "snip:repeats=2:calibration=4", "az_nas"])
def test_one_network_of_ones_own_is_compared_with_nothing(proxy):
    refused = invoke("score-model", "torch.nn:Identity", "--proxy", proxy)
    assert refused.exit_code == 1
    assert "score-model scores one network, but" in refused.stderr


def test_an_option_that_is_written_as_a_setting_says_where_it_goes():
    with pytest.raises(PlanError, match=r"no key 'channels'.* options = \{ KEY = VALUE \}.* NAME\[KEY=VALUE\]"):
        estimators_named(["meco:channels=8"], ())
    assert estimators_named(["meco:options={ channels = 8 }"], ())[0].name == "meco[channels=8]"


@pytest.mark.parametrize("name", ["nwot", "meco[channels=8]", "lswag[activations=relu, first=0.25]"])
def test_a_name_that_is_printed_can_be_given(name):
    assert estimators_named([name], ())[0].name == name


def test_settings_reach_the_estimator():
    (estimator,) = estimators_named(["nwot:batch_size=8:init=per_architecture"], ())
    assert estimator == ZeroCost("nwot", batch_size=8, init="per_architecture")
    as_built = estimators_named(["nwot", "zen:init=shared", "snip:repeats=2", "params"], (), init="as_built")
    assert [getattr(e, "init", None) for e in as_built] == ["as_built", "shared", None, None]
    snip = {"name": "snip", "init": "as_built"}
    assert as_built[2] == make("estimator", {"name": "repeated", "estimator": snip, "repeats": 2})


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (["nwot:batchsize=8"], "has no key 'batchsize'. Did you mean 'batch_size'?"),
        (["nwot:batch_size=many"], "batch_size must be a whole number, but is 'many'."),
        (["nwot:batch_size="], "a change is written as key=value"),
        (["nwot:relu"], "would run code of the module 'nwot'"),
        ([":batch_size=8"], "An estimator is named as nwot, with a setting nwot:batch_size=32, with an option"),
        (["meco[channels=8"], "with an option of the proxy nwot[activations=relu], but got"),
        (["meco[]"], "a change is written as key=value"),
        (["meco[channels=8, channels=4]"], "gives 'channels' twice"),
        (["meco[channels=8]:options={ inputs = 2 }"], "gives 'options' twice"),
        (["meco[depth=8]"], "'depth'"),
        (["params[channels=8]"], "has no key 'options'"),
        (["nwot:batch_size=8:batch_size=9"], "gives 'batch_size' twice"),
        (["nwot:repeats=1"], "`repeats >= 2` must hold, but got repeats=1"),
        (["params:repeats=3"], "Only a zero-cost proxy can be repeated, but 'params' is none"),
        (["nwot", "nwot:batch_size=8"], "Two of --proxy are called 'nwot': ask for one of them at a time."),
    ],
)
def test_what_is_no_setting(named, sentence):
    done = invoke(*SCORE, *(word for name in named for word in ("--proxy", name)))
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_twice_is_once():
    assert len(estimators_named(["params", "params"], ())) == 1
    with pytest.raises(SettingError):
        estimators_named(["nwot", "nwot:batch_size=8"], ())
    with pytest.raises(PlanError):
        part_in("")
