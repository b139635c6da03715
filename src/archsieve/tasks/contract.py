"""A task: data, loss and metric, which together say what a network is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def count_items(task: Task, split: Split) -> int:
    """Return how many items a split of the task has.

    Raises:
        SettingError: the task does not say.
    """
    count = getattr(task, "count", None)
    if count is None:
        raise SettingError(f"The task {task.name!r} does not say how many items it has: give it count(split).")
    return int(count(split))


class Metric(Protocol):
    """Collects batches and says how good the outputs were; every item counts once."""

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""

    def compute(self) -> float:
        """Return the metric over all items so far, e.g. accuracy in percent 0-100."""


class Task(Protocol):
    """What a network is trained and scored on. Plain settings: it is sent to workers, which load the data.

    What is trained on is shuffled and augmented; what is scored on is neither, and every item counts once.

    A task may also have `identity()`, plain values that tell it from others (the content of its data in, their path
    out), `sources`, the files it reads, `is_present()`, whether they are there, `count(split)`, how many items a split
    has, `is_made_up`, whether it only stands in for others, `metric_name`, and `pending(split, ...)`, the same as
    `batches` but of `Pending` ones (in `archsieve.tasks.data.batching`), which are made when asked for: a task whose
    items are dear to read is then read ahead, and in each process its own part. Its `loss` may take `label_smoothing`,
    for recipes that have some.
    """

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch: (channels, height, width) for images."""

    @property
    def num_outputs(self) -> int:
        """Number of outputs a network must have."""

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, targets) once through `split`, the last batch possibly smaller.

        Args:
            split: "train" and "validation" part the training data by seed; "test" is the published test set.
            batch_size: items a batch, at least 1.
            rng: shuffles; None keeps the order.
            augment: draw augmentations from `rng`, which must then be given.
            device: where the tensors go.
        """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar training loss, a mean over the batch."""

    def metric(self) -> Metric:
        """Return a new metric."""
