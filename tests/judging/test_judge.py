"""Judgements against numbers worked out by hand, on a made-up table."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from archsieve.benchmarks.digits import DIGITS
from archsieve.errors import DataError, MissingDataError, SettingError, UnknownNameError
from archsieve.estimators.lookup import Lookup
from archsieve.judging.judge import judge
from archsieve.judging.judge_file import judge_file
from archsieve.registry import BENCHMARKS, ESTIMATORS
from archsieve.runs.executors import Processes, Serial
from archsieve.runs.session import Session
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.limits import Limits
from plugins.toy import TASK, Toy

pytest_plugins = ["plugins.fixtures"]

SPACE = Toy(3)  # 27 codes, 10 networks
ARCHS = list(enumerate_space(SPACE))
NETWORKS = [a for a in ARCHS if a == tuple(sorted(a))]


def column(by_network, others=math.nan):
    """A column with these values for the ten networks' canonical codes, in order."""
    values = dict(zip(NETWORKS, by_network, strict=True))
    return np.array([values.get(arch, others) for arch in ARCHS])


@pytest.fixture
def judged(tmp_path, publish):
    """Return a function that judges a column by another."""

    def judged(estimate, known, **options):
        publish(SPACE, {"estimate": estimate, "truth": known}, truth="truth")
        with Session(tmp_path, SPACE, TASK) as session:
            (found,) = judge(session, [Lookup("estimate")], **options)
        return found

    return judged


def test_numbers_by_hand(judged):
    # The estimate swaps the truth's 9 and 10 (the two best): 44 pairs in order, 1 not, of 45.
    found = judged(column([1, 2, 3, 4, 5, 6, 7, 8, 10, 9]), column(range(1, 11)))
    assert found.tau == pytest.approx(43 / 45)
    # Squared rank differences 1 + 1: 1 - 6 * 2 / (10 * 99)
    assert found.spearman == pytest.approx(1 - 12 / 990)
    assert found.mkr == 0.2  # two of ten score at least as high as the best
    assert (found.precision_at_10, found.regret_at_10) == (1.0, 0.0)  # the top ten are all ten
    # Had each been the optimum: 2, 1, 3, 4, ... 10 of ten must be kept, 5.5 in the middle.
    assert found.mkr_band == (0.1, pytest.approx(0.55), 1.0)
    assert (found.best_rank_at_10, found.ndcg) == (1, pytest.approx(0.85 / 0.95))  # of a top one, its second best
    assert (found.count, found.failures, found.benchmark, found.truth) == (10, 0, "made-up", "truth")
    assert found.estimator == "estimate"


def test_a_reversed_estimate(judged):
    found = judged(column(range(10, 0, -1)), column(range(1, 11)))
    assert (found.tau, found.spearman, found.mkr) == (pytest.approx(-1), pytest.approx(-1), 1.0)
    assert found.weighted_tau < -0.9


def test_ties_are_tau_b_and_count_against_the_estimator(judged):
    # Estimate in two halves: 25 pairs in order, 0 not, 20 tied: 25 / sqrt(25 * 45).
    found = judged(column([0] * 5 + [1] * 5), column(range(1, 11)))
    assert found.tau == pytest.approx(25 / math.sqrt(25 * 45))
    assert found.mkr == 0.5


def test_failures_rank_last_and_are_counted(judged):
    # The two best could not be scored: they rank below the other eight, and tie with each other.
    found = judged(column([1, 2, 3, 4, 5, 6, 7, 8, math.nan, math.nan]), column(range(1, 11)))
    assert found.failures == 2
    assert found.mkr == 1.0
    # 28 pairs among the eight in order, 16 with a failure not, 1 tied: (28 - 16) / sqrt(44 * 45)
    assert found.tau == pytest.approx(12 / math.sqrt(44 * 45))


def test_a_constant_estimate_has_no_correlation(judged):
    found = judged(column([3.0] * 10), column(range(1, 11)))
    assert (found.tau, found.spearman, found.weighted_tau, found.mkr) == (None, None, None, 1.0)


def test_the_top_ten_of_many(judged):
    # All 27 codes, truth 1..27; the estimate moves the three best to the bottom.
    truth = np.arange(1.0, 28.0)
    estimate = np.where(truth > 24, truth - 100, truth)
    found = judged(estimate, truth)
    assert found.count == 27
    # Its top ten have truths 15..24, of which 18..24 are among the true top ten 18..27.
    assert found.precision_at_10 == 0.7
    assert (found.regret_at_10, found.best_rank_at_10) == (3.0, 4)
    assert found.mkr == 25 / 27  # the best one is the first of the bottom three


