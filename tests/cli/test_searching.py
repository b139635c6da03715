"""The command line: what each command prints, its JSON, its exit codes, signals and pipes."""

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from archsieve._checksums import without_checksum_line
from archsieve.cli import app
from archsieve.errors import DataError
from archsieve.plans.read import load_plan
from archsieve.registry import BENCHMARKS, PROXIES, SPACES
from archsieve.spaces.sampling import draw_pool
from plugins.commands import ODD, PROGRAM, TINY, finish, invoke, rows, run, start, wait_for
from plugins.fixtures import restoring

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

MODEL = str(Path(__file__).parents[2] / "examples" / "my_model.py") + ":build"
OWN_NETS = str(Path(__file__).parents[1] / "plugins" / "own_nets.py")
CODES = ["00", "01", "02", "10", "11", "12", "20", "21", "22"]


def plan_file(folder, *stages, name="plan.toml", head=TINY):
    path = folder / name
    path.write_text(head + "".join(f"[[stage]]\n{stage}\n" for stage in stages))
    return path


@pytest.fixture
def plan(tmp_path):
    return plan_file(tmp_path, 'estimator = "params"\nkeep = 0.5', 'estimator = "l2_norm"\nkeep = 0')


def needs(name):
    """Skip where the file of a benchmark is not there."""
    if not BENCHMARKS[name].is_present():
        pytest.skip(f"{BENCHMARKS[name].source.file} is not there: see `archsieve data`")


# Commands


def test_list_names_everything():
    result = invoke("list")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = dict(line.split(": ") for line in result.stdout.splitlines())
    assert lines["spaces"].split(", ") == list(SPACES)
    assert lines["proxies"].split(", ") == list(PROXIES)
    assert "demo" in lines["plans"].split(", ")


def test_list_of_one_kind():
    assert invoke("list", "spaces").stdout == f"spaces: {', '.join(SPACES)}\n"


def test_plans_are_listed_with_what_they_are_known_to_find():
    lines = dict(line.split(": ", 1) for line in invoke("list", "plans").stdout.splitlines())
    assert "Found an optimum in 4 of 5 runs" in lines["b-nasbench201"]
    assert lines["c-nasbench201"].startswith("Pipeline C, NAS-Bench-201. Found no optimum in 5 runs")
    assert json.loads(invoke("list", "plans", "--json").stdout) == {"plans": list(lines)}


def test_score_prints_a_row_an_architecture():
    result = invoke("score", "nasbench-macro", "22212220", "00000000", "--proxy", "params", "--proxy", "macs")
    assert result.exit_code == 0
    assert result.stderr == "Task: cifar10, the default of nasbench-macro: 3 x 32 x 32 to 10 outputs.\n"
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header == ["architecture", "params", "macs"]
    assert [row[0] for row in rows] == ["22212220", "00000000"]


def test_score_is_by_network_and_keeps_what_was_written():
    result = invoke(
        "score", "nasbench-macro", "22212220", "22212202", "--proxy", "l2_norm", "--task", "digits", "--json"
    )
    one, twin = json.loads(result.stdout)
    assert (one["architecture"], twin["architecture"]) == ("22212220", "22212202")
    assert one["l2_norm"] == twin["l2_norm"] > 0


def test_score_reads_a_genotype_as_published():
    pairs = "('skip_connect', 1), ('sep_conv_3x3', 0), " * 4
    cells = f"normal=[{pairs}], normal_concat=range(2, 6), reduce=[{pairs}], reduce_concat=[2, 3, 4, 5]"
    options = ("--proxy", "nwot", "--proxy", "params", "--task", "synthetic", "--json")
    genotype, digits = (
        json.loads(invoke("score", "darts", code, *options).stdout)[0]
        for code in (f"Genotype({cells})", "-".join(["0-3-2"] * 8))
    )
    assert genotype == digits
    assert genotype["architecture"] == f"[{', '.join([str([(0, 3), (1, 2)] * 4)] * 2)}]"
    assert genotype["nwot"] > 0


def test_score_by_another_seed_is_another_score():
    seeds = [
        json.loads(invoke("score", "nasbench-macro", "0" * 8, "--proxy", "l2_norm", "--seed", s, "--json").stdout)
        for s in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1] != seeds[2]


def test_score_says_that_it_scores_on_noise(monkeypatch, tmp_path):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path))
    noisy = invoke("score", "nasbench-macro", "0" * 8, "--proxy", "grad_norm", "--seed", 9)  # no table has this seed
    assert noisy.exit_code == 0
    assert noisy.stderr == (
        "The images of cifar10 are missing (see `archsieve data`): scoring on noise of their shape.\n"
        "Task: cifar10, the default of nasbench-macro: 3 x 32 x 32 to 10 outputs, of noise.\n"
    )
    costs = invoke("score", "nasbench-macro", "0" * 8, "--proxy", "params").stderr
    assert costs == "Task: cifar10, the default of nasbench-macro: 3 x 32 x 32 to 10 outputs.\n"


def test_a_search_prints_its_stages_and_its_result(plan, tmp_path):
    result = invoke("search", plan, "--out", tmp_path / "run")
    assert result.exit_code == 0
    # 9 -> ceil(0.5 * 8) = 4 -> 1
    lines = result.stdout.splitlines()
    assert [line.split()[:4] for line in lines[:3]] == [
        ["label", "candidates", "kept", "failures"],
        ["params", "9", "4", "0"],
        ["l2_norm", "4", "1", "0"],
    ]
    assert lines[4] in {f"Best: {code}" for code in CODES}
    assert lines[-1].endswith(f" seconds. Run folder: {tmp_path / 'run'}")
    notes = [line.partition(" in ")[0] for line in result.stderr.splitlines()]
    assert notes == ["params: 9 -> 4", "l2_norm: 4 -> 1"]
    assert without_checksum_line((tmp_path / "run" / "plan.toml").read_text()) == plan.read_text()
    assert json.loads((tmp_path / "run" / "result.json").read_text())["best"] == lines[4].removeprefix("Best: ")


