"""Tasks with random targets, and the task of noise in the shape of any inputs."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.tasks.classification import Accuracy, check_outputs
from archsieve.tasks.contract import Task
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

    from archsieve.networks.form import Given, Input
    from archsieve.tasks.contract import Metric, Split

LossName: TypeAlias = Literal["cross_entropy", "mse", "bce"]
LOSSES: dict[LossName, str] = {
    "cross_entropy": "cross entropy of classes",
    "mse": "mean squared error",
    "bce": "binary cross entropy of logits",
}
"""The losses and what they are called."""


def default_loss(num_outputs: int) -> LossName:
    """Return the default loss: mean squared error for one output, cross entropy for several."""
    return "mse" if num_outputs == 1 else "cross_entropy"


class MeanError:
    """The mean over items of a per-item loss."""

    def __init__(self, task: Untaught) -> None:
        self._task, self._sum, self._count = task, 0.0, 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Add one batch."""
        self._sum += float(self._task.loss(outputs, targets)) * len(targets)
        self._count += len(targets)

    def compute(self) -> float:
        """Return the mean over all items so far; NaN without items."""
        return self._sum / self._count if self._count else float("nan")


class Untaught(Task):
    """A task with random targets: classes, normal numbers ("mse"), or zeros and ones ("bce")."""

    num_outputs: int
    loss_name: LossName
    is_made_up: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole("num_outputs", self.num_outputs, least=1)
        if self.loss_name not in LOSSES:
            raise SettingError(f"The loss must be one of {', '.join(LOSSES)}, but got {self.loss_name!r}.")

    @property
    @abstractmethod
    def name(self) -> str:
        """The task's name."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the networks."""

    @abstractmethod
    def count(self, split: Split) -> int:
        """Return the number of items in a split."""

    @abstractmethod
    def given(self, split: Split) -> Given:
        """Return the inputs of all items of a split."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.inputs[0].shape

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric is the accuracy."""
        return self.loss_name == "cross_entropy"

    @property
    def metric_name(self) -> str:
        """The name of the metric."""
        return "accuracy in percent" if self.higher_is_better else LOSSES[self.loss_name]

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Given, Tensor]]:
        """Yield (inputs, targets) once through `split`; see `archsieve.tasks.contract.Task.batches`.

        Raises:
            SettingError: `augment` is True.
        """
        import torch

        from archsieve.networks.inputs import items_in, mapped

        check_whole("batch_size", batch_size, least=1)
        if augment:
            raise SettingError(f"The inputs of the task {self.name!r} cannot be augmented.")
        inputs = self.given(split)
        count = items_in(inputs)
        targets = self._targets(split, count)
        order = torch.arange(count) if rng is None else torch.from_numpy(rng.permutation(count))
        for places in torch.split(order, batch_size):
            yield mapped(inputs, partial(_picked, places=places, device=device)), targets[places].to(device)

    def _targets(self, split: Split, count: int) -> Tensor:
        import torch

        rng = generator(0, "sample", "untaught", split)
        if self.loss_name == "cross_entropy":
            return torch.from_numpy(rng.integers(self.num_outputs, size=count))
        shape = (count, self.num_outputs)
        numbers = rng.standard_normal(shape) if self.loss_name == "mse" else rng.integers(2, size=shape)
        return torch.from_numpy(numbers).float()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over the batch; outputs may have the shape (n,) instead of (n, 1).

        Raises:
            SettingError: outputs and targets do not fit.
        """
        from torch.nn import functional

        if self.loss_name == "cross_entropy":
            check_outputs(self.name, outputs, targets)
            return functional.cross_entropy(outputs, targets)
        if outputs.numel() != targets.numel():
            raise SettingError(
                f"The task {self.name!r} has {self.num_outputs} targets per item, but the network returns outputs of "
                f"shape {tuple(outputs.shape)}."
            )
        outputs = outputs.reshape(targets.shape)
        if self.loss_name == "mse":
            return functional.mse_loss(outputs, targets)
        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def metric(self) -> Metric:
        """Return a new `Accuracy`, or a new mean of the loss."""
        return Accuracy() if self.higher_is_better else MeanError(self)


@dataclass(frozen=True)
class Noise(Untaught):
    """Noise in the shape of any inputs: normal real numbers, uniform tokens.

    Attributes:
        form: the inputs.
        num_outputs: classes, or numbers that a network puts out.
        loss_name: "cross_entropy", "mse" or "bce".
        items: of each split.
        data_seed: of the inputs.

    >>> from archsieve.networks.form import Input
    >>> tokens = Noise((Input((4,), tokens=9),), 2)
    >>> inputs, targets = next(tokens.batches("train", batch_size=3))
    >>> inputs.shape, inputs.dtype, bool((inputs < 9).all()), targets.shape
    (torch.Size([3, 4]), torch.int64, True, torch.Size([3]))
    """

    form: tuple[Input, ...]
    num_outputs: int
    loss_name: LossName = "cross_entropy"
    items: int = 128
    data_seed: int = 0
    name: ClassVar[str] = "noise"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("items", self.items, least=1)
        check_whole("data_seed", self.data_seed)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs."""
        return self.form

    def count(self, split: Split) -> int:
        """Return the number of items, the same for each split."""
        return self.items

    def given(self, split: Split) -> Given:
        """Return the inputs of all items; every call draws the same ones."""
        import torch

        from archsieve.networks.inputs import arranged

        def draw(place: int, each: Input) -> Tensor:
            rng, shape = generator(self.data_seed, "sample", "noise", split, place), (self.items, *each.shape)
            if each.tokens is None:
                return torch.from_numpy(rng.standard_normal(shape, dtype="float32"))
            return torch.from_numpy(rng.integers(each.tokens, size=shape))

        return arranged(self.form, [draw(place, each) for place, each in enumerate(self.form)])


def _picked(tensor: Tensor, places: Tensor, device: str) -> Tensor:
    return tensor[places].to(device)
