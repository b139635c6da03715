"""The run folder: it has one driver at a time, one space and one task; and the files in it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._arrays import read_arrays
from archsieve._checksums import with_checksum, without_checksum, without_checksum_line
from archsieve._files import replace_file
from archsieve._reading import LARGEST_TOML, fits, parse_json, read_bytes, read_text
from archsieve.errors import RunFolderError, StorageError
from archsieve.fingerprints import fingerprint, identity
from archsieve.searchers.contract import Round
from archsieve.tasks.contract import Measure, completed_task

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task

RUN_FILE = "run.json"
RESULTS_FILE = "results.sqlite"
RESULT_FILE = "result.json"
PLAN_FILE = "plan.toml"
ROUNDS_FILE = "rounds.npz"
_OF_A_ROUND = ("archs", "scores", "kept")
ERROR_FILE = "error.log"
DECISIONS_FILE = "decisions.json"
_ADVICE = {
    RUN_FILE: "Put back a whole copy, or delete it and run the search again, which goes on from its scores.",
    RESULT_FILE: "Delete it and run the search again, which goes on from its scores.",
    "audit.json": "Delete it and run `archsieve audit` again.",
    "asked.json": "Delete it and run `archsieve ask` again.",
}


def lock(folder: Path, use: str = "search") -> sqlite3.Connection:
    """Create the folder and lock it until the connection is closed or the process ends in any way.

    `use` names the kind of driver in error messages.

    Raises:
        RunFolderError: another driver holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(folder / ".lock", timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise RunFolderError(f"Cannot write to the run folder {folder}: {error}.") from error
        raise RunFolderError(
            f"The run folder {folder} is in use by another {use}: wait for it, or choose another folder."
        ) from error
    except (OSError, sqlite3.DatabaseError) as error:
        raise RunFolderError(f"Cannot use the run folder {folder}: {error}.") from error
    return connection


def claim(folder: Path, space: SearchSpace, task: Task) -> tuple[str, str]:
    """Mark the folder as made for this space and task, and return their fingerprints in this folder.

    A folder that an earlier version made for the same data under another identity keeps its fingerprint.

    Raises:
        RunFolderError: it was made for another, or its mark is damaged.
    """
    _recall_decisions(folder, space)
    prints = {"space": fingerprint(space), "task": fingerprint(task)}
    mark = folder / RUN_FILE
    if not mark.exists():
        write_json(mark, {"fingerprints": prints, "space": identity(space), "task": identity(task)})
        return prints["space"], prints["task"]
    stored = read_mark(folder)
    own = stored["fingerprints"].get("task")
    if own in map(fingerprint, former_identities(task)):
        prints["task"] = own
    for kind, now in (("space", space), ("task", task)):
        if stored["fingerprints"].get(kind) != prints[kind]:
            reason = difference(stored[kind], identity(now)) or "its fingerprint is another"
            raise RunFolderError(
                f"The run folder {folder} was made for another {kind}: {reason}. Choose another folder."
            )
    return prints["space"], prints["task"]


def _recall_decisions(folder: Path, space: SearchSpace) -> None:
    """Load the decisions that an earlier command found for a space, else store them for the next command."""
    whole: Any = space.whole
    if not hasattr(whole, "recall"):
        return
    path = folder / DECISIONS_FILE
    with suppress(RunFolderError):  # it is not there, or damaged
        if whole.recall(json.dumps(read_json(path))):
            return
    with suppress(StorageError):  # what is not kept is looked for again
        write_json(path, json.loads(whole.recorded))


def former_identities(task: Task) -> list[dict[str, Any]]:
    """Return the identities of the same task in earlier versions."""
    return list(completed_task(task).former_identities())


def difference(theirs: Any, ours: Any) -> str:
    """Return text on the first setting that differs between two nested tables; empty if none does.

    Settings go before versions, which say that networks or scores changed and not what changed.

    >>> difference({"name": "darts", "of": [{"width": 8}]}, {"name": "darts", "of": [{"width": 16}]})
    'its of.0.width is 8, and here it is 16'
    >>> difference({"version": 1}, {"version": 2, "pool_norm": True})
    'it has no pool_norm, and here pool_norm is True'
    """
    stored, current = _flat(theirs), _flat(json.loads(json.dumps(ours)))
    for key in sorted({**current, **stored}, key=_is_version):
        if key not in stored:
            return f"it has no {key}, and here {key} is {current[key]!r}"
        if key not in current:
            return f"its {key} is {stored[key]!r}, and here there is no {key}"
        if stored[key] != current[key]:
            return f"its {key} is {stored[key]!r}, and here it is {current[key]!r}"
    return ""


def _is_version(key: str) -> bool:
    return key.rpartition(".")[2] == "version"


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return the leaves of nested tables by dotted name."""
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        value = {str(place): part for place, part in enumerate(value)}
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, part in value.items() for k, v in _flat(part, f"{name}.{key}" if name else key).items()}


_MARK = {
    "Mark": {"fingerprints": "dict[str, str]", "space": "dict[str, Any]", "task": "dict[str, Any]"},
    "Metric": {"name": "str", "higher_is_better": "bool", "estimators": "tuple[str, ...]"},
}


def read_mark(folder: Path) -> dict[str, Any]:
    """Return what `claim` wrote: fingerprints and identities of space and task.

    Raises:
        RunFolderError: it is not there, or damaged.
    """
    mark = read_json(folder / RUN_FILE)
    whole = isinstance(mark, dict) and {"space", "task"} <= mark.keys()
    if not whole or not fits(mark, "Mark", _MARK):
        raise RunFolderError(
            f"The file {folder / RUN_FILE} does not say what the run folder is for: restore a complete copy, or choose "
            f"another folder."
        )
    choices = mark["space"].get("choices", [])
    if not fits(choices, "tuple[int, ...] | None", {}) or not fits(mark.get("metric"), "Metric | None", _MARK):
        raise RunFolderError(
            f"The file {folder / RUN_FILE} is damaged: put back a whole copy, or choose another folder."
        )
    return mark  # type: ignore[no-any-return]


def read_outcome(folder: Path) -> dict[str, Any]:
    """Return the contents of `result.json`: the winner's code (None if there is none), and the stages.

    Raises:
        RunFolderError: there is none, or it is damaged.
    """
    result = read_json(folder / RESULT_FILE)
    if not isinstance(result, dict) or not {"code", "stages"} <= result.keys():
        raise RunFolderError(
            f"The folder {folder} does not contain a search: pass the folder of a finished `archsieve search`."
        )
    if not fits(result, "Result", _FINISHED):
        raise RunFolderError(f"The file {folder / RESULT_FILE} is damaged. Delete it and run the search again.")
    return result


_FINISHED = {
    "Result": {"code": "tuple[int, ...] | None", "stages": "tuple[Stage, ...]"},
    "Stage": {"label": "str"},
}


def write_measure(
    folder: Path, measure: Measure, estimators: Collection[str], own: Mapping[str, Measure] | None = None
) -> None:
    """Add the task's metric, and the estimators whose scores are metric values, to the folder's mark.

    `own` are the measures of estimators that measure something else, such as milliseconds, by name.
    """
    mark = read_mark(folder)
    measures = {**mark.get("measures", {}), **{name: asdict(each) for name, each in (own or {}).items()}}
    known, _ = measure_of_mark(mark)
    names = sorted({*known, *estimators})
    metric = {**asdict(measure), "estimators": names}
    if mark.get("metric") != metric or mark.get("measures", {}) != measures:
        write_json(folder / RUN_FILE, {**mark, "metric": metric, **({"measures": measures} if measures else {})})


def measure_of_mark(mark: Mapping[str, Any]) -> tuple[frozenset[str], Measure]:
    """Return the estimators whose scores are metric values, and the metric, where the mark has them."""
    metric = mark.get("metric", {})
    measure = Measure(str(metric.get("name", "score")), bool(metric.get("higher_is_better", True)))
    return frozenset(metric.get("estimators", ())), measure


def measures_of_mark(mark: Mapping[str, Any]) -> dict[str, Measure]:
    """Return the measure of scores by estimator name; estimators that are absent have plain scores."""
    names, metric = measure_of_mark(mark)
    own = {
        str(name): Measure(str(each.get("name", "score")), bool(each.get("higher_is_better", True)))
        for name, each in mark.get("measures", {}).items()
    }
    return own | dict.fromkeys(names, metric)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, with a checksum of its content."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(with_checksum(value), indent=2) + "\n", encoding="utf-8")


def digest_of_rounds(rounds: Sequence[Round]) -> str:
    """Return the SHA-256 of all scores and survivors of the rounds; equal digests mean equal scores."""
    digest = hashlib.sha256()
    for latest in rounds:
        parts = (latest.archs.astype(np.int64), latest.scores.astype(np.float64), latest.kept.astype(np.int64))
        for part in parts:
            digest.update(repr(part.shape).encode() + np.where(part == part, part, np.nan).tobytes())
    return digest.hexdigest()


def write_rounds(folder: Path, rounds: Sequence[Round], pool: Mapping[str, NDArray[Any]]) -> None:
    """Write the architectures, scores and survivors of each round, and named columns of the whole pool."""
    arrays: dict[str, Any] = {
        f"{name}_{i}": getattr(r, name) for i, r in enumerate(rounds) for name in ("archs", "scores", "kept")
    }
    arrays |= {f"pool_{name}": values for name, values in pool.items()}
    with replace_file(folder / ROUNDS_FILE) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_rounds(folder: Path, labels: Sequence[str]) -> tuple[list[Round], dict[str, NDArray[Any]]]:
    """Return the contents of `write_rounds` for rounds with these labels.

    Raises:
        RunFolderError: it is not there, or damaged.
    """
    path = folder / ROUNDS_FILE
    if not path.is_file():
        raise RunFolderError(f"There is no {path.name} in {folder}: run the search again; it resumes from its scores.")
    try:
        arrays = read_arrays(path)
        rounds = [_round(label, *(arrays[f"{name}_{i}"] for name in _OF_A_ROUND)) for i, label in enumerate(labels)]
        pool = {name.removeprefix("pool_"): column for name, column in arrays.items() if name.startswith("pool_")}
        if len({len(column) if column.ndim else -1 for column in pool.values()}) > 1:
            raise ValueError("its columns of the pool differ in length")  # noqa: TRY301 - one sentence for all
    except (OSError, ValueError, KeyError) as error:
        reason = f"it holds no {error}" if isinstance(error, KeyError) else error
        raise RunFolderError(
            f"The file {path} cannot be read: {reason}. Delete it and run the search again."
        ) from error
    return rounds, pool


def rounds_of(folder: Path, result: Mapping[str, Any]) -> tuple[list[Round], dict[str, NDArray[Any]]]:
    """Return the rounds of the search with this result, and the columns of its pool.

    Raises:
        RunFolderError: they are not there, damaged, or of another search.
    """
    rounds, pool = read_rounds(folder, [stage["label"] for stage in result["stages"]])
    if result.get("rounds_sha256", "") not in ("", digest_of_rounds(rounds)):
        raise RunFolderError(
            f"The rounds in {folder / ROUNDS_FILE} are not those that {RESULT_FILE} was written with: run the search "
            f"again, which goes on from its scores."
        )
    return rounds, pool


def _round(label: str, archs: NDArray[Any], scores: NDArray[Any], kept: NDArray[Any]) -> Round:
    """Return the round stored in these arrays.

    Raises:
        ValueError: they are of other kinds or shapes than a round has.
    """
    of_kinds = archs.dtype.kind in "iu" and scores.dtype.kind == "f" and kept.dtype.kind in "iu"
    if not of_kinds or (archs.ndim, scores.shape, kept.ndim) != (2, archs.shape[:1], 1):
        raise ValueError("its arrays are not those of a round")
    if kept.size and not 0 <= int(kept.min()) <= int(kept.max()) < len(archs):
        raise ValueError("it keeps candidates that it does not have")
    return Round(label, archs, scores, kept)


def plan_text_of(folder: Path) -> str:
    """Return the text of the plan stored in a run folder, for display.

    Raises:
        RunFolderError: it cannot be read, or is not what was written.
    """
    path = folder / PLAN_FILE
    try:
        return without_checksum_line(read_bytes(path, LARGEST_TOML).decode("utf-8", errors="replace"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"The plan {path} cannot be read: {error}.") from error


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file without the checksum.

    Raises:
        RunFolderError: it is not there, or damaged: its checksum, if it has one, is that of other content.
    """
    try:
        return without_checksum(parse_json(read_text(path)))
    except FileNotFoundError as error:
        raise RunFolderError(
            f"There is no {path.name} in {path.parent}: is this the folder of a finished run?"
        ) from error
    except (OSError, ValueError) as error:
        advice = _ADVICE.get(path.name, "Delete it and run the search again.")
        raise RunFolderError(f"The file {path} cannot be read: {error}. {advice}") from error
