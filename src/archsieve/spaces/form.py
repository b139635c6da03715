"""The form of a task: what the networks of a space are built for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Form:
    """What of a task the shape of its networks depends on, and with it what they cost."""

    input_shape: tuple[int, ...]
    num_outputs: int


def form_of(task: Task | Form) -> Form:
    """Return a task's form."""
    return Form(tuple(task.input_shape), task.num_outputs)
