"""What the machine lacks is never stored as a failure of a network: the search ends, or the next start tries again."""

import errno
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from archsieve._shortage import is_short_of_memory, machine_number
from archsieve.errors import (
    AGAIN,
    MachineError,
    PartialScoringError,
    ScoringError,
    ends_the_run,
    machine_error,
    reason_of,
)
from archsieve.estimators.contract import Context
from archsieve.estimators.measured.program import output_of
from archsieve.runs import chunks
from archsieve.runs.chunks import Chunk, score_chunk
from archsieve.runs.session import Session
from plugins.toy import TASK, Failing, Toy, value

GOOD, BAD = (0, 1, 2, 2), (2, 2, 2, 2)
NUMBERS = ["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EIO", "EROFS", "ENOMEM", "EAGAIN"]
MADE = {}


@dataclass(frozen=True)
class Broken:
    """Does on one code what a test puts into MADE, as long as it is there."""

    how: str
    is_partial: bool = False
    version: ClassVar[int] = 1

    @property
    def name(self):
        return "broken"

    def score(self, archs, ctx):
        if BAD in archs and self.how in MADE:
            try:
                MADE[self.how]()
            except MemoryError as error:
                if not self.is_partial:
                    raise
                rows = list(archs)
                raise PartialScoringError(
                    np.array([[value(a)] for a in rows]), {(rows.index(BAD), 0): reason_of(error)}
                ) from None
        return np.array([value(arch) for arch in archs])


def made(work):
    """Do some work that fails, and return its error."""
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def wrapped(cause, outer, *, with_from):
    """Return what raises an error from another, or while it handles it."""

    def work():
        try:
            raise cause
        except type(cause):
            if with_from:
                raise outer from cause
            raise outer  # noqa: B904 - as code does that thinks of nothing

    return work


def suppressed():
    try:
        raise OSError(errno.EIO, "x")  # noqa: TRY301 - what a test is about
    except OSError:
        raise ValueError("y") from None


def a_full_device():
    torch.save(torch.ones(9), "/dev/full")


def a_database_that_cannot_be_opened():
    sqlite3.connect("/nowhere/at/all.sqlite").execute("SELECT 1")


def raising(error):
    def work():
        raise error

    return work


