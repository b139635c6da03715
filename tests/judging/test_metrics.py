"""Numbers worked out by hand, and laws that hold whatever the scores."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsieve.errors import SettingError
from archsieve.judging.metrics import (
    best_rank_at_k,
    bootstrap,
    keeping_curve,
    keeping_ratios,
    kendall_tau,
    minimum_keeping_ratio,
    ndcg_at_k,
    ndcg_by_chance,
    partial_spearman,
    precision_at_k,
    regret_at_k,
    shares_to_keep,
    spearman,
    weighted_tau,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([1, 2, 3], [3, 1, 2], -1 / 3),  # one concordant pair, two discordant
        ([1, 2, 2, 3], [1, 1, 2, 3], 0.8),  # 4 concordant; one tie on each side: 4 / sqrt(5 * 5)
        ([NAN, -INF, 1], [1, 2, 3], 1.0),  # NaN ranks below -inf
        ([NAN, -INF, 1], [2, 1, 3], 1 / 3),
        ([NAN, NAN, 1, 2], [1, 2, 3, 4], 5 / math.sqrt(30)),  # two NaN are a tie
        ([1, 2], [5, 3], -1.0),
    ],
)
def test_kendall_by_hand(scores, truth, expected):
    assert kendall_tau(scores, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([1, 2, 3, 4], [2, 1, 4, 3], 0.6),  # squared rank differences sum to 4: 1 - 6 * 4 / 60
        ([1, 2, 2, 3], [1, 2, 3, 4], 4.5 / math.sqrt(4.5 * 5)),  # tied ranks 2.5, 2.5
        ([NAN, -INF, 1], [1, 2, 3], 1.0),
        ([1, 2], [5, 3], -1.0),
    ],
)
def test_spearman_by_hand(scores, truth, expected):
    assert spearman(scores, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        # Pair weights 3/2, 4/3 concordant and 5/6 discordant, by either ranking: 2 / (11 / 3).
        ([3, 2, 1], [3, 1, 2], 6 / 11),
        ([NAN, -INF, 1], [1, 2, 3], 1.0),
        ([1, 2], [5, 3], -1.0),
    ],
)
def test_weighted_tau_by_hand(scores, truth, expected):
    assert weighted_tau(scores, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("correlation", [kendall_tau, spearman, weighted_tau])
@pytest.mark.parametrize(("scores", "truth"), [([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [5, 5, 5]), ([NAN] * 2, [1, 2])])
def test_correlation_with_a_constant_is_nan(correlation, scores, truth):
    assert math.isnan(correlation(scores, truth))


@pytest.mark.parametrize(
    ("scores", "truth", "k", "expected"),
    [
        ([4, 3, 2, 1], [9, 1, 8, 2], 1, 1.0),
        ([1, 1, 1, 0], [3, 2, 1, 4], 1, 0.0),  # of three tied, the worst counts as chosen
        ([1, 1, 1, 0], [3, 2, 1, 4], 3, 2 / 3),
        ([1, 1, 1, 0], [3, 2, 1, 4], 4, 1.0),
        ([4, 3, 2, 1], [1, 2, 2, 0], 2, 0.5),
        ([1, 4, 3, 0], [9, 8, 8, 1], 2, 1.0),  # both equal the second best
        ([NAN, -INF, 1], [9, 8, 1], 2, 0.5),  # chosen: the 1 and the -inf
        ([7, 7], [1, 2], 1, 0.0),
    ],
)
def test_precision_by_hand(scores, truth, k, expected):
    assert precision_at_k(scores, truth, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "truth", "k", "expected"),
    [
        ([4, 3, 2, 1], [7, 1, 8, 2], 1, 1.0),
        ([4, 3, 2, 1], [7, 1, 8, 2], 3, 0.0),
        ([1, 1], [5, 3], 1, 2.0),  # of two tied, the worse counts as chosen
        ([NAN, -INF, -INF], [9, 4, 6], 1, 5.0),
        ([0, 1], [4, 4], 1, 0.0),
    ],
)
def test_regret_by_hand(scores, truth, k, expected):
    assert regret_at_k(scores, truth, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([9, 5, 7, 1], [4, 1, 3, 2], 1 / 4),
        ([5, 5, 5, 1], [1, 2, 9, 3], 3 / 4),  # ties count against the estimator
        ([1, 4, 3, 2], [9, 9, 5, 1], 1 / 4),  # any of the tied optima will do
        ([5, 5, 1], [9, 9, 2], 2 / 3),  # tied optima with tied scores
        ([NAN, 1, 2, -INF], [9, 1, 1, 1], 1.0),  # a best that could not be scored ranks last
        ([-INF, NAN, 1], [9, 1, 2], 2 / 3),  # -inf is a score
        ([3, 3, 3], [1, 2, 3], 1.0),
        ([1, 2], [2, 1], 1.0),
        ([2, 1], [2, 1], 0.5),
        ([NAN, NAN], [2, 1], 1.0),
    ],
)
def test_minimum_keeping_ratio_by_hand(scores, truth, expected):
    assert minimum_keeping_ratio(scores, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "truth", "sentence"),
    [
        ([1, 2, 3], [1, 2], r"shapes \(3,\) and \(2,\)"),
        ([[1, 2]], [[1, 2]], "two lists of equal length"),
        ([1], [1], "At least 2 items"),
        ([1, 2, 3], [1, NAN, NAN], "holds 2 NaN"),
    ],
)
@pytest.mark.parametrize("metric", [kendall_tau, spearman, weighted_tau, minimum_keeping_ratio])
def test_wrong_input_is_refused(metric, scores, truth, sentence):
    with pytest.raises(SettingError, match=sentence):
        metric(scores, truth)


@pytest.mark.parametrize("metric", [precision_at_k, regret_at_k])
@pytest.mark.parametrize("k", [0, -1, 4])
def test_k_out_of_range_is_refused(metric, k):
    with pytest.raises(SettingError, match=f"got k={k}, n=3"):
        metric([1, 2, 3], [1, 2, 3], k)


SCORES = st.one_of(st.integers(-20, 20).map(float), st.sampled_from([NAN, -INF]))
RANKINGS = st.lists(st.tuples(SCORES, st.integers(-6, 6)), min_size=2, max_size=30)


def _strictly_monotone(scores):
    return [
        lambda: 3 * scores + 7,
        lambda: scores**3 + scores,
        lambda: np.where(scores > 0, 1000 * scores, scores / 4),
    ]


@settings(deadline=None)
@given(items=RANKINGS, which=st.integers(0, 2), data=st.data())
def test_only_the_order_of_the_scores_matters(items, which, data):
    scores, truth = (np.array(column, dtype=float) for column in zip(*items, strict=True))
    k = data.draw(st.integers(1, len(items)))
    mapped = _strictly_monotone(scores)[which]()
    for metric in (kendall_tau, spearman, weighted_tau, minimum_keeping_ratio):
        np.testing.assert_allclose(metric(mapped, truth), metric(scores, truth), rtol=0, atol=1e-12)
    for metric in (precision_at_k, regret_at_k):
        assert metric(mapped, truth, k) == metric(scores, truth, k)


@given(items=RANKINGS)
def test_keeping_ratio_is_the_first_cut_that_holds_an_optimum(items):
    truth = [t for _, t in items]
    levels = [(-INF, 0.0) if math.isnan(s) else (0.0, s) for s, _ in items]  # NaN below every score
    best = max(truth)
    for cut in sorted(set(levels), reverse=True):
        above = [i for i, level in enumerate(levels) if level >= cut]
        if any(truth[i] == best for i in above):
            break
    ratio = minimum_keeping_ratio([s for s, _ in items], truth)
    assert ratio == pytest.approx(len(above) / len(items), abs=1e-12)
    assert 1 / len(items) <= ratio <= 1


@given(items=RANKINGS, data=st.data())
def test_regret_and_precision_at_all_items_are_perfect(items, data):
    scores, truth = zip(*items, strict=True)
    n = len(items)
    assert regret_at_k(scores, truth, n) == 0
    assert precision_at_k(scores, truth, n) == 1
    k = data.draw(st.integers(1, n))
    assert 0 <= regret_at_k(scores, truth, k) <= max(truth) - min(truth)
    assert 0 <= precision_at_k(scores, truth, k) <= 1


@given(items=RANKINGS)
def test_regret_is_zero_from_the_keeping_ratio_on(items):
    scores, truth = zip(*items, strict=True)
    k = round(minimum_keeping_ratio(scores, truth) * len(items))
    assert regret_at_k(scores, truth, k) == 0


def test_best_rank_by_hand():
    truth = [50, 90, 70, 90, 10]
    # The top two by score are 70 and 50: the better of them is third (two nineties before it).
    assert best_rank_at_k([4, 1, 5, 2, 3], truth, 2) == 3
    assert best_rank_at_k([4, 1, 5, 2, 3], truth, 4) == 1
    # Of equal scores the worse truth is taken first: 10, then 50.
    assert [best_rank_at_k([1, 1, 1, 1, 1], truth, k) for k in (1, 2, 3, 4)] == [5, 4, 3, 1]
    assert best_rank_at_k([NAN, NAN, 1, NAN, NAN], truth, 1) == 3


@given(
    st.integers(2, 12).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n)] * 2)),
    st.data(),
)
def test_the_order_of_items_changes_no_figure(pair, data):
    """Ties go against the estimator, whichever item comes first in the file."""
    scores, truth = map(np.array, pair)
    order = np.array(data.draw(st.permutations(range(len(scores)))))
    k = data.draw(st.integers(1, len(scores)))
    for figure in (ndcg_at_k, precision_at_k, regret_at_k):
        assert figure(scores[order], truth[order], k) == pytest.approx(figure(scores, truth, k))
    for figure in (weighted_tau, minimum_keeping_ratio):
        assert figure(scores[order], truth[order]) == pytest.approx(figure(scores, truth), nan_ok=True)


def test_ndcg_by_chance_is_the_mean_over_all_orders():
    for truth in ([1, 2, 3, 4], [1, 1, 3, 3], [2, 2, 2, 2]):
        orders = [list(order) for order in itertools.permutations(range(4))]
        assert ndcg_by_chance(truth, 2) == pytest.approx(np.mean([ndcg_at_k(order, truth, 2) for order in orders]))


def test_ndcg_by_hand():
    # Gains of 1, 2, 3: (rank - 1/2) / 3 = 1/6, 3/6, 5/6. Discounts 1, 1 / log2(3), 1/2.
    d = 1 / math.log2(3)
    ideal = 5 / 6 + 3 / 6 * d + 1 / 12
    assert ndcg_at_k([3, 1, 2], [1, 2, 3], 3) == pytest.approx((1 / 6 + 5 / 6 * d + 3 / 12) / ideal)
    assert ndcg_at_k([3, 2, 1], [3, 2, 1], 2) == 1
    assert ndcg_at_k([1, 1, 1], [3, 2, 1], 1) == pytest.approx(1 / 5)  # ties against it: the worst comes first
    # Tied truths share a gain: of 1, 1, 2 they are 2/6, 2/6, 5/6.
    assert ndcg_at_k([3, 2, 1], [1, 1, 2], 1) == pytest.approx(2 / 5)


def test_partial_spearman_by_hand():
    given_ranks = [1, 2, 3, 4, 5, 6]
    assert math.isnan(partial_spearman(given_ranks, [6, 1, 2, 3, 5, 4], given_ranks))  # it is the size itself
    assert math.isnan(partial_spearman([1] * 6, given_ranks, [2, 1, 3, 4, 5, 6]))
    # Where the size tells nothing of either, it is Spearman itself: 1 2 3 4 and 2 1 4 3 with a constant.
    flat = [2, 3, 3, 2]
    assert spearman([1, 2, 3, 4], flat) == spearman([2, 1, 4, 3], flat) == pytest.approx(0)
    assert partial_spearman([1, 2, 3, 4], [2, 1, 4, 3], flat) == pytest.approx(0.6)


def test_partial_spearman_is_the_correlation_of_what_the_size_leaves():
    rng = np.random.default_rng(0)
    size = rng.permutation(200).astype(float)
    scores, truth = (np.argsort(np.argsort(size + rng.normal(0, 60, 200))).astype(float) for _ in range(2))
    left = [column - np.polyval(np.polyfit(size, column, 1), size) for column in (scores, truth)]
    assert partial_spearman(scores, truth, size) == pytest.approx(np.corrcoef(*left)[0, 1])


def test_keeping_ratios_by_hand():
    scores, truth = [0.3, 0.9, 0.5, 0.5, NAN], [1, 2, 3, 0, 9]
    # The best has no score: all must be kept; the next, 3, ties with one: 3 of 5 score at least .5.
    assert keeping_ratios(scores, truth, 5).tolist() == [1.0, 0.6, 0.2, 0.8, 0.6]
    with pytest.raises(SettingError, match="`1 <= k <= n` must hold, but got k=6, n=5"):
        keeping_ratios(scores, truth, 6)


def test_keeping_curve_by_hand():
    assert keeping_curve([4, 3, 2, 1], [7, 1, 8, 2]).tolist() == [7, 7, 8, 8]
    assert keeping_curve([1, 1, 1], [5, 9, 7]).tolist() == [5, 7, 9]  # ties against it
    assert keeping_curve([NAN, 1, 2], [9, 8, 7]).tolist() == [7, 8, 9]


rankings = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-3, 3) | st.just(NAN), min_size=n, max_size=n),
        st.lists(st.integers(-20, 20), min_size=n, max_size=n),
    )
)


@given(rankings)
def test_the_new_measures_agree_with_the_old(both):
    scores, truth = both
    n, best = len(truth), max(truth)
    curve = keeping_curve(scores, truth)
    assert curve[-1] == best
    assert (np.diff(curve) >= 0).all()
    ratios = keeping_ratios(scores, truth, n)
    tied = sum(value == best for value in truth)
    assert ratios[:tied].min() == minimum_keeping_ratio(scores, truth)
    for k in {1, (n + 1) // 2, n}:
        assert regret_at_k(scores, truth, k) == best - curve[k - 1]
        assert best_rank_at_k(scores, truth, k) == 1 + sum(value > curve[k - 1] for value in truth)
        assert 0 <= ndcg_at_k(scores, truth, k) <= 1 + 1e-12
    # A monotone map of either side changes none of them.
    mapped = [3 * value + 1 for value in scores], [value**3 for value in truth]
    assert keeping_ratios(*mapped, n).tolist() == ratios.tolist()
    assert ndcg_at_k(*mapped, n) == pytest.approx(ndcg_at_k(scores, truth, n))


@given(rankings)
def test_shares_bracket_the_ties(both):
    scores, truth = both
    against, kindly = shares_to_keep(scores), shares_to_keep(scores, ties="for")
    n = len(scores)
    assert ((kindly >= 1 / n) & (kindly <= against) & (against <= 1)).all()
    best = [i for i, value in enumerate(truth) if value == max(truth)]
    assert against[best].min() == minimum_keeping_ratio(scores, truth)
    for i in range(n):  # keeping that share, ties first or last, the item is in
        below = sum(against[j] < against[i] for j in range(n))
        assert kindly[i] * n == pytest.approx(below + 1)


def test_a_bootstrap_is_the_measures_of_what_was_drawn():
    rng = np.random.default_rng(1)
    truth = rng.permutation(30).astype(float)
    scores = np.where(rng.random(30) < 0.2, NAN, truth + rng.normal(0, 10, 30).round())
    found = bootstrap(scores, truth, k=5, times=7, rng=np.random.default_rng(2))
    again = np.random.default_rng(2)
    for row in found:
        drawn = again.integers(0, 30, 30)
        one, other = scores[drawn], truth[drawn]
        expected = kendall_tau(one, other), minimum_keeping_ratio(one, other), regret_at_k(one, other, 5)
        assert row.tolist() == pytest.approx(expected)
    assert found.std(axis=0).min() > 0


def test_a_bootstrap_of_constant_scores_has_no_tau():
    found = bootstrap([1.0] * 9, range(9), k=1, times=3, rng=np.random.default_rng(0))
    assert np.isnan(found[:, 0]).all()
    assert (found[:, 1] == 1).all()
