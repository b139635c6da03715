"""A task: the data, the loss and the metric that a network is trained and scored with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from archsieve.defaults import completed, default, has_own, required
from archsieve.errors import SettingError
from archsieve.values import check_whole, named_in, offers, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

    from archsieve.networks.form import Given, Input
    from archsieve.sources import Source
    from archsieve.tasks.data.batching import Pending

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


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


class Metric(Protocol):
    """Collects batches and says how good the outputs were; every item counts once."""

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""

    def compute(self) -> float:
        """Return the metric over all items so far, e.g. accuracy in percent 0-100."""


class Task(ABC):
    """Data, loss and metric that networks are trained and scored with; plain settings, because it is sent to workers.

    What is trained on is shuffled and augmented; what is scored on is neither, and every item counts once. A subclass
    must have what is `required` or abstract here; the rest has defaults. A task that is no subclass works as well:
    what it leaves out gets the same defaults.

    A task may also have `identity()`, plain values that tell it from others: the content of its data in, their path
    out. Its `loss` may take `label_smoothing`, for recipes that have some.
    """

    @required
    @abstractmethod
    def name(self) -> str:
        """The registered name."""

    @required
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch: (channels, height, width) for images; that of the first of several."""

    @required
    @abstractmethod
    def num_outputs(self) -> int:
        """Number of outputs a network must have."""

    @abstractmethod
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

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar training loss, a mean over the batch."""

    @abstractmethod
    def metric(self) -> Metric:
        """Return a new metric."""

    @default
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return True

    @default
    def metric_name(self) -> str:
        """What the metric is called, with its unit."""
        return "score"

    @default
    def inputs(self) -> tuple[Input, ...]:
        """The inputs where they are tokens or several; empty: one input of real numbers in the `input_shape`.

        `batches` then yields one tensor where there is one input without a name, a tuple where there are several, a
        dictionary where they have names.
        """
        return ()

    @default
    def sources(self) -> tuple[Source, ...]:
        """The files it reads, for `archsieve data`; as a class attribute."""
        return ()

    @default
    def is_made_up(self) -> bool:
        """Whether it only stands in for others."""
        return False

    def is_present(self) -> bool:
        """Whether its data are on this machine; cheap, and asks no network."""
        return True

    def count(self, split: Split) -> int | None:
        """Return how many items a split has; None: it does not say, so that costs are not forecast."""
        return None

    def former_identities(self) -> list[dict[str, Any]]:
        """Return the identities that earlier versions gave the same task."""
        return []

    def pending(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[Pending] | None:
        """Yield the same as `batches`, but as `Pending` ones, which are made when asked for; None: not offered.

        A task whose items are dear to read is then read ahead, and in each process its own part.
        """
        return None


def check_batch(batch_size: int, rng: np.random.Generator | None, augment: bool) -> None:
    """Check what `batches` was asked for.

    Raises:
        SettingError: a batch size below 1, or augmentation without `rng`.
    """
    check_whole("batch_size", batch_size, least=1)
    if augment and rng is None:
        raise SettingError("Augmentation is random, so `augment=True` needs an `rng`, but got rng=None.")


def check_task(task: Any, what: str = "`task`") -> None:
    """Check that a value is a task, and neither a name nor a class.

    Raises:
        SettingError: it is not.
    """
    if not offers(task, "input_shape", "num_outputs"):
        raise wrong_kind(what, "a task", task, named_in("TASKS", task))


def completed_task(task: Any) -> Task:
    """Return a task that has all that `Task` has: itself, or a view of one that is no subclass, for asking only."""
    return completed(task, Task)  # type: ignore[type-abstract]


def says_count(task: Any) -> bool:
    """Whether a task says how many items it has; asks no data."""
    return has_own(task, "count", Task)


def reads_ahead(task: Any) -> bool:
    """Whether a task's batches can be made when asked for."""
    return has_own(task, "pending", Task)


def count_items(task: Any, split: Split) -> int:
    """Return how many items a split of the task has.

    Raises:
        SettingError: the task does not say.
    """
    count = completed_task(task).count(split)
    if count is None:
        raise SettingError(f"The task {task.name!r} does not declare its number of items: define count(split).")
    return int(count)


def measure_of(task: Any) -> Measure:
    """Return what a task's metric is called and its direction; a task need not have a name for it."""
    known = completed_task(task)
    return Measure(str(known.metric_name), bool(known.higher_is_better))
