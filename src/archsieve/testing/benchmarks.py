"""Laws of a benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar
from unittest import SkipTest

import numpy as np

from archsieve.benchmarks.contract import completed_benchmark
from archsieve.benchmarks.records import Surrogate, Table
from archsieve.errors import ArchitectureError, MissingDataError, UnknownNameError
from archsieve.registry import TASKS
from archsieve.spaces.contract import SearchSpace, check
from archsieve.testing.laws import expect, samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.benchmarks.contract import Benchmark
    from archsieve.benchmarks.records import Records
    from archsieve.spaces.contract import Architecture

_CODES = 50


class BenchmarkContract:
    """Laws of a benchmark. Set `benchmark`, and `records` if reading is slow and they are already read.

    Laws about what it holds are skipped where its file is not here.
    """

    benchmark: ClassVar[Benchmark]
    records: ClassVar[Records | None] = None

    def test_it_is_known_before_reading(self) -> None:
        """Name, space, task and columns are known without the file, and the truth is a column."""
        mine = completed_benchmark(self.benchmark)
        expect(isinstance(mine.name, str) and bool(mine.name), f"the name is {mine.name!r}")
        expect(isinstance(mine.space, SearchSpace), f"the space is {mine.space!r}")
        expect(mine.space == self.benchmark.space, "the space is another each time")
        expect(mine.task in TASKS, f"there is no task {mine.task!r}")
        expect(len(set(mine.columns)) == len(mine.columns), "a column is named twice")
        expect(mine.truth is None or mine.truth in mine.columns, f"the truth {mine.truth!r} is none of the columns")
        expect(isinstance(mine.is_present(), bool), f"is_present() is {mine.is_present()!r}")
        expect(isinstance(mine.caution, str), f"the caution is {mine.caution!r}")

    def test_what_it_says_of_noise_is_about_its_columns(self) -> None:
        """Repetitions and choosers are columns, and a standard deviation is a positive number."""
        mine = completed_benchmark(self.benchmark)
        named = [*mine.noise, *mine.repetitions, *mine.choosers]
        named += [
            column for columns in (mine.repetitions, mine.choosers) for each in columns.values() for column in each
        ]
        unknown = sorted(set(named) - set(mine.columns))
        expect(not unknown, f"there is no column {', '.join(unknown)}")
        for column, deviation in mine.noise.items():
            expect(0 < deviation < np.inf, f"the noise of {column} is {deviation}")
        for column, names in (*mine.repetitions.items(), *mine.choosers.items()):
            expect(len(set(names)) == len(names) >= 1, f"the trainings of {column} are {names}")

    def test_a_missing_file_is_a_sentence(self) -> None:
        """If the file is missing, `load` raises `MissingDataError`."""
        if self.benchmark_is_present():
            return
        try:
            self.benchmark.load()
        except MissingDataError as error:
            expect(bool(str(error)) and "\n" not in str(error), f"the message is {str(error)!r}")
        else:
            expect(False, "it is not present, but can be loaded")

    def test_announced_columns_are_there(self) -> None:
        """The records have every announced column, and repeated reading gives equal values."""
        records, codes = self._records(), self._codes()
        missing = sorted(set(self.benchmark.columns) - set(records.columns))
        expect(not missing, f"it announces the column {', '.join(missing)}, but holds no such one")
        again = self.benchmark.load() if self.records is None else records
        for column in self.benchmark.columns:
            first, second = records.lookup(column, codes), again.lookup(column, codes)
            expect(np.array_equal(first, second, equal_nan=True), f"{column} has other values each time")

    def test_its_codes_are_architectures(self) -> None:
        """Every code of a table is valid in the space, and occurs once."""
        records = self._records()
        if not isinstance(records, Table):
            return
        for arch in records.archs:
            is_plain = isinstance(arch, tuple) and all(type(option) is int for option in arch)
            expect(is_plain, f"the code {arch!r} is no tuple of ints")
        expect(len(set(records.archs)) == len(records.archs) >= 1, "a code is there twice, or there is none")
        lengths = {name: len(values) for name, values in records.columns.items()}
        expect(set(lengths.values()) == {len(records.archs)}, f"{len(records.archs)} codes, but columns of {lengths}")
        for arch in self._codes():
            try:
                check(self.benchmark.space, arch)
            except ArchitectureError as error:
                raise AssertionError(f"the table has a code that is no architecture: {error}") from error

    def test_values_follow_the_codes(self) -> None:
        """A value belongs to its code: it does not depend on other codes in the look-up or on order."""
        records, codes = self._records(), self._codes()
        for column in self.benchmark.columns:
            values = np.asarray(records.lookup(column, codes))
            expect(values.shape == (len(codes),), f"{column} has the shape {values.shape} for {len(codes)} codes")
            expect(values.dtype == np.float64, f"{column} has the type {values.dtype}")
            backwards = np.asarray(_fresh(records).lookup(column, codes[::-1]))[::-1]
            expect(np.array_equal(values, backwards, equal_nan=True), f"{column} depends on the order of the codes")
            alone = np.array([_fresh(records).lookup(column, [arch])[0] for arch in codes[:5]])
            expect(np.array_equal(values[:5], alone, equal_nan=True), f"{column} depends on what else is looked up")
            expect(len(records.lookup(column, [])) == 0, f"{column} has values of no codes")

    def test_unknown_columns_and_codes_are_told(self) -> None:
        """An unknown column is an error, and a code that is not in a table has the value NaN."""
        records = self._records()
        try:
            records.lookup("no such column", [])
        except UnknownNameError:
            pass
        else:
            expect(False, "a column that it does not have is no error")
        if isinstance(records, Table):
            value = records.lookup(next(iter(records.columns)), [(-1,) * len(self.benchmark.space.choices)])
            expect(bool(np.isnan(value).all()), f"a code that it does not have has the value {value}")

    def test_the_truth_tells_networks_apart(self) -> None:
        """The truth is finite for most codes, and not constant."""
        truth = completed_benchmark(self.benchmark).truth
        if truth is None:
            return
        values = self._records().lookup(truth, self._codes())
        known = values[np.isfinite(values)]
        expect(len(known) > len(values) / 2, f"{truth} is known of {len(known)} of {len(values)} codes")
        expect(len(set(known.tolist())) > 1, f"{truth} is the same for all codes")
        spread = self._records()
        if isinstance(spread, Surrogate):
            deviation = spread.spread(truth, self._codes())
            expect(bool((deviation >= 0).all()), f"the spread of {truth} is negative")

    def benchmark_is_present(self) -> bool:
        """Whether the records are available to check."""
        return self.records is not None or completed_benchmark(self.benchmark).is_present()

    def _records(self) -> Records:
        if not self.benchmark_is_present():
            raise SkipTest(f"The file of {self.benchmark.name} is not here.")
        return self.benchmark.load() if self.records is None else self.records

    def _codes(self) -> Sequence[Architecture]:
        """Return a sample of the codes, from the whole table."""
        records = self._records()
        if not isinstance(records, Table):
            return [check(self.benchmark.space, arch) for arch in samples(self.benchmark.space, _CODES)]
        return records.archs[:: max(1, len(records.archs) // _CODES)]


def _fresh(records: Records) -> Records:
    """Return the same records without cached answers."""
    return replace(records)
