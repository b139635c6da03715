"""The cache of a folder's decoded pictures: their hashes, and their pixels at the task's size.

Both are kept in the cache folder. A picture whose size or time changed is decoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from archsieve._files import replace_file
from archsieve.errors import DataError
from archsieve.notices import LongPass
from archsieve.tasks.data.array_cache import cache_folder
from archsieve.tasks.data.decoding import pixels_of
from archsieve.tasks.data.picture_folder import broken, fitted, seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.tasks.data.picture_folder import Found

LAYOUT = 1
"""Part of every name; raised when what is kept, or how pictures are decoded, changes."""

MOST_KEPT = 1 << 30
"""Bytes of pixels that are kept of one folder in one size; where there are more, files are read each time."""

_WINDOW = 64  # pictures decoded at a time, so that those that wait take little memory


class Size(NamedTuple):
    """The size that pictures are converted to."""

    channels: int
    height: int
    width: int
    fit: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width


@dataclass(frozen=True, eq=False)
class Learnt:
    """The hash of each picture's full-size pixels, and all pixels at the task's size if cached."""

    hashes: tuple[str, ...] = field(repr=False)
    pixels: NDArray[np.uint8] | None = field(repr=False)


def pixels_in(path: Path, size: Size) -> NDArray[np.uint8]:
    """Return a picture resized, shape (channels, height, width).

    Raises:
        DataError: it cannot be read.
    """
    return _shaped(fitted(seen(path, size.channels), (size.height, size.width), size.fit))


def learn(found: Found, size: Size, threads: int, keep: bool) -> Learnt:
    """Return the cached data of the pictures, decoding new ones.

    Args:
        found: the pictures.
        size: what they are made into.
        threads: that decode.
        keep: whether their pixels in this size are kept, if they are not too many.

    Raises:
        DataError: some cannot be read, which are named; or the cache folder cannot be written.
    """
    states = {name: _state(found.folder / name) for name in found.names}
    index = _Index(_folder(found) / f"hashes-{size.channels}.jsonl", states, is_needed=keep)
    hashes = index.read()
    is_kept = keep and len(found.names) * int(np.prod(size.shape)) <= MOST_KEPT
    missing = [name for name in found.names if name not in hashes]
    if missing and is_kept and not hashes:  # then one pass is enough for both
        draft = _folder(found) / f"pixels-{os.getpid()}.npy"
        with index.kept(hashes), _writing(draft, (len(missing), *size.shape)) as stream:
            _decode(found, missing, hashes, size, threads, stream)
        draft.replace(_path(found, _ordered(found, hashes), size))
    elif missing:
        with index.kept(hashes):
            _decode(found, missing, hashes, size, threads)
    ordered = _ordered(found, hashes)
    return Learnt(ordered, _kept(found, ordered, size, threads) if is_kept else None)


@dataclass(frozen=True)
class _Index:
    """The file with size, time and hash of each picture; `states` are the current sizes and times."""

    path: Path
    states: dict[str, list[int]]
    is_needed: bool

    def read(self) -> dict[str, str]:
        """Return the hashes of unchanged pictures; empty without a valid index."""
        rows: dict[str, list[Any]] = {}
        with contextlib.suppress(OSError, ValueError):
            rows = dict(json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines())
        return {name: rows[name][2] for name, state in self.states.items() if name in rows and rows[name][:2] == state}

    @contextlib.contextmanager
    def kept(self, hashes: dict[str, str]) -> Iterator[None]:
        """Write the known hashes at the end, even after broken pictures or an interruption."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(DataError):
                self._write(hashes)
            raise
        with contextlib.nullcontext() if self.is_needed else contextlib.suppress(DataError):
            self._write(hashes)

    def _write(self, hashes: dict[str, str]) -> None:
        rows = ((name, [*self.states[name], hashed]) for name, hashed in hashes.items())
        try:
            with replace_file(self.path) as temporary:
                temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        except OSError as error:
            raise _unwritable(error) from error


