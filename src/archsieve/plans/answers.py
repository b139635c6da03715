"""The option `--column`: which recorded columns answer which part of a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class Answer:
    """A column that answers an estimator, and the epochs behind it; None: the estimator's own epochs."""

    column: str
    epochs: float | None


def parse_answers(columns: Sequence[str], titles: Collection[str] = ()) -> dict[str, list[Answer]]:
    """Return the answers in texts like "KEY=COLUMN:EPOCHS", by key.

    Args:
        columns: the texts.
        titles: known columns, whose names may hold "=", "," or ":".

    Raises:
        SettingError: a text is written otherwise.

    >>> parse_answers(["final=acc:200"])
    {'final': [Answer(column='acc', epochs=200.0)]}
    >>> parse_answers(["final=acc, 200:200"], ["acc, 200"])
    {'final': [Answer(column='acc, 200', epochs=200.0)]}
    """
    answers: dict[str, list[Answer]] = {}
    for text in columns:
        key, equals, value = (part.strip() for part in _divided(text, titles))
        if not (key and equals and value):
            raise SettingError(
                f"A column is written as KEY=COLUMN or KEY=COLUMN:EPOCHS, e.g. 'partial training=val_acc_12:12', but "
                f"got {text!r}."
            )
        parts = [value] if _names_one(value, titles) else value.split(",")
        answers[key] = [Answer(part, None) if part in titles else _answer(part, text) for part in map(str.strip, parts)]
    return answers


def _names_one(value: str, titles: Collection[str]) -> bool:
    """Whether a text is a title, with or without epochs behind it."""
    return value in titles or value.rpartition(":")[0].strip() in titles


def _divided(text: str, titles: Collection[str]) -> tuple[str, str, str]:
    """Return key, sign and value: the value is a known title where one of the signs makes it one."""
    places = [place for place, character in enumerate(text) if character == "="]
    for place in places:
        if _names_one(text[place + 1 :].strip(), titles):
            return text[:place], "=", text[place + 1 :]
    return text.rpartition("=")


def _answer(part: str, text: str) -> Answer:
    column, colon, epochs = part.rpartition(":")
    if not colon:
        return Answer(part, None)
    try:
        number = float(epochs)
    except ValueError:
        number = -1.0
    if not (0 <= number < math.inf and column):
        raise SettingError(f"The epochs behind a column are a number, e.g. val_acc_12:12, but got {text!r}.")
    return Answer(column.strip(), number)
