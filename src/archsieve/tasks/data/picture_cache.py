"""What was learnt of a folder's pictures when each was decoded once: its hash, and its pixels in the size of a task.

Both are kept in the cache folder. A picture whose size or time changed is decoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve._files import replace_file
from archsieve.errors import DataError
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
    """What pictures are made into."""

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
    """The hash of each picture's pixels in full size, and all pixels in the size of the task where they are kept."""

    hashes: tuple[str, ...] = field(repr=False)
    pixels: NDArray[np.uint8] | None = field(repr=False)


def pixels_in(path: Path, size: Size) -> NDArray[np.uint8]:
    """Return a picture in a size, shape (channels, height, width).

    Raises:
        DataError: it cannot be read.
    """
    return _shaped(fitted(seen(path, size.channels), (size.height, size.width), size.fit))


def learn(found: Found, size: Size, threads: int, keep: bool) -> Learnt:
    """Return what is known of the pictures, decoding those that are new.

    Args:
        found: the pictures.
        size: what they are made into.
        threads: that decode.
        keep: whether their pixels in this size are kept, if they are not too many.

    Raises:
        DataError: some cannot be read, which are named; or the cache folder cannot be written.
    """
    index = _folder(found) / f"hashes-{size.channels}.jsonl"
    states = [(found.folder / name).stat() for name in found.names]
    known = _read_index(index)
    hashes = {
        name: known[name][2]
        for name, state in zip(found.names, states, strict=True)
        if name in known and known[name][:2] == [state.st_size, state.st_mtime_ns]
    }
    is_kept = keep and len(found.names) * int(np.prod(size.shape)) <= MOST_KEPT
    if len(hashes) < len(found.names):
        missing = [name for name in found.names if name not in hashes]
        hashes |= _hashed(found, missing, size, threads)
        rows = [
            (name, [state.st_size, state.st_mtime_ns, hashes[name]])
            for name, state in zip(found.names, states, strict=True)
        ]
        with contextlib.nullcontext() if keep else contextlib.suppress(DataError):
            _write(index, "".join(f"{json.dumps(row)}\n" for row in rows).encode())
    ordered = tuple(hashes[name] for name in found.names)
    return Learnt(ordered, _kept(found, ordered, size, threads) if is_kept else None)


def _hashed(found: Found, names: Sequence[str], size: Size, threads: int) -> dict[str, str]:
    errors: list[tuple[str, DataError]] = []
    hashes: dict[str, str] = {}
    for name, result in _mapped(partial(_hash, found.folder, size.channels), names, threads):
        if isinstance(result, DataError):
            errors.append((name, result))
        else:
            hashes[name] = result
    if errors:
        raise broken(errors, len(found.names))
    return hashes


def _hash(folder: Path, channels: int, name: str) -> str | DataError:
    try:
        picture = seen(folder / name, channels)
    except DataError as error:
        return error
    return hashlib.sha256(f"{picture.mode} {picture.size} ".encode() + picture.tobytes()).hexdigest()


def _mapped(function: Any, names: Sequence[str], threads: int) -> Iterator[tuple[str, Any]]:
    """Yield each name with what the function returns, a window of them at a time in threads."""
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(names), _WINDOW):
            window = names[start : start + _WINDOW]
            yield from zip(window, pool.map(function, window), strict=True)


def _kept(found: Found, hashes: Sequence[str], size: Size, threads: int) -> NDArray[np.uint8]:
    """Return all pixels, opened from the cache without reading them; made and kept if missing or damaged."""
    content = hashlib.sha256(json.dumps([hashes, *size]).encode()).hexdigest()[:16]
    path, shape = _folder(found) / f"pixels-{content}.npy", (len(hashes), *size.shape)
    pixels = _opened(path, shape)
    if pixels is not None:
        return pixels
    try:
        # Written row by row, not through a memory map: a full disk would end the process without a word.
        with replace_file(path) as temporary, temporary.open("xb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for _, made in _mapped(partial(_pixels, found.folder, size), found.names, threads):
                stream.write(made.tobytes())
    except OSError as error:
        raise _unwritable(error) from error
    pixels = _opened(path, shape)
    if pixels is None:
        raise DataError(f"The cache file {path} is damaged: delete it.")
    return pixels


def _pixels(folder: Path, size: Size, name: str) -> NDArray[np.uint8]:
    return pixels_in(folder / name, size)


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


def _read_index(path: Path) -> dict[str, list[Any]]:
    """Return [size, time, hash] of each picture by name; nothing where there is no whole index."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {}


def _write(path: Path, text: bytes) -> None:
    try:
        with replace_file(path) as temporary:
            temporary.write_bytes(text)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> DataError:
    return DataError(
        f"Cannot write the cache folder {cache_folder()}: {error.strerror or error}. Set ARCHSIEVE_CACHE to a folder "
        f"that can be written and has room, or keep = false to read every picture from its file."
    )
