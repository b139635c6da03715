"""Reading of untrusted files: limits are checked before anything is parsed or allocated.

What is refused is a `ValueError` whose text completes "The file X cannot be read: ...".
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


LARGEST_DATA = 64 << 20
"""Bytes of a text file of data: as Python objects they take about twenty times as much memory."""
LARGEST_PICTURE = 256 << 20
"""Bytes of one picture, still encoded."""
LARGEST_TEXT = 16 << 20
"""Bytes of any other text file."""
LARGEST_TOML = 1 << 20
"""Bytes of a plan, a recipe or the like."""
DEEPEST = 64
"""Levels of nesting."""
SHOWN = 200
"""Characters of an input that a message quotes at most."""
_DIGITS = 1000  # of a whole number
_LARGEST_TOML_NUMBER = 2**63
_PART = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")


def quoted(text: object) -> str:
    r"""Return external text as a message shows it: at most 200 characters, control characters escaped.

    >>> quoted("a\x1b[2Jb"), len(quoted("x" * 1000))
    ('a\\x1b[2Jb', 204)
    """
    cut = str(text)
    return visible(cut if len(cut) <= SHOWN else f"{cut[:SHOWN]} ...")


def visible(text: str) -> str:
    r"""Return a text with control characters and marks of writing direction escaped.

    Line breaks and tabulators stay.

    >>> visible("name\x1b]0;title\x07 and \u202e")
    'name\\x1b]0;title\\x07 and \\u202e'
    """
    return _HIDDEN.sub(lambda match: ascii(match[0])[1:-1], text)


def message(text: str) -> str:
    """Return an error message for display: quoted text is cut at 200 characters, control characters are escaped.

    >>> message("There is no '" + "x" * 999 + "'.") == "There is no '" + "x" * 200 + " ...'."
    True
    """
    cut = _LONG_QUOTE.sub(lambda match: f"{match[1]}{match[2]} ...{match[1]}", text)
    cut = _LONG_WORD.sub(lambda match: f"{match[0][:SHOWN]} ...", cut)
    return visible(cut if len(cut) <= _LONGEST_MESSAGE else f"{cut[:_LONGEST_MESSAGE]} ...")


_LONGEST_MESSAGE = 4000
_LONG_QUOTE = re.compile(rf"(['\"])((?:(?!\1).){{{SHOWN}}})(?:(?!\1).)++\1", re.DOTALL)
_LONG_WORD = re.compile(rf"\w{{{SHOWN + 1},}}|\S{{{5 * SHOWN},}}")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def check_file(path: Path, most: int) -> None:
    """Check that a path is a regular file of at most `most` bytes; pipes could block for ever.

    Raises:
        OSError: there is no such file, it is of another kind, or has more bytes.
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device", str(path))
    if state.st_size > most:
        raise OSError(errno.EFBIG, f"it has {state.st_size:,} bytes, and at most {most:,} are read", str(path))


def read_bytes(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file; raises as `check_file`."""
    check_file(path, most)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it grows while it is read, beyond {most:,} bytes", str(path))
    return content


def read_text(path: Path, most: int = LARGEST_TEXT) -> str:
    """Return the UTF-8 text of a regular file; raises as `check_file`, or ValueError if it is not UTF-8."""
    return read_bytes(path, most).decode("utf-8")


def parse_json(text: str, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the content of a JSON text; `hook` converts the pairs of each object.

    Raises:
        ValueError: it is no JSON, holds a number of more than 1,000 digits, or is nested deeper than 64 levels.
    """
    try:
        content = json.loads(text, object_pairs_hook=hook, parse_int=_whole)
    except RecursionError:
        raise _too_deep() from None
    _check_depth(content)
    return content


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: it is no TOML, is longer than 1 MiB, holds a whole number beyond 64 bits, or is nested deeper than
            64 levels.
    """
    if len(text) > LARGEST_TOML:
        raise ValueError(f"it has {len(text):,} characters, and at most {LARGEST_TOML:,} are read")
    if match := _LONG_KEY.search(text):
        raise ValueError(f"it has a key of more than {DEEPEST} parts: {quoted(match[0][:40])} ...")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(quoted(error)) from error
    except ValueError as error:  # of Python, on a number of thousands of digits
        raise ValueError("it holds a whole number beyond 64 bits") from error
    _check_depth(content, largest=_LARGEST_TOML_NUMBER)
    return content


def fits(value: Any, declared: str, records: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a value from JSON has the type that an annotation declares.

    Args:
        value: numbers, text, truth values, lists and objects.
        declared: of "int", "float", "str", "bool", "None", "Any", "tuple[X, ...]", "dict[str, X]", "X | Y" and records.
        records: by the name of a record the types of its fields, all of which an object must have.

    >>> fits([1, 2], "tuple[int, ...] | None", {}), fits([1, "2"], "tuple[int, ...]", {}), fits(True, "int", {})
    (True, False, False)
    """
    return any(_fits(value, option, records) for option in _split(declared, "|"))


def _fits(value: Any, kind: str, records: Mapping[str, Mapping[str, str]]) -> bool:
    if kind in records:
        names = records[kind]
        return isinstance(value, dict) and all(k in value and fits(value[k], t, records) for k, t in names.items())
    name, _, inner = kind.removesuffix("]").partition("[")
    parts = _split(inner, ",")
    if name == "tuple" and isinstance(value, list):
        kinds = parts[:1] * len(value) if parts[-1] == "..." else parts
        return len(kinds) == len(value) and all(fits(v, k, records) for v, k in zip(value, kinds, strict=True))
    if name in ("dict", "Mapping") and isinstance(value, dict):
        return all(fits(v, parts[1], records) for v in value.values())
    if isinstance(value, bool):
        return kind in ("bool", "Any")
    plain: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "None": (type(None),)}
    return kind == "Any" or isinstance(value, plain.get(kind, ()))


def _split(text: str, mark: str) -> list[str]:
    """Return the parts of an annotation between separators outside brackets."""
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits):,} digits")
    return int(digits)


def _too_deep() -> ValueError:
    return ValueError(f"it is nested deeper than {DEEPEST} levels")


def _check_depth(content: Any, largest: int | None = None) -> None:
    """Check the nesting depth, and that integers are below `largest`."""
    level = [content]
    for _ in range(DEEPEST + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
            elif largest is not None and isinstance(value, int) and not -largest <= value < largest:
                raise ValueError("it holds a whole number beyond 64 bits")
        if not inner:
            return
        level = inner
    raise _too_deep()
