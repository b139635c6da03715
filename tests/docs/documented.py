"""What pages tell a reader to type, and the files they show: collected from Markdown."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = (
    "archsieve",
    "make",
    "python",
    "python3",
    "pip",
    "pytest",
    "torchrun",
    "git",
    "ray",
    "sbatch",
    "srun",
    "kubectl",
)
FENCE = re.compile(r"^```(\w*) *(.*)$")
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the file it is called after, and its lines."""

    page: str
    line: int
    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line that a reader is told to type."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page in order; the indented ones count as shell."""
    found, inside, start, lines = [], None, 0, []
    fenced: set[int] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if inside is not None:
            fenced.add(number)
            if line.rstrip() == "```":
                title = TITLE.search(inside[1])
                found.append(Block(path.name, start + 1, inside[0], title[1] if title else "", "\n".join(lines) + "\n"))
                inside = None
            else:
                lines.append(line)
        elif match:
            inside, start, lines = (match[1], match[2]), number, []
            fenced.add(number)
        elif re.match(r" {4}\S", line):
            found.append(Block(path.name, number, "sh", "", line[4:] + "\n"))
    return found


def commands(path: Path) -> list[Command]:
    """Return what a page tells to type, lines that end in a backslash joined, comments left out."""
    found = []
    for block in blocks(path):
        if block.language not in ("", "sh", "bash", "console") or block.title:
            continue
        text = re.sub(r"\\\n\s*", " ", block.text)
        for offset, line in enumerate(text.splitlines()):
            typed = re.sub(r"\s+#.*$", "", line.strip().removeprefix("$ ")).strip()
            first = re.sub(r"^(?:\w+=\S+ )+", "", typed).split(" ")[0]
            if first in PROGRAMS and (block.language != "console" or "$ " not in block.text or line.startswith("$ ")):
                found.append(Command(path.name, block.line + offset, typed))
    return found


def reference() -> object:
    """Return the module that makes the reference pages, which needs no builder of sites."""
    sys.path.insert(0, str(ROOT / "docs" / "_build"))
    try:
        import reference
    finally:
        sys.path.remove(str(ROOT / "docs" / "_build"))
    return reference
