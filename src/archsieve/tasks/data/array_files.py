"""Arrays in .npz files: headers are checked before reading, and pickled arrays are refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve import _arrays
from archsieve.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 1_250_000_000
"""Of the arrays of a task, so that they and a copy in single precision take less than 2 GB."""
_MOST_OF_A_FILE = MOST_BYTES + (1 << 20)  # with what its arrays say of themselves


class Header(NamedTuple):
    """Shape and type of an array that is not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Its size in memory in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_file(path: Path) -> None:
    """Check that a file exists and is not empty.

    Raises:
        MissingDataError: there is none.
        DataError: it is a folder, or empty.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder, but a file is needed.")
    if not path.is_file():
        beside = path.parent if path.parent.is_dir() else None
        names = sorted(p.name for p in beside.iterdir() if p.suffix == path.suffix)[:5] if beside else []
        hint = f" In {beside} there are {', '.join(names)}." if names else ""
        raise MissingDataError(f"There is no file {path}.{hint}")
    if not path.stat().st_size:
        raise DataError(f"The file {path} is empty.")


def headers(path: Path) -> dict[str, Header]:
    """Return the headers of a .npz file's arrays by name, without reading the data.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is no .npz file, or cut short.
    """
    check_file(path)
    if path.suffix in (".csv", ".tsv", ".parquet"):
        raise DataError(f"{path} is a table and no .npz file: use the task 'table'.")
    try:
        return {name: Header(*header) for name, header in _arrays.array_headers(path, _MOST_OF_A_FILE).items()}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a complete .npz file as numpy.savez writes it: {error}.") from error


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return arrays of a .npz file, given their headers.

    Raises:
        DataError: they are of Python objects, which only a pickle could give, too large, or damaged.
    """
    wanted = {name: header for name, header in headers(path).items() if name in set(names)}
    for name, header in wanted.items():
        if header.dtype.hasobject:
            raise DataError(
                f"The array {name!r} of {path} holds Python objects, which are not read because they could run code: "
                f"save numbers or text, all rows of one length."
            )
        if header.dtype.kind not in "biufUS":
            raise DataError(f"The array {name!r} of {path} must be numbers or text, but is {header.dtype}.")
    check_size(sum(header.nbytes for header in wanted.values()), str(path))
    try:
        return _arrays.read_arrays(path, list(wanted), _MOST_OF_A_FILE)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}.") from error


def check_size(size: int, where: str) -> None:
    """Check that arrays of `size` bytes may be read into memory.

    Raises:
        DataError: they are too large.
    """
    if size > MOST_BYTES:
        raise DataError(
            f"{where} would take {size / 1e9:.1f} GB of memory, and at most {MOST_BYTES / 1e9:.2f} GB are read: give a "
            f"smaller type or fewer items, or a function that reads them one by one (the task 'function')."
        )