def test_a_search_goes_on_from_its_folder_by_the_plan_in_it(plan, tmp_path):
    first = json.loads(invoke("search", plan, "--out", tmp_path / "run", "--json").stdout)
    stored = rows(tmp_path / "run")
    again = json.loads(invoke("search", tmp_path / "run" / "plan.toml", "--out", tmp_path / "run", "--json").stdout)
    assert again["best"] == first["best"]
    assert rows(tmp_path / "run") == stored


def test_a_search_without_a_folder_makes_one_of_the_plans_name(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke("search", plan).exit_code == 0
    assert (tmp_path / "runs" / "plan" / "result.json").exists()


def test_a_final_estimator_is_told(tmp_path):
    head = 'final = { name = "partial_training", epochs = 1, horizon = 1, split = "test" }\n' + TINY
    plan = plan_file(tmp_path, 'estimator = "params"\nkeep = 0', head=head)
    result = invoke("search", plan, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert "Final accuracy in percent, by partial_training[1, test]: " in result.stdout


def test_a_dry_run_counts_and_makes_nothing(plan, tmp_path):
    result = invoke("search", plan, "--out", tmp_path / "run", "--dry-run", "--no-timing")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["stage", "candidates", "kept", "network-epochs"],
        ["params", "9", "4", "0.0"],
        ["l2_norm", "4", "1", "0.0"],
        [],
        ["Total:", "0", "network-epochs."],
    ]
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_it_cannot_know(tmp_path):
    stages = ('estimator = "params"\nabove = 1', 'estimator = "macs"\nkeep = 0.5')
    result = invoke("search", plan_file(tmp_path, *stages), "--dry-run", "--no-timing")
    assert [line.split() for line in result.stdout.splitlines()][1:] == [
        ["params", "9", "by", "score", "0.0"],
        ["macs", "at", "most", "9", "at", "most", "4", "at", "most", "0.0"],
        [],
        ["Total:", "at", "most", "0", "network-epochs."],
    ]


def test_a_dry_run_tells_hours_and_its_unit(tmp_path, monkeypatch):
    asked = []

    def hours(plan, **settings):
        asked.append(settings)
        return [12.5, None, 0.02]

    monkeypatch.setattr("archsieve.cli.searching.hours_of", hours)
    stages = 'estimator = { name = "nwot", batch_size = 9 }\nkeep = 0.5', 'estimator = "snip"\nabove = 1'
    head = 'final = { name = "partial_training", epochs = 2, horizon = 2, split = "test" }\n' + TINY
    result = invoke("search", plan_file(tmp_path, *stages, head=head), "--dry-run", "--workers", 3)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert asked == [{"device": "cpu", "workers": 3}]
    assert lines[0][-2:] == ["time,", "about"]
    assert (lines[1][-2:], lines[2][-1]) == (["12.5", "h"], "unknown")
    assert lines[3][-4:] == ["at", "most", "72", "s"]
    assert " ".join(lines[-1]) == (
        "Time on this device (cpu, workers: 3): at most about 12.5 h, plus 1 stage of unknown time."
    )
    assert " ".join(lines[-2]).startswith("One network-epoch: one network trained once on the ")


def test_a_dry_run_of_noise_invents_no_epochs(tmp_path):
    noise = TINY.replace('"digits"', '{ name = "synthetic", shape = [1, 8, 8], images = 60 }')
    plan = plan_file(tmp_path, 'estimator = "nwot"\ntop = 1', head=noise)
    told = invoke("search", plan, "--dry-run", "--no-timing")
    assert [line.split()[-1] for line in told.stdout.splitlines()[1:2]] == ["unknown"]
    assert "One network-epoch: unknown, since nothing is trained on this task and the plan does not say" in told.stdout
    rows = json.loads(invoke("search", plan, "--dry-run", "--no-timing", "--json").stdout)
    assert [(row["network_epochs"], row["hours"]) for row in rows] == [(None, None)]


def test_a_report_before_and_after_the_end(plan, tmp_path):
    invoke("search", plan, "--out", tmp_path / "run")
    finished = invoke("report", tmp_path / "run")
    assert (finished.exit_code, finished.stderr) == (0, "")
    assert "\nBest: " in finished.stdout
    (tmp_path / "run" / "result.json").unlink()
    going_on = invoke("report", tmp_path / "run")
    assert going_on.stdout.startswith("This search is not finished. Stored so far:\nestimator")
    invoke("report", tmp_path / "run", "--html", tmp_path / "page.html")
    assert "This search is not finished. The page shows what is stored so far." in (tmp_path / "page.html").read_text()
    csv = invoke("report", tmp_path / "run", "--csv").stdout.splitlines()
    assert csv[0] == "estimator,fingerprint,seed,architecture,score,error,task"
    assert len(csv) == 1 + 9 + 4


def test_a_report_has_ndcg_beside_mkr_for_each_stage(tmp_path):
    task = '{ name = "digits", test_images = 997, validation_fraction = 0.625 }'  # space and task of the benchmark
    sizes = "stem_width = 8\nwidths = [8, 16, 32]\nstages = [2, 2, 2]\nhead_width = 64\n"
    head = f'task = {task}\n[space]\nname = "nasbench-macro"\n{sizes}'
    plan = plan_file(tmp_path, 'estimator = "macs"\ntop = 9', 'estimator = "params"\ntop = 1', head=head)
    invoke("search", plan, "--out", tmp_path / "run")
    rankings = json.loads(invoke("report", tmp_path / "run", "--json").stdout)["rankings"]
    lines = invoke("report", tmp_path / "run").stdout.splitlines()
    start = lines.index("How well each stage ranked its candidates:") + 1
    assert lines[start].split() == ["stage", "by", "count", "tau", "ndcg", "mkr", "kept", "regret"]
    assert rankings
    for row, line in zip(rankings, lines[start + 1 :], strict=False):
        assert line.startswith(f"{row['number']}. {row['stage']} ")
        shown = [None if cell == "-" else float(cell) for cell in line.split()[-5:]]
        for cell, key in zip(shown, ("tau", "ndcg", "mkr", "kept", "regret"), strict=True):
            assert cell == (None if row[key] is None else pytest.approx(row[key], rel=1e-4))


def test_a_report_of_a_measurement_does_not_call_it_an_unfinished_search(tmp_path):
    measured = invoke("measure", "nasbench-macro", "--benchmark", "nasbench-macro-digits", "--out", tmp_path / "run")
    assert measured.exit_code == 0, measured.stderr
    told = invoke("report", tmp_path / "run").stdout
    assert told.startswith("This folder has scores, but no plan of a search: the command that made it shows figures of")
    invoke("report", tmp_path / "run", "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "no plan of a search" in page
    assert "not finished" not in page


def test_data_says_what_is_missing_and_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    result = invoke("data")
    assert result.exit_code == 0
    file = BENCHMARKS["nasbench-macro-cifar10"].source.file
    assert f"{file}: missing  (for nasbench-macro-cifar10; licence: Apache-2.0)" in result.stdout
    assert "    from https://github.com/xiusu/NAS-Bench-Macro" in result.stdout


def test_data_check_tells_a_changed_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    file = BENCHMARKS["nasbench-macro-cifar10"].source.file
    (tmp_path / file).write_text("{}")
    assert f"{file}: present" in invoke("data").stdout
    result = invoke("data", "--check")
    assert result.exit_code == 1
    assert f"{file}: differs" in result.stdout
    assert (
        result.stderr
        == "A file differs from the version that archsieve knows. See its state above, and download it again.\n"
    )


# JSON


def scores_file(folder):
    """A file of scores: one estimator is the truth itself, one its reverse."""
    rows = ["name,acc,good,bad", *(f"net{i},{i},{i / 2},{-i}" for i in range(12))]
    (folder / "scores.csv").write_text("\n".join(rows))
    return folder / "scores.csv"


DIGITS = """
[space]
name = "nasbench-macro"
stem_width = 8
widths = [8, 16, 32]
stages = [2, 2, 2]
head_width = 64
[task]
name = "digits"
test_images = 997
validation_fraction = 0.625
"""
FINAL = 'final = { name = "replay", epochs = 20 }\n'
CANDIDATES = ('"nwot"', '"swap"', '"jacov"', '{ name = "replay", epochs = 5 }')


def funnel(folder, candidates=CANDIDATES, head=FINAL + DIGITS, name="funnel.toml"):
    """A plan over the embedded benchmark that names estimators to design from; its own cuts keep all."""
    return plan_file(folder, *(f"estimator = {e}\nkeep = 1.0" for e in candidates), name=name, head=head)


STUDY = ["study", "mkr", "nasbench-macro", "--benchmark", "nasbench-macro-digits"]
STUDY += ["--proxy", "params", "--proxy", "macs", "--proxy", "chance"]


TRAIN = ["--task", "digits", "--epochs", "1", "--set", "task.train_fraction=0.1", "--set", "space.stem_width=4"]
TRAIN += ["--set", "space.widths=[4]", "--set", "space.stages=[2]", "--set", "space.head_width=8"]


SMALL = [
    "--task",
    "digits",
    *(w for s in ("stem_width=4", "widths=[4]", "stages=[1]", "head_width=4") for w in ("--set", s)),
]


def json_cases(folder):
    """Every command with --json."""
    plan = plan_file(folder, 'estimator = "params"\nkeep = 0.5')
    (folder / "told.toml").write_text(
        'space = "nasbench201"\ntask = "synthetic"\n[[stage]]\nestimator = { name = "told", what = "accuracy" }\n'
        'search = "random_search"\nbudget = 3\ntop = 1\n'
    )
    return {
        "list": ["list"],
        "score": ["score", "nasbench-macro", "0" * 8, "--proxy", "params"],
        "score-model": ["score-model", MODEL, "--shape", "3x8x8", "--proxy", "nwot"],
        "measure": ["measure", "nasbench201", "--benchmark", "nasbench201-analog", "--proxy", "params"],
        "judge": ["judge", scores_file(folder), "--truth", "acc"],
        "study": [*STUDY, "--seeds", "1", "--budget", "50", "--out", folder / "study"],
        "design": ["design", "nasbench-macro", "--estimators", funnel(folder), "--pilot-size", "20"],
        "search": ["search", plan, "--out", folder / "run"],
        "audit": ["audit", folder / "run", "--networks", "3"],
        "plan": ["plan", "nasbench-macro", *SMALL, "--budget", "20s", "--out", folder / "made.toml"],
        "ask": ["ask", folder / "told.toml", "--out", folder / "told"],
        "report": ["report", folder / "run"],
        "train": ["train", "nasbench-macro", "00", *TRAIN, "--out", folder / "training"],
        "data": ["data"],
        "space": ["space", f"{OWN_NETS}:Convolutions", "--task", "digits"],
        "export": ["export", folder / "run", "--to", folder / "home", "--format", "plain"],
        "verify": ["verify", "nasbench-macro-digits", "--fraction", "0.001"],
    }


def test_the_json_of_every_command_is_json(tmp_path):
    cases = json_cases(tmp_path)
    quiet = {"tell"}  # prints nothing
    assert set(cases) == {c.name or c.callback.__name__ for c in app.registered_commands} - quiet
    if not BENCHMARKS["nasbench201-analog"].is_present():
        del cases["measure"]
    for arguments in [*cases.values(), [*cases["search"], "--dry-run"]]:
        result = invoke(*arguments, "--json")
        assert (result.exit_code, result.exception) == (0, None), arguments
        assert json.loads(result.stdout, parse_constant=pytest.fail)


def test_a_failure_in_json_is_null(tmp_path):
    result = invoke("score", "nasbench-macro", "2" * 8, "--proxy", "gives_nan", "--plugin", ODD, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{"architecture": "22222222", "gives_nan": None}]
    assert result.stderr.splitlines()[1:] == ["gives_nan could not score 22222222: gives_nan returned nan"]


# Facts of the published tables


@pytest.mark.data
@pytest.mark.parametrize(
    ("options", "count", "expected"),
    [
        ((), 6561, {"macs": (0.5560, 0.0198), "params": (0.2176, 0.2588)}),
        (("--distinct",), 3969, {"macs": (0.5461, 0.0300), "params": (0.2155, 0.3401)}),
    ],
)
def test_costs_of_the_macro_space(options, count, expected):
    needs("nasbench-macro-cifar10")
    result = invoke("measure", "nasbench-macro", "--proxy", "macs", "--proxy", "params", *options, "--json")
    assert result.exit_code == 0
    found = {row["estimator"]: row for row in json.loads(result.stdout)}
    for name, (tau, mkr) in expected.items():
        assert (found[name]["tau"], found[name]["mkr"]) == (pytest.approx(tau, abs=5e-5), pytest.approx(mkr, abs=5e-5))
        assert (found[name]["count"], found[name]["truth"]) == (count, "mean_acc")


@pytest.mark.data
@pytest.mark.parametrize(
    ("truth", "tau", "mkr"), [("test_acc_200", 0.5943, 1 / 15625), ("val_acc_200", 0.6332, 5 / 15625)]
)
def test_twelve_epochs_of_a_cell(truth, tau, mkr):
    needs("nasbench201-cifar10")
    result = invoke("measure", "nasbench201", "--lookup", "val_acc_12", "--truth", truth, "--json")
    found, *baselines = json.loads(result.stdout)
    assert [row["estimator"] for row in baselines] == ["params", "macs", "chance"]
    assert (found["tau"], found["mkr"]) == (pytest.approx(tau, abs=5e-5), pytest.approx(mkr, abs=1e-9))
    assert (found["estimator"], found["count"], found["failures"]) == ("val_acc_12", 15625, 0)


@pytest.mark.data
def test_darts_is_measured_over_the_published_cells_alone():
    needs("nasbench301-published-proxies")
    chosen = ("--benchmark", "nasbench301-published-proxies")
    result = invoke(
        "measure", "darts", *chosen, "--proxy", "params", "--lookup", "synflow", "--lookup", "l2_norm", "--json"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    found = {row["estimator"]: row for row in json.loads(result.stdout)}
    assert {(row["count"], row["failures"]) for row in found.values()} == {(250, 0)}
    taus = {name: found[name]["tau"] for name in ("params", "l2_norm")}
    assert taus == {"params": pytest.approx(0.3571, abs=5e-5), "l2_norm": pytest.approx(0.3566, abs=5e-5)}
    assert abs(found["synflow"]["tau"]) < 0.2  # in the paper .079, over five samples


DARTS_PLAN = """
space = "darts"
task = "cifar10"
pool = {sample = 100}

[[stage]]
estimator = "params"
top = 30

[[stage]]
estimator = {name = "lookup", column = "standin_accuracy"}
top = 1
"""


@pytest.mark.data
def test_a_search_in_darts_is_told_by_the_stand_in(tmp_path):
    """All that is derived from the model is headed as that, wherever it is read."""
    plan, run = tmp_path / "darts.toml", tmp_path / "run"
    plan.write_text(DARTS_PLAN)
    result = invoke("search", plan, "--out", run)
    assert result.exit_code == 0, result.stderr
    said = re.search(
        r"standin_accuracy of nasbench301-standin: (.*) ± (.*), rank (.*) of 100 candidates", result.stdout
    )
    value, spread, rank = map(float, said.groups())
    assert 90 < value < 95
    assert 0 < spread < 1
    assert 1 <= rank <= 71
    caution = "Stand-in surrogate: no network was trained"
    assert caution in result.stdout
    assert caution in invoke("report", run).stdout
    assert caution in json.loads((run / "result.json").read_text())["truth"]["caution"]


def test_what_the_stand_in_is_measured_over_is_a_sample():
    result = invoke("measure", "darts", "--benchmark", "nasbench301-standin", "--task", "synthetic")
    assert result.exit_code == 0, result.stderr
    truth, caution = result.stdout.splitlines()[-2:]
    assert truth.startswith("Truth: standin_accuracy of nasbench301-standin, 1000 codes, ")
    assert caution.startswith("Stand-in surrogate: no network was trained")


def test_a_space_too_large_to_list_has_no_mkr_study(tmp_path):
    result = invoke(
        "study", "mkr", "darts", "--out", tmp_path, *(w for p in ("params", "macs", "chance") for w in ("--proxy", p))
    )
    assert result.exit_code == 1
    assert "The space darts has 1.08e+18 codes, too many to score them all: use a sample." in result.stderr


def test_costs_of_a_cell_by_the_packaged_table(monkeypatch):
    needs("nasbench201-analog")
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    result = invoke("measure", "nasbench201", "--truth", "baseline_accuracy", "--wide")
    assert (result.exit_code, result.stderr) == (0, "")
    header, params, macs, chance, footer = (line.split() for line in result.stdout.splitlines())
    assert chance[0] == "chance"
    for row in (params, macs):
        named = dict(zip(header, row, strict=True))
        assert float(named["tau"]) == pytest.approx(0.5676, abs=5e-5)
        assert float(named["mkr"]) == pytest.approx(0.00832, abs=5e-6)
    assert " ".join(footer) == "Truth: baseline_accuracy of nasbench201-analog, 15625 codes, 4 near-optimal."


# Signals, pipes and terminals: in processes of their own


SLOW = ('estimator = { name = "sleeps", batch_size = 4 }\nkeep = 0.1', 'estimator = "zen"\nkeep = 0')
SLOW_HEAD = TINY.replace("stages = [1, 1]", "stages = [2, 2]")  # 81 networks


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A slow search that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with restoring(folder):
        done = invoke("search", plan_file(folder, *SLOW, head=SLOW_HEAD), "--out", folder / "run", "--plugin", ODD)
    assert done.exit_code == 0, done.stderr
    return folder / "run"


@pytest.mark.usefixtures("quick_workers")
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_search_says_how_to_go_on_and_goes_on(tmp_path, whole, workers):
    plan, folder = plan_file(tmp_path, *SLOW, head=SLOW_HEAD), tmp_path / "a folder"
    search = start("search", plan, "--out", folder, "--plugin", ODD, "--workers", workers)
    wait_for(lambda: rows(folder) or search.poll() is not None)
    os.killpg(search.pid, signal.SIGINT)
    code, out, err = finish(search)
    before = rows(folder)
    assert (code, out) == (130, "")
    sentence = err.splitlines()[-1]
    assert sentence.startswith(f"Interrupted. Results so far are in {folder}. Resume with: archsieve search ")
    assert "Traceback" not in err
    assert 1 <= len(before) < 81
    again = shlex.split(sentence.partition("Resume with: archsieve ")[2])
    assert ("--workers" in again) == (workers == 2)
    done = invoke(*again)
    assert done.exit_code == 0, done.stderr
    assert set(before) <= set(rows(folder))
    csv = [invoke("report", f, "--csv").stdout for f in (folder, whole)]
    assert csv[0] == csv[1]
    results = [json.loads((f / "result.json").read_text()) for f in (folder, whole)]
    assert results[0]["best"] == results[1]["best"]


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["data"], ["report", "RUN", "--csv"]])
def test_a_reader_who_leaves_is_no_error_to_show(plan, tmp_path, arguments):
    invoke("search", plan, "--out", tmp_path / "run")
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [str(tmp_path / "run") if a == "RUN" else a for a in arguments]
    done = subprocess.run(
        [*PROGRAM, *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode != 0


def test_progress_without_a_terminal_is_plain_lines(plan, tmp_path):
    code, out, err = run("search", plan, "--out", tmp_path / "run")
    assert code == 0
    assert "\x1b" not in out + err
    assert "\r" not in out + err
    stages = [line.partition(" in ")[0] for line in err.splitlines() if "->" in line]
    assert stages == ["params: 9 -> 4", "l2_norm: 4 -> 1"]
    assert all(re.match(r"l2_norm: \d/4|params: \d -> |l2_norm: \d -> ", line) for line in err.splitlines())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_progress_on_a_terminal_leaves_the_results_whole(plan, tmp_path):
    driver, terminal = os.openpty()
    search = start("search", plan, "--out", tmp_path / "run", stderr=terminal, env=os.environ | {"TERM": "xterm"})
    os.close(terminal)
    shown = b""
    try:
        while block := os.read(driver, 65536):
            shown += block
    except OSError:  # the other end was closed
        pass
    code, out, _ = finish(search)
    os.close(driver)
    assert code == 0
    assert "Best: " in out
    assert "\x1b" not in out
    assert b"params: 9 -> 4" in shown


def test_the_installed_program_and_help():
    script = Path(PROGRAM[0]).with_name("archsieve")
    if not script.exists():
        pytest.skip("archsieve is not installed as a program here")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=True)
    for command in ("list", "score", "measure", "judge", "study", "design", "search", "report", "data"):
        assert command in done.stdout


def test_measuring_on_a_named_benchmark_takes_its_space_and_task(monkeypatch):
    """The embedded one has settings of its own; its proxies come from the shipped table."""
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    options = ("--benchmark", "nasbench-macro-digits", "--proxy", "nwot", "--lookup", "curve_20", "--json")
    nwot, curve, *_ = json.loads(invoke("measure", "nasbench-macro", *options).stdout)
    assert (nwot["benchmark"], nwot["truth"], nwot["count"]) == ("nasbench-macro-digits", "test_acc", 729)
    assert nwot["tau"] == pytest.approx(0.479, abs=0.001)
    assert curve["tau"] == pytest.approx(0.572, abs=0.001)
    assert curve["mkr"] == 14 / 729


# Designing a funnel on the embedded benchmark, whose scores and trainings are all in the package


@pytest.fixture
def packaged(monkeypatch):
    """Only what the package itself holds."""
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)


def designed(folder, *options, estimators=None, space="nasbench-macro"):
    return invoke("design", space, "--estimators", estimators or funnel(folder), *options)


def test_a_design_is_a_plan_that_a_search_runs(tmp_path, packaged):
    result = designed(tmp_path, "--pilot-size", "60", "--out", tmp_path / "plan.toml")
    assert (result.exit_code, result.exception) == (0, None)
    assert result.stderr == "The truth of the pilot is test_acc of nasbench-macro-digits.\n"
    assert result.stdout.endswith(
        f"\nPlan: {tmp_path / 'plan.toml'}. Run it: archsieve search {tmp_path / 'plan.toml'}\n"
    )
    assert "\nEstimated risk of losing the best network: 0." in result.stdout
    assert "; the pilot of 60 networks cost 1200 network-epochs more.\n" in result.stdout  # of 20 epochs each
    assert "is too small for the requested risk" not in result.stdout
    assert result.stdout.count("train all") == 1

    text = (tmp_path / "plan.toml").read_text()
    assert text.startswith("# Designed by archsieve from a pilot of 60 networks.\n# Estimated risk of losing the best ")
    plan, origin = load_plan(tmp_path / "plan.toml"), load_plan(funnel(tmp_path))
    for same in ("space", "task", "pool", "final", "seed"):
        assert getattr(plan, same) == getattr(origin, same)
    *cuts, training = plan.stages
    assert cuts  # else nothing was designed
    assert {cut.estimator for cut in cuts} <= {stage.estimator for stage in origin.stages}
    assert all(0 < cut.keep < 1 for cut in cuts)
    assert (training.estimator, training.top) == (origin.final, 1)

    found = json.loads(invoke("search", tmp_path / "plan.toml", "--out", tmp_path / "run", "--json").stdout)
    assert (found["stages"][0]["candidates"], found["stages"][-1]["kept"]) == (729, 1)
    assert result.stdout.startswith(invoke("search", tmp_path / "plan.toml", "--dry-run", "--no-timing").stdout)


def test_a_design_changes_settings_of_the_plan(tmp_path, packaged):
    wrong = designed(tmp_path, "--pilot-size", "60", "--set", "stem_widht=4")
    assert wrong.exit_code == 1
    assert "has no key 'stem_widht'. Did you mean 'stem_width'?" in wrong.stderr
    other = designed(tmp_path, "--pilot-size", "60", "--set", "pool=all")
    assert other.exit_code == 1
    assert "pool" in other.stderr


def test_a_study_changes_settings_of_the_space(tmp_path, packaged):
    wrong = invoke("study", "mkr", "nasbench-macro", "--out", tmp_path / "study", "--set", "stem_widht=4")
    assert wrong.exit_code == 1
    assert "has no key 'stem_widht'. Did you mean 'stem_width'?" in wrong.stderr


def test_the_json_of_a_design_says_what_other_budgets_would_buy(tmp_path, packaged):
    told = json.loads(designed(tmp_path, "--pilot-size", "60", "--delta", "0.2", "--json").stdout)
    assert list(told) == [
        "chosen",
        "stages",
        "delta",
        "is_met",
        "pilot",
        "pilot_network_epochs",
        "exhaustive_network_epochs",
        "choices",
        "epoch_seconds",
        "another_hour",
        "pictures",
        "without_promise",
    ]
    assert (told["epoch_seconds"], told["another_hour"]) == (None, None)
    assert (told["delta"], told["is_met"], told["pilot"]) == (0.2, True, 60)
    assert (told["pilot_network_epochs"], told["exhaustive_network_epochs"]) == (60 * 20, 729 * 20)
    assert set(told["chosen"]) == {"estimators", "keep", "network_epochs", "risk", "interval"}
    assert told["chosen"] in told["choices"]
    assert told["chosen"]["risk"] <= 0.2
    assert told["chosen"]["interval"][0] < told["chosen"]["risk"] < told["chosen"]["interval"][1]
    costs, risks = ([choice[key] for choice in told["choices"]] for key in ("network_epochs", "risk"))
    assert costs == sorted(set(costs))
    assert risks == sorted(set(risks), reverse=True)
    assert told["choices"][-1] == {
        "estimators": [],
        "keep": [],
        "network_epochs": 14580,
        "risk": 0,
        "interval": [0, 0],
    }
    assert [stage["label"] for stage in told["stages"]] == [*told["chosen"]["estimators"], "training", "final"]
    spent = sum(stage["network_epochs"] for stage in told["stages"])
    assert spent == pytest.approx(told["chosen"]["network_epochs"])  # these estimators share nothing


def test_a_design_by_a_budget_says_that_it_does_not_reach(tmp_path, packaged):
    result = designed(tmp_path, "--pilot-size", "60", "--delta", "0.01", "--budget", "9000")
    assert result.exit_code == 0
    assert "\nThe budget is too small for the requested risk; this is the lowest risk that it buys.\n" in result.stdout
    told = json.loads(designed(tmp_path, "--pilot-size", "60", "--delta", "0.01", "--budget", "9000", "--json").stdout)
    assert told["is_met"] is False
    within = [choice for choice in told["choices"] if choice["network_epochs"] <= 9000]
    assert told["chosen"] == within[-1]
    assert len(told["choices"]) > len(within) > 0


def test_a_budget_may_be_in_hours(tmp_path, packaged):
    options = ("--pilot-size", "60", "--delta", "0.01", "--json")
    in_epochs = json.loads(designed(tmp_path, *options, "--budget", "9000").stdout)
    in_hours = json.loads(designed(tmp_path, *options, "--budget", "18h", "--epoch-seconds", "7.2").stdout)
    assert in_hours["chosen"] == in_epochs["chosen"]
    assert in_hours["epoch_seconds"] == 7.2

    # an hour is 500 epochs, or with a hundred times faster ones 50,000: enough for all that is offered
    costs = [(c["network_epochs"], c["risk"]) for c in in_hours["choices"]]
    spent, risk = (in_hours["chosen"][key] for key in ("network_epochs", "risk"))
    within = [c for c in costs if spent < c[0] <= spent + 500 and c[1] < risk]
    assert (in_hours["another_hour"] is None) == (not within)
    fast = json.loads(designed(tmp_path, *options, "--budget", "9000", "--epoch-seconds", "0.072").stdout)
    assert fast["another_hour"] == fast["choices"][-1] != fast["chosen"]

    told = designed(tmp_path, *options[:-1], "--budget", "9000", "--epoch-seconds", "0.072").stdout
    assert "\nOne more hour lowers the risk to 0.000: train all, 0.292 hours.\n" in told  # 14,580 epochs
    assert "hours" not in designed(tmp_path, *options[:-1]).stdout


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("3h", "Error: A budget of 3h needs the seconds of one network-epoch: pass --epoch-seconds, or"),
        ("soon", "Error: A budget must be a number of network-epochs or of hours (e.g. 3h), but got 'soon'."),
        ("-1", "Error: `budget > 0` must hold, but got -1.0."),
    ],
)
def test_a_budget_that_says_nothing_is_refused(tmp_path, packaged, budget, said):
    result = designed(tmp_path, "--pilot-size", "60", "--budget", budget)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    ("size", "options", "said"),
    [
        (9, (), "Error: A pilot needs at least 10 networks with a truth, but has 9.\n"),
        (12, ("--delta", "1"), "Error: `0 < delta < 1` must hold, but got 1.0.\n"),
        (12, ("--budget", "soon"), "Error: A budget must be a number of network-epochs or of hours (e.g. 3h), but got"),
        (12, ("--budget", "-2h"), "Error: `budget > 0` must hold, but got -2.0.\n"),
    ],
)
def test_what_cannot_be_is_said_before_a_pilot_is_trained(tmp_path, packaged, size, options, said):
    plan = funnel(tmp_path, ['"params"', '"macs"'], 'final = "nwot"\n' + SLOW_HEAD)
    result = designed(tmp_path, "--pilot-size", size, *options, estimators=plan)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(said)


