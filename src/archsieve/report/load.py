"""The content of a run folder; nothing outside the folder is read."""

from __future__ import annotations

import csv
import io
import math
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve._reading import fits
from archsieve.errors import RunFolderError
from archsieve.judging.agreement import Agreement  # noqa: TC001
from archsieve.judging.audit import read_audit
from archsieve.judging.claims import Claim, Finding
from archsieve.judging.mkr_study import STUDY_FILE, Study
from archsieve.report.views import Fate, Ranking, StageView, agreements_of, fates, rankings, stage_views
from archsieve.report.words import cell
from archsieve.runs.folder import (
    RESULT_FILE,
    RESULTS_FILE,
    ROUNDS_FILE,
    measure_of_mark,
    measures_of_mark,
    read_json,
    read_mark,
    rounds_of,
)
from archsieve.runs.provenance import Provenance
from archsieve.runs.results import (
    Edge,
    Front,
    LimitReport,
    Objective,
    RandomSearch,
    Result,
    Spending,
    StageReport,
    Trade,
    Truth,
    Worth,
)
from archsieve.runs.store import Row, Store
from archsieve.spaces.contract import Picture
from archsieve.spaces.text import as_digits, encode
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
    """The stored scores of one estimator: their number, failures, summed worker seconds, and the best.

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
    """Why a code could not be scored."""

    estimator: str
    architecture: str
    reason: str


@dataclass(frozen=True)
class Measurement:
    """What was measured beside the score of a network: of latency the median, quartiles, spread, load and more."""

    estimator: str
    architecture: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class RunReport:
    """A run folder: its space and task, the result if it is finished, and all that is stored.

    `metric` is the task's. `fates` are those of the ten truly best candidates, `rankings` say how well each stage
    ranked; both are empty where no table knows the truth. `agreements` say how well each stage ranked what a later one
    saw, `audit` is what `archsieve audit` found; None where none was made of this winner. `measurements` are what was
    measured beside scores. `damaged` are the stored rows that are not what was written, in words.
    """

    folder: str
    space: dict[str, Any]
    task: dict[str, Any]
    result: dict[str, Any] | None
    estimators: tuple[EstimatorReport, ...]
    failures: tuple[Failure, ...]
    fates: tuple[Fate, ...]
    rankings: tuple[Ranking, ...]
    metric: Measure
    agreements: tuple[Agreement, ...] = ()
    audit: dict[str, Any] | None = None
    measurements: tuple[Measurement, ...] = ()
    damaged: tuple[str, ...] = ()


def read_run(folder: Path, *, is_dashed: bool = False) -> RunReport:
    """Return the content of a run folder, of a finished or an unfinished run.

    Architectures are written as digits, or for files that other programs read, which may take digits for a number,
    dashed: with "-" between.

    Raises:
        RunFolderError: it is no run folder, or damaged.
    """
    _store_of(folder)
    mark = read_mark(folder)
    notation = encode if is_dashed else notation_of(mark["space"])
    stored = _stored(folder, mark["fingerprints"].get("task"), notation)
    result = _read_result(folder)
    views = read_views(folder, result)
    of_metric, metric = measure_of_mark(mark)
    measures = measures_of_mark(mark)

    def report(tally: _Tally) -> EstimatorReport:
        name = tally.group[0]
        learning = stored.learning.get(tally.group, 0.0)
        return tally.report(learning, notation, measures.get(name, Measure()), is_metric=name in of_metric)

    return RunReport(
        folder=str(folder),
        space=mark["space"],
        task=mark["task"],
        result=result,
        estimators=tuple(map(report, stored.tallies)),
        failures=stored.failures,
        fates=fates(views, notation),
        rankings=rankings(views),
        metric=metric,
        agreements=agreements_of(views),
        audit=None if result is None else read_audit(folder, result["code"]),
        measurements=stored.measurements,
        damaged=stored.damaged,
    )


def meaning_of_scores(run: RunReport) -> str:
    """Return a sentence on the meaning of the best scores of a run; empty where none is stored."""
    named: dict[str, dict[str, None]] = {}
    for e in run.estimators:
        if e.best is not None:
            named.setdefault(e.meaning, {})[e.estimator] = None
    has_others = named.pop("", None) is not None
    sentences = [f"Scores of {', '.join(names)}: {meaning}." for meaning, names in named.items()]
    if has_others:
        sentences.append(f"{'Of the other' if named else 'Of all'} scores, higher is better.")
    return " ".join(sentences)


def notation_of(space: Mapping[str, Any]) -> Notation:
    """Return how reports write codes of a space, given its identity."""
    choices = space.get("choices")
    return encode if choices is None else partial(as_digits, choices=choices)


def read_views(folder: Path, result: Mapping[str, Any] | None) -> tuple[StageView, ...]:
    """Return the stages of a run with this result; none if it is unfinished, or its file of rounds was deleted.

    Raises:
        RunFolderError: the file of rounds is damaged, or of another version.
    """
    path = folder / ROUNDS_FILE
    if result is None or not path.exists():
        return ()
    rounds, pool = rounds_of(folder, result)
    by_name = measures_of_mark(read_mark(folder))
    measures = [by_name.get(stage.get("estimator", ""), Measure()) for stage in result["stages"]]
    try:
        return stage_views(rounds, pool, measures)
    except (KeyError, IndexError, ValueError) as error:
        raise RunFolderError(f"The rounds in {path} do not belong to {RESULT_FILE}: run the search again.") from error


def _read_result(folder: Path) -> dict[str, Any] | None:
    path = folder / RESULT_FILE
    if not path.exists():
        return None
    result = read_json(path)
    _complete(result)
    if not fits(result, "Result", _RECORDS) or not _is_front(result["front"]):
        raise RunFolderError(
            f"The file {path} was not written by this version: run the search again; it resumes from its scores."
        )
    return result  # type: ignore[no-any-return]


def _is_front(front: Mapping[str, Any] | None) -> bool:
    """Whether every network of a front, if there is one, has a value of every objective."""
    if front is None:
        return True
    count = len(front["objectives"])
    return count > 1 and all(len(network["values"]) == count for network in front["networks"])


def _complete(result: Any) -> None:
    """Add the keys that results of earlier versions lack; those were all of searches with a winner."""
    if isinstance(result, dict):
        result.setdefault("pictures", [])
        for key in ("worth", "limit", "front"):
            result.setdefault(key, None)
        result.setdefault("rounds_sha256", "")
        if isinstance(result.get("provenance"), dict):
            result["provenance"].setdefault("processor", "")
        for key, value in (("failure", ""), ("higher_is_better", True), ("best_score_kind", ""), ("network_epoch", "")):
            result.setdefault(key, value)
        result.setdefault(
            "digits", "-".join(map(str, result["code"])) if isinstance(result.get("code"), list) else None
        )
        for stage in result["stages"] if isinstance(result.get("stages"), list) else ():
            if isinstance(stage, dict):
                stage.setdefault("failed_parts", 0)
                stage.setdefault("estimator", "")


_RECORDS: dict[str, dict[str, str]] = {
    kind.__name__: {field.name: str(field.type) for field in fields(kind)}
    for kind in (
        *(Result, Spending, StageReport, Truth, RandomSearch, Worth, Provenance, Picture),
        *(LimitReport, Edge, Front, Objective, Trade),
    )
}


def read_rows(folder: Path) -> list[Row]:
    """Return every stored score that is whole, ordered by estimator and architecture.

    Raises:
        RunFolderError: there are no results, or they are damaged.
    """
    with ordered_rows(folder) as (rows, _):
        return list(rows)


@contextmanager
def ordered_rows(folder: Path) -> Iterator[tuple[Iterator[Row], Callable[[], str]]]:
    """Give every stored score that is whole, one by one, ordered by estimator and architecture.

    The second value returns, after the last, a sentence on damaged rows; empty for none.

    Raises:
        RunFolderError: there are no results, or they are damaged.
    """
    with _opened(folder) as store:
        yield store.rows_by_name(), lambda: _sentence_on([each.about for each in store.damaged])


def damage_of(run: RunReport) -> str:
    """Return the sentence on the damaged rows of a run; empty for none."""
    return _sentence_on(run.damaged)


def _sentence_on(damaged: Sequence[str]) -> str:
    if not damaged:
        return ""
    return (
        f"Stored rows that are damaged, and left out: {len(damaged)}, the first: {damaged[0]}. To compute them again, "
        f"repeat the search with --repair."
    )


def _store_of(folder: Path) -> Path:
    path = folder / RESULTS_FILE
    if not path.exists():
        raise RunFolderError(f"{folder} is not a run folder: it has no {RESULTS_FILE}.")
    return path


@contextmanager
def _opened(folder: Path) -> Iterator[Store]:
    store = Store(_store_of(folder), read_only=True)
    try:
        yield store
    finally:
        store.close()


def read_study(folder: Path) -> Study:
    """Return the study that a folder holds.

    Raises:
        RunFolderError: it holds none, or a damaged one.
    """
    path = folder / STUDY_FILE
    content = read_json(path)
    try:
        return _study_of(content)
    except (TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(f"The file {path} was not written by this version: run the study again.") from error


def _study_of(content: dict[str, Any]) -> Study:
    findings = tuple(
        Finding(**{**f, "found": {searcher: tuple(values) for searcher, values in f["found"].items()}})
        for f in content["findings"]
    )
    if not findings:
        raise KeyError("findings")
    claims = tuple(_claim_of({key: _as_tuples(value) for key, value in claim.items()}) for claim in content["claims"])
    plain = {"provenance": Provenance(**content["provenance"]), "pictures": tuple(content.get("pictures", ()))}
    return Study(**{**content, "findings": findings, "claims": claims, **plain})


def _claim_of(claim: dict[str, Any]) -> Claim:
    """Return a claim; earlier versions had one gain, that of the minimum keeping ratio."""
    for name in ("kendall", "pearson"):
        if f"{name}_gain" in claim:
            claim[f"{name}_gains"] = {"1 - MKR": claim.pop(f"{name}_gain")}
    return Claim(**claim)


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tuples(inner) for key, inner in value.items()}
    return tuple(value) if isinstance(value, list) else value


def to_csv(rows: Iterable[Row], mark: Mapping[str, Any] | None = None) -> str:
    """Return the rows as CSV, in one text; see `csv_parts`."""
    return "".join(csv_parts(rows, mark))


def csv_parts(rows: Iterable[Row], mark: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield a header and the rows as CSV, many at a time; the same run gives the same bytes.

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
class _Tally:
    """What is known of the scores of one estimator after some of its rows: however many, it takes the same memory."""

    group: tuple[str, str, int]
    pictures: str
    first: Architecture
    scored: int = 0
    failures: int = 0
    seconds: float = 0.0
    best: tuple[float, Architecture] | None = None

    def add(self, row: Row) -> None:
        """Count a row; among equal scores the first code is the best."""
        self.first = min(self.first, row.arch)
        self.seconds += row.seconds
        if math.isnan(row.score):
            self.failures += 1
            return
        self.scored += 1
        if self.best is None or row.score > self.best[0] or (row.score == self.best[0] and row.arch < self.best[1]):
            self.best = row.score, row.arch

    def report(self, learning: float, notation: Notation, measure: Measure, *, is_metric: bool) -> EstimatorReport:
        """Return the figures as reports have them."""
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


class _Stored(NamedTuple):
    """What a results file says, but for single scores; failures and measurements take memory each."""

    tallies: list[_Tally]
    failures: tuple[Failure, ...]
    learning: dict[tuple[str, str, int], float]
    measurements: tuple[Measurement, ...]
    damaged: tuple[str, ...]


def _stored(folder: Path, own_task: str | None, notation: Notation) -> _Stored:
    """Return what is stored, read row by row, in the order of reports."""
    tallies: dict[tuple[tuple[str, str, int], str], _Tally] = {}
    failed: list[Row] = []
    with _opened(folder) as store:
        for row in store.rows():
            group = row.name, row.key.estimator, row.key.seed
            pictures = "" if row.key.task == own_task else OTHER_PICTURES
            if (group, pictures) not in tallies:
                tallies[group, pictures] = _Tally(group, pictures, row.arch)
            tallies[group, pictures].add(row)
            if row.error:
                failed.append(row)
        names = {fingerprint: name for (name, fingerprint, _), _ in tallies}
        measurements = tuple(
            Measurement(names.get(key.estimator, key.estimator), notation(arch), facts)
            for key, arch, facts in store.facts()
        )
        return _Stored(
            sorted(tallies.values(), key=lambda t: (t.group, t.first)),
            tuple(Failure(r.name, notation(r.arch), r.error or "") for r in sorted(failed, key=_in_order)),
            store.learning(),
            measurements,
            tuple(each.about for each in store.damaged),
        )


def _in_order(row: Row) -> tuple[Any, ...]:
    return row.name, row.key.estimator, row.key.seed, row.arch
