"""Reading of untrusted `.npz` files: headers are checked before data are read, and pickled arrays are refused."""

from __future__ import annotations

import math
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._reading import LARGEST_TOML, check_file, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

LARGEST_ARRAYS = 1 << 30
"""Bytes of the unpacked arrays of a file."""
_KINDS = "biufSU"  # of arrays: truth values, numbers and text
_PIECE = 1 << 24  # bytes read at a time
_MOST_ARRAYS = 10_000
_LONGEST_HEADER = 10_000  # bytes


def read_arrays(
    path: Path, names: Collection[str] | None = None, most: int = LARGEST_ARRAYS
) -> dict[str, NDArray[Any]]:
    """Return the numeric and text arrays of an `.npz` file by name: those in `names`, or all.

    What each array says of its size must be what the file holds, and all that are read fit into `most` bytes.

    Raises:
        ValueError: the file is damaged, lies about its sizes, is too large, or lacks one of the names.
        OSError: it cannot be read.
    """
    with _members(path, most) as (archive, members):
        chosen = list(members) if names is None else list(names)
        if missing := [name for name in chosen if name not in members]:
            raise ValueError(f"it holds no array {quoted(missing[0])!r}")
        if (total := sum(members[name].file_size for name in chosen)) > most:
            raise ValueError(f"its arrays take {total:,} bytes, and at most {most:,} are read", str(path))
        return {name: _array(archive, members[name]) for name in chosen}


def array_headers(path: Path, most: int = LARGEST_ARRAYS) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return the shape and type of each array of an `.npz` file by name, without reading the data.

    Raises:
        ValueError: the file is damaged, or too large.
        OSError: it cannot be read.
    """
    headers = {}
    with _members(path, most) as (archive, members):
        for name, info in members.items():
            if info.filename.endswith(".npy"):
                with archive.open(info) as stream:
                    shape, _, kind = _header(stream, quoted(info.filename))
                headers[name] = shape, kind
    return headers


@contextmanager
def _members(path: Path, most: int) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Open an `.npz` file up to a size limit; yield the archive and its members by name."""
    check_file(path, most + LARGEST_TOML)  # and some for its directory
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) < len(archive.infolist()) or len(members) > _MOST_ARRAYS:
                raise ValueError("it names an array twice, or more than 10,000 of them")
            yield archive, members
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise ValueError(quoted(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    name = quoted(info.filename)
    with archive.open(info) as stream:
        shape, is_fortran, kind = _header(stream, name)
        if kind.kind not in _KINDS or kind.itemsize == 0:
            raise ValueError(f"the array {name!r} holds no numbers")
        count = math.prod(shape)
        wrong = ValueError(f"the array {name!r} says that it has {count:,} values, and it has others")
        if count * kind.itemsize != info.file_size - stream.tell():
            raise wrong
        content = bytearray(count * kind.itemsize)
        for begin in range(0, len(content), _PIECE):  # one copy in memory, and not two
            piece = stream.read(min(_PIECE, len(content) - begin))
            content[begin : begin + len(piece)] = piece
            if len(piece) < min(_PIECE, len(content) - begin):
                raise wrong
        if stream.read(1):  # the end, where the checksum is looked at
            raise wrong
    flat = np.frombuffer(content, dtype=kind, count=count)
    return flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    formats = np.lib.format
    try:
        version = formats.read_magic(stream)
        read = {(1, 0): formats.read_array_header_1_0, (2, 0): formats.read_array_header_2_0}[version]
        shape, is_fortran, kind = read(stream, max_header_size=_LONGEST_HEADER)
    except (KeyError, ValueError, SyntaxError, RecursionError, MemoryError, TypeError, OverflowError) as error:
        raise ValueError(f"{name!r} cannot be read as an array") from error
    if any(side < 0 for side in shape) or len(shape) > 32:
        raise ValueError(f"the array {name!r} has a shape that no array has")
    return shape, is_fortran, kind
