"""Atomic writing of files, and a cache of values made from files."""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections import OrderedDict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from archsieve.errors import ArchsieveError, RunFolderError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

V = TypeVar("V")
_ANOTHER_PLACE = {errno.EISDIR, errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
_REPEAT = "What was stored before is unchanged: make room, or allow writing, and repeat the command."
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{32}(-journal|-wal|-shm)?")
State: TypeAlias = "tuple[tuple[str, int, int, int], ...]"


def state_of(path: Path) -> State:
    """Return path, size, time and inode of a file, or of all files below a folder; any write changes them."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    states = ((file, file.stat()) for file in files)
    return tuple((str(file), state.st_size, state.st_mtime_ns, state.st_ino) for file, state in states)


class Remembered(Generic[V]):
    """Cache of values made from files; it holds the most recently used ones.

    Args:
        most: how many are remembered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Any, tuple[State, V]] = OrderedDict()

    def get(self, path: Path, about: object, make: Callable[[], V]) -> V:
        """Return the cached result of `make` for a file; call `make` again if the file or `about` has changed.

        What cannot be hashed is not remembered.
        """
        key, state = (path, about), state_of(path)
        try:
            known = self._values.pop(key, None)
        except TypeError:
            return make()
        value = known[1] if known is not None and known[0] == state else make()
        self._values[key] = state, value
        if len(self._values) > self._most:
            self._values.popitem(last=False)
        return value

    def forget(self) -> None:
        """Clear the cache."""
        self._values.clear()


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` atomically on exit; missing folders are created.

    A crash or a power cut leaves the old file, or the whole new one: it is on the disk before it takes its name. Two
    processes may write the same file: the last one wins.

    Raises:
        StorageError: it cannot be written; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _to_disk(temporary)
        temporary.replace(path)
        _to_disk(path.parent)
    except ArchsieveError:
        raise
    except OSError as error:
        advice = "Choose another place." if error.errno in _ANOTHER_PLACE else _REPEAT
        failure = StorageError(f"Cannot write to {path}: {error.strerror or error}. {advice}")
        failure.errno, failure.strerror = error.errno, error.strerror
        raise failure from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8 atomically, with line ends unchanged."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def remove_file(path: Path) -> None:
    """Delete a file if it exists.

    Raises:
        StorageError: it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot delete {path}: {error.strerror or error}. {_REPEAT}") from error


def artifact_name(path: Path) -> str:
    """Return "FOLDER/FILE" of an artifact in a run folder, where FOLDER identifies everything it depends on.

    What was learnt for another search has another; empty for other files.
    """
    return f"{path.parent.name}/{path.name}" if path.parent.parent.name == "artifacts" else ""


def check_artifact(path: Path, about: object) -> None:
    """Check that the owner recorded in an artifact (`about`) matches its path; old artifacts record none.

    Raises:
        ValueError: it was copied there.
    """
    if about and artifact_name(path) and about != artifact_name(path):
        raise ValueError("it was copied from another search, or is of another network of this one")


def _to_disk(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    if os.name != "posix" and path.is_dir():  # Windows has no such call for folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that killed `replace_file` calls left in a folder or below it."""
    for file in folder.rglob(".*"):
        if _LEFTOVER.fullmatch(file.name):
            with suppress(OSError):
                file.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` raised while results are written into a one-sentence error."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise RunFolderError(f"Cannot write to {path}: {error.strerror or error}. Choose another place.") from error
