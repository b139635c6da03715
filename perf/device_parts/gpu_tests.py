"""Part (a): the tests marked `gpu`, by pytest in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from device_parts.run import Part

ROOT = Path(__file__).resolve().parents[2]


def run(part: Part) -> None:
    """Run them; one line for each that did not pass, and one for all."""
    missing = [name for name in ("pytest",) if importlib.util.find_spec(name) is None]
    if missing:
        part.tell("not run", why=f"not installed here: {', '.join(missing)}")
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/gpu", f"--junitxml={report}"]
        command += ["-p", "no:cacheprovider", "-W", "default", "--rootdir", str(ROOT)]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        }
        try:
            ended = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=part.left, check=False
            )
        except subprocess.TimeoutExpired as error:
            so_far = (error.stdout or b"").decode(errors="replace")[-300:]
            part.tell("gpu tests", why=f"stopped after {error.timeout:.0f} s", output=so_far)
            return
        if not report.exists():
            part.tell("gpu tests", code=ended.returncode, output=(ended.stdout + ended.stderr)[-500:])
            return
        _tell(part, ElementTree.parse(report).getroot())  # noqa: S314 - pytest has just written it


def _tell(part: Part, root: ElementTree.Element) -> None:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in root.iter("testcase"):
        bad = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
        if bad is not None:
            counts["failed"] += 1
            part.tell(f"failed {case.get('name')}", error=(bad.get("message") or "")[:500])
        else:
            counts["skipped" if case.find("skipped") is not None else "passed"] += 1
    seconds = sum(float(suite.get("time", 0)) for suite in root.iter("testsuite"))
    reasons = [str(skip.get("message")) for skip in root.iter("skipped")]
    part.tell("gpu tests", **counts, seconds=round(seconds, 1), skipped_because=reasons[0] if reasons else None)
