"""The training loss: the task's loss with label smoothing and auxiliary-head losses."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor

from archsieve.errors import SettingError
from archsieve.networks.outputs import main_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.tasks.contract import Task
    from archsieve.training.recipe import Recipe

Outputs: TypeAlias = Tensor | tuple[Tensor, ...]
"""A network's, or the network's and those of its auxiliary heads; see `archsieve.networks.outputs.main_output`."""


def loss_of(task: Task, recipe: Recipe) -> Callable[[Outputs, Tensor], Tensor]:
    """Return the training loss of outputs and targets.

    Raises:
        SettingError: the recipe smooths labels, and the task's loss cannot.
    """
    plain: Callable[[Tensor, Tensor], Tensor] = task.loss
    if recipe.label_smoothing:
        if "label_smoothing" not in inspect.signature(task.loss).parameters:
            raise SettingError(
                f"The loss of the task {task.name!r} does not support label smoothing: set label_smoothing to 0."
            )
        plain = partial(task.loss, label_smoothing=recipe.label_smoothing)  # type: ignore[call-arg]

    def loss(outputs: Outputs, targets: Tensor) -> Tensor:
        first, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        total = plain(main_output(first), targets)
        if recipe.auxiliary_weight:
            for output in auxiliary:
                total = total + recipe.auxiliary_weight * plain(output, targets)
        return total

    return loss
