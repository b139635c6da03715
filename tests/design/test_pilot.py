"""Pilots: who is left beside a stand-in, how tightly a stage may cut, all worked by hand; and pilots from files."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from archsieve.design.pilot import Pilot, read_pilot
from archsieve.errors import DataError, MissingDataError, SettingError, UnknownNameError
from archsieve.searchers.contract import Stage
from plugins.toy import Toy

NAN, INF = math.nan, math.inf

# Six networks a to f, the best first, and what two estimators say of them.
#              a  b  c  d  e  f
TRUTH = np.array([6.0, 5, 4, 3, 2, 1])
FIRST = np.array([3.0, 6, 5, 1, 2, 4])
SECOND = np.array([2.0, 1, 9, 8, 7, 3])
PILOT = Pilot(np.stack([FIRST, SECOND], axis=1), TRUTH)
A, B, C = 0, 1, 2


def one(scores, truth=None):
    """A pilot of one estimator, the best network first unless a truth is given."""
    scores = np.array(scores, dtype=float)
    truth = np.arange(len(scores), 0, -1.0) if truth is None else np.array(truth, dtype=float)
    return Pilot(scores[:, None], truth)


def tightest(pilot, *stand_ins, without=None, estimator=0):
    who = np.array(stand_ins)
    return pilot.tightest(pilot.below(who, without), who, estimator)


def names(rows):
    """Those left beside each stand-in, by letter."""
    return ["".join(letter for letter, is_left in zip("abcdefgh", row, strict=False) if is_left) for row in rows]


# Who is below


def test_below_a_stand_in_is_who_is_no_better():
    assert names(PILOT.below(np.array([A, B, C]))) == ["abcdef", "bcdef", "cdef"]


def test_without_is_as_if_it_had_not_been_drawn():
    assert names(PILOT.below(np.array([A, C]), without=B)) == ["acdef", "cdef"]


def test_who_is_as_good_is_below():
    pilot = one([1, 2, 3, 4], truth=[5, 5, 4, 3])
    assert names(pilot.below(np.array([0, 1, 2]))) == ["abcd", "abcd", "cd"]


def test_the_best_come_first_in_whichever_order_they_are_given():
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled = Pilot(np.stack([FIRST, SECOND], axis=1)[order], TRUTH[order])
    assert shuffled.truth.tolist() == TRUTH.tolist()
    for estimator in (0, 1):
        for stand_in in range(6):
            found = tightest(shuffled, stand_in, estimator=estimator)
            assert found == tightest(PILOT, stand_in, estimator=estimator)


# How tightly a stage may cut


@pytest.mark.parametrize(
    ("stand_ins", "without", "keep"),
    [
        ([A], None, 0.6667),  # b, c, f and a itself of six, rounded up
        ([B], None, 0.2),  # itself of five
        ([C], None, 0.25),  # itself of four: b, which scores higher, is better
        ([B, C], None, 0.25),
        ([A, B, C], None, 0.6667),  # the worst decides
        ([A], B, 0.6),  # c, f and a of a, c, d, e, f
        ([A, C], B, 0.6),
        ([C], B, 0.25),  # b was not below c anyway
    ],
)
def test_the_tightest_cut_keeps_every_stand_in(stand_ins, without, keep):
    assert tightest(PILOT, *stand_ins, without=without) == keep


def test_each_estimator_has_its_own():
    assert tightest(PILOT, A, estimator=1) == 0.8334  # a, c, d, e, f of six
    assert tightest(PILOT, B, estimator=1) == 1.0
    assert tightest(PILOT, C, estimator=1) == 0.25


@pytest.mark.parametrize(
    ("scores", "keep"),
    [
        ([2, 1, 1, 1, 1], 0.2),
        ([2, 2, 1, 1, 1], 0.4),  # two tie for the first place: the stand-in is the second
        ([2, 2, 2, 3, 1], 0.8),
        ([1, 1, 1, 1, 1], 1.0),  # says nothing
    ],
)
def test_ties_count_against_the_stand_in(scores, keep):
    assert tightest(one(scores), A) == keep


@pytest.mark.parametrize(
    ("scores", "keep"),
    [
        ([NAN, 1, 2, 3, 4], 1.0),
        ([1, NAN, NAN, NAN, 2], 0.4),  # e and itself
        ([-INF, NAN, NAN, NAN, 2], 0.4),  # -inf is a score
        ([NAN, NAN, 1, 2, 3], 1.0),  # b ties with it
        ([NAN, NAN, NAN, NAN, NAN], 1.0),
    ],
)
def test_what_could_not_be_scored_ranks_last(scores, keep):
    assert tightest(one(scores), A) == keep


@pytest.mark.parametrize("place", range(1, 101))
def test_hundredths_are_not_rounded_up(place):
    """7 / 100 * 10,000 is 700.0000000000001 in binary."""
    scores = [0.0] + [1.0] * (place - 1) + [-1.0] * (100 - place)
    assert tightest(one(scores), A) == place / 100


# Who is left


def cut(pilot, keep, *stand_ins, without=None, estimator=0):
    who = np.array(stand_ins)
    return names(pilot.cut(pilot.below(who, without), who, estimator, keep))


def test_a_cut_leaves_the_best_scores():
    # Beside a: ceil(0.6667 * 5) = 4, those of b (6), c (5), f (4) and a (3). Beside b: ceil(0.6667 * 4) = 3.
    assert cut(PILOT, 0.6667, A, B) == ["abcf", "bcf"]
    # Without b: ceil(0.6667 * 4) = 3.
    assert cut(PILOT, 0.6667, A, without=B) == ["acf"]


def test_a_cut_never_leaves_the_stand_in_out():
    # Beside a: ceil(0.25 * 5) = 2, b and c, and a itself; beside b one.
    assert cut(PILOT, 0.25, A, B) == ["abc", "b"]
    # b is as good as a and scores the same: of the two only one has a place.
    assert cut(one([7, 7, 1, 0], truth=[5, 5, 4, 3]), 0.25, A, B) == ["a", "ab"]


def test_a_cut_leaves_one_at_least():
    assert cut(PILOT, 0.0, B) == ["b"]


def test_a_cut_leaves_what_could_not_be_scored_last():
    # ceil(0.5 * 4) = 2: c (9) and e (-inf), and a itself.
    assert cut(one([NAN, NAN, 9, NAN, -INF]), 0.5, A) == ["ace"]


def test_a_second_cut_is_of_what_the_first_left():
    who = np.array([A])
    left = PILOT.cut(PILOT.below(who), who, 0, 0.6667)  # a, b, c, f, of which the second estimator puts c, f over a
    assert PILOT.tightest(left, who, 1) == 0.75
    assert names(PILOT.cut(left, who, 1, 0.5)) == ["acf"]  # ceil(0.5 * 3) = 2, c and f, and a itself


@pytest.mark.parametrize(
    ("stand_in", "chain", "is_kept"),
    [
        (A, (), True),
        (A, ((0, 0.6667),), True),  # it is the fourth of six, and ceil(3.3) stay
        (A, ((0, 0.61),), True),  # ceil(3.05)
        (A, ((0, 0.6),), False),  # ceil(3)
        (B, ((0, 0.0),), True),  # the first is always kept
        (C, ((0, 0.25),), True),
        (A, ((0, 0.6667), (1, 0.75)), True),  # the third of a, b, c, f, and ceil(2.25) stay
        (A, ((0, 0.6667), (1, 0.66)), False),  # ceil(1.98)
        (A, ((1, 0.75), (0, 0.9)), False),  # the fifth of six, and ceil(3.75) stay
        (B, ((0, 0.5), (1, 0.9)), False),  # the third of b, c, f, and ceil(1.8) stay
    ],
)
def test_a_chain_keeps_a_stand_in_or_loses_it(stand_in, chain, is_kept):
    assert PILOT.keeps(stand_in, chain) is is_kept


def test_a_chain_loses_who_ties_at_its_edge():
    pilot = one([1, 1, 1, 0, 0, 0])  # the third of the three that tie
    assert not pilot.keeps(A, ((0, 0.4),))  # ceil(2)
    assert pilot.keeps(A, ((0, 0.41),))  # ceil(2.05)


def test_a_chain_loses_who_could_not_be_scored():
    """It is the sixth of six, as is whoever else could not be scored: ceil(4.95) are too few."""
    assert not one([NAN, 1, NAN, 1, 1, 1]).keeps(A, ((0, 0.99),))


def test_the_tightest_cut_keeps_and_a_tighter_one_loses():
    """Whatever the scores: one less than the tightest, in networks, is too few."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(5, 60))
        pilot = one(rng.integers(0, 30, n))
        for stand_in in range(min(4, n)):
            keep, beside = tightest(pilot, stand_in), n - stand_in
            place = round(keep * beside)
            if keep < 1:
                assert pilot.keeps(stand_in, ((0, keep),))
            if place > 1:
                assert not pilot.keeps(stand_in, ((0, (place - 1) / (beside - 1) - 1e-6),))