def test_a_plan_that_cannot_be_written_is_a_sentence_below_what_was_designed(tmp_path, packaged):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "plan.toml"
    result = designed(tmp_path, "--pilot-size", "60", "--out", path)
    assert result.exit_code == 1
    assert "\nWhat a budget buys:\n" in result.stdout
    assert "Plan:" not in result.stdout
    assert result.stderr.splitlines()[-1].startswith(f"Error: Cannot write to {path}: ")
    assert "traceback" not in result.stderr


def test_epoch_seconds_must_be_positive(tmp_path, packaged):
    result = designed(tmp_path, "--pilot-size", "60", "--epoch-seconds", "0")
    assert result.exit_code == 1
    assert "Error: `epoch_seconds > 0` must hold, but got 0.0." in result.stderr


def test_a_pilot_from_a_file_is_as_good_as_one_that_is_drawn(tmp_path, packaged):
    table = BENCHMARKS["nasbench-macro-digits"].load()
    space = BENCHMARKS["nasbench-macro-digits"].space
    archs = draw_pool(space, 0, 60)
    lines = [f"{space.describe(a)},{t!r}" for a, t in zip(archs, table.lookup("test_acc", archs).tolist(), strict=True)]
    file = tmp_path / "pilot.csv"
    file.write_text("\n".join(["architecture,accuracy", *sorted(lines), "222222,", ""]))
    drawn = designed(tmp_path, "--pilot-size", "60", "--json")
    given = designed(tmp_path, "--pilot", file, "--json")
    assert (given.exit_code, given.stderr) == (0, "")
    assert given.stdout == drawn.stdout


