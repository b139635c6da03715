"""The session: nothing is computed twice, nothing depends on order, chunk or worker, and every failure is recorded."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from archsieve.errors import EstimatorError, MissingDataError, RunFolderError, ScoringError, SettingError, WorkerError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.runs import executors
from archsieve.runs.chunks import Chunk
from archsieve.runs.executors import Processes, Ray, Serial
from archsieve.runs.session import Session
from archsieve.runs.store import Key
from archsieve.spaces.contract import SearchSpace, enumerate_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins import toy
from plugins.toy import TASK, Counting, Failing, Learner, Mate, Raw, Sum, Toy, calls, log, value

pytest_plugins = ["plugins.fixtures"]

SPACE = Toy()
CODES = [(0, 0, 0, 1), (0, 0, 1, 2), (1, 1, 2, 2), (0, 1, 1, 1), (2, 2, 2, 2)]
FAILS = (2, 2, 2, 2)  # the one canonical code among them that begins with 2


@pytest.fixture
def session(tmp_path):
    with Session(tmp_path / "run", SPACE, TASK) as session:
        yield session


def text(arch):
    return "-".join(map(str, arch))


def stored(session):
    return {(r.name, r.arch): r for r in session._store.rows()}


# What is stored is not computed again


def test_scores_are_those_of_the_estimator(session):
    scores = session.scores([Counting(1), Counting(2)], CODES)
    assert scores.tolist() == [[value(arch, 1), value(arch, 2)] for arch in CODES]


def test_nothing_is_computed_twice(session):
    first = session.scores([Counting()], CODES[:3])
    again = session.scores([Counting()], CODES)
    assert calls(session, Counting()) == sorted(map(text, CODES))
    assert again[:3].tobytes() == first.tobytes()
    session.scores([Counting(), Counting()], CODES * 2)
    assert calls(session, Counting()) == sorted(map(text, CODES))


def test_nothing_is_computed_twice_by_another_session(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        first = session.scores([Counting(), Failing("nan")], CODES)
    with Session(tmp_path, SPACE, TASK) as session:
        again = session.scores([Counting(), Failing("nan")], CODES[::-1])
        assert calls(session, Counting()) == sorted(map(text, CODES))
    assert again[::-1].tobytes() == first.tobytes()


def test_a_zero_has_one_sign_before_and_after_it_is_stored(tmp_path):
    class Zero(Counting):
        def score(self, archs, ctx):
            return np.full(len(archs), -0.0)

    found = []
    for _ in range(2):
        with Session(tmp_path, SPACE, TASK) as session:
            found.append(session.scores([Zero()], CODES).tobytes())
    assert found[0] == found[1] == np.zeros((5, 1)).tobytes()


@pytest.mark.parametrize("change", [{"salt": 1}, {"chunk_size": 1}])
def test_another_setting_is_another_score(session, change):
    session.scores([Counting()], CODES)
    other = replace(Counting(), **change)
    session.scores([other], CODES)
    assert calls(session, other) == sorted(map(text, CODES))


def test_another_version_is_another_score(session, monkeypatch):
    session.scores([Counting()], CODES)
    monkeypatch.setattr(Counting, "version", 2)
    assert calls(session, Counting()) == []
    session.scores([Counting()], CODES)
    assert calls(session, Counting()) == sorted(map(text, CODES))


def test_no_architectures_and_no_estimators_give_an_empty_table(session):
    assert session.scores([Counting()], []).shape == (0, 1)
    assert session.scores([], CODES).shape == (5, 0)


# Order, chunk and executor do not matter

ESTIMATORS = [Counting(3), Raw(4), Mate(1), Mate(2), Sum((Counting(5), Mate(1)))]


@pytest.fixture(scope="module")
def ray_runs():
    """One Ray for the tests of this file, since it takes seconds to start."""
    executors._start_ray(2)
    yield
    sys.modules["ray"].shutdown()


@pytest.fixture
def made_on(request):
    """Return an executor of a test's parameter, on a Ray that runs."""
    if request.node.get_closest_marker("ray"):
        request.getfixturevalue("ray_runs")
    return lambda make: make()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The pool and its scores, computed at once in this process."""
    with Session(tmp_path_factory.mktemp("reference"), Toy(5), TASK) as session:
        return session.pool(), session.scores(ESTIMATORS, session.pool())


@pytest.mark.parametrize(
    ("chunk", "make"),
    [
        pytest.param(1, lambda: nullcontext(Serial()), id="1-serial"),
        pytest.param(5, lambda: nullcontext(Serial()), id="5-serial"),
        pytest.param(100, lambda: nullcontext(Serial()), id="100-serial"),
        pytest.param(5, lambda: Processes(2), id="5-processes"),
        pytest.param(5, lambda: Ray(2), id="5-ray", marks=pytest.mark.ray),
    ],
)
def test_scores_depend_on_neither_order_nor_chunk_nor_executor(tmp_path, monkeypatch, reference, chunk, make, made_on):
    pool, expected = reference
    monkeypatch.setattr("archsieve.runs.chunks._CHUNK", chunk)
    order = np.random.default_rng(chunk).permutation(len(pool))
    with made_on(make) as executor, Session(tmp_path, Toy(5), TASK, executor=executor) as session:
        for part in np.array_split(order, 3):
            session.scores(ESTIMATORS[::-1], [pool[i] for i in part])
        found = session.scores(ESTIMATORS, [pool[i] for i in order])
    assert found[:, :4].tobytes() == expected[order, :4].tobytes()
    assert found[:, 4] == pytest.approx(expected[order, 4], abs=1e-9)  # its mean is summed in the order given


def bytes_of(folder, make, codes, step):
    """Scores of real proxies, by code, as bytes."""
    space = NASBenchMacro(stem_width=4, widths=(4, 8, 8), stages=(2, 2, 2), head_width=16)
    estimators = [ZeroCost(name, batch_size=8) for name in ("nwot", "zen", "synflow", "grad_norm", "jacov")]
    with make() as executor, Session(folder, space, Synthetic(shape=(1, 8, 8)), executor=executor) as session:
        pool = sorted(session.pool(codes))[::step]
        return session.scores(estimators, pool)[::step].tobytes()


@pytest.mark.parametrize("codes", [24, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("make", "step"),
    [
        pytest.param(lambda: nullcontext(Serial()), -1, id="backwards"),
        pytest.param(lambda: Processes(2), 1, id="processes"),
        pytest.param(lambda: Ray(2), 1, id="ray", marks=pytest.mark.ray),
    ],
)
def test_proxies_give_the_same_bytes_everywhere(tmp_path, codes, make, step, made_on):
    expected = bytes_of(tmp_path / "reference", lambda: nullcontext(Serial()), codes, 1)
    assert len(expected) == codes * 5 * 8
    assert not np.isnan(np.frombuffer(expected)).any()
    assert bytes_of(tmp_path / "run", lambda: made_on(make), codes, step) == expected


# Twins and raw codes


def test_twins_are_computed_once_by_their_canonical_code(session):
    twins = [(2, 1, 0, 0), (0, 0, 1, 2), (1, 0, 2, 0)]
    scores = session.scores([Counting()], twins)
    assert calls(session, Counting()) == ["0-0-1-2"]
    assert scores[:, 0].tolist() == [value((0, 0, 1, 2))] * 3


def test_estimators_by_code_see_raw_codes(session):
    twins = [(2, 1, 0, 0), (0, 0, 1, 2)]
    scores = session.scores([Raw(), Counting()], twins)
    assert calls(session, Raw()) == ["0-0-1-2", "2-1-0-0"]
    assert scores[:, 0].tolist() == [value(arch) for arch in twins]
    assert scores[0, 0] != scores[1, 0]
    assert scores[:, 1].tolist() == [value((0, 0, 1, 2))] * 2


# Groups


def test_members_of_a_group_are_computed_together(session):
    scores = session.scores([Mate(1), Mate(2)], CODES)
    assert scores.tolist() == [[value(a, 1), value(a, 2)] for a in CODES]
    assert calls(session, Mate(1), "mate1+mate2/mate1 ") == calls(session, Mate(1), "mate1+mate2/mate2 ") != []


def test_members_that_lack_different_codes_are_split(session):
    first, second, both = CODES[:2], CODES[2:4], CODES[4:]
    session.scores([Mate(1)], first)
    session.scores([Mate(2)], second)
    scores = session.scores([Mate(1), Mate(2)], CODES)
    assert scores.tolist() == [[value(a, 1), value(a, 2)] for a in CODES]
    assert calls(session, Mate(1), "mate1/mate1 ") == sorted(map(text, [*first, *second]))
    assert calls(session, Mate(2), "mate2/mate2 ") == sorted(map(text, [*first, *second]))
    assert calls(session, Mate(1), "mate1+mate2/mate1 ") == [text(a) for a in both]


# Composites


def test_a_composite_is_not_stored_but_its_parts_are(session):
    scores = session.scores([Sum((Counting(1), Raw(2)))], CODES)
    columns = np.array([[value(a, 1), value(a, 2)] for a in CODES])
    assert scores[:, 0].tolist() == (columns.sum(axis=1) - columns.sum(axis=1).mean()).tolist()
    assert {name for name, _ in stored(session)} == {"counting", "raw"}


def test_a_composite_of_composites(session):
    inner = Sum((Counting(1), Counting(2)))
    (scores,) = session.scores([Sum((inner, Counting(3)))], CODES).T
    one, two, three = (np.array([value(a, salt) for a in CODES]) for salt in (1, 2, 3))
    expected = (one + two) - (one + two).mean()
    expected = expected + three - (expected + three).mean()
    assert scores == pytest.approx(expected, abs=1e-9)
    assert calls(session, Counting(1)) == sorted(map(text, CODES))


def test_a_calibration_sample_is_drawn_by_seed_from_the_space(session):
    composite = Sum((Counting(1),), calibration=6)
    sample = session.pool(6)
    (scores,) = session.scores([composite], CODES).T
    mean = np.mean([value(arch, 1) for arch in sample])
    assert scores == pytest.approx([value(a, 1) - mean for a in CODES], abs=1e-9)
    assert calls(session, Counting(1)) == sorted(map(text, {*sample, *CODES}))
    alone = session.scores([composite], CODES[:1])[0, 0]
    assert alone == scores[0]  # unlike a reference of the codes being scored


def test_a_calibration_sample_larger_than_the_space_is_the_space(session):
    assert len(session.pool()) == 15 < 50 < 3**4
    (scores,) = session.scores([Sum((Counting(1),), calibration=50)], CODES).T
    mean = np.mean([value(arch, 1) for arch in session.pool()])
    assert scores == pytest.approx([value(a, 1) - mean for a in CODES], abs=1e-9)


# Learning


def test_learning_happens_when_something_is_missing_and_only_then(session):
    learner = Learner()
    session.scores([learner], CODES[:2])
    assert len(calls(session, learner, "fit ")) == 1
    session.scores([learner], CODES[:2])
    assert len(calls(session, learner, "fit ")) == 1
    session.scores([learner], CODES)
    assert len(calls(session, learner, "fit ")) == 2


def test_only_who_lacks_something_learns(session):
    full, lacking = Learner(salt=1), Learner(salt=2)
    session.scores([full], CODES)
    session.scores([full, lacking], CODES)
    assert [len(calls(session, e, "fit ")) for e in (full, lacking)] == [1, 1]


def test_labels_come_through_the_same_door(session):
    learner = Learner(teacher=Counting(7))
    (scores,) = session.scores([learner], CODES).T
    mean = np.mean([value(a, 7) for a in CODES])
    assert scores.tolist() == [value(a) - float(mean) for a in CODES]
    assert calls(session, Counting(7)) == sorted(map(text, CODES))
    assert {name for name, _ in stored(session)} == {"counting", "learner"}


def test_an_exception_while_learning_is_a_sentence(session):
    with pytest.raises(EstimatorError) as caught:
        session.scores([toy.BadLearner()], CODES)
    assert str(caught.value) == ("The estimator 'learner' failed while learning: ZeroDivisionError: nothing to learn")
    assert 'raise ZeroDivisionError("nothing\\nto learn")' in caught.value.details


def test_a_learner_and_its_teacher_in_one_call(tmp_path):
    """The learner asks for scores that the call itself lacks: each is computed once."""
    learner, teacher = Learner(teacher=Counting(7)), Counting(7)
    found = []
    for order in ((learner, teacher), (teacher, learner)):
        with Session(tmp_path / str(len(found)), SPACE, TASK) as session:
            scores = dict(zip(order, session.scores(order, CODES).T.tolist(), strict=True))
            found.append([scores[learner], scores[teacher]])
            assert calls(session, teacher) == sorted(map(text, CODES))
            assert len(calls(session, learner, "fit ")) == 1
    assert found[0] == found[1]
    assert found[0][1] == [value(a, 7) for a in CODES]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_learner_whose_teacher_learns_from_one_that_is_asked_for_too(session, turn):
    last = Learner(teacher=Learner(teacher=Counting(7), salt=1), salt=2)
    chain = [last, last.teacher, last.teacher.teacher][::turn]
    scores = session.scores(chain, CODES)
    assert calls(session, Counting(7)) == sorted(map(text, CODES))
    assert [len(calls(session, e, "fit ")) for e in (last, last.teacher)] == [1, 1]
    assert scores.tolist() == session.scores(chain, CODES).tolist()


@pytest.mark.parametrize("turn", [1, -1])
def test_a_composite_of_a_learner_and_its_teacher(session, turn):
    learner = Learner(teacher=Counting(7))
    composite = Sum((learner, Counting(7))[::turn], calibration=6)
    (scores,) = session.scores([composite], CODES).T
    assert np.isfinite(scores).all()
    assert calls(session, Counting(7)) == sorted(map(text, {*CODES, *session.pool(6)}))


@dataclass(frozen=True)
class LearnerOfMates(Learner):
    """A member of a pass that learns from another member of it."""

    group: ClassVar[str] = "mates that learn"
    partly: int = 2

    @property
    def name(self):
        return f"mate {self.salt}"

    def fit(self, pool, ctx, scores):
        super().fit(pool[: self.partly], ctx, scores)

    def score_group(self, members, archs, ctx):
        for member in members:
            log(ctx, archs, f"{member.name}/")
        return np.array([[value(arch, m.salt) for m in members] for arch in archs])


def test_a_member_of_a_pass_may_learn_from_another_member_of_it(session):
    first = LearnerOfMates(salt=1)
    second = LearnerOfMates(teacher=first, salt=2)
    scores = session.scores([second, first], CODES)
    assert scores.tolist()[2:] == [[value(a, 2), value(a, 1)] for a in CODES[2:]]
    assert [len([r for name, _ in stored(session) for r in [name] if r == m.name]) for m in (first, second)] == [5, 5]


# One model for the pool and for the sample it is calibrated by


@dataclass(frozen=True)
class OfPool(Learner):
    """Learns the mean of the pool, and logs how often it did."""

    name: ClassVar[str] = "of pool"
    learns_from_pool: ClassVar[bool] = True

    def fit(self, pool, ctx, scores):
        FITS.append(len(pool))
        ctx.workdir.mkdir(parents=True, exist_ok=True)
        (ctx.workdir / "mean.txt").write_text(repr(float(np.mean([value(a, 9) for a in pool]))))


FITS = []


@dataclass(frozen=True)
class Scaled(Sum):
    """Of one part, the share of the reference's mean: what is added to both does not cancel out."""

    name: ClassVar[str] = "scaled"

    def combine(self, columns, reference):
        return columns[:, 0] / reference[:, 0].mean()


