"""Parsing of values in Python, JSON or log notation by a grammar; nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from archsieve.errors import ArchitectureError
from archsieve.registry import near_miss
from archsieve.spaces.text import not_an_architecture

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_TOKEN = re.compile(
    r"\s*(?:(?P<decimal>-?\d{1,15}(?:\.\d{0,25}(?:e[+-]?\d{1,2})?|e[+-]?\d{1,2}))|(?P<number>\d{1,15})"
    r"|(?P<quoted>'[^'\\\n]*'|\"[^\"\\\n]*\")|(?P<name>[A-Za-z_]\w*)|(?P<mark>[][(){},=:]))"
)
_CLOSING = {"(": ")", "[": "]"}
_DEEPEST = 4  # brackets in each other: genotype, cell, node, pair, and what is in it
_LONGEST = 20_000  # characters
_SHOWN = 60  # characters of a text in a message
_RESULTS = ("flops", "macs", "params", "score", "scores", "accuracy", "latency", "net_id")
"""What stands beside the choices of a configuration that a search printed."""


@dataclass(frozen=True)
class Named:
    """A word with its arguments, `word(1, key=2)`."""

    word: str
    arguments: tuple[Value, ...] = ()
    keys: Mapping[str, Value] = field(default_factory=dict)


Value: TypeAlias = "int | float | str | tuple[Value, ...] | Mapping[str, Value] | Named"


def read_values(text: str) -> list[tuple[str, Value]]:
    """Return the named values of a text, `a = 1 b: [2]`; one value may have no name ("").

    Numbers, quoted words, lists and tuples (both as tuples), dictionaries, and words with arguments are values.

    Raises:
        ArchitectureError: `text` is longer than 20,000 characters, or is not made of values; says what is wrong.

    >>> read_values("flops: 1.5 cfg: {'width': [8, 16]}")
    [('flops', 1.5), ('cfg', {'width': (8, 16)})]
    """
    if len(text) > _LONGEST:
        raise ArchitectureError(f"it has {len(text):,} characters, but at most {_LONGEST:,} are read")
    return _Reader(text).read()


def read_configuration(text: str, keys: Collection[str], needed: Collection[str]) -> dict[str, Value]:
    """Return the values of a configuration's keys from a dictionary, which may be nested or follow names.

    Entries of an outer dictionary count if they have one of the keys, and are ignored otherwise, as are results (such
    as `flops` and `score`) beside the keys.

    Args:
        text: a dictionary as Python or JSON writes it.
        keys: those that the configuration may have.
        needed: those that it must have.

    Raises:
        ArchitectureError: `text` holds no such dictionary, or more than one, or one with other keys.

    >>> read_configuration("{'cfg': {'width': [8]}, 'flops': 1.5}", ["width"], ["width"])
    {'width': (8,)}
    """
    layers = [_named(read_values(text))]
    while inner := [value for value in layers[-1].values() if isinstance(value, Mapping)]:
        if len(inner) > 1:
            raise ArchitectureError(f"it holds {len(inner)} dictionaries side by side, but one is needed")
        layers.append(inner[0])
    around = {key: value for layer in layers[:-1] for key, value in layer.items() if key in keys}
    for key in layers[-1]:
        if key not in keys and key not in _RESULTS:
            raise ArchitectureError(f"there is no key {key!r}.{near_miss(key, keys)}")
    values = {**around, **{key: value for key, value in layers[-1].items() if key in keys}}
    if missing := [key for key in needed if key not in values]:
        raise ArchitectureError(f"it lacks {', '.join(missing)}: {', '.join(needed)} are needed")
    return values


def whole_numbers(key: str, value: Value, count: int) -> list[int]:
    """Return the value of a key as `count` integers; a single number counts as a list of one.

    Raises:
        ArchitectureError: it is something else; says what.
    """
    numbers = [number for number in numbers_of(key, value, count) if isinstance(number, int)]
    if len(numbers) < count:
        raise ArchitectureError(f"{key} must be whole numbers, but is {value!r}")
    return numbers


def numbers_of(key: str, value: Value, count: int) -> list[int | float]:
    """Return the value of a key as `count` numbers; a single number counts as a list of one.

    Raises:
        ArchitectureError: it is something else; says what.
    """
    items = value if isinstance(value, tuple) else (value,)
    numbers = [item for item in items if isinstance(item, int | float)]
    if len(numbers) < len(items):
        raise ArchitectureError(f"{key} must be numbers, but is {value!r}")
    if len(numbers) != count:
        raise ArchitectureError(f"{key} needs {count} values, but got {len(numbers)}")
    return numbers


def no_architecture(text: str, space: str, reason: ArchitectureError) -> ArchitectureError:
    """Return the error for a text that is not an architecture of a space, with the reason."""
    return not_an_architecture(shortened(text), space, str(reason))


def shortened(text: str) -> str:
    """Return a text on one line, cut at 60 characters, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def _named(values: Sequence[tuple[str, Value]]) -> Mapping[str, Value]:
    """Return the values by name; a dictionary alone is returned unchanged."""
    if len(values) == 1 and isinstance(values[0][1], Mapping):
        return values[0][1]
    return dict(values)


