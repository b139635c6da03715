"""Comments at the ends of lines in a plan file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def annotated(text: str, reasons: Sequence[tuple[str, str]]) -> str:
    r"""Return the text of a plan with comments at the ends of lines.

    Of each table the comments go to the lines that begin so; what a table does not have is left out.

    >>> print(annotated("seed = 0\n[a]\ntop = 3\n[b]\ntop = 1", [("top = ", "best"), ("top = ", "winner")]))
    seed = 0
    [a]
    top = 3  # best
    [b]
    top = 1  # winner
    """
    lines = text.split("\n")
    waiting = list(reasons)
    for i, line in enumerate(lines):
        for j, (beginning, comment) in enumerate(waiting):
            if line.startswith(beginning):
                lines[i] = f"{line}  # {comment}"
                del waiting[j]
                break
    return "\n".join(lines)