# As many as a search keeps

KEPT = [0.0, 1e-4, 0.9999, 0.25, 0.1, 0.41, 0.59, 1 / 3, 2 / 3, *(i / 10_000 for i in range(7, 10_000, 307))]
KEPT += [0.07, 0.14, 0.28, 0.55]  # 0.07 * 100 is 7.000000000000001 in binary


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 11, 50, 97, 100, 101, 625, 729, 1000, 3969])
def test_as_many_are_left_as_a_stage_keeps(n):
    """The stand-in scores highest, so that it takes none of the places of others."""
    pilot, who = one(np.arange(n, 0, -1)), np.array([A])
    for keep in KEPT:
        left = pilot.cut(pilot.below(who), who, 0, keep)
        assert left.sum() == Stage(None, keep=keep).count(n), keep


@pytest.mark.parametrize("n", [2, 3, 11, 100, 729])
def test_a_chain_keeps_the_last_place_a_stage_does(n):
    for keep in KEPT[:20]:
        count = Stage(None, keep=keep).count(n)
        for place in (count, count + 1):
            if place <= n:
                scores = [0.0] + [1.0] * (place - 1) + [-1.0] * (n - place)
                assert one(scores).keeps(A, ((0, keep),)) is (place == count), (keep, place)


def test_a_stage_that_keeps_all_keeps_the_worst():
    assert one([1, 2, 3]).keeps(A, ((0, 1.0),))


