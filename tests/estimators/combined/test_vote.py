"""The vote, by hand and against the rule it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsieve.errors import SettingError
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.contract import Composite
from archsieve.estimators.size import MACS, PARAMS
from archsieve.fingerprints import fingerprint

INF, NAN = np.inf, np.nan


def votes(values, quantile, reference=None):
    """Return the votes of one part."""
    column = np.array(values, dtype=float)[:, np.newaxis]
    other = column if reference is None else np.array(reference, dtype=float)[:, np.newaxis]
    return Vote((PARAMS(),), quantile).combine(column, other).tolist()


@pytest.mark.parametrize(
    ("values", "quantile", "expected"),
    [
        # Five values, the 0.5 quantile is the third, 3; strictly above are two.
        ([5, 1, 4, 2, 3], 0.5, [1, 0, 1, 0, 0]),
        # 0.8 of five: position 3.2, between 4 and 5.
        ([5, 1, 4, 2, 3], 0.8, [1, 0, 0, 0, 0]),
        # 0.75 of five: position 3, the value 4 itself.
        ([5, 1, 4, 2, 3], 0.75, [1, 0, 0, 0, 0]),
        ([5, 1, 4, 2, 3], 0.74, [1, 0, 1, 0, 0]),
        # 0: strictly above the smallest.
        ([5, 1, 4, 2, 3], 0.0, [1, 0, 1, 1, 1]),
        # Ties at the quantile get no vote: of 1 3 3 3 5 the median is 3.
        ([3, 3, 5, 3, 1], 0.5, [0, 0, 1, 0, 0]),
        # 1 1 3 3: the median lies between 1 and 3, both threes are above it.
        ([3, 1, 3, 1], 0.5, [1, 0, 1, 0]),
        ([2, 2, 2], 0.5, [0, 0, 0]),
        ([2], 0.9, [0]),
        # NaN has no vote and ranks lowest: NaN 1 2 3 4, median 2.
        ([NAN, 1, 2, 3, 4], 0.5, [0, 0, 0, 1, 1]),
        ([NAN, NAN, 1], 0.5, [0, 0, 1]),  # the median is a NaN, and any number is above it
        ([NAN, NAN, NAN], 0.5, [0, 0, 0]),
        # -inf is a score: the lowest, and above nothing. -inf -inf 1 2: the median lies between -inf and 1.
        ([-INF, 2, -INF, 1], 0.5, [0, 1, 0, 1]),
        ([-INF, -INF, -INF, 1], 0.5, [0, 0, 0, 1]),
        ([-INF, -INF], 0.5, [0, 0]),
        ([-INF, NAN, 3], 0.5, [0, 0, 1]),
    ],
)
def test_one_part_by_hand(values, quantile, expected):
    assert votes(values, quantile) == expected


def test_parts_are_counted():
    # Medians 3, 30 and 2: the first part is for rows 0 and 1, the second for 1 and 2, the third for 0 alone.
    columns = np.array([[5, 10, 9], [4, 50, 2], [3, 40, 2], [2, 30, 2], [1, 20, 1]], dtype=float)
    vote = Vote((PARAMS(), MACS(), PARAMS()), 0.5)
    assert vote.combine(columns, columns).tolist() == [2, 2, 1, 0, 0]


def test_quantiles_are_those_of_the_reference():
    assert votes([1, 15, 20, 25, 99], 0.5, reference=[10, 20, 30]) == [0, 0, 0, 1, 1]
    # Of 10 20 the 0.8 quantile is 18; values from elsewhere may lie between the neighbours.
    assert votes([17.9, 18, 18.1, 20], 0.8, reference=[10, 20]) == [0, 0, 1, 1]
    assert votes([NAN, -INF, 11], 0.5, reference=[NAN, 10, NAN, 10, 10]) == [0, 0, 1]


def test_the_quantile_is_exact():
    # In floats 0.7 * 10 is just below 7 and 0.1 + 0.2 just above 0.3: the quantile is the value itself, not a mix.
    assert sum(votes(range(11), 0.7)) == 3
    assert sum(votes(range(11), 0.1 + 0.2)) == 7
    # 0.29 * 100 is 28.999999999999996: the 29th value must not pass.
    assert sum(votes(range(101), 0.29)) == 71


DISTINCT = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40, unique=True)


@given(DISTINCT, st.integers(0, 99))
def test_with_distinct_scores_it_is_the_strict_rule(values, percent):
    # numpy rounds where it interpolates, so that the rule is asked only where nothing lies within its rounding.
    values, threshold = np.array(values), np.quantile(values, percent / 100)
    clear = np.abs(values - threshold) > 1e-9 * (1 + np.abs(values).max())
    found = np.array(votes(values, percent / 100))
    assert found[clear].tolist() == (values > threshold)[clear].tolist()
    above = (100 - percent) * (len(values) - 1)
    assert found.sum() == -(-above // 100)  # ceil((1 - q) (n - 1)), in whole numbers


@given(DISTINCT, st.integers(0, 99))
def test_monotone_maps_change_no_vote(values, percent):
    ranks = np.argsort(np.argsort(values))
    assert votes(values, percent / 100) == votes(ranks, percent / 100)


def test_random_distinct_values_as_the_reference_code_does():
    rng = np.random.default_rng(0)
    for quantile in (0.5, 0.8, 0.9):
        columns = rng.normal(size=(625, 3))
        passed = (columns > np.quantile(columns, quantile, axis=0)).sum(axis=1)
        vote = Vote((PARAMS(), MACS(), PARAMS()), quantile)
        assert vote.combine(columns, columns).tolist() == passed.tolist()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"parts": ()}, "A vote needs at least one part"),
        ({"quantile": 1.0}, "`0 <= quantile < 1` must hold, but got quantile=1.0"),
        ({"quantile": -0.1}, "`0 <= quantile < 1` must hold, but got quantile=-0.1"),
        ({"quantile": NAN}, "`0 <= quantile < 1` must hold, but got quantile=nan"),
        ({"calibration": 0}, "`calibration >= 1` must hold, but got calibration=0"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        Vote(**{"parts": (PARAMS(),), **given})


def test_what_it_says_of_itself():
    vote = Vote((PARAMS(), MACS()), calibration=200)
    assert isinstance(vote, Composite)
    assert (vote.name, vote.calibration) == ("vote", 200)
    others = [Vote((PARAMS(),), calibration=200), Vote(vote.parts), Vote(vote.parts, 0.7, 200)]
    assert len({fingerprint(v) for v in (vote, *others)}) == 4
