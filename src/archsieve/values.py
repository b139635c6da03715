"""Checks and conversions of values from callers: numbers, texts, arrays of scores."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from inspect import getattr_static
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._reading import quoted
from archsieve.errors import MissingDataError, SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def is_whole(value: Any) -> bool:
    """Whether a value is an integer by type, Python's or numpy's; neither booleans nor 2.0 are.

    >>> is_whole(2), is_whole(np.int8(2)), is_whole(2.0), is_whole(True)
    (True, True, False, False)
    """
    if isinstance(value, bool | np.bool_):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def number_in(text: str) -> float:
    """Return the number in a text of ASCII digits; underscores and other digits that Python accepts are errors.

    Raises:
        ValueError: it writes none.

    >>> number_in(" -1.5e3 "), number_in("nan")
    (-1500.0, nan)
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{text[:200]!r} is no number")
    return float(text)


def seconds_in(text: str, what: str) -> float:
    """Return a duration such as "8h", "90m", "30s" or "1.5d" in seconds; `what` names it in the error.

    Raises:
        SettingError: it is none.

    >>> seconds_in("8h", "A limit"), seconds_in("1.5 min", "A limit")
    (28800.0, 90.0)
    """
    found = _TIME.fullmatch(text)
    if found is None or not 0 < float(found[1]) * _UNITS[found[2]] <= _LONGEST:
        raise SettingError(f"{what} is a number with a unit of time, e.g. 8h, 90m or 2d, but got {text!r}.")
    return float(found[1]) * _UNITS[found[2]]


_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)\s*", re.ASCII)
_LONGEST = 1e9  # seconds


def path_in(text: str) -> Path:
    """Return a text as a path.

    Raises:
        MissingDataError: no file can have that name: a part is longer than 255 bytes, all of it longer than 4,000, or
            it has a null character or half a surrogate pair.
    """
    try:
        code = os.fsencode(text)
    except UnicodeEncodeError:
        code = b"\0"
    if b"\0" in code or len(code) > _MOST_OF_A_PATH or max(map(len, code.split(b"/"))) > _MOST_OF_A_NAME:
        raise MissingDataError(f"There is no file {quoted(text)!r}: no file can have this name.")
    return Path(text)


_MOST_OF_A_PATH, _MOST_OF_A_NAME = 4000, 255  # bytes


def field_value(value: Any) -> float:
    """Return the number in a table field, NaN if empty; raises as `number_in`, or as `float`."""
    if value is None or value == "":
        return float("nan")
    return number_in(value) if isinstance(value, str) else float(value)


def field_values(values: Sequence[Any]) -> NDArray[np.float64]:
    """Return the numbers in a column's fields, shape (n,); raises as `field_value`."""
    are_plain = set(map(type, values)) <= {float, int, type(None)}  # numpy reads these in one step, None as NaN
    return np.array(values if are_plain else [field_value(value) for value in values], dtype=np.float64)


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def check_finite(name: str, value: float, *, least: float = 0.0, most: float) -> None:
    """Check that a setting is a number in [least, most].

    Raises:
        SettingError: it is not.
    """
    if not least <= value <= most:
        raise SettingError(f"`{least:g} <= {name} <= {most:g}` must hold, but got {name}={value}.")


_MOST = 10**9  # of what is counted or allocated
_MOST_OF_A_SEED = 2**63 - 1
_LARGEST_SIZE = 100_000  # of a setting of a space


def check_whole(name: str, value: Any, least: int | None = None) -> None:
    """Check that a setting is an integer, at least `least` and at most 1e9 (seeds: 64 bits).

    Raises:
        SettingError: it is none, or is out of range.
    """
    if not is_whole(value):
        raise SettingError(f"`{name}` must be a whole number, but got {name}={value!r}.")
    if least is not None and int(value) < least:
        raise SettingError(f"`{name} >= {least}` must hold, but got {name}={value}.")
    most = _MOST_OF_A_SEED if name.endswith("seed") else _MOST
    if int(value) > most:
        raise SettingError(f"`{name} <= {most:,}` must hold, but got {name}={value}.")