def test_a_part_that_learns_from_the_pool_learns_once_for_pool_and_calibration(session):
    FITS.clear()
    (scores,) = session.scores([Scaled((OfPool(),), calibration=6)], CODES).T
    assert len(FITS) == 1
    assert FITS[0] == len(CODES)
    mean = float(np.mean([value(a, 9) for a in CODES]))
    reference = np.mean([value(a) - mean for a in session.pool(6)])
    assert scores == pytest.approx([(value(a) - mean) / reference for a in CODES], rel=1e-12)
    session.scores([OfPool()], CODES)  # alone it is the same model
    assert len(FITS) == 1
    assert FITS[0] == len(CODES)


def test_a_composite_without_calibration_in_a_calibrated_one_has_one_reference(session):
    inner = Sum((Counting(1),))
    (scores,) = session.scores([Scaled((inner,), calibration=6)], CODES).T
    mean = np.mean([value(a, 1) for a in CODES])
    reference = np.mean([value(a, 1) - mean for a in session.pool(6)])
    assert scores == pytest.approx([(value(a, 1) - mean) / reference for a in CODES], rel=1e-9)


@dataclass(frozen=True)
class CannotLearn(Learner):
    """Fails to learn as a score may fail."""

    def fit(self, pool, ctx, scores):
        raise ScoringError("it\nburst")


