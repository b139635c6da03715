"""Arrays in .npz files: looked at before they are read, and never as pickles."""

from __future__ import annotations

import math
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 1_250_000_000
"""Of the arrays of a task, so that they and a copy in single precision take less than 2 GB."""


class Header(NamedTuple):
    """Shape and type of an array that is not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_file(path: Path) -> None:
    """Check that a file is there and not empty.

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
    """Return the arrays of an .npz file by name; their numbers are not read.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is no .npz file, or cut short.
    """
    check_file(path)
    found: dict[str, Header] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    with archive.open(member) as stream:
                        found[member.removesuffix(".npy")] = _header(stream)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path} is not a complete .npz file as numpy.savez writes it: {error}.") from error
    return found


def _header(stream: Any) -> Header:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"an array of version {version}")
    shape, _, dtype = read(stream)
    return Header(shape, dtype)


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return arrays of an .npz file, which `headers` has.

    Raises:
        DataError: they are of Python objects, which only a pickle could give, too large, or damaged.
    """
    wanted = {name: header for name, header in headers(path).items() if name in set(names)}
    for name, header in wanted.items():
        if header.dtype.hasobject:
            raise DataError(
                f"The array {name!r} of {path} holds Python objects, which are not read since that could run code: "
                f"save numbers or text, all rows of one length."
            )
        if header.dtype.kind not in "biufUS":
            raise DataError(f"The array {name!r} of {path} must be numbers or text, but is {header.dtype}.")
    check_size(sum(header.nbytes for header in wanted.values()), str(path))
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path} is damaged: {error}.") from error
    except Exception as error:  # what zlib raises is of its own kind
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