def _state(path: Path) -> list[int]:
    try:
        state = path.stat()
    except OSError:  # a link to nowhere, which decoding reports
        return [-1, 0]
    return [state.st_size, state.st_mtime_ns]


def _ordered(found: Found, hashes: dict[str, str]) -> tuple[str, ...]:
    return tuple(hashes[name] for name in found.names)


def _decode(
    found: Found,
    names: Sequence[str],
    hashes: dict[str, str],
    size: Size,
    threads: int,
    stream: BinaryIO | None = None,
) -> None:
    """Add the hashes of pictures, and write their pixels if there is a stream.

    Raises:
        DataError: some cannot be read; names them.
    """
    errors: list[tuple[str, DataError]] = []
    progress = LongPass(f"Decoding each picture of {found.folder} once", len(names))
    results = _mapped(partial(_learn_one, found.folder, size, stream is not None), names, threads)
    for done, (name, result) in enumerate(results):
        progress.reached(done)
        if isinstance(result, DataError):
            errors.append((name, result))
        else:
            hashes[name], pixels = result
            if stream is not None:
                stream.write(pixels.tobytes())
    if errors:
        raise broken(errors, len(found.names))


def _learn_one(
    folder: Path, size: Size, wants_pixels: bool, name: str
) -> tuple[str, NDArray[np.uint8] | None] | DataError:
    try:
        picture = seen(folder / name, size.channels)
    except DataError as error:
        return error
    hashed = hashlib.sha256(f"{picture.mode} {picture.size} ".encode() + picture.tobytes()).hexdigest()
    return hashed, _shaped(fitted(picture, (size.height, size.width), size.fit)) if wants_pixels else None


def _mapped(function: Any, names: Sequence[str], threads: int) -> Iterator[tuple[str, Any]]:
    """Yield each name with the function's result, computed in threads, a window at a time."""
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(names), _WINDOW):
            window = names[start : start + _WINDOW]
            yield from zip(window, pool.map(function, window), strict=True)


def _kept(found: Found, hashes: Sequence[str], size: Size, threads: int) -> NDArray[np.uint8]:
    """Return all pixels memory-mapped from the cache; created if missing or damaged."""
    path, shape = _path(found, hashes, size), (len(hashes), *size.shape)
    pixels = _opened(path, shape)
    if pixels is not None:
        return pixels
    with _writing(path, shape) as stream:
        for _, made in _mapped(lambda name: pixels_in(found.folder / name, size), found.names, threads):
            stream.write(made.tobytes())
    pixels = _opened(path, shape)
    if pixels is None:
        raise DataError(f"The cache file {path} is damaged: delete it.")
    return pixels


@contextlib.contextmanager
def _writing(path: Path, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """Yield a stream for an array's bytes, written row by row: a full disk would kill a process that maps the file."""
    try:
        with replace_file(path) as temporary, temporary.open("xb") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
            yield stream
    except OSError as error:
        raise _unwritable(error) from error


def _path(found: Found, hashes: Sequence[str], size: Size) -> Path:
    content = hashlib.sha256(json.dumps([hashes, *size]).encode()).hexdigest()[:16]
    return _folder(found) / f"pixels-{content}.npy"


def _shaped(picture: Any) -> NDArray[np.uint8]:
    pixels = pixels_of(picture)
    return pixels if pixels.ndim == 3 else pixels[np.newaxis]


def _opened(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    try:
        pixels = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.dtype == np.uint8 and pixels.shape == shape else None


def _folder(found: Found) -> Path:
    key = hashlib.sha256(f"{LAYOUT} {found.folder}".encode()).hexdigest()[:16]
    return cache_folder() / "tasks" / f"images-{key}"


def _unwritable(error: OSError) -> DataError:
    return DataError(
        f"Cannot write the cache folder {cache_folder()}: {error.strerror or error}. Set ARCHSIEVE_CACHE to a folder "
        f"that can be written and has room, or keep = false to read every picture from its file."
    )