def test_what_cannot_learn_has_no_scores_and_the_others_have_theirs(session):
    learner = CannotLearn()
    scores = session.scores([learner, Counting()], CODES)
    assert np.isnan(scores[:, 0]).all()
    assert scores[:, 1].tolist() == [value(a) for a in CODES]
    assert session.failures(learner, CODES) == dict.fromkeys(CODES, "while learning: it burst")


def test_failures_of_what_learns_from_a_pool_are_found_by_some_of_it(tmp_path):
    class Odd(OfPool):
        def score(self, archs, ctx):
            if FAILS in archs:
                raise ScoringError("odd")
            return super().score(archs, ctx)

    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([Odd()], CODES)
        assert session.failures(Odd(), [FAILS]) == {FAILS: "odd"}
    with Session(tmp_path, SPACE, TASK) as session:
        assert session.failures(Odd(), CODES) == {FAILS: "odd"}


def test_failures_of_the_parts_of_a_composite_are_its_own(session):
    composite = Sum((Counting(), Failing("scoring"), Sum((Failing("nan"), Counting(1)))))
    session.scores([composite], CODES)
    assert session.failures(composite, CODES) == {
        FAILS: f"failing[scoring]: no score for {FAILS}; sum: failing[nan]: failing[nan] returned nan"
    }


