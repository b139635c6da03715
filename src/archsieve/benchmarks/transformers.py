"""NAS-Bench-BERT and ViT-Bench-101: trained transformers, read from a user's copies of the published files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import fault, read_columns, read_json_list, record, shown
from archsieve.benchmarks.joined import check_no_single_fraction, check_percent, numbers_of, require_columns
from archsieve.benchmarks.records import Table
from archsieve.sources import Source
from archsieve.spaces.recorded.flexibert import FlexiBERT
from archsieve.spaces.recorded.vision import AutoFormer, PiT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

SCORES_FILE = "BERT_results_activation.csv"
"""Published beside the benchmark: the paper's metrics of its networks; a file of one's own scores has the same form."""
_GLUE = ("glue", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst", "sts")
_LEAST_ACCURACY = 5.0  # percent, or chance where that is less
_TRAINED_AS = 1e-6  # difference of a GLUE score in both files
_LICENCE = (
    "Apache-2.0, unconfirmed: its repository has no licence file that we know of; ask before you pass the file on"
)
_BERT_SOURCE = Source(
    "BERT_benchmark.json",
    "https://github.com/aaronserianni/training-free-nas (its data/BERT_benchmark.json, 453 kB)",
    _LICENCE,
    "Serianni and Kalita, Training-free Neural Architecture Search for RNNs and Transformers, ACL 2023, "
    "arXiv 2306.00288",
)


@dataclass(frozen=True)
class BERTTable(FileTable):
    """GLUE scores in percent of 500 encoders of FlexiBERT's space, from the published JSON.

    Where the folder has `BERT_results_activation.csv` too, its columns of numbers become columns, joined by the `ID`
    that both files have; its `GLUE Score` must be that of the network. Scores of your own can stand in such a file.
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
        return f"{self.name}: recorded values of 500 networks; archsieve does not build them."

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        space = self.space
        entries = [record(path, entry, "a network") for entry in read_json_list(path)]
        trained = [entry for entry in entries if entry.get("completed", True)]
        _check_ids(path, trained)
        archs = [_flexibert(path, space, entry) for entry in trained]
        rows = [{**_scores(path, entry), "training_seconds": entry.get("time_to_train")} for entry in trained]
        columns = _columns(path, rows, self.columns)
        scores = path.with_name(SCORES_FILE)
        if scores.is_file():
            columns |= _joined(scores, [entry.get("id") for entry in trained], columns["glue"])
        table = _means(path, archs, columns)
        check_percent(path, space, table, (self.truth,), least=-100)
        return table


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
    ids = [str(entry.get("id")) for entry in entries if "id" in entry]
    if twice := [number for number in dict.fromkeys(ids) if ids.count(number) > 1]:
        raise fault(path, f"holds the id {twice[0]} twice")


