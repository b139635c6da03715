"""How a worker scores a chunk: it never raises, and says of each score that is missing why."""

import math
import os
import pickle
import re
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from archsieve.errors import (
    AGAIN,
    EstimatorError,
    MissingDataError,
    PartialScoringError,
    ScoringError,
    SettingError,
    describe_error,
)
from archsieve.estimators.contract import Context
from archsieve.runs.chunks import Chunk, score_chunk
from plugins.toy import TASK, Counting, Failing, Mate, Toy, value

GOOD, BAD = (0, 1, 2, 2), (2, 2, 2, 2)


@pytest.fixture
def chunk(tmp_path):
    """Return a function that makes a chunk of estimators and codes."""

    def make(estimators, archs=(GOOD, BAD), plugins=()):
        context = Context(Toy(), TASK, tmp_path)
        return Chunk(tuple(estimators), tuple(archs), (context,) * len(estimators), tuple(plugins))

    return make


@dataclass(frozen=True)
class Group:
    """Members that fail in their own ways when they are asked together or alone."""

    how: str
    version: ClassVar[int] = 1
    group: ClassVar[str] = "group"

    @property
    def name(self):
        return self.how

    def score(self, archs, ctx):
        return self.score_group([self], archs, ctx)[:, 0]

    def score_group(self, members, archs, ctx):
        scores = np.array([[value(arch) for _ in members] for arch in archs])
        if any(m.how == "raises" for m in members) and BAD in archs:
            raise ScoringError("not this one")
        return scores if all(m.how != "narrow" for m in members) or len(members) == 1 else scores[:, :1]


def test_scores_come_with_who_and_how_long(chunk):
    begun = time.perf_counter()
    result = score_chunk(chunk([Counting()]))
    assert result.scores.tolist() == [[value(GOOD)], [value(BAD)]]
    assert (result.errors, result.failure, result.worker) == ({}, None, os.getpid())
    assert 0 < result.seconds <= time.perf_counter() - begun


def test_a_group_is_one_pass(chunk):
    result = score_chunk(chunk([Mate(1), Mate(2)]))
    assert result.scores.tolist() == [[value(a, 1), value(a, 2)] for a in (GOOD, BAD)]


@pytest.mark.parametrize("how", ["nan", "inf"])
def test_what_is_no_number_is_a_failure(chunk, how):
    result = score_chunk(chunk([Failing(how)]))
    assert result.scores[0, 0] == value(GOOD)
    assert math.isnan(result.scores[1, 0])
    assert result.errors == {(1, 0): f"failing[{how}] returned {how}"}


def test_minus_infinity_is_a_score(chunk):
    result = score_chunk(chunk([Failing("-inf")]))
    assert result.scores.tolist() == [[value(GOOD)], [-math.inf]]
    assert result.errors == {}


@pytest.mark.parametrize("how", ["scoring", "partial"])
def test_an_architecture_that_cannot_be_scored_leaves_the_others(chunk, how):
    result = score_chunk(chunk([Failing(how)]))
    assert result.scores[0, 0] == value(GOOD)
    assert math.isnan(result.scores[1, 0])  # whatever number came with the reason
    assert result.errors == {(1, 0): "no score for (2, 2, 2, 2)"}


def test_in_a_group_each_member_is_then_asked_alone(chunk):
    result = score_chunk(chunk([Group("works"), Group("raises")]))
    assert result.scores[:, 0].tolist() == [value(GOOD), value(BAD)]
    assert result.scores[0, 1] == value(GOOD)
    assert result.errors == {(1, 1): "not this one"}


def test_a_group_that_returns_too_few_columns_is_a_failure(chunk):
    result = score_chunk(chunk([Group("works"), Group("narrow")]))
    assert isinstance(result.failure, EstimatorError)
    assert str(result.failure) == (
        "The estimator 'works, narrow' failed on 0122 to 2222: TypeError: it must return scores of shape (2, 2), but "
        "returned (2, 1)"
    )