def check_sizes(thing: Any) -> None:
    """Check that no integer field of a dataclass exceeds 100,000, before anything is allocated.

    Raises:
        SettingError: one is, as a width of a space.
    """
    waiting = [(field.name, getattr(thing, field.name)) for field in fields(thing)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, tuple | list):
            waiting += [(name, part) for part in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise SettingError(f"`{name}` must be finite, but got {name}={value}.")
        elif is_whole(value) and value > _LARGEST_SIZE:
            raise SettingError(f"`{name} <= {_LARGEST_SIZE:,}` must hold, but got {name}={value}.")


def wrong_kind(what: str, wanted: str, value: Any, advice: str = "") -> SettingError:
    """Return the error for a value of the wrong kind, with the correct form.

    >>> print(wrong_kind("`space`", "a search space", "darts", "write archsieve.SPACES['darts']()"))
    `space` must be a search space, but is the text 'darts': write archsieve.SPACES['darts']().
    """
    if isinstance(value, str):
        shown = f"the text {quoted(value)!r}"
    elif isinstance(value, Path):
        shown = f"the path {quoted(str(value))!r}"
    elif isinstance(value, type):
        shown, advice = f"the class {value.__name__}", advice or f"write {value.__name__}()"
    elif value is None or isinstance(value, bool | int | float):
        shown = f"{value!r}"
    else:
        shown = f"of type {type(value).__name__}"
    return SettingError(f"{what} must be {wanted}, but is {shown}{': ' * bool(advice)}{advice}.")


def check_number(name: str, value: Any) -> None:
    """Check that a setting is a number, Python's or numpy's.

    Raises:
        SettingError: it is none.
    """
    if not isinstance(value, Real):
        raise wrong_kind(f"`{name}`", "a number", value)


def check_list(what: str, values: Any, items: str, advice: str = "") -> None:
    """Check that a value is a list, tuple or other collection, not a text or a single item.

    Raises:
        SettingError: it is not.
    """
    if isinstance(values, str | bytes | Path | Mapping | type) or not hasattr(values, "__iter__"):
        raise wrong_kind(what, f"a list of {items}", values, advice)


def offers(thing: Any, *names: str) -> bool:
    """Whether a value, not a class, has these attributes; properties are not computed, because they may be slow.

    >>> offers(Path(), "parent", "read_text"), offers(Path, "parent")
    (True, False)
    """
    missing, passes_on = object(), hasattr(type(thing), "__getattr__")  # as a view of something else does
    return not isinstance(thing, type) and all(
        getattr_static(thing, name, missing) is not missing or (passes_on and hasattr(thing, name)) for name in names
    )


def named_in(catalogue: str, value: Any) -> str:
    """Return the advice for a part given by name; empty if the value is not a name.

    >>> named_in("SPACES", "darts"), named_in("SPACES", 3)
    ("write archsieve.SPACES['darts']()", '')
    """
    return f"write archsieve.{catalogue}[{quoted(value)!r}]()" if isinstance(value, str) else ""


def as_floats(values: Any) -> NDArray[np.float64]:
    """Return an array of floats, with NaN for masked entries.

    >>> as_floats(np.ma.masked_greater([1.0, 99.0], 50.0))
    array([ 1., nan])
    """
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    return np.asarray(values, dtype=np.float64)


def exact(value: float) -> Fraction:
    """Return the exact decimal fraction of a float as written: 0.1 is 1/10, 1 - 0.41 is 59/100."""
    return Fraction(repr(float(value))).limit_denominator(10**9)


def dense_ranks(scores: ArrayLike) -> NDArray[np.int64]:
    """Return the dense rank of each score in ascending order, from 0; NaN ranks below all.

    >>> dense_ranks([0.5, np.nan, 0.5, 2.0])
    array([ 0, -1,  0,  1])
    """
    if isinstance(scores, np.ndarray) and scores.dtype == np.int64 and scores.size:
        least = int(scores.min())
        if int(scores.max()) - least <= 2 * scores.size:  # ranks, as a rule: counting is faster than sorting
            places = scores - least
            return np.asarray((np.cumsum(np.bincount(places) > 0) - 1)[places])
    estimate = as_floats(scores)
    _, ranks = np.unique(estimate, return_inverse=True)  # NaN sorts last here
    return np.where(np.isnan(estimate), -1, ranks).astype(np.int64)
