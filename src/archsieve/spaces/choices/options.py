"""The options of a decision, and their labels: the names in reports and plans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archsieve.errors import SettingError
from archsieve.registry import listed

_FORBIDDEN = re.compile(r"[,=\s]")


@dataclass(frozen=True)
class Options:
    """The options of one decision: values with a label each, and the index of the default."""

    name: str
    labels: tuple[str, ...]
    values: tuple[Any, ...]
    default: int

    @property
    def preferred(self) -> Any:
        """The default option."""
        return self.values[self.default]


def options_of(name: str, options: object, default: object = None) -> Options:
    """Return the options of a call of `choice` or `one_of`.

    A mapping gives labels itself. Else a text, a number, a boolean or None is its own label, a function or class has
    its name, and anything else its place.

    Args:
        name: of the decision.
        options: a mapping of labels to values, or a list of values.
        default: one of the values, or its label; None for the first.

    Raises:
        SettingError: the name or a label cannot be written in a report, there is no option, two have one label, or
            the default is none of them.

    >>> options_of("width", [8, 16]).labels, options_of("act", {"relu": 1}).labels, options_of("s", [(1, 2)]).labels
    (('8', '16'), ('relu',), ('0',))
    """
    if not isinstance(name, str) or not name or _FORBIDDEN.search(name) or "/" in name or "#" in name:
        raise SettingError(f"A choice needs a name without space, comma, '=', '/' and '#', but got {name!r:.200}.")
    if isinstance(options, Mapping):
        labels, values = tuple(map(str, options)), tuple(options.values())
    elif isinstance(options, Iterable) and not isinstance(options, str | bytes):
        values = tuple(options)
        labels = tuple(label_of(value, place) for place, value in enumerate(values))
    else:
        raise SettingError(f"The choice {name!r} needs a list or mapping of options, but got {options!r:.200}.")
    _check_labels(name, labels)
    return Options(name, labels, values, _default_of(name, labels, values, default))


def label_of(value: object, place: int) -> str:
    """Return the label of an option at an index of a list."""
    if value is None or isinstance(value, str | int | float):
        return str(value)
    own = getattr(value, "__name__", "")
    return own if callable(value) and own.isidentifier() else str(place)


def _check_labels(name: str, labels: tuple[str, ...]) -> None:
    if not labels:
        raise SettingError(f"The choice {name!r} has no options: give at least one.")
    for label in labels:
        if not label or _FORBIDDEN.search(label):
            raise SettingError(
                f"The choice {name!r} has an option with the label {label!r}: a label has no space, comma or '='. Give "
                f"labels of your own, as in {{'label': option}}."
            )
    if doubled := next((label for place, label in enumerate(labels) if label in labels[:place]), None):
        raise SettingError(
            f"The choice {name!r} has two options with the label {doubled!r}: give labels of your own, as in "
            f"{{'label': option}}."
        )


def _default_of(name: str, labels: tuple[str, ...], values: tuple[Any, ...], default: object) -> int:
    """Return the index of the default, by value or else by label."""
    if default is None:
        return 0
    for place, value in enumerate(values):
        if value is default:
            return place
    plain = isinstance(default, str | int | float | tuple)
    for place, value in enumerate(values):
        if plain and type(value) is type(default) and value == default:
            return place
    if plain and str(default) in labels:
        return labels.index(str(default))
    raise SettingError(f"The choice {name!r} has no option {default!r:.100} for its default: it has {listed(labels)}.")
