"""The form of a task: what the networks of a space are built for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsieve.networks.form import Input, special_inputs

if TYPE_CHECKING:
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Form:
    """The part of a task on which the shape, and so the size, of its networks depends.

    `inputs` is empty where there is one input of real numbers in the `input_shape`.
    """

    input_shape: tuple[int, ...]
    num_outputs: int
    inputs: tuple[Input, ...] = field(default=(), metadata={"added": True})


def form_of(task: Task | Form) -> Form:
    """Return a task's form."""
    return Form(tuple(task.input_shape), task.num_outputs, special_inputs(task))
