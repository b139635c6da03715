"""A few of the trials of `make test-faults`, each of another kind: nothing is lost, nothing changes unnoticed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faults.run import counts_of, table, write
from faults.trials import BAD, Outcome

COUNTED = [
    Outcome("kill", "1"),
    Outcome("kill", "2", (("lost rows", "3"), ("lost rows", "4"), ("hangs", ""))),
    Outcome("flip", "1"),
]


def test_counts_by_kind_and_their_sums():
    counts = counts_of(COUNTED)
    assert counts["kill"] == {"injected": 2, "survived": 1, **dict.fromkeys(BAD, 0), "lost rows": 1, "hangs": 1}
    lines = table(counts).splitlines()
    assert lines[2].startswith("| kill | 2 | 1 | 1 | 0 |")
    assert lines[-1].startswith("| all | 3 | 2 | 1 | 0 |")


def test_kinds_of_another_run_stay_in_the_counts(tmp_path):
    write(tmp_path, COUNTED, seed=0)
    write(tmp_path, [Outcome("kill", "5")], seed=0)
    found = json.loads((tmp_path / "faults.json").read_text())
    assert {kind: counts["injected"] for kind, counts in found["counts"].items()} == {"flip": 1, "kill": 1}
    assert found["bad"] == []


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
def test_a_few_of_each_kind(tmp_path):
    small = ["--kills", "1", "--failures", "1", "--damages", "4", "--others", "0", "--kinds", "damage failures kills"]
    ended = subprocess.run(
        [sys.executable, "-m", "faults.run", *small, "--out", tmp_path],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counts = json.loads((tmp_path / "faults.json").read_text())["counts"]
    assert sum(kind["injected"] for kind in counts.values()) == 6
