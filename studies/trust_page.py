"""Writes the tables of docs/trust.md from the counts that `make test-faults` left in studies/trust.

    make test-faults FAULTS="--out ../studies/trust"     # the counts anew
    python studies/trust_page.py

A test holds the page to these files.
"""

from __future__ import annotations

import json
from pathlib import Path

from marks import DOCS, write_between

COUNTS = Path(__file__).with_name("trust")
FIRST = {"faults": "trial", "hostile": "reader"}
"""The title of the first column, by the file of counts and the part of the page."""


def table(name: str) -> list[str]:
    """Return the counts of a file as a table, with their sums; of what there is none of, a 0."""
    counts = json.loads((COUNTS / f"{name}.json").read_text())["counts"]
    columns = list(next(iter(counts.values())))
    sums = {column: sum(each[column] for each in counts.values()) for column in columns}
    lines = [f"| {FIRST[name]} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    rows = {**counts, "all": sums}
    return lines + [f"| {kind} | {' | '.join(f'{each[c]:,}' for c in columns)} |" for kind, each in rows.items()]


def main() -> None:
    """Write the tables."""
    for name in FIRST:
        write_between(DOCS / "trust.md", name, table(name))


if __name__ == "__main__":
    main()
