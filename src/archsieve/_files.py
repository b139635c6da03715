"""Files: written whole or not at all, and what was made from one remembered until it changes."""

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
    """Return name, size, time and inode of a file, or of all files below a folder: what changes when it is written."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    states = ((file, file.stat()) for file in files)
    return tuple((str(file), state.st_size, state.st_mtime_ns, state.st_ino) for file, state in states)


class Remembered(Generic[V]):
    """Values made from files, the latest used ones.

    Args:
        most: how many are remembered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Any, tuple[State, V]] = OrderedDict()

    def get(self, path: Path, about: object, make: Callable[[], V]) -> V:
        """Return what `make` gives for a file; it is called again if the file, or what it is about, is another.

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
        """Forget all."""
        self._values.clear()


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` at the end, in one step; folders are made.

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
    """Write a text in UTF-8 as `replace_file` does, line ends as they are."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def remove_file(path: Path) -> None:
    """Delete a file, if it is there.

    Raises:
        StorageError: it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot delete {path}: {error.strerror or error}. {_REPEAT}") from error


def artifact_name(path: Path) -> str:
    """Return whose artifact a file of a run folder is: the folder that is named by all it depends on, and its own name.

    What was learnt for another search has another; empty for other files.
    """
    return f"{path.parent.name}/{path.name}" if path.parent.parent.name == "artifacts" else ""


def check_artifact(path: Path, about: object) -> None:
    """Check that an artifact, which says `about` whose it is, lies where it was written; old ones do not say it.

    Raises:
        ValueError: it was copied there.
    """
    if about and artifact_name(path) and about != artifact_name(path):
        raise ValueError("it was copied from another search, or is of another network of this one")


def _to_disk(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name != "posix" and path.is_dir():  # Windows has no such call for folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete what a process that was killed in `replace_file` left in a folder and the folders below it."""
    for file in folder.rglob(".*"):
        if _LEFTOVER.fullmatch(file.name):
            with suppress(OSError):
                file.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of writing a file or folder of results into one sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise RunFolderError(f"Cannot write to {path}: {error.strerror or error}. Choose another place.") from error
