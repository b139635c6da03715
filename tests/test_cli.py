"""The command line: what each command prints, its JSON, its exit codes, signals and pipes."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from archsieve.cli import app
from archsieve.registry import BENCHMARKS, PROXIES, SPACES
from plugins.commands import ODD, PROGRAM, TINY, finish, invoke, run, start, wait_for

pytest_plugins = ["plugins.fixtures"]
pytestmark = pytest.mark.usefixtures("restored")

MODEL = str(Path(__file__).parents[1] / "examples" / "my_model.py") + ":build"
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


def test_score_prints_a_row_an_architecture():
    result = invoke("score", "nasbench-macro", "22212220", "00000000", "--proxy", "params", "--proxy", "macs")
    assert (result.exit_code, result.stderr) == (0, "")
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
    assert (
        noisy.stderr == "The images of cifar10 are not here (see `archsieve data`): scoring on noise of their shape.\n"
    )
    assert invoke("score", "nasbench-macro", "0" * 8, "--proxy", "params").stderr == ""


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
    assert (tmp_path / "run" / "plan.toml").read_text() == plan.read_text()
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
    result = invoke("search", plan, "--out", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["stage", "candidates", "kept", "network-epochs"],
        ["params", "9", "4", "0.0"],
        ["l2_norm", "4", "1", "0.0"],
        [],
        ["In", "all", "0", "network-epochs."],
    ]
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_it_cannot_know(tmp_path):
    stages = ('estimator = "params"\nabove = 1', 'estimator = "macs"\nkeep = 0.5')
    result = invoke("search", plan_file(tmp_path, *stages), "--dry-run")
    assert [line.split() for line in result.stdout.splitlines()][1:] == [
        ["params", "9", "by", "score", "0.0"],
        ["macs", "at", "most", "9", "at", "most", "4", "at", "most", "0.0"],
        [],
        ["In", "all", "at", "most", "0", "network-epochs."],
    ]


def test_a_report_before_and_after_the_end(plan, tmp_path):
    invoke("search", plan, "--out", tmp_path / "run")
    finished = invoke("report", tmp_path / "run")
    assert (finished.exit_code, finished.stderr) == (0, "")
    assert "\nBest: " in finished.stdout
    (tmp_path / "run" / "result.json").unlink()
    going_on = invoke("report", tmp_path / "run")
    assert going_on.stdout.startswith("This run is not finished. Stored so far:\nestimator")
    csv = invoke("report", tmp_path / "run", "--csv").stdout.splitlines()
    assert csv[0] == "estimator,fingerprint,seed,architecture,score,error"
    assert len(csv) == 1 + 9 + 4


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
        result.stderr == "A file differs from the version archsieve knows: see the state above, and fetch it again.\n"
    )


# JSON


def scores_file(folder):
    """A file of scores: one estimator is the truth itself, one its reverse."""
    rows = ["name,acc,good,bad", *(f"net{i},{i},{i / 2},{-i}" for i in range(12))]
    (folder / "scores.csv").write_text("\n".join(rows))
    return folder / "scores.csv"


STUDY = ["study", "mkr", "nasbench-macro", "--benchmark", "nasbench-macro-digits"]
STUDY += ["--proxy", "params", "--proxy", "macs", "--proxy", "chance"]


def json_cases(folder):
    """Every command with --json."""
    plan = plan_file(folder, 'estimator = "params"\nkeep = 0.5')
    return {
        "list": ["list"],
        "score": ["score", "nasbench-macro", "0" * 8, "--proxy", "params"],
        "score-model": ["score-model", MODEL, "--shape", "3x8x8", "--proxy", "nwot"],
        "measure": ["measure", "nasbench201", "--benchmark", "nasbench201-analog", "--proxy", "params"],
        "judge": ["judge", scores_file(folder), "--truth", "acc"],
        "study": [*STUDY, "--seeds", "1", "--budget", "50", "--out", folder / "study"],
        "search": ["search", plan, "--out", folder / "run"],
        "report": ["report", folder / "run"],
        "data": ["data"],
    }


def test_the_json_of_every_command_is_json(tmp_path):
    cases = json_cases(tmp_path)
    assert set(cases) == {c.name or c.callback.__name__ for c in app.registered_commands}
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
    assert result.stderr == "gives_nan could not score 22222222: gives_nan returned nan\n"


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


def test_costs_of_a_cell_by_the_packaged_table(monkeypatch):
    needs("nasbench201-analog")
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    result = invoke("measure", "nasbench201", "--truth", "baseline_accuracy")
    assert (result.exit_code, result.stderr) == (0, "")
    header, params, macs, chance, footer = (line.split() for line in result.stdout.splitlines())
    assert chance[0] == "chance"
    for row in (params, macs):
        named = dict(zip(header, row, strict=True))
        assert float(named["tau"]) == pytest.approx(0.5676, abs=5e-5)
        assert float(named["mkr"]) == pytest.approx(0.00832, abs=5e-6)
    assert " ".join(footer) == "Truth: baseline_accuracy of nasbench201-analog, 15625 codes, 4 near the best."


# Signals, pipes and terminals: in processes of their own


def rows(folder):
    """Everything stored, or nothing while there is no file."""
    path = folder / "results.sqlite"
    if not path.exists():
        return []
    db = sqlite3.connect(path, timeout=30)
    try:
        return db.execute("SELECT * FROM results ORDER BY estimator, architecture").fetchall()
    finally:
        db.close()


SLOW = ('estimator = { name = "sleeps", batch_size = 4 }\nkeep = 0.1', 'estimator = "zen"\nkeep = 0')
SLOW_HEAD = TINY.replace("stages = [1, 1]", "stages = [2, 2]")  # 81 networks


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A slow search that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    code, _, err = run("search", plan_file(folder, *SLOW, head=SLOW_HEAD), "--out", folder / "run", "--plugin", ODD)
    assert code == 0, err
    return folder / "run"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_search_says_how_to_go_on_and_goes_on(tmp_path, whole, workers):
    plan, folder = plan_file(tmp_path, *SLOW, head=SLOW_HEAD), tmp_path / "a folder"
    search = start("search", plan, "--out", folder, "--plugin", ODD, "--workers", workers)
    wait_for(lambda: rows(folder) or search.poll() is not None)
    os.killpg(search.pid, signal.SIGINT)
    code, out, err = finish(search)
    before = rows(folder)
    assert (code, out) == (130, "")
    sentence = err.splitlines()[-1]
    assert sentence.startswith(f"Interrupted. What was computed is kept in {folder}; go on with: archsieve search ")
    assert "Traceback" not in err
    assert 1 <= len(before) < 81
    again = shlex.split(sentence.partition("go on with: archsieve ")[2])
    assert ("--workers" in again) == (workers == 2)
    code, out, err = run(*again)
    assert code == 0, err
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
    assert [line.partition(" in ")[0] for line in err.splitlines()] == ["params: 9 -> 4", "l2_norm: 4 -> 1"]


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
    for command in ("list", "score", "measure", "judge", "study", "search", "report", "data"):
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