OF_MACHINE = {
    **{name: raising(OSError(getattr(errno, name), "x")) for name in NUMBERS},
    "in words": raising(RuntimeError("unable to open shared memory object </torch_1>: Too many open files (24)")),
    "write failed": raising(RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")),
    "no thread": raising(RuntimeError("can't start new thread")),
    "import": raising(ImportError("libx.so: cannot open shared object file: Too many open files")),
    "cause": wrapped(OSError(errno.EIO, "x"), ScoringError("no score"), with_from=True),
    "context": wrapped(OSError(errno.EMFILE, "x"), ValueError("no picture"), with_from=False),
    "database": a_database_that_cannot_be_opened,
    **({"torch.save": a_full_device} if Path("/dev/full").exists() else {}),
}
OF_NETWORK = {
    "not there": raising(FileNotFoundError(errno.ENOENT, "No such file")),
    "a word": raising(ValueError("room for improvement")),
    "shape": raising(RuntimeError("mat1 and mat2 shapes cannot be multiplied (5x12 and 13x5)")),
    "diverged": raising(ScoringError("the loss is nan")),
    "suppressed": suppressed,
}
OF_MEMORY = {
    "python": lambda: bytearray(1 << 60),
    "numpy": lambda: np.empty(1 << 57),
    "torch": lambda: torch.empty(1 << 57),
    "bad_alloc": raising(RuntimeError("std::bad_alloc")),
    "accelerator": raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
    "cause": wrapped(MemoryError(), ScoringError("no score"), with_from=True),
}


@pytest.fixture(autouse=True)
def _nothing_made():
    yield
    MADE.clear()


@pytest.fixture
def chunk(tmp_path):
    """Return a function that makes a chunk of one estimator and two codes."""
    return lambda estimator: Chunk((estimator,), (GOOD, BAD), (Context(Toy(), TASK, tmp_path),))


@pytest.mark.parametrize("how", OF_MACHINE)
def test_what_the_machine_lacks_ends_the_run_with_what_to_do(chunk, how):
    MADE[how] = OF_MACHINE[how]
    result = score_chunk(chunk(Broken(how)))
    assert isinstance(result.failure, MachineError), result
    assert "No network is to blame. " in str(result.failure)
    assert str(result.failure).endswith(", and run the same command again; finished scores are stored.")
    assert (result.errors, result.failure.details) == ({}, "")


@pytest.mark.parametrize("how", OF_NETWORK)
def test_what_a_network_does_is_its_own(how):
    error = made(OF_NETWORK[how])
    assert machine_number(error) == 0
    assert not is_short_of_memory(error)
    assert not reason_of(error).startswith(AGAIN)


@pytest.mark.parametrize("how", OF_MEMORY)
def test_where_memory_runs_out_the_reason_says_that_it_is_tried_again(chunk, how):
    MADE[how] = OF_MEMORY[how]
    result = score_chunk(chunk(Broken(how)))
    assert result.failure is None
    assert result.scores[0, 0] == value(GOOD)
    assert result.errors[1, 0].startswith(AGAIN)
    assert not ends_the_run(made(OF_MEMORY[how]))


@pytest.mark.parametrize("is_partial", [False, True])
def test_the_next_start_tries_again_what_memory_cost(tmp_path, is_partial):
    broken, others = Broken("python", is_partial), Failing("exception")
    with Session(tmp_path, Toy(), TASK) as session:
        MADE["python"] = OF_MEMORY["python"]
        assert np.isnan(session.scores([broken], [GOOD, BAD])[:, 0]).tolist() == [False, True]
        session.scores([others], [BAD])
        MADE.clear()
        assert np.isnan(session.scores([broken], [BAD])[0, 0])  # not twice in one start
    with Session(tmp_path, Toy(), TASK) as session:
        assert session.scores([broken], [GOOD, BAD])[:, 0].tolist() == [value(GOOD), value(BAD)]
        assert session.failures(others, [BAD]) == {BAD: "ZeroDivisionError: by zero"}


def test_where_no_memory_is_left_the_run_ends(chunk, monkeypatch):
    monkeypatch.setattr(chunks, "has_memory", lambda count: False)
    MADE["python"] = OF_MEMORY["python"]
    result = score_chunk(chunk(Broken("python")))
    assert isinstance(result.failure, MachineError)
    assert str(result.failure).startswith("Memory ran out: less than 64 MiB can still be had. No network is to blame.")


def test_nothing_is_stored_where_the_run_ends(tmp_path):
    MADE["EMFILE"] = OF_MACHINE["EMFILE"]
    with Session(tmp_path, Toy(), TASK) as session:
        with pytest.raises(MachineError, match="'broken' failed on 2222: OSError"):
            session.scores([Broken("EMFILE")], [BAD])
        MADE.clear()
        assert session.scores([Broken("EMFILE")], [BAD])[0, 0] == value(BAD)


@pytest.mark.parametrize(
    ("script", "is_of_machine", "is_of_memory"),
    [
        ("import sys; sys.exit('write: No space left on device')", True, False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", False, True),
        ("import sys; sys.exit('bad network')", False, False),
    ],
)
def test_a_program_of_the_user_that_lacks_something(script, is_of_machine, is_of_memory):
    error = made(lambda: output_of([sys.executable, "-S", "-c", script], 20))
    assert isinstance(error, ScoringError)
    assert (ends_the_run(error), is_short_of_memory(error)) == (is_of_machine, is_of_memory)


def test_a_disk_error_is_a_sentence_with_advice():
    error = machine_error(OSError(errno.EROFS, "Read-only file system", "a.txt"), "The estimator 'x' failed on 0")
    assert str(error) == (
        "The estimator 'x' failed on 0: OSError: [Errno 30] Read-only file system: 'a.txt'. No network is to blame. "
        "Allow writing, and run the same command again; finished scores are stored."
    )
