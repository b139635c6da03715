"""A toy space with twins, and estimators that count, group, learn, combine and fail: workers import them from here."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from archsieve.errors import MissingDataError, PartialScoringError, ScoringError
from archsieve.spaces.contract import SearchSpace
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing.executors import Deadly

TASK = Synthetic(shape=(1, 4, 4), num_outputs=3, images=12, test_images=4)


@dataclass(frozen=True)
class Toy(SearchSpace):
    """Codes of `length` decisions with three options; the order of the options makes no difference."""

    name: ClassVar[str] = "toy"
    length: int = 4

    @property
    def choices(self):
        return (3,) * self.length

    def canonical(self, arch):
        return tuple(sorted(arch))

    def build(self, arch, task):
        raise NotImplementedError


def value(arch, salt=0):
    """A number with many digits that depends on the order of the options: a raw code is told from a canonical one."""
    return float(np.sin(1.0 + salt + sum((i + 1.7) * option for i, option in enumerate(arch))) * 1e3 / 7)


def log(ctx, archs, mark=""):
    """Append the codes to a file in the estimator's folder, in one write, so that processes may share it."""
    ctx.workdir.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{mark}{'-'.join(map(str, arch))}\n" for arch in archs)
    descriptor = os.open(ctx.workdir / "calls.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, lines.encode())
    finally:
        os.close(descriptor)


def calls(session, estimator, mark=""):
    """What `log` wrote, sorted."""
    path = session.context(estimator).workdir / "calls.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted(line.removeprefix(mark) for line in lines if line.startswith(mark))


@dataclass(frozen=True)
class Counting:
    """Logs every code it scores."""

    salt: int = 0
    chunk_size: int = 32
    name: ClassVar[str] = "counting"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        log(ctx, archs)
        return np.array([value(arch, self.salt) for arch in archs])


@dataclass(frozen=True)
class Raw(Counting):
    name: ClassVar[str] = "raw"
    by_code: ClassVar[bool] = True


@dataclass(frozen=True)
class Mate:
    """Members are computed together; logs what each member was asked for."""

    salt: int = 0
    version: ClassVar[int] = 1
    group: ClassVar[str] = "mates"

    @property
    def name(self):
        return f"mate{self.salt}"

    def score(self, archs, ctx):
        return self.score_group([self], archs, ctx)[:, 0]

    def score_group(self, members, archs, ctx):
        for member in members:
            log(ctx, archs, f"{'+'.join(m.name for m in members)}/{member.name} ")
        return np.array([[value(arch, m.salt) for m in members] for arch in archs])


@dataclass(frozen=True)
class Sum:
    """The sum of its parts minus the mean of the reference."""

    parts: tuple[Any, ...]
    calibration: int | None = None
    name: ClassVar[str] = "sum"
    version: ClassVar[int] = 1

    def combine(self, columns, reference):
        return columns.sum(axis=1) - reference.sum(axis=1).mean()


@dataclass(frozen=True)
class Learner:
    """Learns the mean of a teacher over the pool, and says how often it did."""

    teacher: Any = None
    salt: int = 0
    name: ClassVar[str] = "learner"
    version: ClassVar[int] = 1
    learns_from_pool: ClassVar[bool] = False

    def fit(self, pool, ctx, scores):
        log(ctx, pool[:1], "fit ")
        mean = scores([self.teacher], pool).mean() if self.teacher else 0.0
        (ctx.workdir / "mean.txt").write_text(repr(float(mean)))

    def score(self, archs, ctx):
        mean = float((ctx.workdir / "mean.txt").read_text())
        return np.array([value(arch, self.salt) - mean for arch in archs])


@dataclass(frozen=True)
class BadLearner(Learner):
    def fit(self, pool, ctx, scores):
        raise ZeroDivisionError("nothing\nto learn")


@dataclass(frozen=True)
class Failing:
    """Fails in one of many ways on codes that begin with 2, and only there."""

    how: str = "nan"
    chunk_size: int = 32
    version: ClassVar[int] = 1

    @property
    def name(self):
        return f"failing[{self.how}]"

    def score(self, archs, ctx):
        bad = [i for i, arch in enumerate(archs) if arch[0] == 2]
        scores = np.array([value(arch) for arch in archs])
        if bad and self.how in ("nan", "inf", "-inf"):
            scores[bad] = float(self.how)
        elif bad and self.how == "scoring":
            raise ScoringError(f"no score for\n {archs[bad[0]]}")
        elif bad and self.how == "partial":
            raise PartialScoringError(scores, {(i, 0): f"no score for\n {archs[i]}" for i in bad})
        elif bad and self.how == "exception":
            raise ZeroDivisionError("by\nzero")
        elif bad and self.how == "own":
            raise MissingDataError("The file 'x' is not there.")
        elif bad and self.how == "dies":
            os._exit(1)
        elif bad and self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif bad and self.how == "hangs":
            time.sleep(600)
        elif self.how == "shape":
            return scores[:-1]
        elif self.how == "text":
            return ["high"] * len(archs)
        return scores


@dataclass(frozen=True)
class Slow(Counting):
    """Takes its time for each code."""

    seconds: float = 0.05
    chunk_size: int = 1
    name: ClassVar[str] = "slow"

    def score(self, archs, ctx):
        time.sleep(self.seconds * len(archs))
        return super().score(archs, ctx)


class CannotBeUnpacked:
    """Packs, and fails where it arrives."""

    def __reduce__(self):
        return int, ("no number",)


class CannotBeCopiedError(Exception):
    """Pickles, and cannot be made again from what it pickles."""

    def __init__(self, one, *, two):
        super().__init__(one)


@dataclass(frozen=True)
class Hanging(Deadly):
    """An item that hangs its worker `deaths` times."""


# Functions for executors: they must be importable by workers.


def double(item):
    return 2 * item


def raise_on_three(item):
    if item == 3:
        raise ZeroDivisionError("three")
    return item


def raise_given(error):
    raise error


def kill_on_three(item):
    if item == 3:
        os.kill(os.getpid(), 9)
    return item


def hang(item):
    count = item.tries()
    Path(item.folder, f"{item.number}-{count}").touch()
    if count < item.deaths:
        time.sleep(600)
    return item.number


def stop_this_process(_):
    os.kill(os.getpid(), signal.SIGSTOP)


def cannot_begin(*_):
    os._exit(7)


def raise_what_cannot_be_copied(number):
    raise CannotBeCopiedError(number, two=2)


def torch_threads(_):
    import torch

    return torch.get_num_threads()


def arithmetic_threads(_):
    return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OPENBLAS_NUM_THREADS")


def memory_settings(_):
    return os.environ.get("MALLOC_TRIM_THRESHOLD_"), os.environ.get("MALLOC_MMAP_THRESHOLD_")


def is_deaf_to_interrupts(_):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def pid(_):
    time.sleep(0.05)
    return os.getpid()


def write_pid_and_sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)
