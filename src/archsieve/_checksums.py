"""Checksums inside files, so that a damaged file is noticed before a value from it is used.

JSON has its checksum as a key, TOML as a comment in its first line, a row of the results file in a column of its own
(`archsieve.runs.rows`). `.npz` files and checkpoints are zip archives, whose members have one each. All are CRC-32,
which tells every change of up to 32 neighbouring bits, and of others all but 1 in 2^32. Files of earlier versions have
none and are read as they are.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

KEY = "checksum"
_LINE = re.compile(r"# checksum of what follows: (\d+)\r?\n")


def with_checksum(content: Any) -> Any:
    """Return a JSON object with its checksum as the last key; an existing checksum is replaced.

    What is no object is returned as it is.
    The checksum is that of the values: another order of the keys, or other white space, has the same.

    >>> with_checksum({"b": 1.0, "a": "é"})
    {'b': 1.0, 'a': 'é', 'checksum': 2216244238}
    """
    if not isinstance(content, Mapping):
        return content
    rest = {key: value for key, value in content.items() if key != KEY}
    plain = json.loads(json.dumps(rest))  # tuples are lists, and keys text, as a reader finds them
    return {**rest, KEY: _checksum_of(plain)}


def without_checksum(content: Any) -> Any:
    """Return the object that `with_checksum` was given; content without a checksum is returned unchanged.

    Raises:
        ValueError: it is not what the checksum was made of.
    """
    if not isinstance(content, dict) or KEY not in content:
        return content
    rest = {key: value for key, value in content.items() if key != KEY}
    if _checksum_of(rest) != content[KEY]:
        raise ValueError("it is damaged, or was changed since it was written: its checksum is that of other content")
    return rest


def with_checksum_line(text: str) -> str:
    r"""Return a TOML text with its checksum in the first line; an existing checksum line is replaced.

    >>> with_checksum_line("seed = 1\n")
    '# checksum of what follows: 545442907\nseed = 1\n'
    """
    match = _LINE.match(text)
    plain = text[match.end() :] if match else text
    return f"# checksum of what follows: {zlib.crc32(plain.encode())}\n{plain}"


def without_checksum_line(text: str) -> str:
    """Return the text that `with_checksum_line` was given; text without a checksum is returned unchanged.

    Raises:
        ValueError: it is not what the checksum was made of.
    """
    match = _LINE.match(text)
    if match is None:
        return text
    plain = text[match.end() :]
    if zlib.crc32(plain.encode()) != int(match[1]):
        raise ValueError(
            "it is damaged, or was changed since it was written: its checksum is that of another text. Remove its "
            "first line if you changed it yourself"
        )
    return plain


def _checksum_of(plain: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())
