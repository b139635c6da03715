"""NAS-Bench-BERT: encoders of FlexiBERT's space, read from a user's copies of the published files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.entries import UNCONFIRMED_LICENCE, columns_of, mean_table, with_value
from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import fault, read_json_list, record, shown
from archsieve.benchmarks.joined import check_percent, numbers_of, require_columns
from archsieve.benchmarks.records import Table
from archsieve.sources import Source
from archsieve.spaces.recorded.flexibert import FlexiBERT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

SCORES_FILE = "BERT_results_activation.csv"
"""Published beside the benchmark: the paper's metrics of its networks; a file of one's own scores has the same form."""
_GLUE = ("glue", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst", "sts")
_TRAINED_AS = 1e-6  # difference of a GLUE score in both files
_ACCURACIES = ("mnli", "mrpc", "qnli", "qqp", "rte", "sst")  # of the eight tasks; the others are correlations
_ROUNDING = 0.01  # percent by which GLUE may differ from the mean of its tasks
_FEWEST, _LEAST_MEDIAN = 30, 40.0  # networks, and percent that most of them reach in each of these tasks
_MOST_APART = 3.0  # percent between two trainings of one network
_BERT_SOURCE = Source(
    "BERT_benchmark.json",
    "https://github.com/aaronserianni/training-free-nas (its data/BERT_benchmark.json, 453 kB)",
    UNCONFIRMED_LICENCE,
    "Serianni and Kalita, Training-free Neural Architecture Search for RNNs and Transformers, ACL 2023, "
    "arXiv 2306.00288",
)


@dataclass(frozen=True)
class BERTTable(FileTable):
    """GLUE scores in percent of 500 encoders of FlexiBERT's space, from the published JSON.

    Where the folder has `BERT_results_activation.csv` too, its columns of numbers become columns, joined by the `ID`
    that both files have; its `GLUE Score` must be that of the network. Scores of your own can stand in such a file. A
    network under two numbers has the mean of its values, and a remark says so.
    """

    name: str = "flexibert-glue"
    task: str = "synthetic"
    source: Source = _BERT_SOURCE
    columns: tuple[str, ...] = (*_GLUE, "training_seconds")
    truth: str = "glue"

    @property
    def space(self) -> FlexiBERT:
        """The space."""
        return FlexiBERT()

    @property
    def caution(self) -> str:
        """States that archsieve builds no networks of this space."""
        return f"{self.name}: recorded values of trained networks; archsieve does not build them."

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        space = self.space
        entries = [record(path, entry, "a network") for entry in read_json_list(path)]
        trained = [entry for entry in entries if _is_completed(path, entry)]
        _check_ids(path, trained)
        archs = [_flexibert(path, space, entry) for entry in trained]
        rows = [{**_scores(path, entry), "training_seconds": entry.get("time_to_train")} for entry in trained]
        columns = columns_of(path, rows, self.columns)
        _check_glue(path, space, Table(tuple(archs), columns))
        scores = path.with_name(SCORES_FILE)
        if scores.is_file():
            columns |= _joined(scores, [entry.get("id") for entry in trained], columns)
        return mean_table(path, space, archs, columns, self.truth, _MOST_APART)


def _flexibert(path: Path, space: FlexiBERT, entry: Mapping[str, Any]) -> Architecture:
    """Return the code of an entry whose decisions are named."""
    try:
        model = entry["hparams"]["model_hparam_overrides"]
        layers = [
            (
                f"{layer['operation_type']}-{layer['operation_parameter']}",
                layer["num_operation_heads"],
                layer["feed_forward_dimension"],
                layer["num_feed_forward"],
            )
            for layer in model["nas_config"]["encoder_layers"]
        ]
        return space.code(model["hidden_size"], layers)
    except (KeyError, TypeError, ValueError) as error:
        raise fault(path, f"holds a network of another form (id {shown(entry.get('id'))}): {error}") from error


def _check_ids(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Check that no number stands for two networks."""
    ids = [_id(entry.get("id")) for entry in entries if "id" in entry]
    if twice := [number for number in dict.fromkeys(ids) if ids.count(number) > 1]:
        raise fault(path, f"holds the id {twice[0]} twice")


