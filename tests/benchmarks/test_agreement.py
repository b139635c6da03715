"""Columns that agree with each other and with the architectures of their rows, and columns that do not."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from archsieve.benchmarks.agreement import check_alike, check_fit, check_rising, rank_correlation, why_unchecked
from archsieve.benchmarks.records import Table
from archsieve.errors import DataError

PATH = Path("own.csv")
ARCHS = tuple(itertools.product(range(3), repeat=6))  # 729
RNG = np.random.default_rng(0)
WORTH = np.array(ARCHS) @ [1.0, 2.0, 0.5, 3.0, 1.5, 2.5]
TEST = 60 + WORTH + RNG.normal(0, 0.3, len(ARCHS))
VALID = TEST + 1 + RNG.normal(0, 0.3, len(ARCHS))


def table(**columns):
    return Table(ARCHS, columns)


def test_rank_correlation_of_four_numbers():
    # Ranks 1 2 3 4 and 2 1 3 4: 1 - 6 * (1 + 1) / (4 * 15) = 0.8
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([5.0, 1, 7, 9])) == pytest.approx(0.8)
    assert rank_correlation(np.ones(4), np.arange(4.0)) == 0


def test_two_accuracies_of_each_network_agree():
    check_alike(PATH, table(test=TEST, valid=VALID), "test", "valid")
    check_alike(PATH, table(test=np.where(TEST > 70, TEST, np.nan), valid=VALID), "test", "valid")


@pytest.mark.parametrize(
    ("valid", "sentence"),
    [
        (RNG.permutation(VALID), "should rank networks alike, but their rank correlation is -?0.0"),
        (100 - VALID, "should rank networks alike, but their rank correlation is -1.00"),
        (VALID / 100, "should have similar values, but their medians are .* another unit"),
        (VALID / 2, "should have similar values, but their medians are"),
    ],
    ids=["another order", "errors", "fractions", "another quantity"],
)
def test_columns_that_disagree_are_refused(valid, sentence):
    with pytest.raises(DataError, match=sentence):
        check_alike(PATH, table(test=TEST, valid=valid), "test", "valid")


def test_few_rows_tell_nothing():
    few = Table(ARCHS[:49], {"test": TEST[:49], "valid": RNG.permutation(VALID[:49])})
    check_alike(PATH, few, "test", "valid")
    check_fit(PATH, few, "test")
    check_rising(PATH, few, "test", -WORTH[:49], 0.5)


def test_values_follow_their_architectures():
    check_fit(PATH, table(test=TEST), "test")
    check_fit(PATH, table(test=np.where(TEST > 70, TEST, np.nan)), "test")
    order = RNG.permutation(len(ARCHS))  # rows in any order
    check_fit(PATH, Table(tuple(ARCHS[row] for row in order), {"test": TEST[order]}), "test")


@pytest.mark.parametrize("seed", range(40))
def test_a_part_whose_rows_are_sorted_by_accuracy_is_accepted(seed):
    """The values of neighbouring rows are nearly the same there."""
    rows = np.random.default_rng(seed).choice(len(ARCHS), 200, replace=False)
    rows = rows[np.argsort(-TEST[rows])]
    check_fit(PATH, Table(tuple(ARCHS[row] for row in rows), {"test": TEST[rows]}), "test")


def test_networks_that_are_nearly_equally_good_tell_nothing():
    """Of only the best networks, two trainings may have any order, and sizes need not follow."""
    close, again = 94 + RNG.normal(0, 0.2, (2, len(ARCHS)))
    best = table(test=close, valid=again)
    check_alike(PATH, best, "test", "valid")
    check_fit(PATH, best, "test")
    check_rising(PATH, best, "test", -close, 0)
    assert why_unchecked(close) == "the networks are nearly equally good"
    assert why_unchecked(TEST[:199]) == "there are only 199 networks"
    assert why_unchecked(TEST) == ""


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (RNG.permutation(TEST), "follow the decisions of its architectures .* as if by chance"),
        (np.roll(TEST, 1), r"those of neighbouring rows do by 0\.98"),
        (np.roll(TEST, -1), r"those of neighbouring rows do by 0\.98"),
    ],
    ids=["shuffled", "shifted down", "shifted up"],
)
def test_values_of_other_rows_are_refused(values, sentence):
    with pytest.raises(DataError, match=sentence):
        check_fit(PATH, table(test=values), "test")


def test_errors_do_not_rise_with_sizes():
    check_rising(PATH, table(test=TEST), "test", WORTH, 0.5)
    with pytest.raises(DataError, match=r"do not rise with the sizes of the networks \(rank correlation -1\.00"):
        check_rising(PATH, table(test=100 - TEST), "test", WORTH, 0.5)
