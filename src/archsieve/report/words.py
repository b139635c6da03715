"""Formatting of numbers for pages."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from archsieve._reading import visible

if TYPE_CHECKING:
    from collections.abc import Sequence


def cell(value: object) -> object:
    r"""Return a value as a CSV field; text that a spreadsheet would evaluate gets an apostrophe in front.

    >>> cell("=1+1"), cell("-0.5"), cell(-0.5), cell("nwot"), cell("\x1b[2J")
    ("'=1+1", '-0.5', -0.5, 'nwot', '\\x1b[2J')
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text[:1] in _FORMULAS and not _NUMBER.fullmatch(text) else text


_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|inf|nan)", re.ASCII)


def number(value: float | None) -> str:
    """Return a number with four digits and thousands separators; a dash for an unknown one.

    >>> number(12345.6), number(0.123456), number(2.5e12), number(None)
    ('12,346', '0.1235', '2.5e+12', '-')
    """
    if value is None:
        return "-"
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def mean_and_deviation(values: Sequence[float]) -> str:
    """Return mean and standard deviation of the values with two decimals.

    >>> mean_and_deviation([1.0, 3.0])
    '2.00 ± 1.00'
    """
    mean = math.fsum(values) / len(values)
    return f"{mean:.2f} ± {math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)):.2f}"


def share(value: float) -> str:
    """Return a share as a percentage with three digits.

    >>> share(0.01234), share(1.0)
    ('1.23 %', '100 %')
    """
    return f"{100 * value:.3g} %"


def ordinal(place: int) -> str:
    """Return an ordinal number, such as "2nd".

    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def slug(text: str) -> str:
    """Return a text usable as an anchor or file name.

    >>> slug("test acc/cifar10 by 'random search'")
    'test-acc-cifar10-by-random-search'
    """
    return re.sub(r"[^\w.]+", "-", text).strip("-.")