def test_a_design_chooses_also_from_proxies_that_are_named(tmp_path, packaged):
    few = funnel(tmp_path, ['"chance"'])
    alone = json.loads(designed(tmp_path, "--pilot-size", "60", "--json", estimators=few).stdout)
    assert set(alone["chosen"]["estimators"]) <= {"chance"}  # a few may be left out at random
    assert alone["chosen"]["network_epochs"] > 0.9 * 14580
    named = ("--proxy", "nwot", "--proxy", "swap", "--proxy", "chance")
    more = json.loads(designed(tmp_path, "--pilot-size", "60", *named, "--json", estimators=few).stdout)
    assert set(more["chosen"]["estimators"]) & {"nwot", "swap"}
    assert len(set(more["chosen"]["estimators"])) == len(more["chosen"]["estimators"])
    assert more["chosen"]["network_epochs"] < 0.9 * 14580


def test_the_truth_of_a_pilot_is_the_column_named(tmp_path, packaged):
    """Where the fifth epoch is the truth, its replay knows all, and takes the place of the proxies."""
    told = {}
    for column in ("test_acc", "curve_5"):
        result = designed(tmp_path, "--pilot-size", "60", "--truth", column, "--run", tmp_path / "run", "--json")
        assert (result.exit_code, result.stderr) == (
            0,
            f"The truth of the pilot is {column} of nasbench-macro-digits.\n",
        )
        told[column] = json.loads(result.stdout)["chosen"]
    assert told["curve_5"]["estimators"][-1] == "replay[5]"
    assert told["curve_5"]["network_epochs"] < told["test_acc"]["network_epochs"]
    assert len(rows(tmp_path / "run")) == 60 * len(CANDIDATES)  # the scores are kept, once


