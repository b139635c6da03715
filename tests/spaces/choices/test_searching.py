"""Own models in plans and commands: limits, workers, weights, reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from archsieve import Session, Within, load_plan, space_of
from archsieve.errors import PlanError, SettingError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.building import build_network
from archsieve.plans.parts import make
from archsieve.plans.write import plan_text
from archsieve.runs.executors import Processes
from archsieve.spaces.limits import Limits
from archsieve.spaces.sampling import draw_pool
from archsieve.spaces.sizes import size_of
from plugins import own_nets
from plugins.commands import invoke
from spaces.choices.test_contract import NUMBERS, PICTURES, space

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")
NETS = str(Path(own_nets.__file__))

PLAN = """
task = { name = "synthetic", shape = [3, 8, 8], num_outputs = 3, images = 12, test_images = 4 }
limits = { max_macs = 60000 }
pool = { sample = 4 }
[space]
name = "own"
factory = "own_nets:Convolutions"
explore = 20
[[stage]]
estimator = { name = "nwot", batch_size = 4 }
top = 2
[[stage]]
estimator = { name = "partial_training", epochs = 1, horizon = 1, batch_size = 6 }
top = 1
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def test_a_plan_names_a_factory_whose_file_the_command_line_must_name(plan):
    with pytest.raises(PlanError, match=r"'own_nets:Convolutions' would run code of .* add --plugin own_nets.py"):
        load_plan(plan)
    result = invoke("search", plan, "--dry-run", "--no-timing")
    assert (result.exit_code, result.stderr.count("Traceback")) == (1, 0)
    assert "would run code of the module 'own_nets'" in result.stderr


def test_a_space_in_a_plan_without_a_factory_says_what_is_missing():
    with pytest.raises(PlanError, match="the space 'own' needs the setting 'factory'"):
        make("space", "own")
    with pytest.raises(PlanError, match="no key 'varies'"):
        make("space", {"name": "own", "factory": "a:b", "varies": {}}, ["a"])


