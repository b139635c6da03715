"""`ask` and `tell`: a search as a conversation with its folder, killed and gone on with at any point."""

import itertools
import json
import os
import shlex
import signal
import sqlite3
import subprocess

import numpy as np
import pytest

from archsieve.runs.store import Store
from plugins.commands import ONE_THREAD, PROGRAM, invoke

HEAD = 'space = "nasbench201"\ntask = "synthetic"\nseed = 4\n'
SEARCH = 'search = { name = "regularized_evolution", population = 5, tournament = 2 }\nbudget = 12\n'
TOLD = HEAD + '[[stage]]\nestimator = { name = "told", what = "accuracy" }\ntop = 1\n' + SEARCH
BY_PARAMS = HEAD + '[[stage]]\nestimator = "params"\ntop = 1\n' + SEARCH


def params(digits):
    """A script elsewhere: here it counts."""
    from archsieve.plans.parts import make
    from archsieve.spaces.sizes import size_of

    space = make("space", "nasbench201")
    return size_of(space, space.parse(digits), make("task", "synthetic"), "params")


@pytest.fixture
def begin(tmp_path):
    """Write a plan and begin with it; returns the folder and what is asked for."""

    def begin(text=TOLD, at_most=99):
        plan = tmp_path / "own.toml"
        plan.write_text(text)
        answer = invoke("ask", plan, "--out", tmp_path / "run", "-n", at_most)
        assert answer.exit_code == 0, answer.stderr
        return tmp_path / "run", answer.stdout.split()

    return begin


def asks(folder):
    db = sqlite3.connect(folder / "results.sqlite")
    try:
        return [arch for (arch,) in db.execute("SELECT architecture FROM asks ORDER BY place")]
    finally:
        db.close()


def test_it_gives_the_result_of_a_search(begin, tmp_path):
    folder, asked = begin()
    assert len(asked) == 5
    count = 0
    while asked:
        for digits in asked[::-1]:  # in any order
            assert invoke("tell", folder, digits, params(digits)).exit_code == 0
            count += 1
        answer = invoke("ask", folder, "-n", 4)
        asked = answer.stdout.split()
        assert answer.exit_code == 0, answer.stderr
    assert count == 12
    assert "The search is finished. Best: " in answer.stderr
    plan = tmp_path / "params.toml"
    plan.write_text(BY_PARAMS)
    assert invoke("search", plan, "--out", tmp_path / "whole").exit_code == 0
    told, searched = (json.loads((f / "result.json").read_text()) for f in (folder, tmp_path / "whole"))
    assert (told["code"], told["best_score"]) == (searched["code"], searched["best_score"])
    assert asks(folder) == asks(tmp_path / "whole")
    assert invoke("report", folder).exit_code == 0
    again = invoke("ask", folder, "--json")
    assert json.loads(again.stdout) == {"asked": [], "waiting": 0, "finished": True}


def test_asked_again_it_gives_the_same_and_says_its_pace(begin):
    folder, asked = begin(at_most=2)
    assert len(asked) == 2
    more = invoke("ask", folder, "-n", 4)
    assert more.stdout.split()[:2] == asked
    assert "Waiting for 5 scores of 'accuracy': archsieve tell" in more.stderr
    everything = json.loads(invoke("ask", folder, "-n", 9, "--json").stdout)
    assert (everything["waiting"], everything["finished"], len(everything["asked"])) == (5, False, 5)
    for digits in everything["asked"]:
        invoke("tell", folder, digits, "--", -2.5)
    one = invoke("ask", folder, "-n", 4)
    assert len(one.stdout.split()) == 1
    assert "Only 1 can be scored in parallel now. regularized_evolution asks for 1 at a time" in one.stderr
    assert "after its first 5 (setting `batch`)" in one.stderr


def test_a_score_may_be_negative_and_a_failure_has_a_reason(begin):
    folder, asked = begin()
    assert invoke("tell", folder, asked[0], "-1.5").exit_code == 0
    assert invoke("tell", folder, asked[1], "--failed", "out of memory").exit_code == 0
    store = Store(folder / "results.sqlite")
    rows = {"".join(map(str, row.arch)): (row.score, row.error) for row in store.rows()}
    store.close()
    assert rows[asked[0]] == (-1.5, None)
    assert rows[asked[1]][1] == "out of memory"
    assert invoke("tell", folder, asked[0], "-1.5").exit_code == 0  # told twice, as after a kill
    assert invoke("tell", folder, asked[1], "--failed", "again").exit_code == 0
    for wrong, message in (
        (3, "already has a stored result: -1.5"),
        ("nan", "must be a finite number"),
        ("inf", "finite number"),
    ):
        answer = invoke("tell", folder, asked[0], wrong)
        assert (answer.exit_code, message in answer.stderr) == (1, True), answer.stderr


def test_what_cannot_be_told_is_refused_in_a_sentence(begin, tmp_path):
    folder, asked = begin()
    other = next(d for d in ("000000", "111111", "222222", "333333", "444444", "012340") if d not in asked)
    for arguments, message in (
        ((folder, other, 3), "was not requested. Asked for: "),
        ((folder, asked[0]), "Pass either a score, or --failed with the reason"),
        ((folder, asked[0], 3, "--failed", "x"), "Pass either a score"),
        ((folder, "99", 3), "is not an architecture of nasbench201"),
        ((tmp_path / "nowhere", asked[0], 3), "begin a search with `archsieve ask PLAN --out"),
    ):
        answer = invoke("tell", *arguments)
        assert (answer.exit_code, message in answer.stderr) == (1, True), (answer.stderr, answer.stdout)
        assert "Traceback" not in answer.stderr
    plan = tmp_path / "params.toml"
    plan.write_text(BY_PARAMS)
    answer = invoke("ask", plan, "--out", tmp_path / "other")
    assert (answer.exit_code, "No stage of this plan has the estimator `told`" in answer.stderr) == (1, True)
    answer = invoke("search", tmp_path / "own.toml", "--out", folder)
    assert (answer.exit_code, "'accuracy' are entered by hand, and 5 are missing" in answer.stderr) == (1, True)


