"""The input form of a network, described without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from archsieve.errors import SettingError
from archsieve.values import is_whole

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.spaces.form import Form
    from archsieve.tasks.contract import Task

Given: TypeAlias = "Tensor | tuple[Tensor, ...] | dict[str, Tensor]"
"""What a network gets: one tensor, several in order, or tensors by the names of its arguments; items come first."""


@dataclass(frozen=True)
class Input:
    """One input of a network: its shape, and whether it holds real numbers or tokens.

    Args:
        shape: of one item, without the batch: (channels, height, width), (length,), or () for a single number.
        tokens: None for real numbers; else the inputs are whole numbers in 0..tokens-1, such as token ids.
        name: the argument of the network's `forward` that it is passed to; None passes it by position. Either all
            inputs have names or none has.

    >>> str(Input((3, 32, 32))), str(Input((128,), tokens=30522))
    ('3 x 32 x 32', '128 of 30,522 tokens')
    """

    shape: tuple[int, ...]
    tokens: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Check that sizes and the number of tokens are integers of at least 1."""
        if not isinstance(self.shape, tuple | list) or not all(is_whole(side) and side >= 1 for side in self.shape):
            raise SettingError(f"The `shape` of an input must be whole numbers from 1 on, but got {self.shape!r}.")
        object.__setattr__(self, "shape", tuple(int(side) for side in self.shape))
        if self.tokens is not None and not (is_whole(self.tokens) and self.tokens >= 1):
            raise SettingError(f"The `tokens` of an input must be a whole number from 1 on, but got {self.tokens!r}.")

    @property
    def size(self) -> int:
        """The number of values of one item."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        """Return shape and kind as text."""
        sides = " x ".join(map(str, self.shape)) or "1"
        kind = "" if self.tokens is None else f" of {self.tokens:,} tokens"
        return f"{self.name} {sides}{kind}" if self.name else f"{sides}{kind}"


def inputs_of(task: Task | Form) -> tuple[Input, ...]:
    """Return the inputs of a task's networks: its `inputs` if set, else one real input of its `input_shape`.

    Raises:
        SettingError: its `inputs` are no `Input`s, or some of them have names and others have none.
    """
    declared: object = getattr(task, "inputs", None) or (Input(tuple(task.input_shape)),)
    inputs = declared if isinstance(declared, tuple | list) else (declared,)
    if not all(isinstance(each, Input) for each in inputs):
        name = getattr(task, "name", type(task).__name__)
        raise SettingError(
            f"The `inputs` of the task {name!r} must be a tuple of archsieve.Input, e.g. (Input((128,), tokens=30522),)"
            f", but hold {next(each for each in inputs if not isinstance(each, Input))!r:.100}."
        )
    if len({each.name is None for each in inputs}) > 1:
        raise SettingError(f"Give all inputs a name or none, but got: {', '.join(map(str, inputs))}.")
    if len({each.name for each in inputs}) < len(inputs) and inputs[0].name is not None:
        raise SettingError(f"Each input needs a name of its own, but got: {', '.join(map(str, inputs))}.")
    return tuple(inputs)


def special_inputs(task: Task | Form) -> tuple[Input, ...]:
    """Return `inputs_of(task)`, or nothing if that is one real input of the task's `input_shape`."""
    inputs = inputs_of(task)
    return () if inputs == (Input(tuple(task.input_shape)),) else inputs