def test_what_no_part_can_score_has_no_score(session):
    from archsieve.estimators.combined.vote import Vote

    (scores,) = session.scores([Vote((Failing("nan"), Failing("scoring")), quantile=0.5)], CODES).T
    assert np.isnan(scores).tolist() == [False] * 4 + [True]


# Failures


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("nan", "failing[nan] returned nan"),
        ("inf", "failing[inf] returned inf"),
        ("scoring", "no score for (2, 2, 2, 2)"),
        ("partial", "no score for (2, 2, 2, 2)"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 32])
def test_what_cannot_be_scored_is_recorded_with_its_reason(session, how, reason, chunk):
    estimator = Failing(how, chunk_size=chunk)
    (scores,) = session.scores([estimator], CODES).T
    assert scores.tolist()[:4] == [value(a) for a in CODES[:4]]
    assert math.isnan(scores[4])
    assert session.failures(estimator, CODES) == {FAILS: reason}
    assert session.failures(estimator, CODES[:2]) == {}
    row = stored(session)[estimator.name, FAILS]
    assert (math.isnan(row.score), row.error) == (True, reason)


def test_minus_infinity_is_a_score(session):
    (scores,) = session.scores([Failing("-inf")], CODES).T
    assert scores[4] == -math.inf
    assert session.failures(Failing("-inf"), CODES) == {}