def _scores(path: Path, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return record(path, entry.get("scores"), f"the scores of network {shown(entry.get('id'))}")


def _joined(path: Path, ids: Sequence[object], glue: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a score file in the order of the networks; NaN for networks it lacks.

    Raises:
        DataError: it has an ID twice, none of the networks, or other GLUE scores than they have.
    """
    raw = read_columns(path)
    require_columns(path, raw, ("ID",))
    own = numbers_of(path, {title: raw[title] for title in raw if title != "ID"}, ())
    rows: dict[str, int] = {}
    for row, number in enumerate(raw["ID"]):
        if rows.setdefault(str(number).strip(), row) != row:
            raise fault(path, f"holds the ID {shown(number)} twice")
    places = np.array([rows.get(str(number), -1) for number in ids])
    columns = {title: np.where(places >= 0, values[places], np.nan) for title, values in own.items()}
    there = columns.get("GLUE Score")
    if there is None:
        raise fault(path, "lacks the column 'GLUE Score', which shows that its rows are those of the networks")
    if (places < 0).all():
        raise fault(
            path, f"has none of the networks: its IDs are such as {shown(raw['ID'][0])}, theirs {shown(ids[0])}"
        )
    if not (np.abs(there - glue)[places >= 0] <= _TRAINED_AS).all():
        raise fault(path, "has other GLUE scores than the networks with its IDs: its rows belong to other networks")
    return columns


@dataclass(frozen=True)
class ViTTable(FileTable):
    """Accuracies in percent of transformers on one data set, from a JSON list of the published entries.

    An entry has `arch`, a mapping with names of the decisions, and accuracies, such as `c100_kd_acc` (trained with
    distillation) and `c100_base_acc` (without). Every number of the entries becomes a column, scores of your own too.
    Entries without the accuracy on the data set are left out. Networks that are there twice have the mean of their
    values.
    """

    kind: str
    data_set: str
    task: str
    classes: int
    truth: str
    source: Source

    @property
    def name(self) -> str:
        """The names of the space and the data set."""
        return f"vitbench-{self.kind}-{self.data_set}"

    @property
    def space(self) -> AutoFormer | PiT:
        """The space."""
        return AutoFormer() if self.kind == "autoformer" else PiT()

    @property
    def columns(self) -> tuple[str, ...]:
        """The accuracy with distillation; the file may hold more columns."""
        return (self.truth,)

    @property
    def task_settings(self) -> Mapping[str, Any]:
        """The number of classes, used if archsieve has no task of the data set."""
        return {"num_outputs": self.classes} if self.task == "synthetic" else {}

    @property
    def caution(self) -> str:
        """States that archsieve builds no networks of this space."""
        return f"{self.name}: recorded values of trained networks; archsieve does not build them."

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        space = self.space
        entries = [record(path, entry, "a network") for entry in read_json_list(path)]
        entries = [entry for entry in entries if self.truth in entry] or entries  # trained on this data set
        read = _autoformer if self.kind == "autoformer" else _pit
        archs = [_of_names(path, read, entry.get("arch")) for entry in entries]
        rows = [{title: value for title, value in entry.items() if title != "arch"} for entry in entries]
        table = _means(path, archs, _columns(path, rows, self.columns))
        check_percent(path, space, table, (self.truth,))
        check_no_single_fraction(path, space, table, (self.truth,), min(100 / self.classes, _LEAST_ACCURACY))
        return table


def _of_names(path: Path, read: Callable[[Mapping[str, Any]], Architecture], arch: object) -> Architecture:
    """Return the code of named decisions, ignoring case."""
    decisions = record(path, arch, "'arch' of a network")
    names = {str(name).lower(): value for name, value in decisions.items()}
    if len(names) < len(decisions):
        raise fault(path, f"holds a network that names a decision twice: {', '.join(decisions)}")
    try:
        return read(names)
    except (KeyError, TypeError, ValueError) as error:
        raise fault(
            path, f"holds a network of another form ({', '.join(names) or 'without names'}): {error}"
        ) from error


def _autoformer(names: Mapping[str, Any]) -> Architecture:
    """Return the code of `hidden_dim`, `depth`, and each layer's `mlp_ratio` and `num_heads`."""
    depth = names["depth"]
    layers = list(zip(names["mlp_ratio"][:depth], names["num_heads"][:depth], strict=True))
    if len(layers) != depth:
        raise ValueError(f"{len(layers)} layers, where depth is {depth}")
    return AutoFormer().code(names["hidden_dim"], layers)


def _pit(names: Mapping[str, Any]) -> Architecture:
    """Return the code of `base_dim`, `mlp_ratio`, `depth` and `num_heads`."""
    return PiT().code(names["base_dim"], names["mlp_ratio"], names["depth"], names["num_heads"])


def _columns(path: Path, rows: Sequence[Mapping[str, Any]], needed: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of entries; NaN where an entry lacks the value.

    Raises:
        DataError: none has one that is needed.
    """
    titles = dict.fromkeys(title for row in rows for title in row)
    raw = {title: [row.get(title) for row in rows] for title in titles}
    require_columns(path, raw, needed)
    return numbers_of(path, raw, needed)


def _means(path: Path, archs: Sequence[Architecture], columns: Mapping[str, NDArray[np.float64]]) -> Table:
    """Return the table of the networks; values of a repeated network are averaged."""
    if not archs:
        raise fault(path, "holds no architecture")
    rows: dict[Architecture, list[int]] = {}
    for row, arch in enumerate(archs):
        rows.setdefault(arch, []).append(row)
    return Table(
        tuple(rows),
        {title: np.array([values[each].mean() for each in rows.values()]) for title, values in columns.items()},
    )


def _vit(kind: str, data_set: str, prefix: str, task: str, classes: int) -> ViTTable:
    source = Source(
        f"gt_{kind}.json",
        f"https://github.com/lliai/Auto-Prox-AAAI24 (its gt_results/gt_{kind}.pth, a list of entries, written as JSON)",
        _LICENCE,
        "Wei et al., Auto-Prox, AAAI 2024, arXiv 2312.09059",
    )
    return ViTTable(kind, data_set, task, classes, f"{prefix}_kd_acc", source)


_DATA_SETS = (
    ("cifar100", "c100", "cifar100", 100),
    ("flowers", "flower", "synthetic", 102),
    ("chaoyang", "chaoyang", "synthetic", 4),
)
GLUE = BERTTable()
AUTOFORMER_CIFAR100, AUTOFORMER_FLOWERS, AUTOFORMER_CHAOYANG = (_vit("autoformer", *each) for each in _DATA_SETS)
PIT_CIFAR100, PIT_FLOWERS, PIT_CHAOYANG = (_vit("pit", *each) for each in _DATA_SETS)
