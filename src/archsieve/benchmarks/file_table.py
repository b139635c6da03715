"""What benchmarks share whose table is made from one file: the file is read once, and again if it changed."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from archsieve._collector import collector_paused
from archsieve._files import Remembered
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.records import Surrogate, Table
from archsieve.notices import notice
from archsieve.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archsieve.sources import FileState

R = TypeVar("R", bound=Table | Surrogate)
B = TypeVar("B", bound=Benchmark)


def read_once(load: Callable[[B], R]) -> Callable[[B], R]:
    """Decorate the `load` of a hashable benchmark so that a process reads the file once, and again after a change.

    A file, or any file below a folder, has changed if its size, time or inode has. The arrays of a table are made
    read-only, since all callers share them. What a table remarks on its file is a notice to the user.
    """
    tables: Remembered[R] = Remembered(most=16)

    @wraps(load)
    def loaded(benchmark: B) -> R:
        def read() -> R:
            with collector_paused():
                records = load(benchmark)
            if isinstance(records, Table):
                for values in records.columns.values():
                    values.setflags(write=False)
                for remark in records.remarks:
                    notice(remark)
            return records

        source = benchmark.source
        return read() if source is None else tables.get(source.require(), benchmark, read)

    return loaded


@dataclass(frozen=True)
class TableSource(Source):
    """A parquet file, or the same table as a CSV file beside it with the same name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the parquet file, and that of the CSV file."""
        return (self.file, f"{self.file.removesuffix('.parquet')}.csv")

    def find(self) -> Path | None:
        """Return the path of the parquet file, else of the CSV file, else None."""
        return super().find() or Source(self.names[1], self.origin, self.licence, self.citation).find()

    def state(self, *, check: bool = False) -> FileState:
        """Return whether the file is present; a CSV file is written by the user and has no known hash."""
        path = self.find()
        if check and path is not None and path.suffix == ".csv":
            return "unchecked"
        return super().state(check=check)


class FileTable(Benchmark):
    """A benchmark whose table `read` makes from the file of its source."""

    source: Source

    @read_once
    def load(self) -> Table:
        """Read the table.

        Raises:
            MissingDataError: the file is not there.
            MissingPackageError: the file is parquet and pyarrow is not installed.
            DataError: the file is damaged or of another format, or its values are not those of its networks.
        """
        path = self.source.require_known()
        if isinstance(self.source, TableSource) and (other := path.with_suffix(".csv")) != path and other.exists():
            notice(f"Both {path.name} and {other.name} are in {path.parent}: {path.name} is read.")
        return self.read(path)

    @abstractmethod
    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
