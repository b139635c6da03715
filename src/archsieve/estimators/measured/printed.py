"""The number that a program printed: alone in its last line, or by a key of JSON."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

from archsieve._reading import parse_json, visible
from archsieve.errors import ScoringError
from archsieve.registry import near_miss

_NUMBER = re.compile(
    r"(?<![\w.])([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.]*\d)(?:\s*([A-Za-z\u00b5\u03bc]+))?", re.ASCII
)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"\d,\d", re.ASCII)
_SPELLINGS = {
    "ns": ("ns",),
    "us": ("us", "\u00b5s", "\u03bcs", "usec"),
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "kB": ("kB", "KB"),
    "KiB": ("KiB",),
    "MB": ("MB",),
    "MiB": ("MiB",),
    "GB": ("GB",),
    "GiB": ("GiB",),
    "uJ": ("uJ", "\u00b5J", "\u03bcJ"),
    "mJ": ("mJ",),
    "J": ("J",),
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}


def number_of(output: str, key: str = "", unit: str = "") -> float:
    r"""Return the number that a program printed.

    Args:
        output: all that it printed.
        key: of a JSON object, "result.p50" for one in another; the output, or its last line, is JSON then. Empty: the
            number is the only one in the last line.
        unit: of the number. Another unit of time, memory or energy behind the number is refused.

    Raises:
        ScoringError: there is no such number, it is not finite, has another unit, or is below 0 in such a unit.

    >>> number_of("loading\nlatency: 7.25 ms\n"), number_of('{"p50": {"ms": 7}}', "p50.ms")
    (7.25, 7.0)
    """
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines:
        raise ScoringError("it printed nothing on standard output")
    value, printed = (_by_key(output, lines[-1], key), "") if key else _only_number(lines[-1])
    if not math.isfinite(value):
        raise ScoringError(f"it printed {value}, which is not a finite number")
    wanted = _UNITS.get(unit)
    if wanted and _UNITS.get(printed, wanted) != wanted:
        raise ScoringError(
            f"it printed {value:g} {printed}, but `unit` is {unit!r}: let it print {unit}, or change the setting"
        )
    if wanted and value < 0:
        raise ScoringError(f"it printed {value:g}, which cannot be in {unit}: it is below 0")
    return value


def _only_number(line: str) -> tuple[float, str]:
    """Return the number of a line, and the word behind it."""
    text = line.strip()
    if _NOT_FINITE.fullmatch(text):
        return float(text), ""
    numbers = _NUMBER.findall(text)
    if len(numbers) != 1:
        count = f"{len(numbers)} numbers" if numbers else "no number"
        advice = "print the number alone, or give a `key`"
        advice = "print a point for the decimals and nothing between thousands" if _COMMA.search(text) else advice
        raise ScoringError(f"the last line that it printed has {count}: {visible(text)[:80]!r}; {advice}")
    number, word = numbers[0]
    return float(number), word


def _by_key(output: str, last: str, key: str) -> float:
    value = _parsed(output, last)
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            known = near_miss(part, map(str, value)) if isinstance(value, dict) else ""
            raise ScoringError(f"what it printed has no key {key!r}.{known}")
        value = value[part]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScoringError(f"the key {key!r} holds {value!r:.80}, which is not a number")
    with suppress(OverflowError):
        return float(value)
    return math.inf


def _parsed(output: str, last: str) -> Any:
    for text in (output, last):
        with suppress(ValueError):
            return parse_json(text)
    raise ScoringError(f"it printed no JSON: {visible(last.strip())[:80]!r}")
