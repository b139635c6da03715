"""Values as callers give them: whole numbers, and arrays of scores."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number by its type, Python's or numpy's; neither booleans nor 2.0 are.

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


def check_whole(name: str, value: Any, least: int | None = None) -> None:
    """Check a setting that must be a whole number, and not below `least`.

    Raises:
        SettingError: it is none, or is below.
    """
    if not is_whole(value):
        raise SettingError(f"`{name}` must be a whole number, but got {name}={value!r}.")
    if least is not None and int(value) < least:
        raise SettingError(f"`{name} >= {least}` must hold, but got {name}={value}.")


def as_floats(values: Any) -> NDArray[np.float64]:
    """Return an array of floats, NaN where a masked array is masked.

    >>> as_floats(np.ma.masked_greater([1.0, 99.0], 50.0))
    array([ 1., nan])
    """
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    return np.asarray(values, dtype=np.float64)


def exact(value: float) -> Fraction:
    """Return the decimal fraction that was meant: 0.1 is one tenth, 1 - 0.41 is 59 hundredths."""
    return Fraction(repr(float(value))).limit_denominator(10**9)


def dense_ranks(scores: ArrayLike) -> NDArray[np.int64]:
    """Return the place of each score in ascending order, equal scores at the same one; NaN is below all.

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
