"""Recomputation of command outputs and of pages written by scripts."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve._reading import parse_json, quoted, read_text
from archsieve.errors import DataError, SettingError
from archsieve.verifying.comparison import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.verifying.cards import Card
    from archsieve.verifying.scores import Figures

COMMANDS = ("list", "measure", "score", "search", "study")
"""Commands that a card may name: they write nothing but the folder of a run or study, which is a temporary one here."""
_NAMES = {"--proxy", "--lookup", "--truth", "--benchmark", "--set", "--seed", "--task", "--workers", "--epsilon"}
_NAMES |= {"--bootstrap", "--max-params", "--max-macs"}
_FLAGS = {"--json", "--recompute", "--distinct"}
_WORD = re.compile(r"[\w.][\w.,:=\[\]{} -]*")
_FIGURE = re.compile(r"\d|^\s*(equal|differs)\s*$")


def output_again(card: Card) -> Figures:
    """Return the figures in the JSON output of an archsieve command, without times.

    Raises:
        SettingError: the card names another command, or an option that would write files or run code.
        DataError: the command fails.
    """
    try:
        printed = printed_by(card.command)
    except DataError as error:
        raise DataError(f"The command of the card {card.path} fails: {error}") from error
    return list(leaves(card.content.get("output"), parse_json(printed))), []


def printed_by(command: str) -> str:
    """Return the output of a command that a card may name; raises as `output_again`."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_of(command)
        if arguments[0] in ("search", "study"):
            arguments += ["--out", str(Path(folder) / "run")]
        process = subprocess.run(
            [sys.executable, "-m", "archsieve", *arguments], capture_output=True, text=True, check=False
        )
    if process.returncode:
        raise DataError(quoted(process.stderr.strip()))
    return process.stdout.replace(folder, "runs")  # the folder has another name each time


def arguments_of(command: str) -> list[str]:
    """Return the arguments of a command line, after checking that a card may name it.

    Raises:
        SettingError: it may not name this one.
    """
    try:
        program, *arguments = shlex.split(command)
    except ValueError:
        program, arguments = "", []
    if program != "archsieve" or not arguments or arguments[0] not in COMMANDS or "--json" not in arguments:
        raise SettingError(
            f"A card names `archsieve {'|'.join(COMMANDS)} ... --json`, but this one {quoted(command)!r}: not run."
        )
    waits = False
    for argument in arguments[1:]:
        is_option = argument.startswith("-")
        if (is_option and (waits or argument not in _NAMES | _FLAGS)) or not (is_option or _WORD.fullmatch(argument)):
            raise SettingError(f"A card may not name {quoted(argument)!r} in its command: not run.")
        waits = is_option and argument in _NAMES
    return arguments


def digest_of_output(output: Any) -> str:
    """Return the SHA-256 of a command's JSON output."""
    return hashlib.sha256(json.dumps(output, sort_keys=True).encode()).hexdigest()


def figures_of_page(path: Path, marks: Sequence[str] = ()) -> str:
    """Return the rows of all tables in a page, without the surrounding text.

    Args:
        path: of the page.
        marks: names of the parts whose tables count, each between `<!-- NAME -->` and `<!-- end of NAME -->`; none for
            the whole page.

    Raises:
        DataError: the page has no part of that name.
    """
    text = read_text(path)
    parts = [_between(path, text, mark) for mark in marks] if marks else [text]
    return "\n".join(line for part in parts for line in part.splitlines() if line.startswith("|"))


def _between(path: Path, text: str, mark: str) -> str:
    _, begin, rest = text.partition(f"<!-- {mark} -->")
    part, end, _ = rest.partition(f"<!-- end of {mark} -->")
    if not begin or not end:
        raise DataError(f"The page {path} has no part between marks of the name {quoted(mark)!r}.")
    return part


def marks_of(card: Card) -> list[str]:
    """Return the names of the page parts that a card covers; empty for the whole page.

    Raises:
        DataError: they are no names.
    """
    marks = card.content.get("marks", [])
    if not isinstance(marks, list) or not all(isinstance(mark, str) for mark in marks):
        raise DataError(f"The card {card.path} names no parts of a page, but {quoted(marks)!r}.")
    return marks


def page_of(card: Card) -> Path:
    """Return the page that a card covers, in the folder above the card's.

    Raises:
        DataError: its name is no name of a page.
    """
    name = str(card.content.get("page", ""))
    if not re.fullmatch(r"[\w-]+\.md", name):
        raise DataError(f"The card {card.path} names no page, but {quoted(name)!r}.")
    return card.path.parent.parent / name


def page_again(card: Card, *, runs_scripts: bool) -> Figures:
    """Return the figures of a page, and those of the page rewritten by its script in a copy of the scripts' folder.

    Raises:
        SettingError: scripts may not be run, or the card names none beside the package.
        DataError: the script fails.
    """
    root = card.path.parents[2]
    words = shlex.split(card.command)
    if len(words) < 2 or words[0] != "python" or not re.fullmatch(r"studies/\w+\.py", words[1]):
        raise SettingError(f"A card of a page names `python studies/NAME.py`, but this one {quoted(card.command)!r}.")
    if not runs_scripts:
        note = f"{card.command!r} was not run: --run-scripts runs it, where you trust the scripts of this checkout."
        return [], [note]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(root / "studies", copy / "studies", ignore=shutil.ignore_patterns("device", "__pycache__"))
        shutil.copytree(root / "docs", copy / "docs", ignore=shutil.ignore_patterns("cards"))
        process = subprocess.run([sys.executable, *words[1:]], cwd=copy, capture_output=True, text=True, check=False)
        if process.returncode:
            last = process.stderr.strip().splitlines()[-1:]
            raise DataError(f"The script of the card {card.path} fails: {quoted(' '.join(last))}")
        pages = page_of(card), copy / "docs" / page_of(card).name
        recorded, computed = (figures_of_page(page, marks_of(card)) for page in pages)
    return list(_words(recorded, computed)), []


def _words(recorded: str, computed: str) -> Any:
    """Yield the cells of two pages, with numbers parsed."""
    rows, again = recorded.splitlines(), computed.splitlines()
    if len(rows) != len(again):
        yield "rows of its tables", len(rows), len(again)
        return
    for place, (row, other) in enumerate(zip(rows, again, strict=True), 1):
        cells, others = row.split("|"), other.split("|")
        if len(cells) != len(others):
            yield f"cells of row {place}", len(cells), len(others)
            continue
        for column, (cell, now) in enumerate(zip(cells, others, strict=True)):
            if _FIGURE.search(cell):
                yield f"row {place}, cell {column}", cell.strip(), now.strip()