def test_distinct_takes_one_code_a_network(judged):
    truth = np.arange(1.0, 28.0)
    found = judged(truth, truth, distinct=True)
    assert (found.count, found.tau, found.mkr) == (10, pytest.approx(1), 0.1)


def test_codes_without_a_truth_are_left_out(judged):
    truth = np.arange(1.0, 28.0)
    truth[:5] = math.nan
    found = judged(np.arange(27.0), truth)
    assert found.count == 22


def test_fewer_than_ten_are_refused(judged):
    with pytest.raises(SettingError, match=r"column 'truth' of made-up has 9 values, but 10 are needed"):
        judged(column(range(10)), column([*range(9), math.nan]))


def test_another_truth_may_be_named(judged):
    found = judged(column(range(10)), column(range(10, 0, -1)), truth="estimate", benchmark="made-up")
    assert (found.truth, found.tau) == ("estimate", pytest.approx(1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"truth": "truht"}, r"No benchmark of toy has a column 'truht'\. Did you mean 'truth'\?"),
        ({"benchmark": "made-down"}, r"There is no benchmark 'made-down'\. Did you mean 'made-up'\?"),
        ({"benchmark": "nasbench-macro-cifar10"}, r"'nasbench-macro-cifar10' does not cover the space toy"),
    ],
)
def test_what_is_not_there_is_a_sentence(judged, options, sentence):
    with pytest.raises(UnknownNameError, match=sentence):
        judged(column(range(10)), column(range(10)), **options)


def test_a_space_without_a_table_is_a_sentence(tmp_path):
    with (
        Session(tmp_path, SPACE, TASK) as session,
        pytest.raises(UnknownNameError, match="No benchmark covers the space toy with these settings"),
    ):
        judge(session, [Lookup("truth")])


@dataclass(frozen=True)
class Position:
    """The estimate is the code's place in the space, or its negative."""

    sign: int = 1
    version: ClassVar[int] = 1
    by_code: ClassVar[bool] = True

    @property
    def name(self):
        return f"position{self.sign:+d}"

    def score(self, archs, ctx):
        return np.array([self.sign * float(ARCHS.index(a)) for a in archs])


def test_several_estimators_are_judged_each_by_itself(tmp_path, publish):
    publish(SPACE, {"truth": np.arange(27.0)}, truth="truth")
    with Session(tmp_path, SPACE, TASK) as session:
        up, down = judge(session, [Position(), Position(-1)])
    assert (up.estimator, up.tau, up.mkr) == ("position+1", pytest.approx(1), 1 / 27)
    assert (down.estimator, down.tau, down.mkr) == ("position-1", pytest.approx(-1), 1.0)


# What one number hangs on


def test_ties_for_and_against(judged):
    found = judged(column([0] * 5 + [1] * 5), column(range(1, 11)))
    assert (found.mkr, found.mkr_ties_for) == (0.5, 0.1)


def test_bands_by_hand(judged):
    # The estimate's places of the truths 10, 9, 8, 7 are 2, 1, 4, 3 of ten.
    found = judged(column([1, 2, 3, 4, 5, 6, 8, 7, 10, 9]), column(range(1, 11)), epsilon=2)
    assert found.near == 3
    assert found.mkr_near_band == (0.1, 0.2, 0.4)
    assert found.mkr_noise_band is None


def test_alone_at_the_top(judged):
    found = judged(column(range(10)), column(range(1, 11)))
    assert (found.near, found.mkr_near_band) == (1, (0.1, 0.1, 0.1))


def test_the_noise_of_a_truth_trained_several_times(tmp_path, publish):
    # Three trainings, of which the best are the tenth, the ninth and the first network: places 1, 2 and 10.
    order = np.arange(1.0, 11.0)
    runs = [order, np.where(order == 9, 20, order), np.where(order == 1, 20, order)]
    names = ["run_1", "run_2", "run_3"]
    publish(
        SPACE, {"truth": column(np.mean(runs, axis=0)), **dict(zip(names, map(column, runs), strict=True))}, "truth"
    )
    BENCHMARKS["made-up"].repetitions = {"truth": names}
    publish(SPACE, {"estimate": column(order)}, None, name="another")
    with Session(tmp_path, SPACE, TASK) as session:
        (found,) = judge(session, [Lookup("estimate")])
    assert found.mkr_noise_band == (0.1, 0.2, 1.0)


def test_the_noise_of_a_truth_of_known_deviation(tmp_path, publish):
    publish(SPACE, {"truth": np.where(np.arange(27) < 25, -1000.0, np.arange(27.0))}, "truth")
    BENCHMARKS["made-up"].noise = {"truth": 5.0}
    with Session(tmp_path, SPACE, TASK) as session:
        (found,) = judge(session, [Position()])
    assert found.mkr_noise_band == (1 / 27, 1 / 27, 2 / 27)  # either of the two last, the last one more often


