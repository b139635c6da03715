"""A task: the data, the loss and the metric that a network is trained and scored with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

    from archsieve.networks.form import Given

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


@dataclass(frozen=True)
class Measure:
    """The name of a task's metric and the direction that is better.

    Internally and in stored files a better network always has a higher score, so that an error is stored with a minus
    sign. Code that shows a score to a person gets the metric's own value here.

    >>> error = Measure("mean squared error", higher_is_better=False)
    >>> error.title, error.text(-0.021344)
    ('mean squared error (lower is better)', '0.02134 (lower is better)')
    >>> Measure("accuracy in percent").title, Measure("accuracy in percent").text(91.5)
    ('accuracy in percent', '91.50')

    Attributes:
        name: of the metric, with its unit.
        higher_is_better: direction of the metric itself.
    """

    name: str = "score"
    higher_is_better: bool = True

    @property
    def title(self) -> str:
        """The name, with the direction where it is not the usual one."""
        return f"{self.name}{self.direction}"

    @property
    def direction(self) -> str:
        """The direction in parentheses where it is not the usual one; else empty."""
        return "" if self.higher_is_better else " (lower is better)"

    def value(self, score: float) -> float:
        """Return the metric's own value for a score of which higher is better."""
        return score if self.higher_is_better else 0.0 - score

    def text(self, score: float) -> str:
        """Return the metric's own value for a score, as text, with the direction where it is not the usual one."""
        return f"{self.amount(self.value(score))}{self.direction}"

    def amount(self, value: float) -> str:
        """Return a value of the metric as text: percentages with two decimals, others with four digits."""
        return f"{value:.2f}" if "percent" in self.name else f"{value:.4g}"


def measure_of(task: Any) -> Measure:
    """Return what a task's metric is called and its direction; a task need not have a name for it."""
    return Measure(str(getattr(task, "metric_name", "score")), bool(getattr(task, "higher_is_better", True)))


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
    out), `former_identities()`, those that earlier versions gave the same task, `sources`, the files it reads,
    `is_present()`, whether they are there, `count(split)`, how many items a split has, `is_made_up`, whether it
    only stands in for others, `metric_name`, and `pending(split, ...)`, the same as `batches` but of `Pending` ones
    (in `archsieve.tasks.data.batching`), which are made when asked for: a task whose items are dear to read is then
    read ahead, and in each process its own part. Its `loss` may take `label_smoothing`, for recipes that have some.

    Where its inputs are tokens, or several, it says so by `inputs`, a tuple of `archsieve.Input`. `batches` then yields
    one tensor where there is one input without a name, a tuple where there are several, a dictionary where they have
    names.
    """

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch: (channels, height, width) for images; that of the first of several."""

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
    ) -> Iterator[tuple[Given, Tensor]]:
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
