"""A plugin of pytest: one line of JSON a test as soon as it has ended, into the file that DEVICE_TESTS names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

FILE = "DEVICE_TESTS"  # the environment variable
ENDED = ("setup", "call")  # a test that is skipped or cannot be set up has no call


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the outcome of a test, with the last line of what went wrong."""
    if report.when not in ENDED or (report.when == "setup" and report.passed):
        return
    told: dict[str, Any] = {"name": report.nodeid.rpartition("::")[2], "outcome": report.outcome}
    told["seconds"] = round(report.duration, 3)
    if report.skipped and isinstance(report.longrepr, tuple):
        told["why"] = report.longrepr[-1]
    elif report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        told["why"] = crash.message if crash else str(report.longrepr)[-1000:]
    with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")
