"""What every command prints by: lines of results on standard output, notes on standard error."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, is_dataclass
from typing import Any

from archsieve._reading import visible


def out(text: str = "") -> None:
    """Print a line of results; control characters, which a terminal would obey, are written as escapes."""
    print(visible(text))  # noqa: T201


def note(text: str) -> None:
    """Print a line that is no result, above the bars where progress is shown."""
    print(visible(text), file=sys.stderr, flush=True)  # noqa: T201


def out_json(value: Any) -> None:
    """Print JSON; what is not a number in JSON (NaN, infinities) becomes null or text."""
    out(json.dumps(plain(value), indent=2))


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, or hours, minutes and seconds.

    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
