"""What a sample of the networks cut says: by hand, beside scipy, and how often the bounds hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from archsieve.errors import SettingError
from archsieve.judging.cuts import (
    allocate,
    chance_to_win,
    greatest_count,
    interval,
    interval_of_share,
    weighted_keeping_ratio,
    weighted_tau,
)
from archsieve.judging.metrics import minimum_keeping_ratio


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_more_draws_never_take_one_from_a_stage(sizes):
    before = [0] * len(sizes)
    for draws in range(sum(sizes) + 3):
        counts = allocate(sizes, draws)
        assert sum(counts) == min(draws, sum(sizes))
        assert all(b <= c <= n for b, c, n in zip(before, counts, sizes, strict=True))
        before = counts


def test_the_bound_of_several_stages_by_hand():
    # 1 - 0.05 ** (1 / 4) of 4 draws: 2.1085 hits on average. The second stage has the fewest draws for its size.
    assert greatest_count([10, 90], [2, 2], [0, 0]) == pytest.approx(90 + 10 * (4 * (1 - 0.05**0.25) - 2) / 2)
    assert greatest_count([3, 5], [3, 5], [1, 2]) == 3  # all known
    assert greatest_count([3, 5], [3, 0], [1, 0]) == 6  # nothing is known of the second
    assert greatest_count([9, 9], [1, 1], [1, 0]) == 18  # almost all that was drawn


def test_bounds_hold_in_nineteen_of_twenty_draws_of_uneven_stages():
    rng = np.random.default_rng(0)
    sizes, bad = [400, 60, 8], [20, 12, 5]
    for draws in (12, 60):
        counts = allocate(sizes, draws)
        drawn = [rng.hypergeometric(b, n - b, c, 400) for b, n, c in zip(bad, sizes, counts, strict=True)]
        bounds = [greatest_count(sizes, counts, list(map(int, hits))) for hits in zip(*drawn, strict=True)]
        assert np.mean(np.array(bounds) >= sum(bad)) >= 0.93


def test_interval_without_draws_says_nothing():
    assert interval_of_share(0, 0) == (0, 1)
    assert interval_of_share(0, 12)[1] == pytest.approx(1 - 0.025 ** (1 / 12))


@pytest.mark.parametrize("seed", range(3))
def test_with_equal_weights_figures_are_the_usual_ones(seed):
    rng = np.random.default_rng(seed)
    scores, truth = rng.integers(0, 6, 30).astype(float), rng.integers(0, 9, 30).astype(float)
    ones = np.full(30, 2.5)
    assert weighted_tau(scores, truth, ones) == pytest.approx(kendalltau(scores, truth).statistic)
    assert weighted_keeping_ratio(scores, truth, ones) == pytest.approx(minimum_keeping_ratio(scores, truth))


def test_a_weight_counts_as_often_as_the_network_is_there():
    scores, truth = np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 5])
    weights = np.array([1, 3, 1, 2])
    repeated = [np.repeat(values, weights) for values in (scores, truth)]
    # A network is not paired with itself, as equal ones are not in the repeated lists: all of those pairs are ties.
    assert weighted_tau(scores, truth, weights.astype(float)) == pytest.approx(kendalltau(*repeated).statistic)
    assert weighted_keeping_ratio(scores, truth, weights.astype(float)) == pytest.approx(2 / 7)


def test_selection_is_taken_out_of_tau():
    """Of 2,000 networks the best hundred by their scores are known, and forty of the rest are drawn."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=2000)
    truth = scores + rng.normal(size=2000)
    order = np.argsort(-scores)
    known = np.concatenate([order[:100], rng.choice(order[100:], 40, replace=False)])
    weights = np.repeat([1.0, 1900 / 40], [100, 40])
    strata = np.repeat([-1, 0], [100, 40])
    real = kendalltau(scores, truth).statistic
    parts = scores[known], truth[known], weights
    assert weighted_tau(*parts) == pytest.approx(real, abs=0.1)
    assert kendalltau(scores[order[:100]], truth[order[:100]]).statistic < real - 0.15
    low, high = interval(weighted_tau, *parts, strata, np.random.default_rng(2))
    assert low < real < high
    assert high - low < 0.5


def test_an_interval_needs_two_uncertain_draws():
    parts = np.arange(3.0), np.arange(3.0), np.ones(3)
    rng = np.random.default_rng(0)
    assert interval(weighted_tau, *parts, np.array([-1, -1, 0]), rng) is None
    assert interval(weighted_tau, *parts, np.array([-1, 0, 1]), rng) is not None


def test_chance_to_win_by_hand():
    win, error = chance_to_win(np.array([1.0, 3, 5]), np.array([2.0, 3, np.nan]))
    assert win == pytest.approx((1 + 2.5 + 3) / 9)
    by_kept, by_cut = np.array([1 / 3, 2.5 / 3, 1]), np.array([2 / 3, 1.5 / 3, 1])
    assert error == pytest.approx(np.sqrt(by_kept.var(ddof=1) / 3 + by_cut.var(ddof=1) / 3))
    with pytest.raises(SettingError, match="At least two kept and two removed"):
        chance_to_win(np.array([1.0]), np.array([1.0, 2.0]))


def test_an_interval_holds_its_figure():
    """Networks that stand for many others: resamples of few draws alone may leave the figure outside."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        scores, truth = rng.random((2, 12))
        weights, strata = rng.integers(1, 90, 12).astype(float), np.repeat([0, 1], 6)
        figure = weighted_keeping_ratio(scores, truth, weights)
        found = interval(weighted_keeping_ratio, scores, truth, weights, strata, np.random.default_rng(seed))
        assert found is not None
        assert found[0] <= figure <= found[1]
