"""Running the command line from tests: in this process where possible, in another where signals and pipes matter."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archsieve.cli import app, progress

PROGRAM = (sys.executable, "-c", "from archsieve.cli import main; main()")
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
"""For processes whose sums must be those of another, to the last digits."""
ODD = str(Path(__file__).with_name("odd_proxies.py"))

# Nine networks; the one written 22 has two 5x5 kernels.
TINY = """
task = "digits"
[space]
name = "nasbench-macro"
stem_width = 4
widths = [4, 4]
stages = [1, 1]
head_width = 8
"""


def invoke(*arguments):
    """Run a command in this process; standard output and error are kept apart.

    No progress lines: on a slow machine there would be more of them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "_PLAIN_EVERY", float("inf"))
        return CliRunner().invoke(app, [str(a) for a in arguments])


def start(*arguments, **settings):
    """Start a command in a process and a process group of its own, as a terminal would."""
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
    return subprocess.Popen([*PROGRAM, *map(str, arguments)], start_new_session=True, **settings)


def finish(process, seconds=120):
    """Wait for a process, and return its exit code, output and errors."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            process.kill()
    return process.returncode, out, err


def run(*arguments, **settings):
    """Run a command in a process of its own."""
    return finish(start(*arguments, **settings))


def wait_for(condition, seconds=60):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come true in time")
        time.sleep(0.02)


def rows(folder, columns="*"):
    """Return all rows of the results of a run, also while it goes on; none while there is no file."""
    path = Path(folder, "results.sqlite")
    if not path.exists():
        return []
    db = sqlite3.connect(path, timeout=30)
    try:
        return db.execute(f"SELECT {columns} FROM results ORDER BY estimator, architecture").fetchall()
    finally:
        db.close()


def is_alive(pid):
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return True  # a system without /proc
