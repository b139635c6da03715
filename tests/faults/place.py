"""Searches in processes that a warm one forks: what they write, what comes of it, and how that is compared."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT, KILL, KILL_HALFWAY, FAIL_ONCE, FAIL_ON = range(5)  # as in writes.c
SECONDS, BYTES = 300, 2 << 30
_LIBRARY = "FAULTS_LIBRARY"

PLAN = """
seed = {seed}
task = {{ name = "synthetic", shape = [1, 8, 8], num_outputs = 3, images = 36, test_images = 12, signal = 1.0 }}
final = {{ name = "partial_training", epochs = 3, horizon = 3, batch_size = 16, split = "test" }}
[space]
name = "nasbench-macro"
stem_width = 4
widths = [4, 4]
stages = [2, 1]
head_width = 8
[[stage]]
label = "proxies"
estimator = {{ name = "vote", quantile = 0.3, parts = ["l2_norm", "zen"] }}
top = 24
[[stage]]
label = "table"
estimator = {{ name = "lookup", column = "accuracy", file = "{table}" }}
top = 20
[[stage]]
label = "predicted"
estimator = {{ name = "predictor", teacher = "nwot", samples = 6 }}
top = 12
[[stage]]
label = "supernet"
estimator = {{ name = "one_shot", epochs = 2, batch_size = 16 }}
top = 8
[[stage]]
label = "guided"
estimator = {{ name = "partial_training", horizon = 3, batch_size = 16 }}
search = {{ name = "guided", population = 3, batch = 2, features = ["swap"] }}
budget = 5
top = 4
[[stage]]
label = "trained"
estimator = {{ name = "partial_training", horizon = 3, batch_size = 16 }}
drop = [0.25, 0.5]
"""
"""A funnel of all kinds of stages: proxies, composite, table, predictor, supernet, search with a journal, training."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (-9 where killed, None where it hung), output, errors, largest memory."""

    code: int | None
    out: str
    err: str
    peak: int = 0

    @property
    def last_line(self) -> str:
        """The last line of the errors."""
        return (self.err.strip().splitlines() or [""])[-1]


class Fault(NamedTuple):
    """Which write of a process ends it, or fails, and how."""

    number: int
    action: int
    code: int = 0


