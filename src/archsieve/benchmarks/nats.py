"""Common part of the tables of NATS-Bench's two spaces: a user's own file with one row per network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import code, fault, read_columns, shown
from archsieve.benchmarks.joined import require_columns
from archsieve.benchmarks.nasbench201 import CODE_COLUMN, TableSource, assembled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsieve.benchmarks.records import Table

_CITATION = "Dong et al., NATS-Bench, TPAMI 2021, arXiv 2009.00437"


@dataclass(frozen=True)
class NATSTable(FileTable):
    """All networks of a space on a data set, from a file made from the published one.

    The file is parquet or CSV. `arch_str` holds the published strings: digits and tuples, whose order could be
    anybody's, are refused. A subclass says what tells such a string (`mark`, `refusal`) and checks that rows and
    strings belong together (`check_join`).

    Attributes:
        classes: of the data set.
        shown_as: the form of the pictures, where archsieve has no task of this data set; empty: it has one.
    """

    mark: ClassVar[str]
    """What every published string holds."""
    refusal: ClassVar[str]
    """What a text without the mark leaves open, and what to write."""

    name: str
    task: str
    source: TableSource
    classes: int
    shown_as: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    truth: str = ""

    @property
    def task_settings(self) -> Mapping[str, Any]:
        """The shape of the pictures, used where noise replaces the data set."""
        return {"shape": self.shown_as, "num_outputs": self.classes} if self.shown_as else {}

    @property
    def caution(self) -> str:
        """States that archsieve has no task of the data set, if that is so."""
        if not self.shown_as:
            return ""
        form = " x ".join(map(str, self.shown_as))
        return (
            f"{self.name}: archsieve has no task of this data set. Proxies that read data get noise of its form "
            f"({form}, {self.classes} classes), unless --task names pictures."
        )

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        raw = read_columns(path)
        require_columns(path, raw, (CODE_COLUMN, *self.columns))
        archs = [code(path, self.space.parse, self._published(path, text)) for text in raw[CODE_COLUMN]]
        table = assembled(path, self.space, archs, raw, self.columns, self.truth)
        self.check_join(path, table)
        return table

    @abstractmethod
    def check_join(self, path: Path, table: Table) -> None:
        """Check that the rows match their architecture strings.

        Raises:
            DataError: they do not.
        """

    def _published(self, path: Path, text: object) -> str:
        """Return a text after checking that it is a published architecture string."""
        if not isinstance(text, str) or self.mark not in text:
            raise fault(path, f"holds {shown(text)} in its column {CODE_COLUMN}, {self.refusal}")
        return text


def source_of(name: str, space: str, truth: str) -> TableSource:
    """Return the source of a table: its file, the original data and the required columns."""
    origin = (
        f"https://github.com/D-X-Y/NATS-Bench (accuracies of the {space} search space), put into one table with the "
        f"columns {CODE_COLUMN} and {truth}; further columns of numbers become columns too"
    )
    return TableSource(f"{name}.parquet", origin, "MIT (NATS-Bench)", _CITATION)