def test_a_failure_ranks_last_and_is_not_tried_again(tmp_path):
    from archsieve.searchers.contract import Stage

    with Session(tmp_path, SPACE, TASK) as session:
        stage = Stage(Failing("nan"), keep=1.0)
        kept = stage.select(session.scores([Failing("nan")], CODES)[:, 0])
        assert kept[-1] == 4
    with Session(tmp_path, SPACE, TASK) as session:
        rows = list(session._store.rows())
        session.scores([Failing("nan")], CODES)
        assert [(r.arch, r.seconds) for r in session._store.rows()] == [(r.arch, r.seconds) for r in rows]


@pytest.mark.usefixtures("quick_workers")
@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "processes"])
@pytest.mark.parametrize("chunk", [1, 32])
def test_an_exception_costs_that_score_only_and_its_traceback_is_in_the_log(tmp_path, executor, chunk):
    estimator = Failing("exception", chunk_size=chunk)
    with Session(tmp_path, SPACE, TASK, executor=executor) as session:
        scores = session.scores([Counting(), estimator], CODES)
        assert scores[:, 0].tolist() == [value(a) for a in CODES]
        assert scores[:4, 1].tolist() == [value(a) for a in CODES[:4]]
        assert math.isnan(scores[4, 1])
        assert session.failures(estimator, CODES) == {FAILS: "ZeroDivisionError: by zero"}
        log = (tmp_path / "error.log").read_text()
        assert log == session.tracebacks
        assert re.match(r"ZeroDivisionError in .*toy\.py, line \d+:\nTraceback \(most recent call last\):\n", log)
        assert log.count("Traceback") == 1
        session.require_scores(estimator, CODES, scores[:, 1])


