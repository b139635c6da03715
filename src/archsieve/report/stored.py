"""The stored results of a run: rows, figures by estimator, and rows as CSV."""

from __future__ import annotations

import csv
import io
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve.errors import RunFolderError
from archsieve.report.words import cell
from archsieve.runs.folder import RESULTS_FILE, measure_of_mark
from archsieve.runs.store import Row, Store
from archsieve.spaces.text import encode
from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from archsieve.report.views import Notation
    from archsieve.spaces.contract import Architecture

CSV_HEADER = ("estimator", "fingerprint", "seed", "architecture", "score", "error", "task")
OTHER_PICTURES = "another copy"
_CSV_PART = 100_000  # characters of CSV that are held at a time, about


@dataclass(frozen=True)
class EstimatorReport:
    """The stored scores of one estimator: count, failures, total worker seconds, and the best.

    Seconds are counted once however often the run was gone on with; what was looked up took none. Those spent on
    learning leave out scores that were asked for meanwhile. Of `best_score` higher is better; `best_value` is what a
    person reads: where `is_metric` the value of the task's metric, so that an error has no minus sign, and of what is
    measured the number that was measured. `meaning` is what that value is, with its unit and direction; empty for a
    plain score. `pictures` is empty where scores were made on those of the folder's task, else "another copy".
    """

    estimator: str
    fingerprint: str
    seed: int
    scored: int
    failures: int
    seconds: float
    learning_seconds: float
    best: str | None
    best_score: float | None
    best_value: float | None
    is_metric: bool
    pictures: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Failure:
    """The reason why a code could not be scored."""

    estimator: str
    architecture: str
    reason: str


@dataclass(frozen=True)
class Measurement:
    """The measurements stored beside a network's score, e.g. median, quartiles, spread and load of a latency."""

    estimator: str
    architecture: str
    facts: dict[str, Any]


def read_rows(folder: Path) -> list[Row]:
    """Return all undamaged stored scores, ordered by estimator and architecture.

    Raises:
        RunFolderError: there are no results, or they are damaged.
    """
    with ordered_rows(folder) as (rows, _):
        return list(rows)


@contextmanager
def ordered_rows(
    folder: Path, own: tuple[str, int | None] | None = None
) -> Iterator[tuple[Iterator[Row], Callable[[], str]]]:
    """Yield all undamaged stored scores, ordered by estimator and architecture.

    The second value returns, after the last, a sentence on damaged rows; empty for none. `own` is the folder's space
    and seed, if they are known.

    Raises:
        RunFolderError: there are no results, or they are damaged or those of another search.
    """
    with opened(folder) as store:
        if own is not None:
            store.refuse_another_search(*own)
        yield store.rows_by_name(), lambda: sentence_on([each.about for each in store.damaged])


def sentence_on(damaged: Sequence[str]) -> str:
    """Return a sentence on damaged rows; empty if there are none."""
    if not damaged:
        return ""
    return (
        f"Stored rows that are damaged, and left out: {len(damaged)}, the first: {damaged[0]}. To compute them again, "
        f"repeat the search with --repair."
    )


def store_of(folder: Path) -> Path:
    """Return the results store of a run folder.

    Raises:
        RunFolderError: it has none.
    """
    path = folder / RESULTS_FILE
    if not path.exists():
        raise RunFolderError(f"{folder} is not a run folder: it has no {RESULTS_FILE}.")
    return path


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """Open the results of a run folder for reading inside the context; raises as `store_of`."""
    store = Store(store_of(folder), read_only=True)
    try:
        yield store
    finally:
        store.close()


def to_csv(rows: Iterable[Row], mark: Mapping[str, Any] | None = None) -> str:
    """Return the rows as one CSV text; see `csv_parts`."""
    return "".join(csv_parts(rows, mark))


