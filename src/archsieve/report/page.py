"""The report of a run or a study as one HTML file that needs no server, network or other file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from archsieve._files import replace_file, writing
from archsieve.errors import require
from archsieve.report.draw import svg
from archsieve.report.plot import COLOURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from archsieve.report.load import RunReport
    from archsieve.report.plot import Chart


@dataclass(frozen=True)
class Tile:
    """A number shown at the top."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class FunnelPart:
    """One part of the funnel: candidates left, cost, and which of the best were removed."""

    label: str
    kept: int
    counts: str
    cost: str
    lost: str = ""


@dataclass(frozen=True)
class TextTable:
    """A table of text; the first `text` columns are words. Rows with a second cell other than `own` are dimmed."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    text: int = 1
    own: str = ""


@dataclass(frozen=True)
class Text:
    """Preformatted text."""

    title: str
    body: str


@dataclass(frozen=True)
class Page:
    """The contents of a page from top to bottom; the one-sentence `verdict` comes first.

    `published` is the winner in the notation of its space where that is another; `size` says how large its network is,
    and `usage` holds the lines that make use of it.
    """

    title: str
    lead: str = ""
    verdict: str = ""
    cards: Sequence[Tile] = ()
    funnel: Sequence[FunnelPart] = ()
    winner: str = ""
    published: str = ""
    size: str = ""
    usage: str = ""
    blocks: Sequence[str] = ()
    cells: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[TextTable] = ()
    made: Sequence[Sequence[str]] = ()
    texts: Sequence[Text] = ()

    def html(self) -> str:
        """Return the page as HTML text.

        Raises:
            MissingPackageError: jinja2 or matplotlib is not installed.
        """
        require("jinja2", "report")
        from jinja2 import Environment, StrictUndefined

        folder = files("archsieve.report")
        template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
            (folder / "page.html").read_text(encoding="utf-8")
        )
        css = (folder / "page.css").read_text(encoding="utf-8")
        return template.render(**vars(self), css=css, light=_variables(0), dark=_variables(1), svg=svg)

    def write(self, path: Path) -> None:
        """Write the file atomically; its folder is created if missing.

        Raises:
            RunFolderError: it cannot be written.
            MissingPackageError: jinja2 or matplotlib is not installed.
        """
        text = self.html()
        with writing(path), replace_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _variables(mode: int) -> str:
    """Return the colours as CSS variables, for light (0) or dark (1) display."""
    return " ".join(f"--{name}: {pair[mode]};" for name, pair in COLOURS.items())


def made_by(provenance: Mapping[str, Any], seed: int) -> list[tuple[str, str]]:
    """Return the provenance that a reader needs to reproduce the result."""
    workers = provenance["workers"]
    return [
        ("command", provenance["command"] or "called from Python"),
        ("seed", str(seed)),
        *([("processor", provenance["processor"])] if provenance.get("processor") else []),
        ("device", f"{provenance['device']}, {workers} worker{'' if workers == 1 else 's'}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())),
    ]


def settings_of(run: RunReport) -> list[tuple[str, str]]:
    """Return the space and the task of a run."""
    return [("space", json.dumps(run.space)), ("task", json.dumps(run.task))]
