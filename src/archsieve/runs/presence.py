"""Whether a run folder is still where it was opened: what is written to one that was moved would be lost, or parted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.errors import RunFolderError

if TYPE_CHECKING:
    from pathlib import Path


class Presence:
    """A folder as it was found.

    Args:
        folder: which is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder.absolute()
        self._number = self._path.stat().st_ino

    def check(self) -> None:
        """Check that it is still there.

        Raises:
            RunFolderError: it was moved, deleted, or another folder has its name.
        """
        try:
            is_there = self._path.stat().st_ino == self._number
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                return  # writing says what is wrong
            is_there = False
        if not is_there:
            raise RunFolderError(
                f"The run folder {self._folder} was moved, renamed or deleted while it was in use. What was stored "
                f"before is where the folder is now: run the same command with its new place."
            )
