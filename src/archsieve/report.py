"""What a run folder says: it reads that folder and nothing else."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import RunFolderError
from archsieve.run_folder import RESULT_FILE, RESULTS_FILE, ROUNDS_FILE, read_json, read_mark, read_rounds
from archsieve.store import Row, Store, encode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.search import Round

CSV_HEADER = ("estimator", "fingerprint", "seed", "architecture", "score", "error")


@dataclass(frozen=True)
class EstimatorReport:
    """What the store holds of one estimator: rows, failures, summed worker seconds, and the best of them.

    Seconds are counted once however often the run was gone on with; what was looked up took none. Those spent on
    learning leave out scores that were asked for meanwhile.
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


@dataclass(frozen=True)
class Failure:
    """Why a code could not be scored."""

    estimator: str
    architecture: str
    reason: str


@dataclass(frozen=True)
class Fate:
    """Where one of the truly best networks was cut: its place (1 is best) in every stage it came to, ties against it.

    `cut_by` is the label of the stage that dropped it; None: no stage did.
    """

    architecture: str
    truth: float
    places: tuple[int, ...]
    cut_by: str | None


@dataclass(frozen=True)
class RunReport:
    """A run folder: its space and task, the result if it is finished, and all that is stored.

    `fates` are those of the ten truly best candidates; empty where no table knows the truth.
    """

    folder: str
    space: dict[str, Any]
    task: dict[str, Any]
    result: dict[str, Any] | None
    estimators: tuple[EstimatorReport, ...]
    failures: tuple[Failure, ...]
    fates: tuple[Fate, ...]


def read_run(folder: Path) -> RunReport:
    """Return what the folder says, of a finished run or one that goes on.

    Raises:
        RunFolderError: it is no run folder, or damaged.
    """
    rows, learning = read_rows(folder), _read_learning(folder)
    mark = read_mark(folder)
    result = _read_result(folder)
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.name, row.key.estimator, row.key.seed), []).append(row)
    return RunReport(
        folder=str(folder),
        space=mark["space"],
        task=mark["task"],
        result=result,
        estimators=tuple(_summary(*group, members, learning.get(group, 0.0)) for group, members in groups.items()),
        failures=tuple(Failure(r.name, encode(r.arch), r.error) for r in rows if r.error),
        fates=_fates(folder, [s["label"] for s in result["stages"]]) if result else (),
    )


def _fates(folder: Path, labels: list[str], count: int = 10) -> tuple[Fate, ...]:
    if not (folder / ROUNDS_FILE).exists():  # a run of an older version
        return ()
    rounds, pool = read_rounds(folder, labels)
    truth = pool.get("truth", np.full(len(pool["archs"]), np.nan))
    known = np.flatnonzero(np.isfinite(truth))
    best = known[np.argsort(-truth[known], kind="stable")][:count]
    return tuple(_fate(pool["archs"][i], float(truth[i]), rounds) for i in best)


def _fate(code: NDArray[Any], truth: float, rounds: list[Round]) -> Fate:
    places, cut_by = [], None
    for stage in rounds:
        (place,) = np.flatnonzero((stage.archs == code).all(axis=1))
        better = int((stage.scores >= stage.scores[place]).sum())
        places.append(better or len(stage.scores))  # without a score: last
        if place not in stage.kept:
            cut_by = stage.label
            break
    return Fate("-".join(map(str, code.tolist())), truth, tuple(places), cut_by)


def _read_result(folder: Path) -> dict[str, Any] | None:
    path = folder / RESULT_FILE
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or not {"best", "stages"} <= found.keys():
        raise RunFolderError(f"The file {path} is no result of a search: delete it and run the search again.")
    return found


def read_rows(folder: Path) -> list[Row]:
    """Return every stored score, ordered by estimator and architecture.

    Raises:
        RunFolderError: there are no results, or they are damaged.
    """
    path = folder / RESULTS_FILE
    if not path.exists():
        raise RunFolderError(f"{folder} is no run folder: it has no {RESULTS_FILE}.")
    store = Store(path, read_only=True)
    try:
        return sorted(store.rows(), key=lambda r: (r.name, r.key.estimator, r.key.seed, r.arch))
    finally:
        store.close()


def _read_learning(folder: Path) -> dict[tuple[str, str, int], float]:
    store = Store(folder / RESULTS_FILE, read_only=True)
    try:
        return store.learning()
    finally:
        store.close()


def to_csv(rows: Iterable[Row]) -> str:
    """Return the rows as CSV, every score with all its digits; the same run gives the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    writer.writerows((r.name, r.key.estimator, r.key.seed, encode(r.arch), repr(r.score), r.error or "") for r in rows)
    return text.getvalue()


def _summary(name: str, fingerprint: str, seed: int, rows: list[Row], learning: float) -> EstimatorReport:
    scored = [r for r in rows if not math.isnan(r.score)]
    best = max(scored, key=lambda r: r.score, default=None)
    return EstimatorReport(
        estimator=name,
        fingerprint=fingerprint,
        seed=seed,
        scored=len(scored),
        failures=len(rows) - len(scored),
        seconds=round(sum(r.seconds for r in rows), 3),
        learning_seconds=round(learning, 3),
        best=encode(best.arch) if best else None,
        best_score=best.score if best else None,
    )