def test_it_searches_within_limits_and_reports_names(plan, tmp_path):
    run = tmp_path / "run"
    result = invoke("search", plan, "--out", run, "--plugin", NETS, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["best"].startswith("width=")
    assert "Block0.kernel=" in found["best"]
    assert found["picture"]["blocks"] == found["best"].split(", ")
    shown = invoke("report", run)
    assert f"In the space's own notation: {found['best']}" in shown.stdout
    own = load_plan(run / "plan.toml", ["own_nets"]).space
    assert size_of(own, own.parse(found["best"]), PICTURES, "macs") <= 60000
    assert own.parse(found["digits"]) == own.parse(found["best"])


def test_a_plan_is_written_as_it_is_read(plan):
    import sys

    sys.path.insert(0, str(Path(NETS).parent))
    read = load_plan(plan, ["own_nets"])
    again = plan.with_name("again.toml")
    again.write_text(plan_text(read))
    assert load_plan(again, ["own_nets"]) == read
    varied = space_of(own_nets.plain, {"width": [4, 6], "act": {"r": "relu"}})
    text = plan_text(type(read)(varied, NUMBERS, read.stages))
    assert "[space.vary]\nwidth = [\n    4,\n    6,\n]" in text


def test_what_limits_do_not_draw_is_not_built(monkeypatch):
    own = space_of(own_nets.Convolutions, explore=20)
    within = Within(own, PICTURES, Limits(max_params=900))
    built = []
    original = type(own)._built
    monkeypatch.setattr(type(own), "_built", lambda *arguments: built.append(arguments[1]) or original(*arguments))
    pool = draw_pool(within, 0, 3)
    assert len(pool) == 3
    assert all(size_of(own, arch, PICTURES, "params") <= 900 for arch in pool)
    assert len(set(built)) < 60  # of 3,456 codes


@pytest.mark.slow
def test_scores_are_equal_in_one_process_and_in_two(tmp_path):
    own = space("convolutions")
    archs = draw_pool(own, 0, 4)
    members = [ZeroCost("nwot", batch_size=4), ZeroCost("snip", batch_size=4)]
    with Session(tmp_path / "one", own, PICTURES) as session:
        one = session.scores(members, archs)
    with Processes(2) as two, Session(tmp_path / "two", own, PICTURES, executor=two) as session:
        other = session.scores(members, archs)
    assert np.isfinite(one).all()
    assert one.tobytes() == other.tobytes()


@pytest.mark.slow
@pytest.mark.ray
def test_scores_are_equal_on_ray(tmp_path):
    from archsieve.runs.executors import Ray

    own = space("convolutions")
    archs, proxy = draw_pool(own, 0, 3), ZeroCost("nwot", batch_size=4)
    with Session(tmp_path / "one", own, PICTURES) as session:
        one = session.scores([proxy], archs)
    with Ray(2) as two, Session(tmp_path / "two", own, PICTURES, executor=two) as session:
        other = session.scores([proxy], archs)
    assert one.tobytes() == other.tobytes()


def test_a_class_renamed_between_two_runs_is_one_sentence(tmp_path, monkeypatch):
    source = Path(NETS).read_text().split("class Deeper")[0]
    file = tmp_path / "renamed_nets.py"
    file.write_text(source)
    (tmp_path / "plan.toml").write_text(PLAN.replace("own_nets", "renamed_nets"))
    command = ("search", tmp_path / "plan.toml", "--out", tmp_path / "run", "--plugin", file)
    assert invoke(*command).exit_code == 0
    import sys

    del sys.modules["renamed_nets"]
    file.write_text(source.replace("Block", "Cells"))  # as long: the time of the file is told apart
    result = invoke(*command)
    assert result.exit_code == 1
    what = "its decisions.2.name is 'Block0.kernel', and here it is 'Cells0.kernel'"
    assert f"was made for another space: {what}. Choose another folder." in result.stderr


@pytest.mark.parametrize("name", ["random_search", "regularized_evolution", "differential_evolution"])
@pytest.mark.parametrize("of", ["convolutions", "transformer", "options with decisions", "by arguments"])
def test_every_searcher_finds_its_way(name, of, tmp_path):
    from archsieve import SEARCHERS
    from archsieve.estimators.size import PARAMS
    from archsieve.searchers.contract import Stage
    from archsieve.searchers.funnel import funnel_search

    own = space(of)
    settings = {
        "regularized_evolution": {"population": 4, "tournament": 2},
        "differential_evolution": {"population": 4},
    }
    stage = Stage(PARAMS(), top=1, search=SEARCHERS[name](**settings.get(name, {})), budget=8)
    task = NUMBERS if of != "convolutions" else PICTURES
    with Session(tmp_path, own, task) as session:
        found = funnel_search([stage], None, session.scores, guide=session.guide())
    assert own.is_valid(found.best)
    assert 5 <= len(found.rounds[0].archs) <= 8  # where the space holds ten


# Weights


def test_given_weights_are_kept_where_networks_are_trained_and_drawn_anew_where_they_are_not():
    given = space("given weights")
    expected = torch.arange(24.0).reshape(4, 6) / 24
    network = build_network(given, (0,), NUMBERS, 3)
    assert torch.equal(network[1].weight, expected)
    assert not torch.equal(network[3].weight, build_network(given, (0,), NUMBERS, 4)[3].weight)  # drawn by the seed
    assert torch.equal(network[3].weight, build_network(given, (0,), NUMBERS, 3)[3].weight)
    fresh = space_of(own_nets.head_only)
    assert not torch.equal(build_network(fresh, (0,), NUMBERS, 3)[1].weight, expected)
    limited = Within(given, NUMBERS, Limits(max_params=1000))
    assert torch.equal(build_network(limited, (0,), NUMBERS, 3)[1].weight, expected)


def test_zero_cost_proxies_draw_weights_of_their_own(tmp_path):
    from archsieve import Context

    given, fresh = space("given weights"), space_of(own_nets.head_only)
    proxy, as_built = ZeroCost("l2_norm", batch_size=4), ZeroCost("l2_norm", batch_size=4, init="as_built")
    contexts = [Context(each, NUMBERS, tmp_path, 5) for each in (given, fresh)]
    assert len({proxy.score([(0,)], ctx)[0] for ctx in contexts}) == 1
    assert as_built.score([(0,)], contexts[0])[0] != proxy.score([(0,)], contexts[0])[0]


def test_the_search_and_the_report_say_which_weights(plan, tmp_path):
    plan.write_text(
        PLAN.replace("Convolutions", "head_only")
        .replace("explore = 20", 'weights = "given"')
        .replace("[3, 8, 8]", "[1, 2, 3]")
        .replace("sample = 4", "sample = 2")
    )
    run = tmp_path / "run"
    result = invoke("search", plan, "--out", run, "--plugin", NETS)
    assert "Weights: every training starts from those that own_nets:head_only gives." in result.stderr
    assert "nwot score freshly drawn weights" in result.stderr
    assert "Every training started from the weights that own_nets:head_only gives" in invoke("report", run).stdout
    with pytest.raises(SettingError, match="`weights` must be"):
        make("space", {"name": "own", "factory": "own_nets:plain", "weights": "pretrained"}, ["own_nets"])


# The command


def test_the_command_lists_decisions_sizes_and_a_sample():
    result = invoke("space", f"{NETS}:Convolutions", "--shape", "3x8x8", "--outputs", "3", "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["codes"] == 3**2 * 4**3
    assert shown["decisions"][0] == {"name": "width", "options": ["4", "8", "12"], "is_module": False}
    assert shown["least"]["params"] == 4 * 3 * 9 + 4 + 4 * 3 + 3
    assert shown["most"]["params"] == 12 * 3 * 25 + 12 + 2 * (12 * 12 * 25 + 12) + 12 * 3 + 3
    assert shown["least"]["macs"] == (4 * 3 * 9) * 64 + 12
    assert shown["sample"]["architecture"].startswith("width=")
    text = invoke("space", f"{NETS}:plain", "--vary", "width=[4, 6]", "--vary", "depth=[1, 3]", "--shape", "6")
    assert "2 decisions, 4 codes at most" in text.stdout
    assert "least: width=4, depth=1" in text.stdout
    assert "asks for no decision" in invoke("space", f"{NETS}:fixed", "--shape", "6").stdout
    hint = 'or give options of an argument: --vary "NAME=[...]", of width, depth, act.'
    assert hint in " ".join(invoke("space", f"{NETS}:plain", "--shape", "6").stdout.split())


def test_the_command_looks_for_decisions_with_the_shape_of_the_task():
    result = invoke("space", f"{NETS}:Told", "--shape", "10", "--outputs", "3", "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["decisions"][0]["options"] == ["2", "5"]
    assert shown["shape"] == [10]
    assert "shape = [10]; pass its file" in invoke("space", f"{NETS}:Told", "--shape", "10").stderr


def test_the_command_takes_settings_of_a_task_and_says_once_what_it_cannot_count():
    shape = ("--task", "synthetic", "--set", "shape=[6]", "--set", "num_outputs=3")
    shown = invoke("space", f"{NETS}:plain", "--vary", "width=[4, 6]", *shape, "--json")
    assert json.loads(shown.stdout)["least"]["macs"] == 6 * 4 + 4 * 4 + 4 * 3
    wrong = invoke("space", f"{NETS}:plain", "--vary", "width=[4, 6]", "--shape", "5")
    note = " ".join(wrong.stderr.split())
    assert note.count("No multiply-adds: it does not take inputs of 5. Name its") == 1
    refused = invoke("space", f"{NETS}:plain", "--set", "shape=[6]")
    assert refused.exit_code == 1
    assert "--set changes the task (shape): name it with --task." in " ".join(refused.stderr.split())


def test_options_of_an_argument_are_set_one_by_one():
    from archsieve.plans.changes import apply_changes

    parts = {"space": {"name": "own"}, "task": {}}
    apply_changes(parts, ["vary.width=[8, 16]", "space.vary.depth=[1, 2]", "version=2"], own="space")
    assert parts["space"] == {"name": "own", "vary": {"width": [8, 16], "depth": [1, 2]}, "version": 2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Convolution"], "has no 'Convolution'. Did you mean 'Convolutions'?"),
        (["coin"], "own_nets:coin draws at random"),
        (["breaks"], "makes no network with its defaults: ZeroDivisionError"),
        (["InForward", "--shape", "6"], "'scale' is made while the network computes"),
        (["Convolutions", "--shape", "3x8x8", "--task", "digits"], "--task digits and --shape both define the inputs"),
        (["plain", "--vary", "widht=[1, 2]"], "no argument 'widht' to vary. Did you mean 'width'?"),
        (["plain", "--vary", "width=3"], "'width' needs a list or mapping of options, but got 3"),
    ],
)
def test_what_goes_wrong_is_one_sentence(arguments, words):
    result = invoke("space", f"{NETS}:{arguments[0]}", *arguments[1:])
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_inputs_that_do_not_fit_leave_parameters_and_say_so():
    result = invoke("space", f"{NETS}:Convolutions", "--shape", "7", "--json")
    shown = json.loads(result.stdout)
    assert shown["least"]["macs"] is None
    assert shown["least"]["params"] > 0
    assert "does not take inputs of 7" in shown["note"]