def test_an_exception_on_all_of_a_call_is_loud_where_it_is_asked_for(session):
    scores = session.scores([Failing("exception")], [FAILS])
    with pytest.raises(EstimatorError) as caught:
        session.require_scores(Failing("exception"), [FAILS], scores[:, 0])
    assert str(caught.value) == (
        "The estimator 'failing[exception]' could score none of 1 architectures; the first reason: ZeroDivisionError: "
        "by zero."
    )
    assert 'raise ZeroDivisionError("by\\nzero")' in caught.value.details


def test_failures_are_tried_again_where_that_is_asked_for(tmp_path):
    healed = replace(Failing("scoring"), how="scoring")
    with Session(tmp_path, SPACE, TASK) as session:
        assert math.isnan(session.scores([healed], CODES)[4, 0])
    with Session(tmp_path, SPACE, TASK) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Failing, "score", lambda self, archs, ctx: np.array([1.0 for _ in archs]))
        assert math.isnan(session.scores([healed], CODES)[4, 0])
    with Session(tmp_path, SPACE, TASK, retry_failed=True) as session, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Failing, "score", lambda self, archs, ctx: np.array([1.0 for _ in archs]))
        assert session.scores([healed], CODES)[:, 0].tolist() == [*(value(a) for a in CODES[:4]), 1.0]
        assert session.failures(healed, CODES) == {}


@pytest.mark.usefixtures("quick_workers")
@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "processes"])
def test_our_own_errors_arrive_as_themselves(tmp_path, executor):
    with (
        Session(tmp_path, SPACE, TASK, executor=executor) as session,
        pytest.raises(MissingDataError, match=r"^The file 'x' is not there\.$"),
    ):
        session.scores([Failing("own")], CODES)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (
            "shape",
            r"'failing\[shape\]' failed on .* to 2222: TypeError: it must return scores of shape \(5,\), but "
            r"returned \(4,\)",
        ),
        ("text", r"ValueError: could not convert string to float: 'high'"),
    ],
)
def test_something_that_is_no_scores_is_a_sentence(session, how, sentence):
    with pytest.raises(EstimatorError, match=sentence):
        session.scores([Failing(how)], CODES)
    assert stored(session) == {}


REASON = "no worker finished it in 4 tries: the last was killed by SIGKILL, often because memory ran out"


@pytest.mark.usefixtures("quick_workers")
def test_a_network_that_kills_its_workers_costs_its_own_score_alone(tmp_path):
    pool = KILLED
    with Session(tmp_path / "run", Toy(4), TASK, executor=Processes(2)) as session:
        scores = session.scores([Failing("killed")], pool)[:, 0]
        assert session.failures(Failing("killed"), pool) == {FAILS: REASON}
        (row,) = [r for r in stored(session).values() if r.error]
        assert row.seconds > 0
    assert scores.tobytes() == np.array([math.nan if a[0] == 2 else value(a) for a in pool]).tobytes()
    with Session(tmp_path / "run", Toy(4), TASK) as session:  # what is recorded is not tried again
        assert np.isnan(session.scores([Failing("killed")], [FAILS])[0, 0])


KILLED = [(0, 0, 0, 0), *CODES, (0, 0, 2, 2), (1, 2, 2, 2), (0, 2, 2, 2)]


@pytest.mark.usefixtures("quick_workers")
def test_of_a_pass_the_estimator_that_kills_loses_its_score_alone(tmp_path):
    with Session(tmp_path / "run", Toy(4), TASK, executor=Processes(2)) as session:
        scores = session.scores([Killer(0), Killer(1)], CODES[3:])
        assert session.failures(Killer(1), CODES) == {FAILS: REASON}
        assert session.failures(Killer(0), CODES) == {}
    assert np.isnan(scores).tolist() == [[False, False], [False, True]]


@dataclass(frozen=True)
class Killer(Mate):
    """A member of a pass; that of number 1 kills its worker on one network."""

    group: ClassVar[str] = "killers"

    def score_group(self, members, archs, ctx):
        if FAILS in archs and any(m.salt for m in members):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score_group(members, archs, ctx)


