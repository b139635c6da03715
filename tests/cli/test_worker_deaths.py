"""A search whose workers are killed ends as if nothing had happened; one that hangs is found by its limit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.commands import TINY, finish, invoke, run, start, wait_for

PLUGIN = """
import os, time
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from archsieve import ESTIMATORS

@ESTIMATORS.register("slowly")
@dataclass(frozen=True)
class Slowly:
    seconds: float = 0.1
    chunk_size: ClassVar[int] = 1
    name: ClassVar[str] = "slowly"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        time.sleep(600 if self.seconds < 0 and (0, 0) in archs else abs(self.seconds))
        return np.array([sum(arch) + 0.1 * arch[0] for arch in archs])
"""


@pytest.fixture
def search_of(tmp_path):
    """Return a function that gives the words of a search of all networks by an estimator that needs no torch."""
    (tmp_path / "slow_part.py").write_text(PLUGIN)

    def words(folder, seconds, stages):
        plan = tmp_path / f"{folder}.toml"
        stage = f'[[stage]]\nestimator = {{ name = "slowly", seconds = {seconds} }}\ntop = 1\n'
        plan.write_text(TINY.replace("stages = [1, 1]", f"stages = {stages}") + stage)
        return ["search", plan, "--out", tmp_path / folder, "--plugin", tmp_path / "slow_part.py"]

    return words


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def workers_of(pid):
    """The worker processes of a driver; the one that watches over shared resources is none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def rows_of(folder):
    done = invoke("report", folder, "--csv")
    return done.stdout.splitlines()[1:] if done.exit_code == 0 else []


@pytest.mark.parametrize(
    "options", [["--workers", 2], pytest.param(["--ray", "--workers", 2], marks=[pytest.mark.ray, pytest.mark.slow])]
)
def test_workers_that_are_killed_cost_nothing(tmp_path, search_of, options):
    search = start(*search_of("run", 0.1, [2, 1]), *options)
    wait_for(lambda: rows_of(tmp_path / "run") or search.poll() is not None)
    victims = workers_of(search.pid) if "--ray" not in options else ray_workers()
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    code, _, err = finish(search)
    assert (code, len(victims)) == (0, 2), err
    assert "A worker" in err
    assert "Candidates without" not in err
    assert run(*search_of("whole", 0.1, [2, 1]))[0] == 0
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")
    assert len(rows_of(tmp_path / "whole")) == 27


def ray_workers():
    """The processes of Ray that compute now."""
    found = subprocess.run(["pgrep", "-f", "ray::_on_ray"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_a_limit_is_a_time():
    result = invoke("score", "nasbench-macro", "00000000", "--worker-timeout", "soon")
    assert result.exit_code == 1
    assert "A --worker-timeout is a number with a unit of time, e.g. 8h, 90m or 2d, but got 'soon'." in result.stderr


def test_a_network_that_hangs_is_a_failure_with_its_reason(tmp_path, search_of):
    code, _, err = run(*search_of("run", -0.01, [1, 1]), "--worker-timeout", "1s")
    assert code == 0, err
    assert (
        err.count("A worker took longer than the limit of 1 s, and was ended. What it worked on is tried again.") == 1
    )
    assert "Candidates without a complete score: 1." in err
    reason = "no worker finished it in 2 tries: the last took longer than the limit of 1 s, and was ended"
    assert f"slowly could not score 00: {reason}" in invoke("report", tmp_path / "run").stdout
