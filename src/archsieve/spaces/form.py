"""The form of a task: the input and output shapes that networks are built for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsieve.errors import SettingError
from archsieve.networks.form import Input, special_inputs

if TYPE_CHECKING:
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Form:
    """The part of a task that determines the shape, and so the size, of its networks.

    `inputs` is empty where there is one input of real numbers in the `input_shape`.
    """

    input_shape: tuple[int, ...]
    num_outputs: int
    inputs: tuple[Input, ...] = field(default=(), metadata={"added": True})


def form_of(task: Task | Form) -> Form:
    """Return a task's form."""
    return Form(tuple(task.input_shape), task.num_outputs, special_inputs(task))


def pictures_of(task: Task | Form, space: str) -> tuple[int, int, int]:
    """Return channels, height and width of a task's pictures.

    Args:
        task: the task, or its form.
        space: its name, for the message.

    Raises:
        SettingError: its inputs are no pictures.
    """
    shape = tuple(task.input_shape)
    if len(shape) != 3 or special_inputs(task):
        raise SettingError(
            f"The networks of {space} take pictures of shape (channels, height, width), but the inputs of this task "
            f"have the shape {shape}: choose a task with pictures, or search a model of your own."
        )
    channels, height, width = shape
    return channels, height, width