def preloaded(arguments: list[str]) -> None:
    """Run this program again with the library of `writes.c` before the C library, and end with it; there, do nothing.

    Raises:
        SystemExit: with its exit code, or since there is no C compiler.
    """
    if os.environ.get(_LIBRARY):
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        raise SystemExit("These trials need Linux and a C compiler (cc): writes are counted and broken there.")
    with tempfile.TemporaryDirectory(prefix="archsieve-writes-") as folder:
        library, source = Path(folder) / "writes.so", Path(__file__).with_name("writes.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        env = {**os.environ, _LIBRARY: str(library), "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
        raise SystemExit(subprocess.run([sys.executable, *arguments], env=env, check=False).returncode)


def in_child(
    work: Callable[[], int],
    folder: Path,
    *,
    fault: Fault | None = None,
    limits: tuple[tuple[int, int], ...] = (),
    kill_after: float | None = None,
    seconds: float = SECONDS,
) -> Ended:
    """Return how a forked process ended that did some work."""
    return begun(work, folder, fault=fault, limits=limits).wait(kill_after=kill_after, seconds=seconds)


class Child(NamedTuple):
    """A forked process and where its output goes."""

    pid: int
    log: Path

    def wait(self, *, kill_after: float | None = None, seconds: float = SECONDS) -> Ended:
        """Wait for it, or kill its group after so long."""
        begin, killed = time.monotonic(), False
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            spent = time.monotonic() - begin
            if not killed and spent > min(seconds, kill_after if kill_after is not None else seconds):
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                killed = True
            time.sleep(0.002)
        with suppress(ProcessLookupError, PermissionError):  # workers that outlive a driver
            os.killpg(self.pid, signal.SIGKILL)
        hung = killed and kill_after is None
        files = [self.log.with_suffix(end) for end in (".out", ".err")]  # a kill may come before they are made
        texts = [file.read_text(errors="replace") if file.exists() else "" for file in files]
        for file in files:
            file.unlink(missing_ok=True)
        return Ended(None if hung else os.waitstatus_to_exitcode(status), *texts, usage.ru_maxrss * 1024)


_NUMBERS = iter(range(10**9))


def begun(
    work: Callable[[], int],
    folder: Path,
    *,
    fault: Fault | None = None,
    limits: tuple[tuple[int, int], ...] = (),
) -> Child:
    """Fork a process that does some work; `fault` is about what it writes below `folder`."""
    log = folder.parent / f"child-{next(_NUMBERS)}.log"
    pid = os.fork()
    if pid:
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        return Child(pid, log)
    status = 70
    try:
        os.setpgid(0, 0)
        for number, end in ((1, ".out"), (2, ".err")):
            descriptor = os.open(log.with_suffix(end), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(descriptor, number)
            os.close(descriptor)
        for kind, most in limits:
            resource.setrlimit(kind, (most, most))
        if fault is not None:
            text = f"{fault.number}:{fault.action}:{fault.code}:{folder}"
            os.environ["FAULTS_ARM"] = text  # for workers
            ctypes.CDLL(os.environ[_LIBRARY]).faults_arm(str(folder).encode(), fault.number, fault.action, fault.code)
        status = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # whatever nobody foresaw
        with suppress(BaseException):
            os.write(2, f"\nTraceback: {type(error).__name__}: {error}".encode())
    finally:
        os._exit(status)


def command(*arguments: object) -> Callable[[], int]:
    """Return what runs a command of the program in this process and returns its exit code."""

    def work() -> int:
        from archsieve.cli import app

        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        try:
            app([str(a) for a in arguments], standalone_mode=True)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return work


def writes_of(folder: Path, *arguments: object) -> int:
    """Return how many writes below a folder an undisturbed command takes."""

    def work() -> int:
        code = command(*arguments)()
        print(f"\nwrites {ctypes.CDLL(os.environ[_LIBRARY]).faults_count()}")
        return code

    ended = in_child(work, folder, fault=Fault(0, COUNT))
    if ended.code != 0:
        raise SystemExit(f"The undisturbed command fails: {ended}")
    return int(ended.out.rpartition("writes ")[2])


# What is compared


def copied(folder: Path, target: Path) -> Path:
    """Copy a folder, which a process may be writing to: what is deleted meanwhile is left out."""

    def copy(file: str, to: str) -> str:
        with suppress(FileNotFoundError):
            shutil.copy2(file, to)
        return to

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, copy_function=copy)
    return target


def rows_of(folder: Path) -> set[tuple[Any, ...]]:
    """Return every stored row with its seconds and worker; reads a copy, since reading may put a log into the file."""
    if not (folder / "results.sqlite").exists():
        return set()
    copy = copied(folder, folder.with_name(f"{folder.name}.rows"))
    db = sqlite3.connect(copy / "results.sqlite")
    try:
        return set(db.execute("SELECT name, estimator, seed, architecture, score, error, seconds, worker FROM results"))
    except sqlite3.OperationalError:
        return set()
    finally:
        db.close()
        shutil.rmtree(copy)


def result_of(folder: Path) -> dict[str, Any]:
    """Return what a search found: result and rows without seconds, the requests of its searches."""
    result = json.loads((folder / "result.json").read_text())
    for key in ("provenance", "checksum"):
        del result[key]
    for part in (result, result["cost"], *result["stages"]):
        del part["seconds"]
    db = sqlite3.connect(folder / "results.sqlite")
    try:
        asked = db.execute("SELECT search, place, architecture FROM asks ORDER BY 1, 2").fetchall()
        taught = db.execute("SELECT estimator, teacher, architecture FROM taught ORDER BY 1, 2, 3").fetchall()
    finally:
        db.close()
    rows = sorted(row[:-2] for row in rows_of(folder))
    return {"result": result, "rows": [list(map(str, row)) for row in rows], "asked": asked, "taught": taught}


def leftovers(folder: Path) -> list[str]:
    """Return temporary files that stayed."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob(".*") if f.name != ".lock")
