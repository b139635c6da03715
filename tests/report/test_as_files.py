"""Figures and numbers of a run as files: what the CSV files hold, and that figures are drawn of any scores."""

import csv
import math

import numpy as np
import pytest

from archsieve.plans.contract import Plan
from archsieve.plans.run import run_plan
from archsieve.report.as_files import write_run
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from plugins.commands import invoke
from plugins.line import Given, Line
from plugins.toy import TASK

pytest_plugins = ["plugins.fixtures"]

SPACE = Line(6)
NAN = math.nan
UP = tuple(map(float, range(6)))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Draw figures of few pixels."""
    monkeypatch.setattr("archsieve.report.draw.DPI", 40)


def run(folder, *stages):
    with Session(folder, SPACE, TASK) as session:
        return run_plan(Plan(SPACE, TASK, stages), session)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(paths):
    return sorted(path.name for path in paths)


def both(*figures):
    return [f"{name}.{kind}" for name in figures for kind in ("png", "svg")]


def test_numbers_by_hand(publish, tmp_path):
    publish(SPACE, {"accuracy": np.array([NAN, 1, 2, 3, 4, 5])})
    result = run(
        tmp_path / "run",
        Stage(Given((NAN, 4, 5, 1, 3, 2)), top=3, label='a "cut", $5'),
        Stage(Given(UP), top=1, label="last"),
    )
    written = write_run(tmp_path / "run", tmp_path / "out")
    tables = ["best.csv", "estimators.csv", "rankings.csv", "stages.csv"]
    scores = [f"scores-{i}{by}" for i in (1, 2) for by in ("", "-values")]
    figures = both("cost-seconds", "fates", "funnel", "keeping", *scores, "tau-mkr")
    assert names(written) == names((tmp_path / "out").iterdir()) == sorted([*tables, *figures])
    best = rows(tmp_path / "out" / "best.csv")
    assert list(best[0].values()) == ["5", "5.0", "4", 'a "cut", $5']
    assert list(best[1].values()) == ["4", "4.0", "3 1", ""]
    assert list(best[3].values()) == ["2", "2.0", "1 2", "last"]
    stages = rows(tmp_path / "out" / "stages.csv")
    assert [(s["label"], s["candidates"], s["kept"], s["failures"]) for s in stages] == [
        ('a "cut", $5', "6", "3", "1"),
        ("last", "3", "1", "0"),
    ]
    assert [float(s["seconds"]) for s in stages] == [s.seconds for s in result.stages]
    assert {s["network_epochs"] for s in stages} == {""}
    rankings = rows(tmp_path / "out" / "rankings.csv")
    assert [(r["number"], r["by"], r["count"]) for r in rankings] == [
        ("1", "estimator", "5"),
        ("1", "chance", "5"),
        ("2", "estimator", "3"),
        ("2", "chance", "3"),
    ]
    assert (float(rankings[0]["mkr"]), float(rankings[0]["regret"]), rankings[1]["regret"]) == (0.8, 1, "")
    (first, second) = sorted(rows(tmp_path / "out" / "estimators.csv"), key=lambda row: row["failures"])
    assert [first[c] for c in ("estimator", "scored", "failures", "best", "best_score")] == [
        "given",
        "3",
        "0",
        "4",
        "4.0",
    ]
    assert [second[c] for c in ("scored", "failures", "best", "best_score")] == ["5", "1", "2", "5.0"]


def test_the_same_bytes_twice(publish, tmp_path):
    publish(SPACE, {"accuracy": np.arange(6.0)})
    run(tmp_path / "run", Stage(Given(UP), top=2))
    for out in ("a", "b"):
        write_run(tmp_path / "run", tmp_path / out)
    tables = sorted((tmp_path / "a").glob("*.csv"))
    assert len(tables) == 4
    for path in tables:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("has_truth", [True, False])
@pytest.mark.parametrize(
    "scores",
    [
        (NAN,) * 6,
        (-math.inf,) * 6,
        (1e300, NAN, 1e-300, -1e200, -math.inf, 5.0),
        (1e20,) * 6,
        (1e16, 1e16 + 2, 1e16 + 4, 1e16, 1e16, 1e16),
    ],
    ids=["none", "all lowest", "heavy tails", "large and equal", "large and close"],
)
def test_whatever_the_scores_are_they_are_drawn(publish, tmp_path, scores, has_truth):
    if has_truth:
        publish(SPACE, {"accuracy": np.arange(6.0)})
    run(tmp_path / "run", Stage(Given(scores), top=3, label="$\\frac{$_"), Stage(Given(scores), top=1, label="_$x"))
    written = write_run(tmp_path / "run", tmp_path / "out")
    assert "scores-1.png" in names(written)
    assert all(path.stat().st_size > 1000 for path in written if path.suffix != ".csv")
    assert "$\\frac{$_" in (tmp_path / "out" / "stages.csv").read_text()


def test_a_run_that_goes_on_has_numbers_alone(tmp_path):
    with Session(tmp_path / "run", SPACE, TASK) as session:
        session.scores([Given(UP)], [(3,)])
    assert names(write_run(tmp_path / "run", tmp_path / "out")) == ["estimators.csv"]


@pytest.mark.parametrize("target", ["a file", "below a file", "figures that are folders"])
def test_files_that_cannot_be_written_are_a_sentence(tmp_path, target):
    run(tmp_path / "run", Stage(Given(UP), top=1))
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken" / "funnel.png").mkdir(parents=True)
    out = {"a file": "file", "below a file": "file/out", "figures that are folders": "taken"}[target]
    result = invoke("report", tmp_path / "run", "--files", tmp_path / out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: Cannot write to {tmp_path / out}: ")
    assert len(result.stderr.splitlines()) == 1
    assert "traceback" not in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_the_command_names_what_it_wrote(tmp_path):
    run(tmp_path / "run", Stage(Given(UP), top=1))
    result = invoke("report", tmp_path / "run", "--files", tmp_path / "out", "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    files = names((tmp_path / "out").iterdir())
    assert result.stdout.splitlines() == [
        f"Page: {tmp_path / 'page.html'}",
        f"Files: {', '.join(files)}, in {tmp_path / 'out'}",
    ]
