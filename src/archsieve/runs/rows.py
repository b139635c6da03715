"""The schema of a results file: tables, rows, and row checksums."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from archsieve._reading import quoted
from archsieve.spaces.text import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from archsieve.spaces.contract import Architecture

Values: TypeAlias = "tuple[Any, ...]"
"""Of the columns of a row as SQLite has them: text as bytes in UTF-8, unless a flipped bit made it something else."""

_Item = TypeVar("_Item")
_TEXT, _WHOLE, _NUMBER = (bytes,), (int,), (float, int)
_KINDS = {"TEXT": _TEXT, "INTEGER": _WHOLE, "REAL": _NUMBER}


@dataclass(frozen=True)
class Key:
    """What a score belongs to besides the architecture: fingerprints of space, task and estimator, and the seed."""

    space: str
    task: str
    estimator: str
    seed: int


class Row(NamedTuple):
    """One stored score; NaN with the reason in `error` if it could not be computed.

    `name` is the estimator's, `seconds` its share of the worker's time, `worker` the process that computed it; 0 for
    what a shipped table held. `facts` are plain values that were measured beside the score; `Store.facts` returns them.
    """

    key: Key
    arch: Architecture
    name: str
    score: float
    seconds: float
    worker: int
    error: str | None = None
    facts: Mapping[str, Any] | None = None


class Damage(NamedTuple):
    """A damaged row: its table, and its columns as text."""

    table: str
    about: str


@dataclass(frozen=True)
class Table:
    """A table of a results file.

    Attributes:
        name: of the table.
        columns: name and declared type of each column; the last of all is a checksum of these.
        keys: how many of the first columns are the primary key.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    keys: int

    @property
    def names(self) -> str:
        """The column names in SQL."""
        return ", ".join(name for name, _ in self.columns)

    @property
    def order(self) -> str:
        """The primary key columns in SQL."""
        return ", ".join(name for name, _ in self.columns[: self.keys])

    @property
    def schema(self) -> str:
        """The SQL statement that creates the table."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns)
        return (
            f"CREATE TABLE {self.name} ({columns}, checksum INTEGER NOT NULL, PRIMARY KEY ({self.order})) "
            f"STRICT, WITHOUT ROWID"
        )

    @property
    def insertion(self) -> str:
        """The SQL statement that inserts a row with its checksum."""
        places = ",".join("?" * (len(self.columns) + 1))
        return f"INSERT INTO {self.name} ({self.names}, checksum) VALUES ({places})"

    def is_whole(self, values: Values, checksum: object) -> bool:
        """Whether a row is undamaged; rows of the first schema have no checksum (None) and are accepted.

        The values must be of the kinds that the columns declare.
        """
        if checksum is not None and checksum != checksum_of(values):
            return False
        return len(values) == len(self._kinds) and all(map(isinstance, values, self._kinds))

    @cached_property
    def _kinds(self) -> tuple[tuple[type, ...], ...]:
        """The types allowed in each column, cached because every row needs them."""
        parts = (declared.partition(" ") for _, declared in self.columns)
        return tuple(_KINDS[kind] if rest else (*_KINDS[kind], NoneType) for kind, _, rest in parts)


_KEY_COLUMNS = (
    ("space", "TEXT NOT NULL"),
    ("task", "TEXT NOT NULL"),
    ("estimator", "TEXT NOT NULL"),
    ("seed", "INTEGER NOT NULL"),
)
RESULTS = Table(
    "results",
    (
        *_KEY_COLUMNS,
        ("architecture", "TEXT NOT NULL"),
        ("name", "TEXT NOT NULL"),
        ("score", "REAL"),
        ("seconds", "REAL NOT NULL"),
        ("worker", "INTEGER NOT NULL"),
        ("error", "TEXT"),
    ),
    keys=5,
)
LEARNING = Table("learning", (*_KEY_COLUMNS, ("name", "TEXT NOT NULL"), ("seconds", "REAL NOT NULL")), keys=4)
TAUGHT = Table("taught", (*_KEY_COLUMNS, ("teacher", "TEXT NOT NULL"), ("architecture", "TEXT NOT NULL")), keys=6)
ASKS = Table(
    "asks", (("search", "TEXT NOT NULL"), ("place", "INTEGER NOT NULL"), ("architecture", "TEXT NOT NULL")), keys=2
)
FACTS = Table("facts", (*_KEY_COLUMNS, ("architecture", "TEXT NOT NULL"), ("facts", "TEXT NOT NULL")), keys=5)
TABLES = (RESULTS, LEARNING, TAUGHT, ASKS, FACTS)


def checksum_of(values: Sequence[Any]) -> int:
    """Return the CRC-32 of a row: it detects all errors within 32 bits, and all but 1 in 2^32 others.

    Text may be given as text or as its bytes in UTF-8.
    """
    return zlib.crc32(b"\0".join(map(_bytes_of, values)))


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, float):
        return _pack(value)
    return b"\1" if value is None else b"%d" % value


_pack = struct.Struct("<d").pack


def columns_of(key: Key) -> tuple[str, str, str, int]:
    """Return the values of a key's columns."""
    return key.space, key.task, key.estimator, key.seed