def test_without_a_benchmark_the_pilot_is_trained(tmp_path, packaged):
    head = 'final = "nwot"\n' + SLOW_HEAD
    result = designed(tmp_path, "--pilot-size", "12", estimators=funnel(tmp_path, ['"params"', '"macs"'], head))
    assert (result.exit_code, result.exception) == (0, None)
    said = "No benchmark for this space and task is present: nwot scores 12 networks.\n"
    assert result.stderr == said
    assert "the pilot of 12 networks cost " in result.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "A design needs a pilot: either --pilot FILE or --pilot-size N."),
        (
            ("--pilot", "pilot.csv", "--pilot-size", "60"),
            "A design needs a pilot: either --pilot FILE or --pilot-size N.",
        ),
        (("--pilot", "nowhere.csv"), "There is no file 'nowhere.csv'."),
        (("--pilot-size", "60", "--budget", "1"), "The budget of 1 is too small: the cheapest funnel costs "),
        (("--pilot-size", "60", "--budget", "-1"), "`budget > 0` must hold, but got -1.0."),
        (("--pilot-size", "60", "--delta", "1"), "`0 < delta < 1` must hold, but got 1.0."),
        (("--pilot-size", "9"), "A pilot needs at least 10 networks with a truth, but has 9."),
        (("--pilot-size", "730"), "`1 <= sample <= 729` must hold in nasbench-macro, but got 730."),
        (("--pilot-size", "0"), "A pilot needs at least 10 networks with a truth, but has 0."),
        (("--pilot-size", "60", "--truth", "test_ac"), "has a column 'test_ac'. Did you mean 'test_acc'?"),
        (("--pilot-size", "60", "--benchmark", "nasbench201-analog"), "does not cover the space nasbench-macro with"),
        (("--pilot-size", "60", "--proxy", "nwto"), "There is no estimator or proxy 'nwto'. Did you mean 'nwot'?"),
    ],
)
def test_a_design_that_cannot_be_made_is_one_sentence(tmp_path, packaged, options, sentence):
    refused(designed(tmp_path, *options, "--out", tmp_path / "plan.toml"), sentence)
    assert not (tmp_path / "plan.toml").exists()


