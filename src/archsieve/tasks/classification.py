"""Common part of classification tasks: settings, splits, loss, accuracy; a task adds the reading of items."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.registry import near_miss
from archsieve.sources import Source  # noqa: TC001 - `typing.get_type_hints` of a task needs it
from archsieve.tasks.contract import SPLITS, Task
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.contract import Metric, Split


class Accuracy:
    """The share of items whose largest output is the target's, in percent 0-100, higher is better.

    An item with a NaN among its outputs has no largest one and counts as wrong. Over no items at all the
    accuracy is NaN: nothing was measured.

    >>> import torch
    >>> accuracy = Accuracy()
    >>> accuracy.update(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    >>> accuracy.compute()
    50.0
    """

    def __init__(self) -> None:
        self._correct: Tensor | int = 0  # stays on the device, so that no batch waits for the one before
        self._count = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add one batch: outputs (n, classes) and targets (n,)."""
        hits = (outputs.argmax(1) == targets) & ~outputs.isnan().any(1)
        self._correct = self._correct + hits.sum()
        self._count += len(targets)

    def compute(self) -> float:
        """Return the accuracy in percent over all items so far; NaN without items."""
        return 100 * int(self._correct) / self._count if self._count else float("nan")


@dataclass(frozen=True)
class Classification(Task):
    """A task whose targets are class numbers. Its fields are settings and part of its identity.

    Attributes:
        validation_fraction: share of the training data set aside as "validation", in [0, 1).
        split_seed: draws the items of "validation".
        train_fraction: share of the rest that is trained on, in (0, 1], always the same items.
    """

    validation_fraction: float = 0.1
    split_seed: int = 0
    train_fraction: float = field(default=1.0, kw_only=True)

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raised whenever the same data would give other inputs
    higher_is_better: ClassVar[bool] = True
    sources: ClassVar[tuple[Source, ...]] = ()
    metric_name: ClassVar[str] = "accuracy in percent"

    def __post_init__(self) -> None:
        fraction = self.validation_fraction
        if not isinstance(fraction, int | float) or not 0 <= fraction < 1:
            raise SettingError(f"`0 <= validation_fraction < 1` must hold, but got {fraction!r}.")
        check_whole("split_seed", self.split_seed)
        share = self.train_fraction
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise SettingError(f"`0 < train_fraction <= 1` must hold, but got {share!r}.")

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Number of classes."""

    @abstractmethod
    def totals(self) -> tuple[int, int]:
        """Return the number of items for training and validation, and for testing."""

    def is_present(self) -> bool:
        """Whether the data are on this machine; a quick check without network access."""
        return True

    def identity(self) -> dict[str, Any]:
        """Return what results depend on: name, version and settings."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        # 0 and 0.0 are one setting, and must not give two identities.
        settings["validation_fraction"] = float(self.validation_fraction)
        settings["train_fraction"] = float(self.train_fraction)
        if self.train_fraction == 1:  # identities from before there was such a setting stay true
            del settings["train_fraction"]
        return {"name": self.name, "version": self.version, **settings}

    def count(self, split: Split) -> int:
        """Return the number of items in a split."""
        total, tests = self.totals()
        trained, kept = self._cuts(total)
        return {"train": trained, "validation": total - kept, "test": tests}[split]

    def members(self, split: Split, total: int, tests: int) -> NDArray[np.int64]:
        """Return the indices of a split's items, of `total` for training and validation, or `tests` for testing.

        Raises:
            SettingError: an unknown split.
        """
        if split not in SPLITS:
            raise SettingError(f"There is no split {split!r}.{near_miss(str(split), SPLITS)}")
        if split == "test":
            return np.arange(tests)
        trained, kept = self._cuts(total)
        order = generator(self.split_seed, "split").permutation(total)
        return order[:trained] if split == "train" else order[kept:]

    def loss(self, outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Return the mean cross entropy of outputs (n, classes) and targets (n,).

        `label_smoothing` is the share of each target that is spread evenly over all classes (arXiv 1512.00567).
        """
        from torch.nn.functional import cross_entropy

        check_outputs(self.name, outputs, targets)
        return cross_entropy(outputs, targets, label_smoothing=label_smoothing)

    def metric(self) -> Metric:
        """Return a new `Accuracy`."""
        return Accuracy()

    def _cuts(self, total: int) -> tuple[int, int]:
        """Return how many of `total` items are for training, and the start index of the validation items."""
        # Over the decimals that the user wrote: in floats, (1 - 0.9) * 10 is just below 1.
        kept = int((1 - Fraction(repr(float(self.validation_fraction)))) * total)
        trained = int(kept * Fraction(repr(float(self.train_fraction))))
        if trained == 0:
            raise SettingError(
                f"validation_fraction={self.validation_fraction} and train_fraction={self.train_fraction} leave none "
                f"of the {total} training images of {self.name!r} for training."
            )
        return trained, kept


def check_outputs(name: str, outputs: Tensor, targets: Tensor) -> None:
    """Raise an error for outputs of the wrong shape, for example one output per item instead of per pixel.

    Raises:
        SettingError: naming the task and both shapes.
    """
    if outputs.dim() != targets.dim() + 1:
        raise SettingError(
            f"The task {name!r} has targets of shape {tuple(targets.shape)}, but the network returns outputs of shape "
            f"{tuple(outputs.shape)}: choose a space whose networks classify "
            f"{'whole items' if targets.dim() == 1 else 'every pixel'}."
        )
