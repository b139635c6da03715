"""The keep rule of a stage, against the published trajectories and against the quantile it stands for."""

from fractions import Fraction
from math import floor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsieve.errors import SettingError
from archsieve.searchers.contract import Stage, order_best_first, record
from archsieve.values import exact

NAN, INF = float("nan"), float("inf")

# Fractions dropped after each epoch of partial training (TPAMI 2025, "Good Performance Estimation strategies are
# All You Need in Neural Architecture Search", its public code).
DROP_A = [
    *(0.75, 0.41, 0.46, 0.13, 0.26, 0.23, 0.05, 0.34, 0.07, 0.36, 0, 0.62),
    *(0, 0, 0, 0, 0, 0, 0.2, 0.5, 0.33, 0, 0, 0, 0, 0, 0, 0, 0, 0.5, 1, 1),
]
DROP_B = [
    *(0.63, 0.24, 0.11, 0.43, 0.17, 0.34, 0.43, 0.13, 0, 0.07, 0.3, 0),
    *(0.16, 0, 0, 0, 0, 0, 0.5, 0.25, 0.5, 0.5, 1, 1),
]
DROP_C = [0.41, 0.14, 0.27, 0.37, 0, 0.5, 0, 0, 0.66, 0, 0.5, 1, 1]


def trajectory(drops, n):
    """Return how many are trained in each epoch until one is left, and that last number."""
    left = [n]
    for drop in drops:
        if left[-1] == 1:
            break
        left.append(Stage(None, keep=1 - drop).count(left[-1]))
    return left[:-1], left[-1]


@pytest.mark.parametrize(
    ("drops", "start", "epochs", "architecture_epochs"),
    [
        (DROP_A, 262, 12, 455),
        (DROP_A, 625, 20, 1110),
        (DROP_B, 262, 20, 657),
        (DROP_B, 131, 19, 332),
        (DROP_C, 16, 6, 43),
        (DROP_C, 30, 9, 97),
    ],
)
def test_published_trajectories(drops, start, epochs, architecture_epochs):
    trained, last = trajectory(drops, start)
    assert last == 1
    assert len(trained) == epochs
    assert sum(trained) == architecture_epochs


def test_trajectory_a_from_262_step_by_step():
    trained, last = trajectory(DROP_A, 262)
    assert [*trained[1:], last] == [66, 39, 21, 18, 13, 10, 9, 6, 5, 3, 3, 1]


def above_quantile(values, r):
    """Return how many lie strictly above the r-quantile (linear interpolation), in exact arithmetic."""
    ordered = sorted(map(Fraction, values))
    position = r * (len(ordered) - 1)
    below = floor(position)
    quantile = ordered[below]
    if position > below:
        quantile += (position - below) * (ordered[below + 1] - ordered[below])
    return sum(value > quantile for value in ordered)


@given(
    scores=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60, unique=True),
    percent=st.integers(0, 99),
)
def test_keep_is_the_strict_quantile_but_never_none(scores, percent):
    stage = Stage(None, keep=percent / 100)
    expected = max(1, above_quantile(scores, 1 - Fraction(percent, 100)))
    kept = stage.select(np.array(scores, dtype=float))
    assert len(kept) == expected
    assert [scores[i] for i in kept] == sorted(scores, reverse=True)[:expected]


@pytest.mark.parametrize(
    ("keep", "n", "expected"),
    [
        (1.0, 7, 7),
        (0.0, 7, 1),
        (0.5, 1, 1),
        (0.1, 11, 1),
        (0.3, 11, 3),
        (1 - 0.41, 101, 59),
        (0.2, 6561, 1312),
    ],
)
def test_count_by_hand(keep, n, expected):
    assert Stage(None, keep=keep).count(n) == expected


def test_exact_reads_the_decimal_that_was_meant():
    assert exact(0.1) == Fraction(1, 10)
    assert exact(1 - 0.41) == Fraction(59, 100)
    assert exact(1) == 1


def test_order_best_first():
    assert order_best_first(np.array([NAN, 1, -INF, 1, 3, NAN, INF])).tolist() == [6, 4, 1, 3, 2, 0, 5]
    assert order_best_first(np.array([])).tolist() == []


@given(scores=st.lists(st.sampled_from([NAN, -INF, -1.0, 0.0, 2.0]), min_size=1, max_size=20))
def test_order_is_a_stable_sort(scores):
    order = order_best_first(np.array(scores)).tolist()
    level = {i: (-2.0 if np.isnan(s) else max(s, -1.5)) for i, s in enumerate(scores)}
    assert order == sorted(range(len(scores)), key=lambda i: (-level[i], i))


def test_ties_are_resolved_by_order():
    assert Stage(None, top=2).select(np.array([1.0, 5, 5, 5])).tolist() == [1, 2]
    assert Stage(None, keep=0.5).select(np.array([5.0, 5, 5])).tolist() == [0]


def test_nan_is_kept_last():
    assert Stage(None, top=3).select(np.array([NAN, -INF, NAN, 1])).tolist() == [3, 1, 0]


def test_top_beyond_the_pool_keeps_all():
    assert Stage(None, top=9).select(np.array([1.0, 2])).tolist() == [1, 0]


def test_above_is_strict_and_never_keeps_none():
    scores = np.array([1.0, 3, 2, NAN, 3])
    assert Stage(None, above=2).select(scores).tolist() == [1, 4]
    assert Stage(None, above=3).select(scores).tolist() == [1]
    assert Stage(None, above=0).select(np.array([NAN, NAN])).tolist() == [0]


def test_above_has_no_count():
    with pytest.raises(SettingError, match="depends on the scores"):
        Stage(None, above=1.0).count(5)


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({}, "exactly one of keep, top and above, but got none"),
        ({"keep": 0.5, "top": 3}, "exactly one of keep, top and above"),
        ({"keep": 1.01}, r"`0 <= keep <= 1` must hold, but got keep=1.01"),
        ({"keep": -0.1}, "but got keep=-0.1"),
        ({"keep": NAN}, "but got keep=nan"),
        ({"top": 0}, r"`top >= 1` must hold, but got top=0"),
    ],
)
def test_rules_out_of_range_are_refused(rules, sentence):
    with pytest.raises(SettingError, match=sentence):
        Stage(None, **rules)


def test_label_defaults_to_the_estimator():
    estimator = SimpleNamespace(name="nwot")
    assert Stage(estimator, top=1).label == "nwot"
    assert Stage(estimator, top=1, label="first").label == "first"
    assert Stage(None, top=1).label == "stage"


def test_record_keeps_plain_arrays_and_counts_failures():
    made = record("x", [(0, 1), (2, 3)], np.array([NAN, 1.0]), np.array([1]), 0.5)
    assert made.archs.dtype == np.int8
    assert made.archs.tolist() == [[0, 1], [2, 3]]
    assert made.failures == 1
    assert made.kept.tolist() == [1]
    assert made.seconds == 0.5
