"""The Gaussian process of the guided search: figures worked out by hand, and its shortcuts against the long way."""

import math

import numpy as np
import pytest

from archsieve.searchers.guided_model import GRID, Described, Model, Setting, normal_scores, percentiles


def described(n, seed=0, features=2):
    rng = np.random.default_rng(seed)
    return Described(rng.integers(0, 3, (n, 4)).astype(np.int8), rng.random((n, features)))


def test_two_networks_by_hand():
    known = Described(np.array([[0, 0], [0, 1]]), np.array([[0.0], [0.6]]))
    setting = Setting(code_length=0.5, feature_length=0.3, noise=0.05)
    model = Model.fitted(known, np.array([1.0, -1.0]), [setting])
    between = math.exp(-0.5 / 0.5 - 0.36 / (2 * 0.09))  # half of the decisions differ, the feature by .6
    weight = 1 / (1.05 - between)
    assert model.weights == pytest.approx([weight, -weight])
    assert model.variance == pytest.approx(weight)
    other = Described(np.array([[1, 0]]), np.array([[0.3]]))
    near, far = math.exp(-1.0 - 0.5), math.exp(-2.0 - 0.5)
    mean, deviation = model.predict(other)
    assert mean == pytest.approx([weight * (near - far)])
    inverse = np.linalg.inv([[1.05, between], [between, 1.05]])
    explained = np.array([near, far]) @ inverse @ np.array([near, far])
    assert deviation == pytest.approx([math.sqrt(weight * (1 - explained))])


def test_the_likeliest_setting_is_chosen():
    rng = np.random.default_rng(1)
    known = described(60)
    smooth = np.sin(3 * known.features[:, 0])
    assert Model.fitted(known, smooth).setting.noise == min(s.noise for s in GRID)
    assert Model.fitted(known, rng.standard_normal(60)).setting.noise == max(s.noise for s in GRID)


def test_most_promising_is_the_order_of_all_promises():
    known, many = described(30), described(3000, seed=2)
    model = Model.fitted(known, np.random.default_rng(3).standard_normal(30))
    mean, deviation = model.predict(many)
    assert model.mean(many) == pytest.approx(mean)
    prior = np.random.default_rng(4).standard_normal(3000)
    for deviations in (0.0, 0.5, 3.0, -1.0):
        for offset in (None, prior):
            promises = np.round(mean + deviations * deviation + (0 if offset is None else offset), 9)
            best = np.argsort(-promises, kind="stable")[:700]
            assert model.most_promising(many, 700, deviations, offset).tolist() == best.tolist()


def test_normal_scores_depend_on_the_order_alone():
    scores = np.array([3.0, 90.0, 90.0, np.nan, -np.inf, np.inf])
    stretched = np.array([0.1, 0.2, 0.2, np.nan, -5.0, 7.0])
    np.testing.assert_array_equal(normal_scores(scores), normal_scores(stretched))
    assert np.argsort(normal_scores(scores)).tolist()[:3] == [3, 4, 0]
    assert normal_scores(scores)[1] == normal_scores(scores)[2]
    assert normal_scores(np.full(3, np.nan)).tolist() == [0.0, 0.0, 0.0]
    assert normal_scores(np.array([])).size == 0


def test_percentiles_are_among_the_reference():
    reference = np.array([[1.0, 5.0], [2.0, 5.0], [np.nan, 5.0], [-np.inf, 5.0]])
    shares = percentiles(np.array([[2.0, 5.0], [9.0, 6.0], [np.nan, np.nan]]), reference)
    assert shares.tolist() == [[0.875, 0.5], [1.0, 1.0], [0.25, 0.0]]
    assert percentiles(np.empty((3, 0)), np.empty((2, 0))).shape == (3, 0)


def test_what_is_all_equal_can_be_learnt_from():
    known = Described(np.zeros((5, 2), dtype=np.int8), np.zeros((5, 1)))
    mean, deviation = Model.fitted(known, np.zeros(5)).predict(known)
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()