def test_a_cheap_stage_goes_first_and_all_that_is_left_may_be_told(begin):
    text = HEAD + 'pool = { sample = 30 }\n[[stage]]\nestimator = "params"\ntop = 3\n' + (
        '[[stage]]\nestimator = "told"\ntop = 1\n'
    )  # fmt: skip
    folder, asked = begin(text)
    assert len(asked) == 3
    for score, digits in enumerate(asked):
        invoke("tell", folder, digits, score)
    answer = invoke("ask", folder)
    assert f"Best: {asked[-1]}" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.slow
def test_a_shell_loop_that_is_killed_again_and_again_gives_the_result_of_a_search(begin, tmp_path):
    few = ("budget = 12", "budget = 7")
    folder, _ = begin(TOLD.replace(*few))
    codes = ["".join(map(str, code)) for code in itertools.product(range(5), repeat=6)]
    (tmp_path / "scores.txt").write_text("".join(f"{code} {params(code)}\n" for code in codes))
    loop, command = tmp_path / "loop.sh", shlex.join(PROGRAM)
    loop.write_text(
        f'while arch=$({command} ask {folder} 2>/dev/null) && [ -n "$arch" ]; do\n'
        f"  {command} tell {folder} $arch $(grep ^$arch {tmp_path}/scores.txt | cut -d ' ' -f 2)\ndone\n"
    )
    for seconds in (1, 3, 5, None):
        process = subprocess.Popen(["sh", loop], start_new_session=True, env=ONE_THREAD)
        try:
            assert process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    plan = tmp_path / "params.toml"
    plan.write_text(BY_PARAMS.replace(*few))
    invoke("search", plan, "--out", tmp_path / "whole")
    told, searched = (json.loads((f / "result.json").read_text()) for f in (folder, tmp_path / "whole"))
    assert (told["code"], told["best_score"]) == (searched["code"], searched["best_score"])


def test_tell_waits_for_another_command_on_the_folder(begin, monkeypatch):
    folder, asked = begin()
    lock = sqlite3.connect(folder / ".lock", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    waits = []
    monkeypatch.setattr("archsieve.cli.asking.time.sleep", lambda seconds: (waits.append(seconds), lock.close()))
    assert invoke("tell", folder, asked[0], 3).exit_code == 0
    assert waits == [0.1]


def test_the_folder_in_a_hint_is_the_one_that_was_used_and_errors_get_a_minus_sign(tmp_path):
    plan, folder = tmp_path / "own.toml", tmp_path / "a run"
    plan.write_text(TOLD)
    refused = invoke("search", plan, "--out", folder)
    assert refused.exit_code == 1
    assert (
        f"`archsieve ask '{folder}'` says which, and `archsieve tell '{folder}' ARCHITECTURE SCORE`" in refused.stderr
    )
    (tmp_path / "table.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{i / 3}\n" for i in range(20)))
    task = f'task = {{ name = "table", file = "{tmp_path / "table.csv"}", target = "y", kind = "regression" }}'
    plan.write_text(TOLD.replace('task = "synthetic"', task))
    asked = invoke("ask", plan, "--out", tmp_path / "errors")
    assert "tell a mean absolute error with a minus sign." in asked.stderr


REGRESSION = """seed = 4
[task]
name = "arrays"
file = "{file}"
kind = "regression"
[space]
name = "nasbench201"
[[stage]]
estimator = {{ name = "told", what = "error", is_metric = {is_metric} }}
top = 1
search = {{ name = "random_search", batch = 3 }}
budget = 3
"""


def test_a_metric_is_told_in_its_own_direction(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((20, 3, 8, 8), dtype=np.float32), y=np.arange(20) / 3)
    plan, folder = tmp_path / "own.toml", tmp_path / "run"
    plan.write_text(REGRESSION.format(file=tmp_path / "a.npz", is_metric="true"))
    asked = invoke("ask", plan, "--out", folder, "-n", 3)
    assert "The score is the mean absolute error (lower is better)." in asked.stderr
    assert "minus" not in asked.stderr
    first, second, third = asked.stdout.split()
    for digits, error in ((first, 0.5), (second, 0.25), (third, 0.75)):
        assert invoke("tell", folder, digits, error).exit_code == 0
    assert invoke("tell", folder, first, 0.5).exit_code == 0  # told twice
    assert "already has a stored result: 0.5." in invoke("tell", folder, first, 0.6).stderr
    end = invoke("ask", folder)
    assert f"Best: {second}" in end.stderr, end.stderr
    found = json.loads((folder / "result.json").read_text())
    assert (found["best_score"], found["best_score_kind"], found["higher_is_better"]) == (-0.25, "metric", False)
    report = invoke("report", folder)
    assert "0.25 (lower is better)" in report.stdout, report.stdout


def test_two_estimators_told_by_one_name_are_a_sentence(tmp_path):
    stage = '[[stage]]\nestimator = {{ name = "told", epochs_behind = {} }}\ntop = 1\n'
    plan = tmp_path / "own.toml"
    plan.write_text(HEAD + "pool = { sample = 3 }\n" + stage.format(1).replace("top = 1", "top = 2") + stage.format(2))
    answer = invoke("ask", plan, "--out", tmp_path / "run")
    assert (answer.exit_code, "Give each its own `what`" in answer.stderr) == (1, True), answer.stderr
