"""A run folder that an earlier version wrote is read, gone on with and reported, and nothing of it is computed anew.

`folders/before_the_moves` is what `archsieve search plan.toml --out before_the_moves` wrote before the modules of the
package were moved; of its artifacts only those of the fits are kept.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archsieve.cli import app

OLD = Path(__file__).with_name("before_the_moves")
LAST_STAGES = "name LIKE 'partial_training%'"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "run"))


def _run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


ALL = "space, task, estimator, seed, architecture, name, score, seconds, worker, error"


def _rows(folder, columns=ALL):
    with sqlite3.connect(folder / "results.sqlite") as connection:
        return connection.execute(f"SELECT {columns} FROM results ORDER BY estimator, architecture").fetchall()


def _without_times(folder):
    result = json.loads((folder / "result.json").read_text("utf-8"))
    return {key: result[key] for key in ("best", "code", "best_score", "chosen_by", "final_score", "metric")}


def test_it_is_reported(folder):
    page = folder.parent / "page.html"
    _run("report", folder, "--html", page)
    assert "2221" in page.read_text("utf-8")


def test_nothing_is_computed_anew(folder):
    before = _rows(folder)
    _run("search", folder / "plan.toml", "--out", folder)
    assert _rows(folder) == before
    assert _without_times(folder) == _without_times(OLD)


def test_an_interrupted_run_goes_on_to_the_same_result(folder):
    columns = "space, task, estimator, seed, architecture, name, score, error"
    whole = _rows(folder, columns)
    with sqlite3.connect(folder / "results.sqlite") as connection:
        assert connection.execute(f"DELETE FROM results WHERE {LAST_STAGES}").rowcount > 0
    (folder / "result.json").unlink()
    (folder / "rounds.npz").unlink()
    _run("search", folder / "plan.toml", "--out", folder)
    assert [row[:6] for row in _rows(folder, columns)] == [row[:6] for row in whole]
    assert [row[6] for row in _rows(folder, columns)] == pytest.approx([row[6] for row in whole], rel=1e-6)
    assert _without_times(folder) == _without_times(OLD)