def csv_parts(rows: Iterable[Row], mark: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield the header and the rows as CSV in parts; a run always gives the same bytes.

    Every score has all its digits.

    Of a score higher is better. Where the mark of the folder says that the task's metric is an error, a last column has
    its values, which have no minus sign. `task` is the fingerprint of what a score is about: that of a table made on
    other pictures is not the folder's.
    """
    of_metric, measure = measure_of_mark(mark or {})
    header = [*CSV_HEADER] if measure.higher_is_better else [*CSV_HEADER, measure.title]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, header))
    for r in rows:
        cells = [r.name, r.key.estimator, r.key.seed, encode(r.arch), repr(r.score), r.error or "", r.key.task]
        if not measure.higher_is_better:
            cells.append(repr(measure.value(r.score)) if r.name in of_metric and not r.error else "")
        writer.writerow(map(cell, cells))
        if text.tell() > _CSV_PART:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


@dataclass
class Tally:
    """Running figures of one estimator's scores, in constant memory."""

    group: tuple[str, str, int]
    pictures: str
    first: Architecture
    scored: int = 0
    failures: int = 0
    seconds: float = 0.0
    best: tuple[float, Architecture] | None = None

    def add(self, row: Row) -> None:
        """Count a row; of equal scores the first code is the best."""
        self.first = min(self.first, row.arch)
        self.seconds += row.seconds
        if math.isnan(row.score):
            self.failures += 1
            return
        self.scored += 1
        if self.best is None or row.score > self.best[0] or (row.score == self.best[0] and row.arch < self.best[1]):
            self.best = row.score, row.arch

    def report(self, learning: float, notation: Notation, measure: Measure, *, is_metric: bool) -> EstimatorReport:
        """Return the figures for reports."""
        name, fingerprint, seed = self.group
        score, arch = self.best or (None, None)
        return EstimatorReport(
            estimator=name,
            fingerprint=fingerprint,
            seed=seed,
            scored=self.scored,
            failures=self.failures,
            seconds=round(self.seconds, 3),
            learning_seconds=round(learning, 3),
            best=None if arch is None else notation(arch),
            best_score=score,
            best_value=None if score is None else measure.value(score),
            is_metric=is_metric,
            pictures=self.pictures,
            meaning="" if measure == Measure() else measure.title,
        )


class Stored(NamedTuple):
    """A summary of a results file without single scores; only failures and measurements use memory each."""

    tallies: list[Tally]
    failures: tuple[Failure, ...]
    learning: dict[tuple[str, str, int], float]
    measurements: tuple[Measurement, ...]
    damaged: tuple[str, ...]


def stored_in(
    folder: Path, own_task: str | None, notation: Notation, own: tuple[str, int | None] | None = None
) -> Stored:
    """Return the summary of a results file, read row by row, in report order; `own` is its space and seed, if known.

    Raises:
        RunFolderError: the file is that of another search.
    """
    tallies: dict[tuple[tuple[str, str, int], str], Tally] = {}
    failed: list[Row] = []
    with opened(folder) as store:
        if own is not None:
            store.refuse_another_search(*own)
        for row in store.rows():
            group = row.name, row.key.estimator, row.key.seed
            pictures = "" if row.key.task == own_task else OTHER_PICTURES
            if (group, pictures) not in tallies:
                tallies[group, pictures] = Tally(group, pictures, row.arch)
            tallies[group, pictures].add(row)
            if row.error:
                failed.append(row)
        names = {fingerprint: name for (name, fingerprint, _), _ in tallies}
        measurements = tuple(
            Measurement(names.get(key.estimator, key.estimator), notation(arch), facts)
            for key, arch, facts in store.facts()
        )
        return Stored(
            sorted(tallies.values(), key=lambda t: (t.group, t.first)),
            tuple(Failure(r.name, notation(r.arch), r.error or "") for r in sorted(failed, key=_in_order)),
            store.learning(),
            measurements,
            tuple(each.about for each in store.damaged),
        )


def _in_order(row: Row) -> tuple[Any, ...]:
    return row.name, row.key.estimator, row.key.seed, row.arch
