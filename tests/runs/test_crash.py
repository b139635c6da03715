"""A search that is killed and started again ends as if nothing had happened, and computes nothing twice."""

import json
import os
import signal

import pytest

from plugins.commands import finish, invoke, rows, start, wait_for

PLAN = """
seed = 3
pool = { sample = 12 }
task = "digits"
final = { name = "partial_training", epochs = 3, horizon = 3, split = "test" }
[space]
name = "nasbench-macro"
stem_width = 4
widths = [4, 8]
stages = [1, 2]
head_width = 16
[[stage]]
estimator = { name = "vote", quantile = 0.5, parts = ["l2_norm", "nwot", "zen"] }
top = 8
[[stage]]
estimator = { name = "one_shot", epochs = 2 }
keep = 0.5
[[stage]]
estimator = { name = "partial_training", horizon = 3 }
drop = [0.5, 0.5, 1]
"""
# What is stored of each stage: 12 candidates of the vote, 8 of the supernet, ceil(0.5 * 7) = 4, ceil(0.5 * 3) = 2, and
# ceil(0.5 * 1) = 1, which ends the search.
STORED = {"l2_norm": 12, "nwot": 12, "zen": 12, "one_shot": 8, "partial_training[1]": 4, "partial_training[2]": 2}
slow = pytest.mark.slow


def outcomes(folder):
    """Everything stored: seconds and worker, which differ whenever something is computed anew, included."""
    columns = "name, estimator, architecture, score, seconds, worker, error"
    return sorted(rows(folder, columns), key=lambda row: row[:3])


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture(scope="module")
def whole(plan, tmp_path_factory):
    """The folder of an uninterrupted run in one process."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = invoke("search", plan, "--out", folder)
    assert done.exit_code == 0, done.stderr
    return folder


def test_the_uninterrupted_run_stores_what_its_stages_say(whole):
    stored = [row[0] for row in outcomes(whole)]
    assert {name: stored.count(name) for name in stored} == {**STORED, "partial_training[3, test]": 1}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=slow)])
@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("l2_norm", marks=slow),
        pytest.param("one_shot", marks=slow),
        "partial_training[1]",
        pytest.param("partial_training[2]", marks=slow),
        pytest.param("partial_training[3, test]", marks=slow),
    ],
)
def test_a_killed_search_goes_on_as_if_nothing_had_happened(plan, whole, tmp_path, stage, workers):
    folder = tmp_path / "run"
    search = start("search", plan, "--out", folder, "--workers", workers)
    wait_for(lambda: any(row[0] == stage for row in outcomes(folder)) or search.poll() is not None)
    os.kill(search.pid, signal.SIGKILL)
    finish(search)
    before = outcomes(folder)
    assert any(row[0] == stage for row in before)
    if stage != "partial_training[3, test]":
        assert search.returncode == -signal.SIGKILL
        assert not (folder / "result.json").exists()
    done = invoke("search", plan, "--out", folder, "--workers", workers)
    assert done.exit_code == 0, done.stderr
    assert set(before) <= set(outcomes(folder))
    found, expected = (invoke("report", f, "--csv").stdout_bytes for f in (folder, whole))
    assert found == expected
    one, other = (json.loads((f / "result.json").read_text()) for f in (folder, whole))
    for result in (one, other):
        del result["checksum"]
        assert result.pop("provenance")["command"].startswith("archsieve search")
        for told in (result, result["cost"], *result["stages"]):
            del told["seconds"]
    assert one == other


@slow
def test_a_search_killed_again_and_again_ends_as_if_nothing_had_happened(plan, whole, tmp_path):
    folder, kills = tmp_path / "run", 0
    while not (folder / "result.json").exists():
        before = outcomes(folder)
        search = start("search", plan, "--out", folder)
        wait_for(lambda: len(outcomes(folder)) > len(before) or search.poll() is not None)  # noqa: B023 - waited for here
        search.kill()
        finish(search)
        assert set(before) <= set(outcomes(folder))
        kills += 1
        assert kills < 40
    assert kills > 5
    assert invoke("report", folder, "--csv").stdout_bytes == invoke("report", whole, "--csv").stdout_bytes
