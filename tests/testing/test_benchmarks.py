"""The laws of a benchmark catch benchmarks that would give wrong truths, and pass one that is right."""

from __future__ import annotations

from itertools import count
from unittest import SkipTest

import numpy as np
import pytest

from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.records import Surrogate, Table
from archsieve.errors import MissingDataError
from archsieve.spaces.contract import SearchSpace, enumerate_space
from archsieve.testing import BenchmarkContract

from .broken import broken_laws, laws_of


class Bits(SearchSpace):
    choices = (2,) * 4
    build = None

    def __eq__(self, other):
        return type(other) is type(self)

    __hash__ = SearchSpace.__hash__


CODES = tuple(enumerate_space(Bits()))


class Ones(Benchmark):
    """How many ones a code has, by two trainings."""

    name, space, task, columns, truth = "ones", Bits(), "digits", ("mean", "first", "second"), "mean"
    noise, repetitions, choosers = {"mean": 0.5}, {"mean": ("first", "second")}, {"mean": ("first",)}

    def values(self):
        ones = np.array([float(sum(arch)) for arch in CODES])
        return {"mean": ones, "first": ones + 0.25, "second": ones - 0.25}

    def load(self):
        return Table(CODES, self.values())


class Duck:
    name, space, task, columns = "ones", Bits(), "digits", ("mean",)
    load = Ones.load
    values = Ones.values


class Predicted(Ones):
    columns = ("mean",)
    repetitions, choosers = {}, {}

    def members(self, archs):
        return np.array([[sum(arch) + error for arch in archs] for error in (-0.1, 0.3)])

    def load(self):
        return Surrogate({"mean": self.members})


def with_values(change):
    """Return a benchmark whose table has other values."""
    return type("Changed", (Ones,), {"values": lambda self: change(Ones.values(self))})


def with_table(change):
    """Return a benchmark that holds another table."""
    return type("Changed", (Ones,), {"load": lambda self: change(Ones.load(self))})


def mostly_nan(values):
    return {name: np.where(column > 3, column, np.nan) for name, column in values.items()}


def says(**attributes):
    return type("Says", (Ones,), attributes)


class Shuffled(Table):
    """Gives the values in the order of its rows, whatever is asked for."""

    def lookup(self, column, archs):
        values = super().lookup(column, archs)
        return values[np.argsort(archs, axis=0)[:, 0]] if len(archs) else values


class Forgiving(Table):
    """Has zeros for what it does not know."""

    def lookup(self, column, archs):
        return np.zeros(len(archs)) if column not in self.columns else np.nan_to_num(super().lookup(column, archs))


class Normalised(Predicted):
    """Predicts relative to what else is looked up."""

    def members(self, archs):
        values = super().members(archs)
        return values - values.mean()


class Noisy(Predicted):
    rng = np.random.default_rng(0)

    def members(self, archs):
        return super().members(archs) + self.rng.standard_normal(len(archs))


class Missing(Ones):
    """Is not here, and fails in its own way."""

    def is_present(self):
        return False

    def load(self):
        raise MissingDataError("line 1\nline 2")


class Changing(Ones):
    drawn = count()

    def values(self):
        return {name: values + next(self.drawn) for name, values in super().values().items()}


WRONG = [
    (says(truth="accuracy"), "test_it_is_known_before_reading"),
    (says(task="digit"), "test_it_is_known_before_reading"),
    (says(columns=("mean", "first", "first")), "test_it_is_known_before_reading"),
    (says(noise={"mean": 0.0}), "test_what_it_says_of_noise_is_about_its_columns"),
    (says(repetitions={"mean": ("first", "third")}), "test_what_it_says_of_noise_is_about_its_columns"),
    (says(choosers={"mean": ("first", "first")}), "test_what_it_says_of_noise_is_about_its_columns"),
    (Missing, "test_a_missing_file_is_a_sentence"),
    (type("Here", (Missing,), {"load": Ones.load}), "test_a_missing_file_is_a_sentence"),
    (says(columns=("mean", "first", "second", "third")), "test_announced_columns_are_there"),
    (Changing, "test_announced_columns_are_there"),
    (with_table(lambda t: Table(tuple(map(list, t.archs)), t.columns)), "test_its_codes_are_architectures"),
    (with_table(lambda t: Table(((2, 0, 0, 0), *t.archs[1:]), t.columns)), "test_its_codes_are_architectures"),
    (with_table(lambda t: Table((t.archs[1], *t.archs[1:]), t.columns)), "test_its_codes_are_architectures"),
    (with_table(lambda t: Table(t.archs[:-1], t.columns)), "test_its_codes_are_architectures"),
    (with_table(lambda t: Shuffled(t.archs, t.columns)), "test_values_follow_the_codes"),
    (Normalised, "test_values_follow_the_codes"),
    (Noisy, "test_values_follow_the_codes"),
    (with_table(lambda t: Forgiving(t.archs, t.columns)), "test_unknown_columns_and_codes_are_told"),
    (
        with_values(lambda v: {n: np.where(c > 3, c, np.nan) for n, c in v.items()}),
        "test_the_truth_tells_networks_apart",
    ),
    (with_values(lambda v: {n: np.full(16, 90.0) for n in v}), "test_the_truth_tells_networks_apart"),
]


@pytest.mark.parametrize(("wrong", "law"), WRONG)
def test_a_wrong_benchmark_is_caught(wrong, law, tmp_path):
    assert law in broken_laws(BenchmarkContract, tmp_path, benchmark=wrong())


def test_every_law_catches_something():
    assert {law for _, law in WRONG} == set(laws_of(BenchmarkContract))


@pytest.mark.parametrize("right", [Ones, Duck, Predicted])
def test_a_right_benchmark_passes(right, tmp_path):
    assert broken_laws(BenchmarkContract, tmp_path, benchmark=right()) == []


def test_what_an_absent_one_holds_is_skipped():
    contract = BenchmarkContract()
    contract.benchmark = Missing()
    with pytest.raises(SkipTest, match="The file of ones is not here"):
        contract.test_values_follow_the_codes()
