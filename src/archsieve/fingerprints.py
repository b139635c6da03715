"""Fingerprints: the identity of an object, as plain values and as a short hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

from archsieve.errors import SettingError


class FrozenDict(dict[Any, Any]):
    """An immutable, hashable mapping of settings.

    >>> hash(FrozenDict(a=1)) == hash(FrozenDict(a=1))
    True
    """

    def __hash__(self) -> int:  # type: ignore[override]
        """Return a hash of the items."""
        return hash(frozenset(self.items()))


def frozen(value: Any) -> Any:
    """Return a setting as a hashable value: lists become tuples, mappings become `FrozenDict`, at every level.

    >>> frozen({"layers": [8, [4, 2]]})
    {'layers': (8, (4, 2))}
    """
    if isinstance(value, Mapping):
        return FrozenDict({key: frozen(part) for key, part in value.items()})
    return tuple(frozen(part) for part in value) if isinstance(value, list | tuple) else value


def identity(thing: Any) -> Any:
    """Return the identity of `thing` as plain JSON values: type, version and every setting.

    A dataclass may define `identity()` itself, for instance to replace a path by a hash of the content. A field whose
    metadata has "added" is left out at its default, so that scores stored before the field existed stay valid.

    Raises:
        SettingError: a setting is no plain value.
    """
    if hasattr(thing, "identity") and not isinstance(thing, type):
        return identity(thing.identity())
    if is_dataclass(thing) and not isinstance(thing, type):
        pairs = ((f, getattr(thing, f.name)) for f in fields(thing))
        settings = {f.name: _declared(f.type, identity(v)) for f, v in pairs if not _is_quiet(f, v)}
        return {"type": type(thing).__name__, "version": getattr(thing, "version", 1), **settings}
    if isinstance(thing, Mapping):
        return {str(key): identity(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [identity(value) for value in thing]
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, Path):
        return str(thing)
    raise SettingError(
        f"A setting must be a plain value (number, text, tuple, dataclass), but got {thing!r} of type "
        f"{type(thing).__name__}."
    )


def _is_quiet(field: Field[Any], value: Any) -> bool:
    return bool(field.metadata.get("added")) and bool(value == field.default)


def _declared(kind: Any, value: Any) -> Any:
    """Return an integer as a float if it is declared as one: 5 and 5.0 are the same setting."""
    is_float = str(getattr(kind, "__name__", kind)).startswith("float")
    return float(value) if is_float and type(value) is int else value


def fingerprint(*things: Any) -> str:
    """Return 16 hex digits that change if a setting or version of any of `things` changes.

    >>> fingerprint({"epochs": 1}) == fingerprint({"epochs": 2})
    False
    """
    text = json.dumps([identity(thing) for thing in things], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
