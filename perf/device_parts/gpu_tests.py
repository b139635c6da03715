"""Part (a): the tests marked `gpu`, by pytest in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_parts.each_test import FILE

if TYPE_CHECKING:
    from device_parts.run import Part

ROOT = Path(__file__).resolve().parents[2]
PYTEST = ["-m", "pytest", "-q", "-m", "gpu", "tests/gpu", "-W", "default"]
PYTEST += ["-p", "device_parts.each_test", "-p", "no:cacheprovider"]
LONGEST = 1000  # characters of what is said of a failure


def run(part: Part) -> None:
    """Run them; one line for each that did not pass, and one for all that ended in time."""
    if importlib.util.find_spec("pytest") is None:
        part.tell("not run", why="not installed here: pytest")
        return
    with tempfile.TemporaryDirectory() as folder:
        ended, why = Path(folder) / "ended.jsonl", None
        try:
            done = subprocess.run(
                [sys.executable, *PYTEST, "--rootdir", str(ROOT)],
                cwd=ROOT,
                env=os.environ | {FILE: str(ended), "PYTHONPATH": _paths()},
                capture_output=True,
                text=True,
                timeout=part.left,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            why = f"stopped after {error.timeout:.0f} s"
        else:
            if not ended.exists():
                part.tell("gpu tests", code=done.returncode, output=(done.stdout + done.stderr)[-LONGEST:])
                return
        lines = ended.read_text(encoding="utf-8").splitlines() if ended.exists() else []
        _tell(part, [json.loads(line) for line in lines if line.endswith("}")], why)


def _paths() -> str:
    return os.pathsep.join([str(ROOT / "src"), str(ROOT / "perf"), os.environ.get("PYTHONPATH", "")])


def _tell(part: Part, tests: list[dict[str, Any]], why: str | None) -> None:
    """Write the lines; `why` says that not all of the tests could end."""
    for test in tests:
        if test["outcome"] == "failed":
            part.tell(f"failed {test['name']}", error=" ".join(test["why"].split())[:LONGEST])
    counts = {o: sum(test["outcome"] == o for test in tests) for o in ("passed", "failed", "skipped")}
    reasons = [test["why"] for test in tests if test["outcome"] == "skipped" and "why" in test]
    slowest = max(tests, key=lambda test: test["seconds"], default=None)
    part.tell(
        "gpu tests",
        **counts,
        seconds=round(sum(test["seconds"] for test in tests), 1),
        slowest=slowest and f"{slowest['name']}: {slowest['seconds']} s",
        **({"skipped_because": reasons[0]} if reasons else {}),
        **({"why": why} if why else {}),
    )
