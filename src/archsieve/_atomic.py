"""Files written in one step: complete, or not there."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archsieve.errors import RunFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` at the end, in one step; folders are made.

    A crash leaves the old file, or none. Two processes may write the same file: the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of writing a file or folder of results into one sentence."""
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"Cannot write to {path}: {error.strerror or error}. Choose another place.") from error
