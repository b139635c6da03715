"""Reading of a run folder; nothing outside the folder is read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from archsieve._reading import fits
from archsieve.errors import RunFolderError
from archsieve.judging.agreement import Agreement  # noqa: TC001
from archsieve.judging.audit import read_audit
from archsieve.report.stored import EstimatorReport, Failure, Measurement, Tally, sentence_on, store_of, stored_in
from archsieve.report.views import Fate, Ranking, StageView, agreements_of, fates, rankings, stage_views
from archsieve.runs.folder import (
    RESULT_FILE,
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
from archsieve.spaces.contract import Picture
from archsieve.spaces.text import as_digits, encode
from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsieve.report.views import Notation


@dataclass(frozen=True)
class RunReport:
    """The contents of a run folder: space, task, the result if finished, and all stored scores.

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
    """Return the contents of a run folder, finished or not.

    Architectures are written as digits, or for files that other programs read, which may take digits for a number,
    dashed: with "-" between.

    Raises:
        RunFolderError: it is no run folder, or damaged.
    """
    store_of(folder)
    mark = read_mark(folder)
    notation = encode if is_dashed else notation_of(mark["space"])
    result = _read_result(folder)
    stored = stored_in(folder, mark["fingerprints"].get("task"), notation, _own(mark, result))
    views = read_views(folder, result)
    of_metric, metric = measure_of_mark(mark)
    measures = measures_of_mark(mark)

    def report(tally: Tally) -> EstimatorReport:
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


def own_of(folder: Path) -> tuple[str, int | None] | None:
    """Return fingerprint of the space and seed of a run, by which its results are told from those of another.

    The seed is None where no result names one; all is None where the folder was made before fingerprints were noted.

    Raises:
        RunFolderError: the mark or the result of the folder is damaged.
    """
    return _own(read_mark(folder), _read_result(folder))


def _own(mark: Mapping[str, Any], result: Mapping[str, Any] | None) -> tuple[str, int | None] | None:
    prints, seed = mark["fingerprints"], (result or {}).get("seed")
    return (prints["space"], seed if isinstance(seed, int) else None) if "space" in prints else None


def meaning_of_scores(run: RunReport) -> str:
    """Return a sentence on the meaning of a run's best scores; empty if none is stored."""
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
    """Return the function by which reports write codes of a space, given its identity."""
    choices = space.get("choices")
    return encode if choices is None else partial(as_digits, choices=choices)


def read_views(folder: Path, result: Mapping[str, Any] | None) -> tuple[StageView, ...]:
    """Return the stages of a run with this result; empty if it is unfinished or its rounds file was deleted.

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
    """Whether a front is absent, or each of its networks has a value of every objective."""
    if front is None:
        return True
    count = len(front["objectives"])
    return count > 1 and all(len(network["values"]) == count for network in front["networks"])


def _complete(result: Any) -> None:
    """Add the keys that results of earlier versions lack; all of those have a winner."""
    if isinstance(result, dict):
        result.setdefault("pictures", [])
        for key in ("worth", "limit", "front", "winner_params", "winner_macs"):
            result.setdefault(key, None)
        if isinstance(result["limit"], dict):
            result["limit"].setdefault("values", {})
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


def damage_of(run: RunReport) -> str:
    """Return the sentence on a run's damaged rows; empty if there are none."""
    return sentence_on(run.damaged)
