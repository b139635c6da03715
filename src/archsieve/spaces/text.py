"""Codes of architectures as text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from archsieve.errors import ArchitectureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.spaces.contract import Architecture


_SHOWN = 500  # characters of a text or code in a message


@dataclass(frozen=True)
class NumberOrder:
    """Another order of decisions and options in which codes are published as plain numbers.

    Attributes:
        title: whose it is, in messages: "NASLib's".
        read: returns the code of such numbers; an `ArchitectureError` where they are none.
        write: returns the numbers of a code, the inverse of `read`.
    """

    title: str
    read: Callable[[Sequence[int]], Architecture]
    write: Callable[[Architecture], tuple[int, ...]]


def as_digits(arch: Sequence[int], choices: Sequence[int]) -> str:
    """Return the notation that every space parses and reports use: option indices from 0.

    >>> as_digits((2, 0, 1), (3, 3, 3)), as_digits((2, 10, 1), (3, 11, 3))
    ('201', '2-10-1')
    """
    return ("" if max(choices, default=0) <= 10 else "-").join(map(str, arch))


def not_an_architecture(what: object, space: str, why: str) -> ArchitectureError:
    """Return the error for a text or a code that is not an architecture of a space: the only wording of it.

    Args:
        what: the text or the code.
        space: name of the space.
        why: the reason, and what to write instead; a full stop is added where there is none.

    >>> str(not_an_architecture("9", "toy", "write 3 digits"))
    "'9' is not an architecture of toy: write 3 digits."
    """
    shown = repr(what[:_SHOWN]) if isinstance(what, str) else f"{what!r:.{_SHOWN}}"
    end = "" if why.endswith((".", "?")) else "."
    return ArchitectureError(f"{shown} is not an architecture of {space}: {why}{end}")


def is_place(word: str) -> bool:
    """Whether a text is an option index: ASCII digits, and no more than any space needs.

    >>> is_place("10"), is_place("\u0661"), is_place("9" * 5000)
    (True, False, False)
    """
    return word.isascii() and word.isdigit() and len(word) < 10


@lru_cache(maxsize=65536)
def encode(arch: Architecture) -> str:
    """Return a code as stored text, e.g. "2-2-0"; cached, because every estimator's scores use it."""
    return "-".join(map(str, arch))


def decode(text: str) -> Architecture:
    """Return the code in stored text."""
    return tuple(map(int, text.split("-")))