def test_an_exception_costs_that_score_only_and_leaves_a_traceback(chunk):
    result = score_chunk(chunk([Counting(), Failing("exception")], archs=[BAD, GOOD, (*BAD[:3], 0)]))
    assert result.failure is None
    assert result.scores[:, 0].tolist() == [value(a) for a in (BAD, GOOD, (2, 2, 2, 0))]
    assert result.scores[1, 1] == value(GOOD)
    assert result.errors == {(0, 1): "ZeroDivisionError: by zero", (2, 1): "ZeroDivisionError: by zero"}
    ((kind, text),) = result.tracebacks.items()
    assert re.fullmatch(r"ZeroDivisionError in .*toy\.py, line \d+", kind)
    assert text.startswith("Traceback")
    assert 'raise ZeroDivisionError("by\\nzero")' in text


@dataclass(frozen=True)
class Raising:
    """Raises what a test wants on one code, and counts how often it is asked."""

    error: type
    text: str = "too much"
    name: ClassVar[str] = "raising"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        ASKED.append(archs)
        if BAD in archs:
            raise self.error(self.text)
        return np.array([value(arch) for arch in archs])


ASKED = []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError, "RuntimeError: too much"),
        (ValueError, "ValueError: too much"),
        (MemoryError, f"{AGAIN}MemoryError: too much"),
        (torch.OutOfMemoryError, f"{AGAIN}OutOfMemoryError: too much"),
        (AssertionError, "AssertionError: too much"),
        (KeyError, "KeyError: 'too much'"),
    ],
)
def test_whatever_a_network_raises_costs_its_score(chunk, error, reason):
    result = score_chunk(chunk([Raising(error)]))
    assert (result.failure, result.errors) == (None, {(1, 0): reason})
    assert result.scores[0, 0] == value(GOOD)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ModuleNotFoundError, "No module named 'x'"),
        (PermissionError, "no"),
        (OSError, "No space left on device"),
        (SettingError, "A setting."),
        (SystemExit, "stop"),
        (RuntimeError, "CUDA error: device-side assert triggered"),
    ],
)
def test_what_no_network_is_to_blame_for_ends_the_run(chunk, error, text):
    result = score_chunk(chunk([Raising(error, text)]))
    assert text in str(result.failure)
    assert result.errors == {}


def test_a_single_score_is_tried_once(chunk):
    for error in (ScoringError, RuntimeError):
        ASKED.clear()
        score_chunk(chunk([Raising(error)], archs=[BAD]))
        assert ASKED == [(BAD,)]


def test_memory_is_given_back_before_the_next_is_tried(chunk, monkeypatch):
    freed = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: freed.append(len(ASKED)))
    ASKED.clear()
    score_chunk(chunk([Raising(torch.OutOfMemoryError)], archs=[BAD, GOOD]))
    assert ASKED == [(BAD, GOOD), (BAD,), (GOOD,)]
    assert freed == [1, 2]


def test_a_reason_is_short(chunk):
    result = score_chunk(chunk([Raising(RuntimeError, "word " * 1000)]))
    assert len(result.errors[1, 0]) == 200
    assert result.errors[1, 0].endswith("...")


def test_an_error_of_ours_is_a_failure_as_it_is(chunk):
    result = score_chunk(chunk([Failing("own")]))
    assert type(result.failure) is MissingDataError
    assert str(result.failure) == "The file 'x' is not there."


def test_plugins_are_imported_first(chunk, tmp_path, monkeypatch):
    (tmp_path / "a_plugin_of_mine.py").write_text("imported = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    score_chunk(chunk([Counting()], plugins=["a_plugin_of_mine"]))
    assert sys.modules.pop("a_plugin_of_mine").imported
    missing = score_chunk(chunk([Counting()], plugins=["no_such_plugin"]))
    assert "No module named 'no_such_plugin'" in str(missing.failure)


@pytest.mark.parametrize("how", ["nan", "scoring", "partial", "exception", "own", "shape"])
def test_results_can_be_sent(chunk, how):
    result = score_chunk(chunk([Failing(how)]))
    again = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert again.scores.tobytes() == result.scores.tobytes()
    assert again.errors == result.errors
    assert str(again.failure) == str(result.failure)
    assert again.tracebacks == result.tracebacks


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ZeroDivisionError("by\n  zero"), "ZeroDivisionError: by zero"),
        (ZeroDivisionError(), "ZeroDivisionError: no message"),
        (KeyError("x"), "KeyError: 'x'"),
        (ScoringError("no\nscore"), "no score"),
        (PartialScoringError(np.zeros((2, 1)), {(0, 0): "why"}), "1 scores could not be computed; the first: why"),
    ],
)
def test_an_error_is_described_in_one_line(error, line):
    assert describe_error(error) == line
