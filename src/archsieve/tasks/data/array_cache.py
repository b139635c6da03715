"""A cache of decoded pictures in .npy files, so that loading is fast and processes share memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsieve._files import replace_file
from archsieve.errors import DataError
from archsieve.tasks.data.images import Images

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUT = 1
"""Part of every folder's name; raised when what is kept, or how it is decoded, changes."""

HASH_FILE = "pixels.sha256"


def cache_folder() -> Path:
    """Return `$ARCHSIEVE_CACHE`, else `$XDG_CACHE_HOME/archsieve`, else `~/.cache/archsieve`."""
    if own := os.environ.get("ARCHSIEVE_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "archsieve"


def is_kept(name: str, content: str) -> bool:
    """Whether the cache has a folder with all arrays for that content, without reading them."""
    return all(path.exists() for path in _paths(name, content).values())


def kept(name: str, content: str, make: Callable[[], Images], *, shape: tuple[int, ...], classes: int) -> Images:
    """Return the arrays of `content` memory-mapped from the cache; created if missing or damaged.

    Args:
        name: the task's, so that a person finds the folder.
        content: identifies the data, a hash or a public name.
        make: decodes the pictures.
        shape: (C, H, W) that each picture must have.
        classes: labels must be in [0, classes).

    Raises:
        DataError: the cache folder cannot be written.
    """
    paths = _paths(name, content)
    arrays = _open(paths, shape, classes)
    if arrays is not None:
        return arrays
    images = make()
    try:
        for field, path in paths.items():
            with replace_file(path) as temporary, temporary.open("xb") as stream:
                np.save(stream, getattr(images, field), allow_pickle=False)
    except OSError as error:
        raise _unwritable(error) from error
    arrays = _open(paths, shape, classes)
    return images if arrays is None else arrays


def noted(name: str, content: str, make: Callable[[], str]) -> str:
    """Return a SHA-256 cached beside the arrays of `content`; created if missing or damaged.

    Raises:
        DataError: the cache folder cannot be written.
    """
    path = _folder(name, content) / HASH_FILE
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if re.fullmatch(r"[0-9a-f]{64}", text := path.read_text(encoding="ascii")):
            return text
    digest = make()
    try:
        with replace_file(path) as temporary:
            temporary.write_text(digest, encoding="ascii")
    except OSError as error:
        raise _unwritable(error) from error
    return digest


def _unwritable(error: OSError) -> DataError:
    return DataError(
        f"Cannot write the cache folder {cache_folder()}: {error.strerror}. Set ARCHSIEVE_CACHE to a folder that can "
        "be written."
    )


def _folder(name: str, content: str) -> Path:
    key = hashlib.sha256(f"{LAYOUT} {name} {content}".encode()).hexdigest()[:16]
    return cache_folder() / "tasks" / f"{name}-{key}"


def _paths(name: str, content: str) -> dict[str, Path]:
    folder = _folder(name, content)
    return {field: folder / f"{field}.npy" for field in Images._fields}


def _open(paths: dict[str, Path], shape: tuple[int, ...], classes: int) -> Images | None:
    """Return the memory-mapped arrays; None if one is missing or differs from what `kept` wrote."""
    try:
        # As plain arrays: numpy's memmap class is slower to index and says nothing more.
        arrays = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths.values())
        images = Images(*(np.asarray(array) for array in arrays))
    except (OSError, ValueError, EOFError):
        return None
    pairs = ((images.train_images, images.train_labels), (images.test_images, images.test_labels))
    fits = all(_fits(pixels, labels, shape, classes) for pixels, labels in pairs)
    return images if fits else None


def _fits(pixels: np.ndarray, labels: np.ndarray, shape: tuple[int, ...], classes: int) -> bool:
    return (
        pixels.dtype == np.uint8
        and labels.dtype == np.int64
        and labels.ndim == 1
        and len(labels) > 0
        and pixels.shape == (len(labels), *shape)
        and int(labels.min()) >= 0
        and int(labels.max()) < classes
    )
