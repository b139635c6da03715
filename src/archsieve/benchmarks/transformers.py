"""ViT-Bench-101: trained vision transformers, read from a user's copies of the published files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archsieve.benchmarks.agreement import disagreement
from archsieve.benchmarks.entries import UNCONFIRMED_LICENCE, columns_of, mean_table, with_value
from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import fault, read_json_list, record
from archsieve.benchmarks.joined import check_no_single_fraction, check_percent
from archsieve.benchmarks.records import Table
from archsieve.sources import Source
from archsieve.spaces.recorded.vision import AutoFormer, PiT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from archsieve.spaces.contract import Architecture

_LEAST_ACCURACY = 5.0  # percent, or chance where that is less
_MOST_APART = 10.0  # percent between two trainings of one network


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
        columns = columns_of(path, rows, self.columns)
        whole = Table(tuple(archs), columns)
        for title in filter(_is_accuracy, columns):
            trained = whole if title == self.truth else with_value(whole, title)
            check_percent(path, space, trained, (title,))
            check_no_single_fraction(path, space, trained, (title,), min(100 / self.classes, _LEAST_ACCURACY))
        table = mean_table(path, space, archs, columns, self.truth, _MOST_APART)
        return replace(table, remarks=(*table.remarks, *_remarks(table, self.truth)))


def _remarks(table: Table, truth: str) -> tuple[str, ...]:
    """Return a sentence if accuracies with and without distillation rank the networks differently.

    They belong to two ways of training, which need not agree: it is no fault of the file.
    """
    other = truth.replace("_kd_", "_base_")
    if other not in table.columns or not (why := disagreement(table, truth, other)):
        return ()
    return (f"Check the columns {truth!r} and {other!r}: they should rank networks alike, but {why}.",)


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
            path,
            f"holds a network of another form ({', '.join(names) or 'without names'}): "
            f"{'it lacks ' * isinstance(error, KeyError)}{error}",
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


def _is_accuracy(title: str) -> bool:
    return title.endswith("_acc")


def _vit(kind: str, data_set: str, prefix: str, task: str, classes: int) -> ViTTable:
    source = Source(
        f"gt_{kind}.json",
        f"https://github.com/lliai/Auto-Prox-AAAI24 (its gt_results/gt_{kind}.pth, a list of entries, written as JSON)",
        UNCONFIRMED_LICENCE,
        "Wei et al., Auto-Prox, AAAI 2024, arXiv 2312.09059",
    )
    return ViTTable(kind, data_set, task, classes, f"{prefix}_kd_acc", source)


_DATA_SETS = (
    ("cifar100", "c100", "cifar100", 100),
    ("flowers", "flower", "synthetic", 102),
    ("chaoyang", "chaoyang", "synthetic", 4),
)
AUTOFORMER_CIFAR100, AUTOFORMER_FLOWERS, AUTOFORMER_CHAOYANG = (_vit("autoformer", *each) for each in _DATA_SETS)
PIT_CIFAR100, PIT_FLOWERS, PIT_CHAOYANG = (_vit("pit", *each) for each in _DATA_SETS)
