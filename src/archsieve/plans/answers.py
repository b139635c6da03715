"""The option `--column`: which recorded columns answer which part of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Answer:
    """A column that answers an estimator, and the epochs behind it; None: the estimator's own epochs."""

    column: str
    epochs: float | None


def parse_answers(columns: Sequence[str]) -> dict[str, list[Answer]]:
    """Return the answers in texts like "KEY=COLUMN:EPOCHS", by key.

    Raises:
        SettingError: a text is written otherwise.

    >>> parse_answers(["final=acc:200"])
    {'final': [Answer(column='acc', epochs=200.0)]}
    """
    answers: dict[str, list[Answer]] = {}
    for text in columns:
        key, equals, value = (part.strip() for part in text.rpartition("="))
        if not (key and equals and value):
            raise SettingError(
                f"A column is written as KEY=COLUMN or KEY=COLUMN:EPOCHS, e.g. 'partial training=val_acc_12:12', but "
                f"got {text!r}."
            )
        answers[key] = [_answer(part, text) for part in value.split(",")]
    return answers


def _answer(part: str, text: str) -> Answer:
    column, colon, epochs = part.strip().rpartition(":")
    if not colon:
        return Answer(part.strip(), None)
    try:
        number = float(epochs)
    except ValueError:
        number = -1.0
    if not (number >= 0 and column):
        raise SettingError(f"The epochs behind a column are a number, e.g. val_acc_12:12, but got {text!r}.")
    return Answer(column, number)
