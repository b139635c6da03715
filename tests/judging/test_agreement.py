"""How stages rank what later ones saw: by hand, and how often a stage is named."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from archsieve.judging.agreement import Seen, agreements, rank_agreement, sentences

CODES = np.arange(40)[:, None]


def seen(label, scores, *, codes=CODES, params=None):
    return Seen(label, codes, np.asarray(scores, dtype=float), params)


def test_a_stage_is_compared_on_what_both_saw():
    first, second = np.arange(40.0), np.arange(40.0) ** 2
    (found,) = agreements([seen("a", first), seen("b", -second[5:20], codes=CODES[5:20])])
    assert (found.stage, found.judged_by, found.count) == ("a", "b", 15)
    assert found.tau == -1
    assert found.is_blind
    assert "no better than chance" in sentences([found])[0]


def test_the_last_stage_that_saw_ten_judges():
    rng = np.random.default_rng(0)
    middle, last = rng.normal(size=12), rng.normal(size=4)
    stages = [seen("a", np.arange(40.0)), seen("b", middle, codes=CODES[:12]), seen("c", last, codes=CODES[:4])]
    first, second = agreements(stages)
    assert (first.judged_by, second.judged_by) == ("b", "")
    assert first.tau == pytest.approx(kendalltau(np.arange(12), middle).statistic)
    assert not second.is_blind


def test_a_good_stage_is_silent_and_a_ranking_by_parameters_is_named():
    good = agreements([seen("a", np.arange(40.0), params=np.arange(40.0)[::-1] ** 3), seen("b", np.arange(40.0))])
    assert good[0].is_params
    assert not good[0].is_blind
    assert "adds nothing to parameters" in sentences(good)[0]
    assert sentences(agreements([seen("a", np.arange(40.0)), seen("b", np.arange(40.0))])) == []


def test_failures_and_constant_columns_are_no_evidence():
    scores = np.where(np.arange(40) < 35, np.nan, 1.0)
    (found,) = agreements([seen("a", scores), seen("b", np.arange(40.0))])
    assert (found.tau, found.is_blind) == (None, False)
    assert rank_agreement(np.ones(40), np.arange(40.0)) == 0


def test_stages_that_are_a_fair_guide_are_named_in_at_most_one_of_twenty():
    rng = np.random.default_rng(3)
    named = 0
    for _ in range(200):  # of a correlation of .45, tau is .3
        z = rng.multivariate_normal([0, 0, 0], [[1, 0.45, 0.45], [0.45, 1, 0.45], [0.45, 0.45, 1]], 40).T
        named += any(a.is_blind for a in agreements([seen(name, x) for name, x in zip("abc", z, strict=True)]))
    assert named <= 10