@pytest.mark.usefixtures("quick_workers")
def test_a_search_ends_where_all_networks_kill_and_what_was_scored_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.runs.chunks.RETRIES", 0)
    monkeypatch.setattr("archsieve.runs.computing._MOST_IN_A_ROW", 3)
    pool = [*(code for code in enumerate_space(Toy(5)) if code[0] == 2)][:6]
    with Session(tmp_path, Raw5(5), TASK, executor=Processes(1)) as session:
        with pytest.raises(WorkerError, match="workers of 3 networks in a row died, and none was scored") as caught:
            session.scores([Failing("killed", chunk_size=1)], pool)
        assert "\n" not in str(caught.value)
        assert len(session.failures(Failing("killed", chunk_size=1), pool)) == 3


@dataclass(frozen=True)
class Raw5(Toy):
    """No twins."""

    def canonical(self, arch):
        return arch


@pytest.mark.parametrize(
    ("codes", "estimators", "expected"),
    [(7, 2, [(3, 2), (3, 2), (1, 2)]), (32, 1, [(6, 1)] * 5 + [(2, 1)]), (2, 1, [(1, 1)] * 2), (1, 3, [(1, 1)] * 3)],
)
def test_a_chunk_is_parted_down_to_single_scores(codes, estimators, expected):
    chunk = Chunk(
        (Counting(),) * estimators,
        tuple((i,) for i in range(codes)),
        ("context",) * estimators,
        columns=(5, 6, 7)[:estimators],
    )
    parts = list(chunk.parts())
    assert [(len(part.archs), len(part.estimators)) for part in parts] == expected
    assert all(len(part.contexts) == len(part.estimators) == len(part.columns) for part in parts)
    if codes > 1:
        assert tuple(arch for part in parts for arch in part.archs) == chunk.archs


# The folder


def test_a_second_driver_is_refused(tmp_path):
    with (
        Session(tmp_path, SPACE, TASK),
        pytest.raises(RunFolderError, match=r"is in use by another search: wait for it, or choose another folder"),
    ):
        Session(tmp_path, SPACE, TASK)
    Session(tmp_path, SPACE, TASK).close()


def test_the_folder_is_free_after_a_driver_was_killed(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from plugins.toy import *\n"
        "from archsieve.runs.session import Session\n"
        "session = Session(Path(sys.argv[1]), Toy(), TASK); session.scores([Counting()], [(0, 0, 0, 1)])\n"
        "print('open', flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout.readline().strip() == "open"
        with pytest.raises(RunFolderError, match="is in use by another search"):
            Session(tmp_path, SPACE, TASK)
        driver.send_signal(signal.SIGKILL)
        driver.wait(30)
    with Session(tmp_path, SPACE, TASK) as session:
        assert session.scores([Counting()], [(0, 0, 0, 1)])[0, 0] == value((0, 0, 0, 1))
        assert calls(session, Counting()) == ["0-0-0-1"]


@pytest.mark.parametrize(
    ("space", "task", "kind"),
    [(Toy(5), TASK, "space"), (SPACE, Synthetic(shape=(1, 4, 4), num_outputs=4), "task")],
)
def test_a_folder_of_another_space_or_task_is_refused(tmp_path, space, task, kind):
    Session(tmp_path, SPACE, TASK).close()
    with pytest.raises(
        RunFolderError,
        match=rf"was made for another {kind}: its .* is .*, and here it is ",
    ):
        Session(tmp_path, space, task)
    Session(tmp_path, SPACE, TASK).close()  # a refused one leaves it free


def test_another_seed_is_welcome_and_kept_apart(tmp_path):
    for seed in (0, 1):
        with Session(tmp_path, SPACE, TASK, seed=seed) as session:
            session.scores([Counting()], CODES)
            assert calls(session, Counting()) == sorted(map(text, CODES))
    with Session(tmp_path, SPACE, TASK) as session:
        assert {r.key.seed for r in session._store.rows()} == {0, 1}


@pytest.mark.parametrize("content", [b"", b"text" * 3000])
def test_damaged_results_are_refused_and_leave_the_folder_free(tmp_path, content):
    Session(tmp_path, SPACE, TASK).close()
    (tmp_path / "results.sqlite").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"results\.sqlite is damaged"):
        Session(tmp_path, SPACE, TASK)
    (tmp_path / "results.sqlite").unlink()
    Session(tmp_path, SPACE, TASK).close()