def refused(result, sentence):
    assert (result.exit_code, result.stdout) == (1, "")
    note, line = result.stderr.splitlines()[:-1], result.stderr.splitlines()[-1]
    assert note in ([], ["The truth of the pilot is test_acc of nasbench-macro-digits."])
    assert line.startswith("Error: ")
    assert sentence in line
    assert "raceback" not in result.stderr


@pytest.mark.parametrize(
    ("space", "head", "sentence"),
    [
        ("nasbench201", FINAL + DIGITS, "is about the space nasbench-macro: a design for nasbench201 needs another."),
        ("nasbench-macro", DIGITS, "has no final training: a design for nasbench-macro needs another."),
    ],
)
def test_a_design_needs_a_plan_of_its_space_with_a_final_training(tmp_path, packaged, space, head, sentence):
    path = funnel(tmp_path, head=head)
    refused(designed(tmp_path, "--pilot-size", "60", estimators=path, space=space), f"The plan {path} {sentence}")


def test_a_design_by_a_plan_that_is_not_there(tmp_path, packaged):
    refused(designed(tmp_path, "--pilot-size", "60", estimators="dmeo"), "Did you mean 'demo'?")


def test_a_design_whose_final_training_is_free(tmp_path, packaged):
    path = funnel(tmp_path, head='final = { name = "lookup", column = "curve_20" }\n' + DIGITS)
    result = designed(tmp_path, "--pilot-size", "60", estimators=path)
    assert result.exit_code == 0, result.stderr


