"""Lines of JSON that outlive whatever happens to the run, and the table that is made of them."""

from __future__ import annotations

import json
import math
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TITLES = {
    "start": "The machine",
    "a": "(a) gpu tests",
    "b": "(b) scores on the device against the CPU's",
    "c": "(c) the supernet of NAS-Bench-201",
    "d": "(d) seconds of a step, and the paper in hours of this card",
    "e": "(e) the vote over Macro networks",
    "f": "(f) kill and resume",
    "g": "(g) partial training, one by one and side by side",
    "h": "(h) latency and memory on the device, measured twice",
    "end": "The end",
}


class Lines:
    """Appends to a file; what another run was writing when it was cut off is taken away."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.truncate(len(whole))
        self._file.seek(0, os.SEEK_END)
        self._begun = time.perf_counter()

    def write(self, part: str, what: str, **values: Any) -> None:
        """Write a result, and be sure that it is on the disk."""
        line = {"part": part, "what": what, "at": round(time.perf_counter() - self._begun, 2), **_plain(values)}
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the results of a file, without a last line that was cut off."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def finished(lines: Iterable[dict[str, Any]], identity: dict[str, Any]) -> set[str]:
    """Return the parts that a run with the same settings on the same machine ended before it was cut off."""
    ended: set[str] = set()
    is_ours = False
    for line in lines:
        if line["what"] == "machine" and not line["goes_on"]:
            is_ours, ended = _plain(identity) == line["identity"], set()
        elif line["part"] == "end":
            is_ours, ended = False, set()  # that run is over: the next one is another
        elif line["what"] in ("done", "failed", "cut") and is_ours:
            ended.add(line["part"])
    return ended


def table_of(lines: Iterable[dict[str, Any]]) -> str:
    """Return the results of the last run in a file, a part after the other."""
    rows: list[dict[str, Any]] = []
    for line in lines:
        if line["what"] == "machine" and not line["goes_on"]:
            rows = []
        rows.append(line)
    text = []
    for part, title in TITLES.items():
        own = [row for row in rows if row["part"] == part]
        if own:
            width = max(len(row["what"]) for row in own)
            text += ["", title, "-" * len(title), *(_row(row, width) for row in own)]
    return "\n".join(text[1:] or ["No results."])


def _row(line: dict[str, Any], width: int) -> str:
    values = {name: value for name, value in line.items() if name not in ("part", "what", "at", "identity", "goes_on")}
    return f"{line['what']:{width}} " + "  ".join(f"{name} {_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "/".join(map(_text, value))
    return "-" if value is None else str(value)


def _plain(value: Any) -> Any:
    """Return plain values; what is no number in JSON becomes null."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
