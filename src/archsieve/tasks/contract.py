"""The task contract: the data, loss and metric by which networks are trained and scored."""

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
    """The name of a task's metric and its better direction.

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
        """The name, with the direction unless higher is better."""
        return f"{self.name}{self.direction}"

    @property
    def direction(self) -> str:
        """The direction in parentheses if lower is better; else empty."""
        return "" if self.higher_is_better else " (lower is better)"

    def value(self, score: float) -> float:
        """Return the metric's own value for a score (of which higher is better)."""
        return score if self.higher_is_better else 0.0 - score

    def text(self, score: float) -> str:
        """Return the metric's own value for a score as text, with the direction unless higher is better."""
        return f"{self.amount(self.value(score))}{self.direction}"

    def amount(self, value: float) -> str:
        """Return a metric value as text: percentages with two decimals, others with four digits."""
        return f"{value:.2f}" if "percent" in self.name else f"{value:.4g}"


class Metric(Protocol):
    """Accumulates batches and computes a metric; every item counts once."""

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add one batch."""

    def compute(self) -> float:
        """Return the metric over all items so far, e.g. accuracy in percent 0-100."""


class Task(ABC):
    """Data, loss and metric for training and scoring networks; plain settings, because it is sent to workers.

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
        """Shape of one input without the batch dimension, e.g. (channels, height, width); of the first of several."""

    @required
    @abstractmethod
    def num_outputs(self) -> int:
        """Number of outputs of a network."""

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
        """The name of the metric, with its unit."""
        return "score"

    @default
    def inputs(self) -> tuple[Input, ...]:
        """The inputs if they are tokens or several; empty: one real input of shape `input_shape`.

        `batches` then yields one tensor where there is one input without a name, a tuple where there are several, a
        dictionary where they have names.
        """
        return ()

    @default
    def sources(self) -> tuple[Source, ...]:
        """The files it reads, for `archsieve data`; a class attribute."""
        return ()

    @default
    def is_made_up(self) -> bool:
        """Whether it is synthetic data in place of real data."""
        return False

    def is_present(self) -> bool:
        """Whether its data are on this machine; a quick check without network access."""
        return True

    def count(self, split: Split) -> int | None:
        """Return the number of items in a split; None: unknown, and costs cannot be forecast."""
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
        """Yield the batches of `batches` as `Pending` ones, made on request; None: not supported.

        A task whose items are dear to read is then read ahead, and in each process its own part.
        """
        return None


def check_batch(batch_size: int, rng: np.random.Generator | None, augment: bool) -> None:
    """Check the arguments of `batches`.

    Raises:
        SettingError: a batch size below 1, or augmentation without `rng`.
    """
    check_whole("batch_size", batch_size, least=1)
    if augment and rng is None:
        raise SettingError("Augmentation is random, so `augment=True` needs an `rng`, but got rng=None.")


def check_task(task: Any, what: str = "`task`") -> None:
    """Check that a value is a task instance, not a name or a class.

    Raises:
        SettingError: it is not.
    """
    if not offers(task, "input_shape", "num_outputs"):
        raise wrong_kind(what, "a task", task, named_in("TASKS", task))


def completed_task(task: Any) -> Task:
    """Return a task with every attribute of `Task`: itself, or a read-only view that adds the defaults."""
    return completed(task, Task)  # type: ignore[type-abstract]


def says_count(task: Any) -> bool:
    """Whether a task declares its number of items; needs no data."""
    return has_own(task, "count", Task)


def reads_ahead(task: Any) -> bool:
    """Whether a task's batches can be made on request."""
    return has_own(task, "pending", Task)


def count_items(task: Any, split: Split) -> int:
    """Return the number of items in a split of the task.

    Raises:
        SettingError: the task does not say.
    """
    count = completed_task(task).count(split)
    if count is None:
        raise SettingError(f"The task {task.name!r} does not declare its number of items: define count(split).")
    return int(count)


def measure_of(task: Any) -> Measure:
    """Return the name and direction of a task's metric; the name is optional in a task."""
    known = completed_task(task)
    return Measure(str(known.metric_name), bool(known.higher_is_better))
