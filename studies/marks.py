"""Pages whose measured parts are written anew between marks, and the rest by hand."""

from __future__ import annotations

import textwrap
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def write_between(page: Path, name: str, lines: list[str]) -> None:
    """Put lines between the marks of that name, which the page must have."""
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not (found and end):
        raise SystemExit(f"{page} has no marks {first.strip()} and {last}.")
    page.write_text(before + first + "\n".join(lines).rstrip() + "\n" + last + after)


def lines_of(*texts: str) -> list[str]:
    """Return a paragraph, or an item of a list, in lines."""
    text = " ".join(texts)
    return textwrap.wrap(text, 118, subsequent_indent="  " * text.startswith("- "), break_long_words=False)