def _is_completed(path: Path, entry: Mapping[str, Any]) -> bool:
    completed = entry.get("completed", True)
    if not isinstance(completed, bool):
        where = f"'completed' of network {shown(entry.get('id'))}"
        raise fault(path, f"holds {shown(completed)} for {where}, where true or false is expected")
    return completed


def _id(number: object) -> str:
    """Return the text of a network's number; a spreadsheet may have written 7 as 7.0."""
    return str(number).strip().removesuffix(".0")


def _check_glue(path: Path, space: FlexiBERT, table: Table) -> None:
    """Check that scores are percent, and that GLUE is the mean of its eight tasks.

    A negative score is possible: some of the tasks are judged by a correlation. The others are accuracies. A task may
    have no score.

    Raises:
        DataError: they are not.
    """
    check_percent(path, space, table, ("glue",), least=-100)
    for task in _GLUE[1:]:
        check_percent(path, space, with_value(table, task), (task,), least=-100)
    tasks = np.mean([table.columns[task] for task in _GLUE[1:]], axis=0)
    for row, glue in enumerate(table.columns["glue"]):
        what = f"of {space.describe(table.archs[row])!r}"
        if fractions := [name for name in ("glue", *_ACCURACIES) if 0 < table.columns[name][row] <= 1]:
            value = table.columns[fractions[0]][row]
            raise fault(path, f"holds {value} as {fractions[0]} {what}: write percent, not a fraction")
        if glue >= 0 and abs(glue - tasks[row]) > _ROUNDING:
            raise fault(path, f"holds {glue} as glue {what}, but the mean of its eight tasks is {tasks[row]:.4f}")
    for name in _ACCURACIES:
        if len(table.archs) >= _FEWEST and (middle := float(np.nanmedian(table.columns[name]))) < _LEAST_MEDIAN:
            raise fault(
                path,
                f"holds values in its column {name!r} whose median is {middle:.3g}, less than a guess reaches: they "
                f"are errors, or belong to another task",
            )


def _scores(path: Path, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return record(path, entry.get("scores"), f"the scores of network {shown(entry.get('id'))}")


def _joined(
    path: Path, ids: Sequence[object], networks: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a score file in the order of the networks; NaN for networks it lacks.

    Raises:
        DataError: it has an ID twice, none of the networks, a column that they have too, or other GLUE scores.
    """
    raw = read_columns(path)
    require_columns(path, raw, ("ID",))
    own = numbers_of(path, {title: raw[title] for title in raw if title != "ID"}, ())
    if both := [title for title in own if title in networks]:
        raise fault(path, f"has a column {both[0]!r}, which the networks have too: give it another title")
    rows: dict[str, int] = {}
    for row, number in enumerate(raw["ID"]):
        if rows.setdefault(_id(number), row) != row:
            raise fault(path, f"holds the ID {shown(number)} twice")
    places = np.array([rows.get(_id(number), -1) for number in ids])
    columns = {title: np.where(places >= 0, values[places], np.nan) for title, values in own.items()}
    there = columns.get("GLUE Score")
    if there is None:
        raise fault(path, "lacks the column 'GLUE Score', which shows that its rows are those of the networks")
    if (places < 0).all():
        raise fault(
            path, f"has none of the networks: its IDs are such as {shown(raw['ID'][0])}, theirs {shown(ids[0])}"
        )
    if not (np.abs(there - networks["glue"])[places >= 0] <= _TRAINED_AS).all():
        raise fault(path, "has other GLUE scores than the networks with its IDs: its rows belong to other networks")
    return columns


GLUE = BERTTable()