class _Reader:
    """Parser of values: numbers, quoted strings, bracketed lists, dictionaries, and words with arguments."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._ahead = next(self._tokens)

    def read(self) -> list[tuple[str, Value]]:
        """Return all values of the text with the names before them."""
        items: list[tuple[str, Value]] = []
        while not items or self._ahead[0] != "end":
            value, name = self._value(0), ""
            if isinstance(value, Named) and self._ahead[1] in ("=", ":"):
                name = value.word
                self._take()
                value = self._value(0)
            elif items:
                raise ArchitectureError(f"nothing is expected where {_shown(value)} stands")
            items.append((name, value))
            if not name and self._ahead[0] != "end":
                raise ArchitectureError(f"nothing is expected where {self._ahead[1]!r} stands")
        return items

    def _take(self) -> tuple[str, str]:
        token, self._ahead = self._ahead, next(self._tokens, ("end", ""))
        return token

    def _value(self, depth: int) -> Value:
        kind, token = self._take()
        if depth > _DEEPEST:
            raise ArchitectureError("its brackets are nested too deep")
        if kind == "number":
            return int(token)
        if kind == "decimal":
            return float(token)
        if kind == "quoted":
            return token[1:-1]
        if kind == "name":
            if self._ahead[1] != "(":
                return Named(token)
            self._take()
            return Named(token, *self._items(")", depth))
        if (kind, token) == ("mark", "{"):
            return self._pairs(depth)
        if token in _CLOSING:
            items, keys = self._items(_CLOSING[token], depth)
            if not keys:
                return items
        raise ArchitectureError("it ends too early" if kind == "end" else f"{token!r} is not expected where it stands")

    def _items(self, closing: str, depth: int) -> tuple[tuple[Value, ...], dict[str, Value]]:
        """Return the values up to a bracket, and the keyed ones."""
        items: list[Value] = []
        keys: dict[str, Value] = {}
        while self._ahead[1] != closing:
            value = self._value(depth + 1)
            if self._ahead[1] == "=" and isinstance(value, Named) and value.word not in keys:
                self._take()
                keys[value.word] = self._value(depth + 1)
            else:
                items.append(value)
            self._end_of_item(closing)
        self._take()
        return tuple(items), keys

    def _pairs(self, depth: int) -> dict[str, Value]:
        """Return the keys and values up to the end of a dictionary."""
        entries: dict[str, Value] = {}
        while self._ahead[1] != "}":
            kind, token = self._take()
            key = token[1:-1] if kind == "quoted" else token
            if kind not in ("quoted", "name") or key in entries:
                raise ArchitectureError(
                    "it ends too early"
                    if kind == "end"
                    else f"a dictionary needs words as keys, each once, but has {token}"
                )
            if self._take()[1] != ":":
                raise ArchitectureError(f"a colon is missing after the key {key!r}")
            entries[key] = self._value(depth + 1)
            self._end_of_item("}")
        self._take()
        return entries

    def _end_of_item(self, closing: str) -> None:
        if self._ahead[1] != closing and self._take()[1] != ",":
            raise ArchitectureError(f"a comma or {closing!r} is missing")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, token) pairs, ending with ("end", "")."""
    text, place = text.rstrip(), 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ArchitectureError(f"{text[place:].lstrip()[:1]!r} is not part of one")
        kind = str(match.lastgroup)
        yield kind, match[kind]
        place = match.end()
    yield "end", ""


def _shown(value: Value) -> str:
    return repr(value.word if isinstance(value, Named) else value)[:40]
