"""Fronts and hypervolumes: by hand, and against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsieve.fronts import fronts_of, hypervolume

SMALL = st.lists(st.tuples(*[st.integers(0, 5)] * 2), max_size=25)


def dominates(one, other):
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other


def by_definition(points):
    """A point is one front behind the last front that dominates it."""
    fronts = {}
    for point in sorted(points, key=lambda p: (-sum(p), p)):
        fronts[point] = 1 + max((fronts[other] for other in fronts if dominates(other, point)), default=-1)
    return [fronts[point] for point in points]


@given(SMALL)
def test_fronts_of_two_objectives(points):
    assert fronts_of(np.array(points, float).reshape(-1, 2)).tolist() == by_definition(points)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=15))
def test_fronts_of_three_objectives(points):
    assert fronts_of(np.array(points, float).reshape(-1, 3)).tolist() == by_definition(points)


def test_what_has_no_value_is_on_no_front():
    nan = float("nan")
    assert fronts_of([[nan, 9], [1, 1], [2, nan], [-np.inf, 3], [0, 0]]).tolist() == [-1, 0, -1, 0, 1]


@pytest.mark.parametrize(
    ("points", "reference", "area"),
    [
        ([], (0, 0), 0),
        ([(2, 3)], (0, 0), 6),
        ([(2, 3)], (1, 1), 2),
        ([(2, 3), (2, 3), (1, 1)], (0, 0), 6),
        ([(4, 1), (2, 2), (1, 4)], (0, 0), 4 + 2 + 2),  # strips of height 1, 1 and 2
        ([(4, 1), (5, -1), (-1, 9)], (0, 0), 4),  # not above the reference in both
        ([(-8.0, -2.0)], (-10.0, -3.0), 2),
        ([(float("nan"), 3), (1, 1)], (0, 0), 1),
    ],
)
def test_hypervolume_by_hand(points, reference, area):
    assert hypervolume(points, reference) == pytest.approx(area)


@given(SMALL)
def test_hypervolume_counts_the_cells_below(points):
    cells = sum(any(a > i and b > j for a, b in points) for i in range(5) for j in range(5))
    assert hypervolume(points, (0, 0)) == cells
