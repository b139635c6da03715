"""The core behind a session: what a call asks for, recalls and computes, and how often."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.contract import Outcome
from archsieve.estimators.zero_cost import scoring as proxies
from archsieve.runs.composites import is_lasting, lasting
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from plugins.toy import TASK, Counting, Learner, Toy, calls

SPACE = Toy()
POOL = [(0, 0, 0, 1), (0, 0, 1, 2), (1, 1, 2, 2), (0, 1, 1, 1)]


@pytest.fixture
def session(tmp_path):
    with Session(tmp_path / "run", SPACE, TASK) as session:
        yield session


@pytest.fixture
def asked(monkeypatch):
    """How many codes each query of the store was for."""
    counts, get = [], Store.get
    monkeypatch.setattr(Store, "get", lambda self, key, archs: counts.append(len(archs)) or get(self, key, archs))
    return counts


@dataclass(frozen=True)
class OfPool:
    """An estimator that learns from the pool."""

    name: ClassVar[str] = "of_pool"
    version: ClassVar[int] = 1
    learns_from_pool: ClassVar[bool] = True

    def fit(self, pool, ctx, scores):
        pass

    def score(self, archs, ctx):
        return np.array([float(sum(arch)) for arch in archs])


COMPOSITE = MeanRank((Counting(1), Counting(2)), calibration=9)


def test_a_search_looks_the_reference_of_a_composite_up_once(session, asked):
    first = session.scores([COMPOSITE], POOL[:1])
    assert sorted(asked) == [9, 9] or sorted(asked) == [10, 10]
    asked.clear()
    later = [session.scores([COMPOSITE], [arch])[0, 0] for arch in POOL]
    assert sorted(asked) == [1] * 2 * len(POOL)
    assert later[0] == first[0, 0]


def test_the_scores_are_those_of_sessions_that_remember_nothing(session, tmp_path):
    outer = Vote((COMPOSITE, Counting(3)), quantile=0.5, calibration=5)
    together = [session.scores([outer, COMPOSITE], [arch]).tolist() for arch in POOL]
    alone = []
    for i, arch in enumerate(POOL):
        with Session(tmp_path / str(i), SPACE, TASK) as other:
            alone.append(other.scores([outer, COMPOSITE], [arch]).tolist())
    assert together == alone


def test_the_canonical_codes_of_a_reference_are_found_once(session, monkeypatch):
    session.scores([COMPOSITE], POOL[:1])
    found, canonical = [], Toy.canonical
    monkeypatch.setattr(Toy, "canonical", lambda self, arch: found.append(arch) or canonical(self, arch))
    session.scores([COMPOSITE, Counting(1), Counting(3)], POOL[1:3])
    assert found == POOL[1:3]


def test_a_reference_is_paid_for_in_every_account(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([COMPOSITE], POOL)
        whole = session.work_seconds()
        session.count_anew()
        assert session.work_seconds() == 0
        session.scores([COMPOSITE], POOL)
        assert session.work_seconds() == whole
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([COMPOSITE], POOL)
        assert session.work_seconds() == whole > 0


@pytest.mark.parametrize("part", [OfPool(), Vote((Counting(1),))])
def test_a_reference_that_depends_on_the_pool_is_not_kept(session, part):
    composite = MeanRank((part, Counting(1)), calibration=9)
    assert not is_lasting(composite)
    assert list(lasting(replace(COMPOSITE, parts=(composite, COMPOSITE)))) == [COMPOSITE]
    one, two = (session.scores([composite], pool).tolist() for pool in (POOL[:2], POOL[2:]))
    assert [len(one), len(two)] == [2, 2]
    assert session._scoring._references == {}


def test_a_composite_that_cannot_be_hashed_is_computed_in_each_call(session):
    @dataclass(eq=True)
    class Unhashable:
        parts: Any = (Counting(1),)
        calibration: int = 4
        name: ClassVar[str] = "unhashable"
        version: ClassVar[int] = 1

        def combine(self, columns, reference):
            return columns[:, 0] - reference.mean()

    scores = [session.scores([Unhashable()], POOL).tolist() for _ in range(2)]
    assert scores[0] == scores[1]
    assert session._scoring._references == {}


def test_what_an_estimator_was_taught_is_read_once(session, monkeypatch):
    learner = Learner()
    session.scores([learner], POOL[:2])
    reads, taught = [], Store.taught
    monkeypatch.setattr(Store, "taught", lambda self, key: reads.append(key) or taught(self, key))
    for arch in POOL[:2]:
        session.scores([learner], [arch])
    assert reads == []
    session.count_anew()
    for arch in POOL[:2]:
        session.scores([learner], [arch])
    assert len(reads) == 1


def test_nested_calls_share_what_is_known(session, asked):
    @dataclass(frozen=True)
    class Student(OfPool):
        def fit(self, pool, ctx, scores):
            scores([Counting(4)], pool)

    session.scores([Counting(4), Student()], POOL)
    assert asked == [4, 4, 0]  # the teacher's, the student's, and none again while the student learns
    assert len(calls(session, Counting(4))) == len(POOL)


def test_an_outcome_is_a_score_or_a_reason():
    assert Outcome(1.5) == (1.5, None)
    failed = Outcome.failed("it is empty")
    assert math.isnan(failed.score)
    assert failed.reason == "it is empty"
    scores = proxies._columns([[Outcome(1.0), Outcome(2.0)]])
    assert scores.tolist() == [[1.0, 2.0]]
    with pytest.raises(ValueError, match="it is empty") as caught:
        proxies._columns([[Outcome(1.0), failed]])
    assert caught.value.reasons == {(0, 1): "it is empty"}