def test_what_keeping_costs(judged):
    truth = np.arange(1.0, 28.0)
    found = judged(np.where(truth > 24, truth - 100, truth), truth)  # the three best at the bottom
    # 1, 1, 2, 3, 6 and 14 of 27 are kept.
    assert found.regret_by_share == {0.001: 3, 0.01: 3, 0.05: 3, 0.1: 3, 0.2: 3, 0.5: 3}


def test_what_keeping_costs_where_estimates_tie(judged):
    truth = np.arange(1.0, 28.0)
    found = judged(truth % 7, truth)
    # 6, 13, 20 and 27 modulo 7 are 6, nothing else is: wait for the fourth.
    assert list(found.regret_by_share.values()) == [21, 21, 14, 7, 0, 0]


def test_only_what_is_within_the_limits(tmp_path, publish, monkeypatch):
    publish(SPACE, {"truth": np.arange(27.0)}, "truth")
    monkeypatch.setitem(ESTIMATORS._entries, "params", Position)
    with Session(tmp_path, SPACE, TASK) as session:
        (found,) = judge(session, [Position()], limits=Limits(max_params=20))
        assert (found.count, found.mkr) == (21, 1 / 21)
        with pytest.raises(SettingError, match="Only 9 codes are within params <= 8, but 10 are needed: relax"):
            judge(session, [Position()], limits=Limits(max_params=8))


def test_what_is_told_beyond_the_size(file):
    rows = ["acc,params,same,more", *(f"{i + 2 * (i % 3)},{i},{i * i},{i + 2 * (i % 3)}" for i in range(12))]
    params, same, more, _ = judge_file(file(*rows), "acc")
    assert params.partial_spearman is None
    assert same.partial_spearman is None  # told wholly by the size
    assert more.partial_spearman == pytest.approx(1)


def test_a_size_that_is_not_known_is_left_out(file):
    rows = ["acc,params,score", *(f"{i},{i % 5},{i + 2 * (i % 3)}" for i in range(14)), "3,,9"]
    _, with_gap, _ = judge_file(file(*rows), "acc")
    _, without, _ = judge_file(file(*rows[:-1]), "acc")
    assert with_gap.partial_spearman == without.partial_spearman
    assert (with_gap.count, without.count) == (15, 14)


def test_tied_repetitions_let_any_do(tmp_path, publish):
    order = np.arange(27.0)
    publish(SPACE, {"truth": order, "run": np.where(order >= 20, 20, order)}, "truth")
    BENCHMARKS["made-up"].repetitions = {"truth": ["run"]}
    with Session(tmp_path, SPACE, TASK) as session:
        (found,) = judge(session, [Position()])
    assert found.mkr_noise_band == (1 / 27,) * 3


def test_intervals_are_of_resampled_items(file):
    rows = ["acc,score", *(f"{i},{i + 3 * (i % 4)}" for i in range(40))]
    path = file(*rows)
    without, _ = judge_file(path, "acc")
    assert (without.tau_interval, without.mkr_interval, without.regret_interval) == (None, None, None)
    found, chance = judge_file(path, "acc", bootstraps=200)
    low, middle, high = found.tau_interval
    assert low < found.tau < high
    assert abs(middle - found.tau) < 0.05
    assert found.mkr_interval[0] >= 1 / 40
    assert chance.tau_interval[0] < 0 < chance.tau_interval[2]
    assert judge_file(path, "acc", bootstraps=200) == [found, chance]
    assert judge_file(path, "acc", bootstraps=200, seed=1)[0].tau_interval != found.tau_interval


@pytest.mark.parametrize("options", [{"epsilon": -0.1}, {"epsilon": math.nan}, {"bootstraps": -1}])
def test_negative_numbers_are_refused(file, options):
    with pytest.raises(SettingError, match="`epsilon >= 0` and `bootstraps >= 0` must hold"):
        judge_file(file("name,acc,good,bad", *ROWS), "acc", **options)


@pytest.mark.usefixtures("quick_workers")
def test_judgements_do_not_depend_on_the_workers(tmp_path):
    told = []
    for executor in (Serial(), Processes(2)):
        with Session(tmp_path / str(len(told)), DIGITS.space, TASK, executor=executor) as session:
            told.append(judge(session, [Lookup("curve_14"), ESTIMATORS["params"]()], bootstraps=3))
    assert told[0] == told[1]


