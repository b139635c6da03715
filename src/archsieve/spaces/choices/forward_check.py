"""One checked forward pass: decisions belong in the constructor."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from archsieve.errors import SettingError
from archsieve.spaces.choices.replay import refusing_choices

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from archsieve.tasks.contract import Task


def check_forward(build: Callable[[], nn.Module], task: Task) -> None:
    """Check that a network makes no decision during a forward pass, in training and in evaluation.

    Whatever else it raises is not the business of this check: a network that does not fit the task says so elsewhere.

    Raises:
        SettingError: it asks for one.
    """
    from archsieve.networks.counting.counter import as_it_was, examined, forward
    from archsieve.networks.inputs import example_of

    asked: list[SettingError] = []

    def look(network: nn.Module) -> None:
        for training in (True, False):
            with as_it_was(network) as own, refusing_choices():
                try:
                    forward(own, example_of(task), training=training, items=2)
                except SettingError as error:
                    asked.append(error)

    with suppress(Exception):
        examined(build, look)
    if asked:
        raise asked[0]
