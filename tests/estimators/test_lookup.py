"""A recorded column as an estimator, on a benchmark made up here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.benchmarks.records import Table
from archsieve.errors import MissingDataError, SettingError, UnknownNameError
from archsieve.estimators.contract import Context, Estimator
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.registry import BENCHMARKS, ESTIMATORS
from archsieve.spaces.contract import SearchSpace
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import EstimatorContract


@dataclass(frozen=True)
class Bits(SearchSpace):
    length: int = 2

    @property
    def choices(self):
        return (2,) * self.length

    def canonical(self, arch):
        return tuple(sorted(arch))

    def build(self, arch, task):
        raise NotImplementedError


@dataclass(frozen=True)
class Made:
    name: str
    values: tuple[float, ...]
    columns: tuple[str, ...] = ("accuracy",)
    present: bool = True
    space = Bits()
    truth = "accuracy"

    def is_present(self):
        return self.present

    def load(self):
        if not self.present:
            raise MissingDataError(f"{self.name}.csv is not there")
        archs = ((0, 0), (0, 1), (1, 0))
        return Table(archs, {column: np.array(self.values) for column in self.columns})


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    list(BENCHMARKS)  # fills the catalogue, which is put back afterwards
    for made in (
        Made("away", (0.0, 0.0, 0.0), ("accuracy", "seconds"), present=False),
        Made("first", (1.0, 2.0, 3.0)),
        Made("second", (4.0, 5.0, np.nan), ("accuracy", "loss")),
    ):
        monkeypatch.setitem(BENCHMARKS._entries, made.name, made)


CODES = [(1, 0), (0, 0), (0, 1), (1, 1)]


def scores(tmp_path, *settings, space=None):
    return Lookup(*settings).score(CODES, Context(space or Bits(), Synthetic(), tmp_path))


def test_raw_codes_of_the_first_benchmark_that_is_present(tmp_path):
    # (0, 1) and (1, 0) are one network, trained twice; (1, 1) was not trained.
    np.testing.assert_array_equal(scores(tmp_path, "accuracy"), [3, 1, 2, np.nan])


def test_the_benchmark_can_be_named_or_follows_from_the_column(tmp_path):
    np.testing.assert_array_equal(scores(tmp_path, "accuracy", "second"), [np.nan, 4, 5, np.nan])
    np.testing.assert_array_equal(scores(tmp_path, "loss"), [np.nan, 4, 5, np.nan])


def test_what_is_not_there_says_so(tmp_path):
    with pytest.raises(UnknownNameError, match=r"has a column 'acuracy'\. Did you mean 'accuracy'"):
        scores(tmp_path, "acuracy")
    with pytest.raises(UnknownNameError, match="There is no benchmark 'third'"):
        scores(tmp_path, "accuracy", "third")
    with pytest.raises(UnknownNameError, match="'first' does not cover the space Bits with these settings"):
        scores(tmp_path, "accuracy", "first", space=Bits(3))
    with pytest.raises(UnknownNameError, match="No benchmark covers the space Bits with these settings"):
        scores(tmp_path, "accuracy", space=Bits(3))
    with pytest.raises(MissingDataError, match=r"away\.csv is not there"):
        scores(tmp_path, "seconds")


def test_what_it_says_of_itself():
    estimator = ESTIMATORS["lookup"]("loss")
    assert isinstance(estimator, Estimator)
    assert (estimator.name, estimator.by_code) == ("loss", True)


class TestLookup(EstimatorContract):
    estimator, space = Lookup("accuracy"), Bits()


def test_replay_reads_the_column_of_its_epochs(monkeypatch, tmp_path):
    class Curves:
        name, columns, truth, space = "curves", ("curve_1", "curve_2"), None, Bits()

        def is_present(self):
            return True

        def load(self):
            return Table(((0, 1), (1, 0)), {"curve_1": np.array([1.0, 2.0]), "curve_2": np.array([4.0, 3.0])})

    monkeypatch.setitem(BENCHMARKS._entries, "curves", Curves())
    ctx = Context(Bits(), Synthetic(), tmp_path)
    assert Replay().score([(1, 0), (0, 1), (0, 0)], ctx).tolist() == pytest.approx([2, 1, np.nan], nan_ok=True)
    assert Replay(2).score([(1, 0)], ctx).tolist() == [3]
    assert (Replay(2).name, Replay(2).by_code) == ("replay[2]", True)
    with pytest.raises(UnknownNameError, match="curve_3"):
        Replay(3).score([(1, 0)], ctx)
    with pytest.raises(SettingError, match="`epochs >= 1` must hold, but got epochs=0"):
        Replay(0)