def values_of(row: Row) -> Values:
    """Return the values of a score's columns."""
    score = None if math.isnan(row.score) else float(row.score) + 0.0  # SQLite knows one zero
    return (
        *columns_of(row.key),
        encode(row.arch),
        row.name,
        score,
        float(row.seconds) + 0.0,
        int(row.worker),
        row.error,
    )


def row_of(values: Values) -> Row:
    """Return the score in an undamaged row.

    Raises:
        ValueError: the code is none.
    """
    space, task, estimator, seed, arch, name, score, seconds, worker, error = values
    key = _key_of(space, task, estimator, seed)
    why = None if error is None else text_of(error)
    return Row(key, code_of(arch), text_of(name), score_of(score), float(seconds), worker, why)


@lru_cache(maxsize=64)
def _key_of(space: bytes, task: bytes, estimator: bytes, seed: int) -> Key:
    """Return the key in stored values; cached, because consecutive rows mostly share it."""
    return Key(text_of(space), text_of(task), text_of(estimator), seed)


def score_of(value: float | None) -> float:
    """Return a stored score; NaN if there is none."""
    return math.nan if value is None else float(value)


def text_of(value: bytes) -> str:
    """Return a stored text; bytes that are not UTF-8 are escaped."""
    return value.decode("utf-8", errors="backslashreplace")


def code_of(value: bytes) -> Architecture:
    """Return a stored code.

    Raises:
        ValueError: it is none.
    """
    return decode(value.decode("ascii"))


def in_order(code: Any) -> Any:
    """Return a sort key for stored codes that orders options as numbers; other texts are returned unchanged.

    >>> in_order(b"9-1") < in_order(b"10-0") < in_order(b"10-0-0"), in_order(None)
    (True, None)
    """
    if not isinstance(code, bytes):
        return code
    return b"".join(bytes([min(len(option), 255)]) + option for option in code.split(b"-"))


def parts_of(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield the items in lists of at most `most` each.

    >>> list(parts_of(range(5), 2)), list(parts_of([], 2))
    ([[0, 1], [2, 3], [4]], [])
    """
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def damage(table: Table, values: Values) -> Damage:
    """Return a text that describes the damaged rows."""
    shown = [text_of(value) if isinstance(value, bytes) else str(value) for value in values]
    told = dict(zip((name for name, _ in table.columns), shown, strict=True))
    about = {
        "results": "the score of {architecture} by {name}",
        "learning": "the seconds that {name} learnt",
        "taught": "the lesson of {estimator} on {architecture}",
        "facts": "what was measured beside the score of {architecture}",
        "asks": "request {place} of the search {search}",
    }[table.name]
    return Damage(table.name, quoted(about.format(**told)))
