"""External data: origin, licence, how to find the files, and how to verify them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from archsieve._files import Remembered
from archsieve.errors import DataError, MissingDataError

FileState: TypeAlias = Literal["present", "missing", "differs", "unchecked"]
OWN_FILES = "ARCHSIEVE_OWN_FILES"
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar")
_SAME_FORM = {".tsv": (".csv",), ".txt": (".csv",)}
"""Suffixes of names that a file with another suffix may be given as it is."""
_HASHED: Remembered[FileState] = Remembered(most=64)


@dataclass(frozen=True)
class Source:
    """One published data file: name, origin, licence, citation and the SHA-256 of the known version.

    `sha256` is None where no version is known byte for byte (the hub's files change with their encoding).
    """

    file: str
    origin: str
    licence: str
    citation: str
    sha256: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which the file is looked for."""
        return (self.file,)

    def find(self) -> Path | None:
        """Return the file's path in the folder `ARCHSIEVE_DATA`, or None."""
        folder = os.environ.get("ARCHSIEVE_DATA")
        if not folder:
            return None
        path = Path(folder) / self.file
        return path if path.exists() else None

    def require(self) -> Path:
        """Return the file's path; raises if it is missing.

        Raises:
            MissingDataError: it is not in `ARCHSIEVE_DATA`; says where it comes from.
        """
        path = self.find()
        if path is None:
            folder = os.environ.get("ARCHSIEVE_DATA")
            where = f"ARCHSIEVE_DATA={folder}" if folder else "ARCHSIEVE_DATA, which is not set"
            files = " nor ".join(map(repr, self.names))
            said = f"The file {files} is not" if len(self.names) == 1 else f"Neither {files} is"
            raise MissingDataError(
                f"{said} in the folder {where}. "
                f"{self._instead(Path(folder)) if folder else ''}It comes from {self.origin} "
                f"(licence: {self.licence}); put it there, or set ARCHSIEVE_DATA to the folder that has it."
            )
        return path

    def _instead(self, folder: Path) -> str:
        """Return a sentence on a file of the folder that may be meant, with a space behind it; empty: there is none."""
        expected = {_plain(name.partition(".")[0]) for name in self.names}
        for path in sorted(folder.glob("*.*")):
            if path.name in self.origin and path.name not in self.names:
                return f"The folder has {path.name!r}: convert it as docs/benchmarks.md shows. "
            if _plain(path.name.partition(".")[0]) in expected:
                return f"The folder has {path.name!r}: {self._to_do(path.suffix.lower())}. "
        return ""

    def _to_do(self, suffix: str) -> str:
        """Return what makes a file with this suffix one that is read."""
        if suffix in _PACKED:
            return f"unpack it as {self.names[-1]}"
        for name in self.names:
            if Path(name).suffix in _SAME_FORM.get(suffix, (suffix,)):
                return f"if it is the one, rename it to {name}"
        return f"if it is the one, save it as {self.names[-1]}"

    def require_known(self) -> Path:
        """Return the file's path after comparing its hash with the recorded one, if there is one.

        A file of the same name with other bytes is a damaged one, another version, or a user's own table. Who has a
        table of their own names the file in the environment variable `ARCHSIEVE_OWN_FILES`, several with commas
        between them; nothing is then compared.

        Raises:
            MissingDataError: it is not there.
            DataError: it has other bytes.
        """
        path = self.require()
        if self.sha256 is None or self.file in os.environ.get(OWN_FILES, "").split(","):
            return path
        if _HASHED.get(path, self, lambda: self.state(check=True)) == "differs":
            raise DataError(
                f"The file {path} is not the one that archsieve knows: its SHA-256 is not {self.sha256}. It is "
                f"damaged, or another version: download it again from {self.origin}. If it is a table of your own, say "
                f"so: {OWN_FILES}={self.file}"
            )
        return path

    def is_known(self) -> bool:
        """Whether a hash is recorded and the file matches it; raises as `require_known`."""
        path = self.require_known()
        return _HASHED.get(path, self, lambda: self.state(check=True)) == "present"

    def state(self, *, check: bool = False) -> FileState:
        """Return whether the file is present and, with `check`, whether its hash matches the recorded one."""
        path = self.find()
        if path is None:
            return "missing"
        if check and self.sha256 is None:
            return "unchecked"
        if check and sha256_of(path) != self.sha256:
            return "differs"
        return "present"


def _plain(stem: str) -> str:
    """Return a name without capitals, hyphens and the like."""
    return "".join(filter(str.isalnum, stem.lower()))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files below a folder with their relative names.

    Raises:
        DataError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                digest.update(file.relative_to(path).as_posix().encode() + b"\0")
                digest.update(bytes.fromhex(sha256_of(file)))
        else:
            with path.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from error
    return digest.hexdigest()