# Files

SPACE = Toy(4)  # the order of the digits makes no difference


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a file and reads it."""

    def read(text, truth=None, name="pilot.csv"):
        (tmp_path / name).write_text(text)
        return read_pilot(tmp_path / name, SPACE, truth)

    return read


def test_a_file_is_read_in_its_order_by_canonical_code(read):
    archs, truth = read("architecture,accuracy\n2100,91.5\n2222,90\n0-0-0-1,-3e-1\n")
    assert archs == [(0, 0, 1, 2), (2, 2, 2, 2), (0, 0, 0, 1)]
    assert truth.tolist() == [91.5, 90.0, -0.3]


def test_rows_without_a_truth_are_left_out(read):
    archs, truth = read("architecture,accuracy\n0000,\n0001,nan\n0002,NaN\n0011,7\nno code,\n0000,8\n")
    assert (archs, truth.tolist()) == ([(0, 0, 1, 1), (0, 0, 0, 0)], [7.0, 8.0])


def test_the_truth_is_the_column_named_or_the_only_other_one(read):
    both = "flops,architecture,accuracy\n1,0000,91\n2,0001,92\n"
    assert read(both, "accuracy")[1].tolist() == [91.0, 92.0]
    assert read(both, "flops")[1].tolist() == [1.0, 2.0]
    assert read("loss,architecture\n5,0000\n")[1].tolist() == [5.0]


def test_parquet_is_read_as_well(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"architecture": ["2100", "2222", "0000"], "accuracy": [91.5, NAN, None]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "pilot.parquet")
    archs, truth = read_pilot(tmp_path / "pilot.parquet", SPACE, None)
    assert (archs, truth.tolist()) == ([(0, 0, 1, 2)], [91.5])


@pytest.mark.parametrize(
    ("text", "truth", "error", "sentence"),
    [
        (
            "architectures,accuracy\n0000,1\n",
            "accuracy",
            UnknownNameError,
            "has no column 'architecture'. Did you mean 'architectures'?",
        ),
        (
            "architecture,accuracy\n0000,1\n",
            "acuracy",
            UnknownNameError,
            "has no column 'acuracy'. Did you mean 'accuracy'?",
        ),
        (
            "architecture,accuracy\n0000,1\n0001,high\n",
            None,
            DataError,
            "holds 'high' in line 3, column 'accuracy', among numbers.",
        ),
        (
            "architecture,accuracy\n0000,1\n0003,2\n",
            None,
            DataError,
            "holds a wrong architecture: '0003' is not an architecture of toy: decision 3 is 3, but must lie in 0..2.",
        ),
        (
            "architecture,accuracy\n000,1\n",
            None,
            DataError,
            "holds a wrong architecture: '000' is not an architecture of",
        ),
        ("architecture,accuracy\n0012,1\n2100,2\n", None, DataError, "holds the network 2100 twice."),
        (
            "architecture,accuracy,flops\n0000,1,2\n",
            None,
            SettingError,
            "has the columns architecture, accuracy, flops: name the one with the truth with --truth.",
        ),
        ("net,accuracy\n0000,1\n", None, UnknownNameError, "has no column 'architecture'."),
        ("architecture\n0000\n", None, SettingError, "has the columns architecture: one with the truth is needed."),
        ("architecture,accuracy\n0000\n", None, DataError, "has 1 fields in line 2, but its header has 2."),
        ("architecture,accuracy,accuracy\n0000,1,2\n", "accuracy", DataError, "names a column twice."),
    ],
)
def test_what_is_wrong_with_a_file_is_said(read, tmp_path, text, truth, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        read(text, truth)
    assert str(caught.value).startswith(f"The file {tmp_path / 'pilot.csv'} ")


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(MissingDataError, match=re.escape(f"There is no file {str(tmp_path / name)!r}.")):
        read_pilot(tmp_path / name, SPACE, None)


def test_a_network_is_looked_for_once_and_not_among_all_before(tmp_path):
    compared = []

    class Code(tuple):
        __slots__ = ()
        __hash__ = tuple.__hash__

        def __eq__(self, other):
            compared.append(other)
            return tuple.__eq__(self, other)

    class Space(Toy):
        def parse(self, text):
            return tuple(map(int, text.split("-")))

        def canonical(self, arch):
            return Code(arch)

    path = tmp_path / "pilot.csv"
    path.write_text("architecture,truth\n" + "".join(f"{i}-0-0-0,{i}\n" for i in range(400)))
    archs, values = read_pilot(path, Space(), None)
    assert (len(archs), values.tolist()) == (400, [float(i) for i in range(400)])
    assert len(compared) < 400
