"""Notations of TopFormers: keys and values on one line, and a published dictionary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from archsieve.errors import ArchitectureError
from archsieve.registry import near_miss
from archsieve.spaces.literals import no_architecture, numbers_of, read_configuration, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

_Options: TypeAlias = "Mapping[str, tuple[tuple[int, ...], ...]]"  # of every key, at each of its places
_Given: TypeAlias = "Mapping[str, list[str]]"  # of every key, the values as they are written

_TENTHS = ("attn_ratio", "mlp_ratio")
_PAIR = re.compile(r"(\w+)=([\d.]+(?:-[\d.]+)*)")


def written(key: str, value: int) -> str:
    """Return an option in notation: ratios, stored in tenths, with a decimal point."""
    return f"{value // 10}.{value % 10}" if key in _TENTHS else str(value)


def read_description(text: str, options: _Options, space: str) -> dict[str, list[str]] | None:
    """Return the values by key of either notation; None if the text is in neither.

    Raises:
        ArchitectureError: it is one of them, with a mistake.
    """
    if "{" in text:
        try:
            configuration = read_configuration(text, options, list(options))
            return {
                key: [_number(key, value) for value in numbers_of(key, configuration[key], len(places))]
                for key, places in options.items()
            }
        except ArchitectureError as error:
            raise no_architecture(text, space, error) from error
    if "=" not in text:
        return None
    pairs = dict(_PAIR.findall(text))
    if " ".join(f"{key}={values}" for key, values in pairs.items()) != " ".join(text.split()):
        raise ArchitectureError(f"{text!r} must be written as key=value-value..., once a key, with blanks between.")
    return {key: values.split("-") for key, values in pairs.items()}


def code_of(given: _Given, options: _Options, text: str) -> list[int]:
    """Return the option index of every decision; messages quote `text`.

    Raises:
        ArchitectureError: a key is missing or unknown, or a value is no option.
    """
    code: list[int] = []
    for key, places in options.items():
        if key not in given:
            raise ArchitectureError(f"{shortened(text)!r} lacks {key}: {', '.join(options)} are needed.")
        values = given[key]
        if len(values) != len(places):
            raise ArchitectureError(f"{key} needs {len(places)} values, but got {len(values)} in {shortened(text)!r}.")
        for place, (value, choices) in enumerate(zip(values, places, strict=True)):
            names = [written(key, option) for option in choices]
            if value not in names:
                raise ArchitectureError(f"{key}[{place}] must be one of {', '.join(names)}, but is {value!r}.")
            if len(names) > 1:
                code.append(names.index(value))
    if unknown := [key for key in given if key not in options]:
        raise ArchitectureError(f"There is no key {unknown[0]!r}.{near_miss(unknown[0], options)}")
    return code


def fits(given: _Given, options: _Options) -> bool:
    """Whether all values are options."""
    try:
        code_of(given, options, "")
    except ArchitectureError:
        return False
    return True


def _number(key: str, value: float) -> str:
    """Return a number as written for a key: ratios with a decimal point, others unchanged."""
    return str(float(value)) if key in _TENTHS else str(value)
