"""Cards: how a file of figures was made, stored beside it. Cards of score tables have more keys."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from archsieve._reading import parse_json, quoted, read_text
from archsieve.errors import DataError, UnknownNameError
from archsieve.registry import near_miss
from archsieve.sources import sha256_of

_KEYS: dict[str, type] = {
    "command": str,
    "seed": int,
    "versions": dict,
    "processor": str,
    "sha256": str,
}
KINDS = ("scores", "trainings", "surrogate", "output", "page")


@dataclass(frozen=True)
class Card:
    """The record of how a file of figures was made.

    Attributes:
        path: of the card.
        kind: "scores" of a table, "trainings" of a benchmark, a "surrogate" fitted to one, the "output" of a command,
            or a "page" that a script wrote.
        command: what made the figures.
        seed: of the run.
        versions: by package, empty where nobody noted them.
        processor: what it was computed on, empty where nobody noted it.
        sha256: of what holds the figures.
        content: all keys of the card, those of its kind among them.
    """

    path: Path
    kind: str
    command: str
    seed: int
    versions: dict[str, str]
    processor: str
    sha256: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of its file without the ending."""
        return self.path.stem

    @property
    def file(self) -> Path:
        """The file that it describes: the arrays beside it, unless it names another."""
        return self.path.parent / str(self.content.get("file", f"{self.name}.npz"))


def read_card(path: Path) -> Card:
    """Return the card in a file.

    Raises:
        DataError: it is damaged, or no card.
    """
    try:
        content = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        raise DataError(f"The card {path} cannot be read: {quoted(error)}.") from error
    if not isinstance(content, dict):
        raise DataError(f"The file {path} is no card: it holds no JSON object.")
    for key, kind in _KEYS.items():
        if type(content.get(key)) is not kind:
            raise DataError(f"The file {path} is no card: it says no {key!r}, or no {kind.__name__} of it.")
    kind = content.get("kind", "scores")
    if kind not in KINDS:
        raise DataError(f"The card {path} is of the kind {quoted(kind)!r}, but known are {', '.join(KINDS)}.")
    command, seed, versions, processor, sha256 = (content[key] for key in _KEYS)
    return Card(path, kind, command, seed, versions, processor, sha256, content)


def card_paths() -> dict[str, Path]:
    """Return the cards shipped with the package by name, and those of `docs/` in a checkout."""
    package = Path(str(files("archsieve")))
    folders = [package / "runs" / "tables", package / "benchmarks", package.parents[1] / "docs" / "cards"]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.json"))}


def find_card(name: str) -> Path:
    """Return the path of a card, given as a file or as the name of a shipped card.

    Raises:
        UnknownNameError: there is neither.
    """
    path, known = Path(name), card_paths()
    if path.is_file():
        return path
    if name in known:
        return known[name]
    raise UnknownNameError(f"There is no card {quoted(name)!r}, nor a run folder of that name.{near_miss(name, known)}")


def check_file(card: Card) -> None:
    """Check that a card's file has the recorded hash.

    Raises:
        DataError: it is not there, or another.
    """
    if card.file.resolve().parent != card.path.resolve().parent:
        raise DataError(f"The card {card.path} names a file outside of its folder: {quoted(card.file)}.")
    if sha256_of(card.file) != card.sha256:
        raise DataError(f"The file {card.file} is not the one that its card describes: its SHA-256 is another.")
