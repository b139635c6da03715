"""A predictor: what it learns, from what, and that what is known comes first and last."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

from archsieve.errors import RunFolderError, ScoringError, SettingError, UnknownNameError
from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.contract import Context, Estimator, Fittable
from archsieve.estimators.predictor import FAILED, PASSED, Predictor
from archsieve.fingerprints import fingerprint, identity
from archsieve.plans.parts import make
from archsieve.randomness import generator
from archsieve.runs.session import Session
from archsieve.spaces.contract import SearchSpace, enumerate_space
from archsieve.spaces.sampling import draw_pool
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic()


@dataclass(frozen=True)
class Cube(SearchSpace):
    """625 codes, each a network of its own."""

    @property
    def choices(self):
        return (5,) * 4

    def build(self, arch, task):
        raise NotImplementedError


@dataclass(frozen=True)
class Total:
    """Scores a code by a weighted sum, unless its first decision is among those that fail."""

    weight: float = 1.0
    fails: int = 9
    name = "total"
    version = 1

    def score(self, archs, ctx):
        sums = [np.nan if a[0] == self.fails else self.weight * sum(a) + a[0] / 10 for a in archs]
        return np.array(sums)


@dataclass(frozen=True)
class Parity(Cube):
    """Says of a code what a forest cannot see in its numbers."""

    def features(self, arch):
        return (sum(arch) % 2, 0)


@dataclass(frozen=True)
class Odd:
    """1 for codes of odd sum."""

    name = "odd"
    version = 1

    def score(self, archs, ctx):
        return np.array([float(sum(arch) % 2) for arch in archs])


SPACE = Cube()
CODES = list(enumerate_space(SPACE))


@pytest.fixture
def session(tmp_path):
    with Session(tmp_path / "run", SPACE, TASK) as session:
        yield session


def scored(session, estimator, archs=CODES):
    return session.scores([estimator], archs)[:, 0]


def lesson(session, estimator):
    return json.loads((session.context(estimator, CODES).workdir / "lesson.json").read_text())


def test_a_classifier_ranks_the_known_first_and_last(session):
    estimator = Predictor(Total(), above=9.0, samples=200)
    scores = scored(session, estimator)
    sample = draw_pool(SPACE, 0, 200)
    passed = {a for a in sample if sum(a) + a[0] / 10 > 9}
    assert 10 < len(passed) < 190
    for arch, score in zip(CODES, scores, strict=True):
        if arch in passed:
            assert score == PASSED
        elif arch in sample:
            assert score == FAILED
        else:
            assert 0 <= score <= 1
    # A forest of 30 trees says thirtieths of a vote in leaves of one class.
    unseen = scores[[arch not in sample for arch in CODES]]
    assert np.allclose(unseen * 30, np.round(unseen * 30))


def test_a_classifier_learns(session):
    sample = set(draw_pool(SPACE, 0, 200))
    unseen = [arch for arch in CODES if arch not in sample]
    scores = scored(session, Predictor(Total(), above=9.0), unseen)
    truth = np.array([sum(a) + a[0] / 10 > 9 for a in unseen])
    assert scores[truth].mean() > 0.6 > 0.4 > scores[~truth].mean()


@pytest.mark.parametrize("encoding", ["integer", "one_hot"])
def test_a_regressor_ranks_unseen_networks(session, encoding):
    estimator = Predictor(Total(), samples=150, encoding=encoding, model="GradientBoostingRegressor")
    scores = scored(session, estimator)
    assert np.corrcoef(scores, scored(session, Total()))[0, 1] > 0.9


def test_a_regressor_predicts_what_it_was_taught_without_it(session):
    """Of four in four folds each is on the line through the other three."""
    estimator = Predictor(Total(), samples=4, model="LinearRegression", encoding="one_hot")
    sample = draw_pool(SPACE, 0, 4)
    values = [sum(a) + a[0] / 10 for a in sample]
    assert len(set(values)) == 4
    ranks = (np.argsort(np.argsort(values)) + 0.5) / 4
    rows = np.array([[float(a[i] == option) for i in range(4) for option in range(5)] for a in sample])
    expected = []
    for i in range(4):
        others = [k for k in range(4) if k != i]
        centre, mean = rows[others].mean(axis=0), ranks[others].mean()
        slopes = np.linalg.lstsq(rows[others] - centre, ranks[others] - mean, rcond=None)[0]
        expected.append(mean + (rows[i] - centre) @ slopes)
    assert scored(session, estimator, sample) == pytest.approx(expected, abs=1e-8)
    assert scored(session, estimator, sample).tolist() != ranks.tolist()


def test_a_regressor_ranks_what_it_was_taught_too(session):
    scores = scored(session, Predictor(Total(), samples=1000, model="LinearRegression"))  # all 625 codes
    truth = scored(session, Total())
    places = [np.argsort(np.argsort(column)) for column in (scores, truth)]
    assert np.corrcoef(*places)[0, 1] > 0.99


@pytest.mark.parametrize("model", ["", "ExtraTreesRegressor", "KNeighborsRegressor"])
def test_what_a_regressor_was_taught_is_no_likelier_to_be_on_top(session, model):
    estimator = Predictor(Noisy(), samples=200, model=model)
    scores, sample = scored(session, estimator), set(draw_pool(SPACE, 0, 200))
    top = [CODES[i] for i in np.argsort(-scores, kind="stable")[:50]]
    assert 5 <= sum(arch in sample for arch in top) <= 30  # 16 of 50, were it chance


@dataclass(frozen=True)
class Noisy:
    """The sum of the options, and as much noise."""

    name = "noisy"
    version = 1

    def score(self, archs, ctx):
        return np.array([sum(a) + 4 * generator(0, "noise", *a).normal() for a in archs])


def test_ties_of_a_later_round_are_in_an_order_drawn_by_seed(tmp_path):
    """A teacher that tells nothing apart: which are taught next is chance, and not those whose codes come first."""
    found = []
    for seed in (0, 0, 1):
        with Session(tmp_path / str(len(found)), SPACE, TASK, seed=seed) as session:
            estimator = Predictor(Flat(), above=0.5, samples=60, rounds=2)
            scored(session, estimator)
            found.append([tuple(a) for a in lesson(session, estimator)["archs"]][30:])
    assert found[0] == found[1] != found[2]
    assert len({arch[0] for arch in found[0]}) == 5  # in order of codes, all would begin with 0


@dataclass(frozen=True)
class Flat:
    name = "flat"
    version = 1

    def score(self, archs, ctx):
        return np.zeros(len(archs))


def test_what_has_other_scores_now_has_another_version(session):
    assert [Predictor(Total(), **given).version for given in ({}, {"rounds": 2}, {"above": 1.0, "rounds": 2})] == [
        2
    ] * 3
    assert Predictor(Total(), above=1.0).version == 1
    # As they were: the scores of what they name are those that folders hold.
    assert fingerprint(Predictor(Chance(), above=0.5)) == "62aed8b1310f0ebf"
    teacher = Vote((Chance(),), calibration=200)
    assert fingerprint(Predictor(teacher, above=1, options={"n_estimators": 10})) == "9ccbbdc532842cdc"
    assert fingerprint(MeanRank((Chance(),))) == "2971bb589b1ebb2e"
    assert fingerprint(Vote((Chance(),), calibration=9)) == "3addf9e89518e1e5"
    inner = Vote((Chance(),))
    assert [MeanRank((inner,), calibration=n).version for n in (None, 9)] == [1, 2]
    assert [Vote((Predictor(Chance(), rounds=2),), calibration=n).version for n in (None, 9)] == [1, 2]


def test_a_teacher_that_can_score_nothing_teaches_nothing(session):
    estimator = Predictor(Nothing(), above=1.0, samples=20)
    assert np.isnan(scored(session, estimator)).all()
    reasons = set(session.failures(estimator, CODES).values())
    assert reasons == {"while learning: the teacher 'nothing' could score none of 20 architectures"}


@dataclass(frozen=True)
class Nothing:
    name = "nothing"
    version = 1

    def score(self, archs, ctx):
        raise ScoringError("no")


def test_options_that_are_lists_can_be_hashed():
    table = {"name": "predictor", "teacher": "chance", "model": "MLPRegressor"}
    table["options"] = {"hidden_layer_sizes": [8, 8], "nested": {"a": [1, [2, 3]]}}
    estimator = make("estimator", table)
    twin = Predictor(Chance(), model="MLPRegressor", options=dict(table["options"]))
    assert hash(estimator) == hash(twin)
    assert estimator == twin
    assert fingerprint(estimator) == fingerprint(twin)
    assert dict(estimator.options)["hidden_layer_sizes"] == (8, 8)
    assert pickle.loads(pickle.dumps(estimator)) == copy.deepcopy(estimator) == estimator  # noqa: S301


@pytest.mark.parametrize("kind", [Vote, MeanRank])
def test_parts_that_are_a_list_can_be_hashed(kind):
    assert hash(kind([Chance(), Total()])) == hash(kind((Chance(), Total())))
    assert fingerprint(kind([Chance()])) == fingerprint(kind((Chance(),)))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_options_that_are_lists_reach_the_model(session):
    options = {"hidden_layer_sizes": [4, 3], "max_iter": 5}
    estimator = Predictor(Total(), samples=30, model="MLPRegressor", options=options)
    assert estimator._model(0).hidden_layer_sizes == (4, 3)
    assert np.isfinite(scored(session, estimator)).all()


@pytest.mark.parametrize(("above", "expected"), [(-1.0, {PASSED, 1.0}), (99.0, {FAILED, 0.0})])
def test_a_sample_of_one_class_tells_nothing_apart(session, above, expected):
    assert set(scored(session, Predictor(Total(), above=above, samples=20)).tolist()) == expected


def test_what_the_teacher_cannot_score_has_not_passed(session):
    estimator = Predictor(Total(fails=4), above=3.0, samples=300)
    scores = dict(zip(CODES, scored(session, estimator).tolist(), strict=True))
    sample = draw_pool(SPACE, 0, 300)
    assert {scores[arch] for arch in sample if arch[0] == 4} == {FAILED}
    ranks = scored(session, Predictor(Total(fails=4), samples=300), sample)
    failed = np.array([arch[0] == 4 for arch in sample])
    assert ranks[failed].max() < ranks[~failed].min()


def test_the_vote_that_teaches_has_the_thresholds_of_the_same_sample(session):
    vote = Vote((Total(), Total(2.0)), quantile=0.8, calibration=100)
    own = Vote((Total(), Total(2.0)), quantile=0.8)
    sample = draw_pool(SPACE, 0, 100)
    assert scored(session, vote, sample).tolist() == scored(session, own, sample).tolist()
    passed = scored(session, Predictor(vote, above=1, samples=100), sample) == PASSED
    assert passed.tolist() == (scored(session, vote, sample) > 1).tolist()
    assert 0 < passed.sum() < 30


def test_later_rounds_teach_on_what_is_predicted_best(session):
    at_once = Predictor(Total(), samples=60)
    in_rounds = Predictor(Total(), samples=60, rounds=3)
    truth = dict(zip(CODES, scored(session, Total()).tolist(), strict=True))
    for estimator in (at_once, in_rounds):
        scored(session, estimator)
    first, later = (lesson(session, e) for e in (at_once, in_rounds))
    assert len(first["archs"]) == len(later["archs"]) == 60
    assert first["archs"][:20] == later["archs"][:20]
    means = [np.mean([truth[tuple(a)] for a in part]) for part in (later["archs"][:20], later["archs"][20:])]
    assert means[1] > means[0] + 3
    assert (at_once.learns_from_pool, in_rounds.learns_from_pool) == (False, True)


def test_a_small_pool_ends_the_rounds(session):
    estimator = Predictor(Total(), samples=40, rounds=2)
    pool = CODES[:3]
    assert np.isfinite(scored(session, estimator, pool)).all()
    archs = json.loads((session.context(estimator, pool).workdir / "lesson.json").read_text())["archs"]
    assert 20 <= len(archs) <= 23


def test_scores_do_not_depend_on_order_or_company(session):
    estimator = Predictor(Total(), above=9.0)
    scores = scored(session, estimator)
    assert scored(session, estimator, CODES[::-1]).tolist() == scores[::-1].tolist()
    ctx = session.context(estimator)
    assert [estimator.score([arch], ctx)[0] for arch in CODES[:9]] == scores[:9].tolist()


@pytest.mark.parametrize(
    "estimator",
    [
        Predictor(Total(), samples=60, rounds=3),
        Predictor(Total(), samples=60, model="MLPRegressor", options={"max_iter": 20, "hidden_layer_sizes": 8}),
        Predictor(Total(), samples=60, model="Ridge", encoding="one_hot"),
    ],
    ids=["rounds", "MLP", "Ridge"],
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_scores_depend_on_neither_the_order_of_the_pool_nor_the_pieces(tmp_path, estimator):
    with Session(tmp_path / "one", SPACE, TASK) as session:
        scores = scored(session, estimator)
        ctx = session.context(estimator, CODES)
        pieces = [estimator.score(CODES[i : i + 79], ctx) for i in range(0, 625, 79)]
        assert np.concatenate(pieces).tolist() == scores.tolist()
    with Session(tmp_path / "other", SPACE, TASK) as session:
        assert scored(session, estimator, CODES[::-1]).tolist() == scores[::-1].tolist()


def test_it_learns_once(session):
    estimator = Predictor(Total(), above=9.0)
    before = scored(session, estimator, CODES[:50])
    file = session.context(estimator).workdir / "lesson.json"
    stamp = file.stat().st_mtime_ns
    scored(session, estimator)
    assert file.stat().st_mtime_ns == stamp
    assert scored(session, estimator, CODES[:50]).tolist() == before.tolist()


def test_the_seed_draws_sample_and_forest(tmp_path):
    found = []
    for seed in (0, 0, 1):
        with Session(tmp_path / str(len(found)), SPACE, TASK, seed=seed) as session:
            found.append(scored(session, Predictor(Total(), above=9.0)).tolist())
    assert found[0] == found[1] != found[2]


def test_untaught_and_damaged(tmp_path):
    estimator, ctx = Predictor(Total()), Context(SPACE, TASK, tmp_path)
    with pytest.raises(SettingError, match=r"There is no fitted predictor in .*: call `fit` first"):
        estimator.score(CODES[:1], ctx)
    for text in ("{", "[]", '{"archs": [1], "scores": [0]}'):
        (tmp_path / "lesson.json").write_text(text)
        with pytest.raises(RunFolderError, match=r"lesson.json is damaged: delete it to fit the predictor again"):
            estimator.score(CODES[:1], ctx)


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"above": float("nan")}, SettingError, "`above` must be finite, but got above=nan"),
        ({"above": float("inf")}, SettingError, "`above` must be finite, but got above=inf"),
        ({"samples": 2.5}, SettingError, "`samples` must be a whole number, but got samples=2.5"),
        ({"rounds": 0}, SettingError, "`1 <= rounds <= samples` must hold, but got rounds=0, samples=200"),
        ({"rounds": 3, "samples": 2}, SettingError, "`1 <= rounds <= samples`"),
        ({"encoding": "text"}, SettingError, "`encoding` must be 'integer' or 'one_hot', but got 'text'"),
        ({"model": "RandomForestRegresor"}, UnknownNameError, "has no regressor 'RandomForestRegresor'. Did you mean"),
        ({"model": "SVR", "options": {"size": 3}}, SettingError, "The model SVR cannot be created with {'size': 3}"),
        ({"model": "LinearSVC", "above": 1}, SettingError, "The model LinearSVC gives no probabilities"),
        (
            {"model": "KNeighborsRegressor", "samples": 5},
            SettingError,
            "looks at n_neighbors=5, but the sample has 5 architectures, of which 1 are left out in turn: raise `samp",
        ),
        (
            {"model": "KNeighborsClassifier", "samples": 3, "above": 1, "options": {"n_neighbors": 4}},
            SettingError,
            "looks at n_neighbors=4, but the sample has 3 architectures: raise",
        ),
    ],
)
def test_settings_that_cannot_be(session, given, error, sentence):
    with pytest.raises(error, match=sentence):
        scored(session, Predictor(Total(), **given))


def test_a_sample_that_is_just_large_enough_for_its_neighbours(session):
    for given in ({"samples": 6}, {"samples": 5, "above": 1}):
        model = "KNeighborsRegressor" if "above" not in given else "KNeighborsClassifier"
        assert np.isfinite(scored(session, Predictor(Total(), model=model, **given))).all()


def test_from_a_plan():
    table = {
        "name": "predictor",
        "teacher": {"name": "vote", "quantile": 0.9, "parts": ["params", "macs"], "calibration": 200},
        "above": 1,
        "options": {"n_estimators": 10},
    }
    estimator = make("estimator", table)
    assert estimator.teacher.quantile == 0.9
    assert estimator.options == (("n_estimators", 10),)
    assert isinstance(estimator, Estimator)
    assert isinstance(estimator, Fittable)
    assert fingerprint(estimator) != fingerprint(make("estimator", {**table, "above": 0}))


def test_mean_rank_by_hand(session):
    # Percentile ranks of 3, 1, 2 are 5/6, 1/6 and 3/6; of 1, 1 and NaN 4/6, 4/6 and 1/6.
    columns = np.array([[3.0, 1.0], [1.0, 1.0], [2.0, np.nan]])
    ranks = MeanRank((Total(), Total())).combine(columns, columns)
    assert ranks.tolist() == pytest.approx([9 / 12, 5 / 12, 4 / 12])
    # Among a reference of 0 and 4, all lie between.
    assert MeanRank((Total(),)).combine(columns[:, :1], np.array([[0.0], [4.0]])).tolist() == [0.5] * 3
    with pytest.raises(SettingError, match="needs at least one part"):
        MeanRank(())
    with pytest.raises(SettingError, match="`calibration >= 1` must hold, but got calibration=0"):
        MeanRank((Total(),), calibration=0)
    whole = scored(session, MeanRank((Total(), Total(-1.0)), calibration=1000))
    assert whole.mean() == pytest.approx(0.5)


def test_weights_of_a_mean_rank_by_hand():
    # Percentile ranks of 3, 1, 2 are 5/6, 1/6 and 3/6; of 1, 2, 3 they are 1/6, 3/6 and 5/6.
    columns = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    parts = (Total(), Total(-1.0))
    ranks = MeanRank(parts, weights=(3, 1)).combine(columns, columns)
    assert ranks.tolist() == pytest.approx([16 / 24, 6 / 24, 14 / 24])
    assert MeanRank(parts, weights=(0, 2)).combine(columns, columns).tolist() == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    equal = MeanRank(parts, weights=(2, 2)).combine(columns, columns)
    assert equal.tolist() == pytest.approx(MeanRank(parts).combine(columns, columns).tolist())


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ((1.0,), r"one weight for each of its 2 parts, but got 1 weights: \(1.0,\)"),
        ((), r"one weight for each of its 2 parts, but got 0 weights"),
        ((1.0, -0.5), r"finite number of at least 0, but got -0.5 in \(1.0, -0.5\)"),
        ((math.inf, 1.0), "finite number of at least 0, but got inf"),
        ((1.0, math.nan), "finite number of at least 0, but got nan"),
        ((0.0, 0), "At least one weight must be above 0"),
    ],
)
def test_weights_that_cannot_be(weights, sentence):
    with pytest.raises(SettingError, match=sentence):
        MeanRank((Total(), Total(-1.0)), weights=weights)


def test_weights_are_read_from_a_plan_and_leave_older_fingerprints_alone():
    parts = ["params", "macs"]
    weighted = make("estimator", {"name": "mean_rank", "parts": parts, "weights": [2, 1]})
    plain = make("estimator", {"name": "mean_rank", "parts": parts})
    assert weighted.weights == (2.0, 1.0)
    assert "weights" not in identity(plain)
    assert fingerprint(weighted) != fingerprint(plain)
    assert fingerprint(weighted) == fingerprint(MeanRank(plain.parts, weights=(2.0, 1.0)))


@pytest.mark.parametrize(("space", "is_perfect"), [(Parity(), True), (Cube(), False)])
def test_a_space_says_what_its_features_are(tmp_path, space, is_perfect):
    predictor = Predictor(teacher=Odd(), above=0.5, samples=100)
    with Session(tmp_path / "run", space, TASK) as session:
        archs = session.pool()
        scores = session.scores([predictor], archs)[:, 0]
        known = np.isin(scores, [PASSED, FAILED])
        assert known.sum() == 100
        truth = np.array([sum(arch) % 2 for arch in archs])
        assert np.array_equal(scores[~known], truth[~known]) is is_perfect


# The model learns a lesson once


def test_the_model_is_fitted_once_for_all_chunks_and_calls(tmp_path, monkeypatch):
    fits, make_model = [], Predictor._model

    def counted(self, seed):
        model = make_model(self, seed)
        fit = model.fit
        model.fit = lambda *data: fits.append(len(data[0])) or fit(*data)
        return model

    estimator = Predictor(Total(), samples=20)
    with Session(tmp_path, Cube(), TASK) as session:
        pool = draw_pool(Cube(), 0)[:60]
        expected = session.scores([estimator], pool)[:, 0]
        monkeypatch.setattr(Predictor, "_model", counted)
        later = [session.scores([estimator], [arch])[0, 0] for arch in draw_pool(Cube(), 0)[60:70]]
        assert fits == []
        other = replace(estimator, options={"n_estimators": 3})
        session.scores([other], pool[:5])
        session.scores([other], pool[5:9])
    assert len(fits) == 1 + 10  # the model, and ten that each leave a tenth out
    with Session(tmp_path / "at-once", Cube(), TASK) as session:
        assert session.scores([estimator], draw_pool(Cube(), 0)[:70])[:, 0].tolist() == [*expected, *later]


def test_the_models_of_scikit_learn_are_listed_once(monkeypatch):
    from sklearn import utils

    Predictor(Total())._model(0)
    monkeypatch.setattr(utils, "all_estimators", lambda **kind: pytest.fail("listed again"))
    Predictor(Total())._model(0)