def test_the_truth_of_a_pilot_is_that_of_the_task(tmp_path, packaged, publish):
    """As that of a search is: a benchmark of the space that is about another task is passed over."""
    space = load_plan(plan_file(tmp_path, 'estimator = "params"\nkeep = 0.5', head=SLOW_HEAD)).space
    numbers = np.arange(81.0)
    publish(space, {"accuracy": numbers}, task="cifar10", name="of another task")
    publish(space, {"accuracy": numbers}, task="digits", name="of this task")
    path = funnel(tmp_path, ['"params"'], 'final = "nwot"\n' + SLOW_HEAD)
    result = designed(tmp_path, "--pilot-size", "12", estimators=path)
    assert result.stderr == "The truth of the pilot is accuracy of of this task.\n"


class Damaged:
    """A benchmark of a space and of digits, whose file is here and cannot be read."""

    source, truth, columns, task, name = None, "accuracy", ("accuracy",), "digits", "damaged"

    def __init__(self, space):
        self.space = space

    def is_present(self):
        return True

    def load(self):
        raise DataError("The file /data/table.json is damaged, or is not JSON: it ends.")


@pytest.mark.parametrize("others", [False, True])
def test_a_damaged_benchmark_is_an_error_and_no_reason_to_train(tmp_path, packaged, publish, others):
    space = load_plan(plan_file(tmp_path, 'estimator = "params"\nkeep = 0.5', head=SLOW_HEAD)).space
    BENCHMARKS.add("damaged", Damaged(space))
    if others:
        publish(space, {"accuracy": np.arange(81.0)}, task="digits", name="sound")
    path = funnel(tmp_path, ['"params"'], 'final = "nwot"\n' + SLOW_HEAD)
    for named in ((), ("--benchmark", "damaged")):
        result = designed(tmp_path, "--pilot-size", "12", *named, estimators=path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: The file /data/table.json is damaged, or is not JSON: it ends.\n"


def test_a_damaged_benchmark_is_named_by_whatever_needs_it(tmp_path, packaged, restored, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    (tmp_path / "nas-bench-macro_cifar10.json").write_text('{"0')
    for command in (
        ["measure", "nasbench-macro"],
        ["measure", "nasbench-macro", "--lookup", "test_acc"],
        ["study", "mkr", "nasbench-macro", "--out", tmp_path / "study", *STUDY[5:]],
        ["design", "nasbench-macro", "--estimators", "b-nasbench-macro", "--pilot-size", "12"],
    ):
        result = invoke(*command)
        assert (result.exit_code, result.stdout) == (1, ""), command
        assert "nas-bench-macro_cifar10.json is damaged, or is not JSON" in result.stderr.splitlines()[-1], command


def test_a_design_on_the_shape_of_pipeline_b_scores_teacher_and_learner_at_once(tmp_path, packaged):
    vote = '{ name = "vote", quantile = 0.5, parts = ["params", "chance"], calibration = 30 }'
    learner = f'{{ name = "predictor", samples = 30, above = 1, teacher = {vote} }}'
    for stages in ([learner, vote, '"chance"'], [vote, learner, '"chance"']):
        run = tmp_path / str(len(list(tmp_path.iterdir())))
        path = funnel(tmp_path, stages)
        result = designed(tmp_path, "--pilot-size", "60", "--run", run, estimators=path)
        assert (result.exit_code, result.exception) == (0, None), result.stderr
        stored = [(row[5], row[4]) for row in rows(run)]
        assert len(stored) == len(set(stored)) == 3 * 60


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_design_takes_estimators_with_options_that_are_lists(tmp_path, packaged):
    learner = '{ name = "predictor", samples = 30, teacher = "params", model = "MLPRegressor", options = { '
    learner += "hidden_layer_sizes = [4, 3], max_iter = 20 } }"
    result = designed(
        tmp_path, "--pilot-size", "60", "--out", tmp_path / "plan.toml", estimators=funnel(tmp_path, [learner] * 2)
    )
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    assert load_plan(tmp_path / "plan.toml").stages


def test_what_a_measure_could_not_score_is_said(packaged, restored):
    options = ["--benchmark", "nasbench-macro-digits", "--proxy", "some", "--task", "digits", "--plugin", ODD_PARTS]
    result = invoke("measure", "nasbench-macro", *options)
    assert result.exit_code == 0, result.stderr
    assert "some gave no complete score for 81 codes; 000000: ZeroDivisionError: odd" in result.stderr
    failing = invoke("measure", "nasbench-macro", *options, "--proxy", "none")
    assert failing.exit_code == 1
    assert failing.stdout.startswith("estimator")
    assert failing.stderr.splitlines()[-1].startswith(
        "Error: None of 729 codes could be scored by none (000000: ZeroDivisionError: none). The traceback is in "
    )


ODD_PARTS = str(Path(__file__).parents[1] / "plugins" / "odd_estimators.py")


def test_a_network_of_the_pilot_whose_training_failed_is_left_out(tmp_path, packaged):
    path = funnel(tmp_path, ['"params"', '"macs"'], 'final = "raises"\n' + SLOW_HEAD)
    options = ("--pilot-size", "40", "--epoch-seconds", "1", "--plugin", ODD)
    result = designed(tmp_path, *options, estimators=path)
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    left_out = re.search(r"Excluded from the pilot because they have no truth: (\d+) networks\.", result.stderr)
    assert f"the pilot of {40 - int(left_out[1])} networks cost " in result.stdout