def test_artifacts_may_be_deleted(tmp_path):
    import shutil

    with Session(tmp_path, SPACE, TASK) as session:
        first = session.scores([Learner(), Counting()], CODES)
    shutil.rmtree(tmp_path / "artifacts")
    with Session(tmp_path, SPACE, TASK) as session:
        assert session.scores([Learner(), Counting()], CODES).tobytes() == first.tobytes()


# The pool


def test_the_pool_is_every_network_once_shuffled_by_the_seed(tmp_path):
    pools = []
    for seed in (0, 0, 1):
        with Session(tmp_path / str(len(pools)), SPACE, TASK, seed=seed) as session:
            pools.append(session.pool())
    assert pools[0] == pools[1] != pools[2]
    assert sorted(pools[0]) == sorted(pools[2]) == sorted({tuple(sorted(a)) for a in pools[0]})
    assert len(pools[0]) == 15  # multisets of 4 from 3
    assert pools[0] != sorted(pools[0])


def test_a_sample_is_the_beginning_of_the_pool(session):
    assert session.pool(6) == session.pool()[:6]
    assert session.pool(15) == session.pool()


@pytest.mark.parametrize("sample", [0, -1, 16])
def test_a_sample_that_the_space_cannot_give_is_refused(session, sample):
    with pytest.raises(SettingError, match=rf"sample.* must hold.*, but got {sample}"):
        session.pool(sample)


def test_a_space_too_large_to_list_gives_samples_only(tmp_path):
    with Session(tmp_path, Toy(13), TASK) as session:
        with pytest.raises(SettingError, match=r"The space toy has 1.59e\+06 codes, too many .*use a sample"):
            session.pool()
        with pytest.raises(SettingError, match=r"`sample >= 1` must hold, but got 0"):
            session.pool(0)
        sample = session.pool(20)
        assert len(set(sample)) == 20
        assert all(arch == tuple(sorted(arch)) for arch in sample)
        assert session.pool(20) == sample


def test_a_device_that_is_not_there_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(SettingError, match=r"^The device 'warp' cannot be used here: "):
        Session(tmp_path / "run", SPACE, TASK, device="warp")
    assert not (tmp_path / "run").exists()


# Workers and progress


def test_progress_reaches_the_total_and_names_what_is_done(tmp_path):
    seen = []
    with Session(tmp_path, SPACE, TASK, progress=lambda *report: seen.append(report)) as session:
        session.scores([Learner(), Counting(chunk_size=2)], CODES)
    assert seen == [
        ("learner: learning", 0, 0),
        ("learner: learning", 1, 1),
        ("learner", 0, 5),
        ("learner", 5, 5),
        ("counting", 0, 5),
        ("counting", 2, 5),
        ("counting", 4, 5),
        ("counting", 5, 5),
    ]


def test_progress_names_those_of_a_pass_that_lack_scores(tmp_path):
    seen = []
    with Session(tmp_path, SPACE, TASK, progress=lambda *report: seen.append(report[0])) as session:
        session.scores([Mate(1)], CODES)
        session.scores([Mate(1), Mate(2)], CODES)
        session.scores([Mate(1), Mate(3), Mate(4)], CODES)
    assert list(dict.fromkeys(seen)) == ["mate1", "mate2", "mate3, mate4"]


@pytest.mark.usefixtures("quick_workers")
def test_a_row_says_who_computed_it_and_how_long_it_took(tmp_path):
    with Session(tmp_path, SPACE, TASK, executor=Processes(2)) as session:
        begun = time.perf_counter()
        session.scores([toy.Slow(seconds=0.02)], CODES)
        elapsed = time.perf_counter() - begun
        rows = list(session._store.rows())
        assert {r.key for r in rows} == {Key(*session._prints, rows[0].key.estimator, 0)}
        assert all(0.02 <= r.seconds < elapsed for r in rows)
        assert os.getpid() not in {r.worker for r in rows}


def test_a_space_outside_the_package_needs_choices_and_build_only(tmp_path):
    class Own(SearchSpace):
        choices = (2, 2)

        def build(self, arch, task):
            raise NotImplementedError

    with pytest.raises(SettingError, match="must be a frozen dataclass"):
        Session(tmp_path / "run", Own(), TASK)  # no dataclass: it could not be told from another


def test_a_closed_session_says_so(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        pool = session.pool()[:2]
    with pytest.raises(RunFolderError, match="is closed: ask for scores inside of `with Session"):
        session.scores([Counting()], pool)
