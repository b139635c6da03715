"""Common part of the tables of NATS-Bench's two spaces: a user's own file with one row per network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.file_table import FileTable, TableSource
from archsieve.benchmarks.files import assemble, code, fault, is_accuracy, shown
from archsieve.benchmarks.joined import CODE_COLUMN, numbers_of, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture

_CITATION = "Dong et al., NATS-Bench, TPAMI 2021, arXiv 2009.00437"


@dataclass(frozen=True)
class NATSTable(FileTable):
    """All networks of a space on a data set, from a file made from the published one.

    The file is parquet or CSV. `arch_str` holds the published strings: digits and tuples, whose order could be
    anybody's, are refused. Columns other than the truth may be absent. A subclass says what tells such a string
    (`mark`, `refusal`) and checks that rows and strings belong together (`check_join`).

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
        is_known = self.source.is_known()
        raw = read_columns(path, is_known=is_known)
        require_columns(path, raw, (CODE_COLUMN, self.truth))
        table = assemble(path, self.space, self.codes(path, raw), self.numbers(path, raw), truth=self.truth)
        if not is_known:
            self.check_join(path, table)
            table = replace(table, remarks=self.remarks(table))
        return table

    def remarks(self, table: Table) -> tuple[str, ...]:
        """Return sentences on what could not be checked of a file of a user's own; by default none."""
        return ()

    def numbers(self, path: Path, raw: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[np.float64]]:
        """Return the columns of numbers of a file; raises as `load`."""
        others = {title: raw[title] for title in raw if title != CODE_COLUMN}
        return numbers_of(path, others, [title for title in self.columns if title in others])

    def codes(self, path: Path, raw: Mapping[str, Sequence[Any]]) -> list[Architecture]:
        """Return the codes of the rows of a file; raises as `load`."""
        return [code(path, self.space.parse, self._published(path, text)) for text in raw[CODE_COLUMN]]

    def accuracies_in(self, table: Table) -> list[str]:
        """Return the columns that hold accuracies: the truth, and those with a title that says so."""
        return [title for title in table.columns if title == self.truth or is_accuracy(title)]

    @abstractmethod
    def check_join(self, path: Path, table: Table) -> None:
        """Check that the rows match their architecture strings.

        Raises:
            DataError: they do not.
        """

    def _published(self, path: Path, text: object) -> object:
        """Return a field, after checking that a text in it is a published architecture string."""
        if isinstance(text, str) and text.strip() and self.mark not in text:
            raise fault(path, f"holds {shown(text)} in its column {CODE_COLUMN}, {self.refusal}")
        return text


def source_of(name: str, space: str, truth: str) -> TableSource:
    """Return the source of a table: its file, the original data and the required columns."""
    origin = (
        f"https://github.com/D-X-Y/NATS-Bench (accuracies of the {space} search space), put into one table with the "
        f"columns {CODE_COLUMN} and {truth}; further columns of numbers become columns too"
    )
    return TableSource(f"{name}.parquet", origin, "MIT (NATS-Bench)", _CITATION)