# Files of the user's own


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a CSV file and returns its path."""

    def file(*rows):
        path = tmp_path / "scores.csv"
        path.write_text("\n".join(rows))
        return path

    return file


ROWS = [f"net{i},{i},{i / 2},{-i}" for i in range(12)]


def test_a_file_is_judged_column_by_column(file):
    good, bad, _ = judge_file(file("name,acc,good,bad", *ROWS), "acc")
    assert (good.estimator, good.tau, good.mkr, good.count) == ("good", pytest.approx(1), 1 / 12, 12)
    assert (bad.estimator, bad.tau, bad.mkr) == ("bad", pytest.approx(-1), 1.0)
    assert (good.benchmark, good.truth, good.failures) == ("scores.csv", "acc", 0)


def test_what_is_missing_could_not_be_scored_or_has_no_truth(file):
    rows = [*ROWS, "netx,,7,7", "nety,nan,8,8", "netz,20,,nan"]
    good, bad, _ = judge_file(file("name,acc,good,bad", *rows), "acc")
    assert (good.count, good.failures, bad.failures) == (13, 1, 1)
    assert good.mkr == 1.0  # the best has no score


def test_constant_scores_have_no_correlation(file):
    flat, _ = judge_file(file("acc,flat", *(f"{i},5" for i in range(12))), "acc")
    assert (flat.tau, flat.mkr) == (None, 1.0)


@pytest.mark.parametrize(
    ("rows", "error", "sentence"),
    [
        (["a,b", *["1,2"] * 12], UnknownNameError, r"has no column 'acc'"),
        (["aca,b", *["1,2"] * 12], UnknownNameError, r"has no column 'acc'\. Did you mean 'aca'"),
        (["acc,b", *["1,2"] * 11, "1,many"], DataError, r"holds 'many' in line 13, column 'b', among numbers"),
        (["acc,b", *["x,2"] * 12], DataError, r"holds no numbers in its column 'acc'"),
        (["acc,b", "1,2", "2,3", "3,4"], SettingError, r"The column 'acc' of .* has 3 numbers, but 10 are needed"),
        (["acc,name", *["1,x"] * 12], SettingError, r"no column of numbers beside 'acc': there is nothing to judge"),
        (["acc,acc", *["1,2"] * 12], DataError, r"names a column twice"),
        (["acc,b", "1,2,3"], DataError, r"has 3 fields in line 2, but its header has 2"),
        ([], DataError, r"is empty: get it again"),
    ],
)
def test_files_that_cannot_be_judged(file, rows, error, sentence):
    with pytest.raises(error, match=sentence):
        judge_file(file(*rows), "acc")


def test_a_file_that_is_not_there_or_no_table(tmp_path):
    with pytest.raises(MissingDataError, match=r"There is no file '.*none\.csv'\."):
        judge_file(tmp_path / "none.csv", "acc")
    (tmp_path / "odd.parquet").write_bytes(b"odd")
    with pytest.raises(DataError, match=r"odd\.parquet is text, and no parquet file"):
        judge_file(tmp_path / "odd.parquet", "acc")


def test_a_parquet_file_is_judged_too(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"acc": list(range(12)), "score": [None, *range(11)], "name": ["x"] * 12})
    parquet.write_table(table, tmp_path / "scores.parquet")
    found, _ = judge_file(tmp_path / "scores.parquet", "acc")
    assert (found.estimator, found.failures, found.mkr) == ("score", 1, 1 / 12)


def test_lower_may_be_better(file):
    rows = ["name,loss,latency,score", *(f"n{i},{i},{i * i},{-i}" for i in range(12))]
    latency, score, _ = judge_file(file(*rows), "loss", lower_is_better=["loss", "latency"])
    assert (latency.tau, latency.mkr) == (pytest.approx(1), 1 / 12)
    assert (score.tau, score.mkr) == (pytest.approx(1), 1 / 12)
    latency, score, _ = judge_file(file(*rows), "loss", lower_is_better=["latency"])
    assert (latency.tau, score.tau) == (pytest.approx(-1), pytest.approx(-1))
    with pytest.raises(UnknownNameError, match=r"has no column 'latancy'\. Did you mean 'latency'"):
        judge_file(file(*rows), "loss", lower_is_better=["latancy"])
    with pytest.raises(DataError, match="holds no numbers in its column 'name'"):
        judge_file(file(*rows), "loss", lower_is_better=["name"])


def test_what_is_left_out_is_said(file):
    notes = []
    rows = [
        ",architecture,family,acc,score",
        *(f"{i},{100000 + i},x{i % 2},{i},{-i}" for i in range(12)),
        "0,100000,x,0,0",
    ]
    score, chance = judge_file(file(*rows), "acc", note=notes.append)
    assert (score.estimator, chance.estimator, score.count) == ("score", "chance", 12)
    assert notes == [
        "Columns that are not judged: '' (an index), 'architecture' (names the rows), 'family' (text).",
        "Rows that repeat another one are counted once: 1 left out.",
    ]
