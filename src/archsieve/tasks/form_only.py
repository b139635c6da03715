"""A task without data: its input and output shapes suffice to compute sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsieve.errors import MissingDataError
from archsieve.networks.form import special_inputs
from archsieve.tasks.contract import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from archsieve.networks.form import Input
    from archsieve.tasks.contract import Metric, Split


@dataclass(frozen=True)
class FormOnly(Task):
    """The name and shapes of a task without its data, sufficient to compute sizes.

    >>> from archsieve.tasks.imagenet import ImageNet
    >>> FormOnly.of(ImageNet())
    FormOnly(name='imagenet', input_shape=(3, 224, 224), num_outputs=1000, higher_is_better=True)
    """

    name: str
    input_shape: tuple[int, ...]
    num_outputs: int
    higher_is_better: bool = True
    inputs: tuple[Input, ...] = field(default=(), repr=False, metadata={"added": True})

    @classmethod
    def of(cls, task: Task) -> FormOnly:
        """Return the form of a task."""
        return cls(task.name, tuple(task.input_shape), task.num_outputs, task.higher_is_better, special_inputs(task))

    def batches(self, split: Split, **settings: object) -> Iterator[tuple[Tensor, Tensor]]:
        """Raise an error: there are no data.

        Raises:
            MissingDataError: always.
        """
        raise self._refusal()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Raise an error, as `batches` does."""
        raise self._refusal()

    def metric(self) -> Metric:
        """Raise an error, as `batches` does."""
        raise self._refusal()

    def _refusal(self) -> MissingDataError:
        return MissingDataError(f"Only the form of the task {self.name} is known here: it has no data.")
