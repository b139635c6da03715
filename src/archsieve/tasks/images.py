"""Image classification once for all: splits, batches, augmentation, loss, accuracy; a task adds its data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.registry import near_miss
from archsieve.sources import Source  # noqa: TC001 - `typing.get_type_hints` of a task needs it
from archsieve.task import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.task import Split


class Images(NamedTuple):
    """All pictures of a task: uint8 pixels of shape (n, C, H, W) and int64 labels of shape (n,)."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


class Accuracy:
    """Share of items whose largest output is the target's, in percent 0-100; every item counts once.

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
        """Take in one batch: outputs (n, classes) and targets (n,)."""
        hits = (outputs.argmax(1) == targets) & ~outputs.isnan().any(1)
        self._correct = self._correct + hits.sum()
        self._count += len(targets)

    def compute(self) -> float:
        """Return the accuracy in percent over all items so far; NaN if there were none."""
        return 100 * int(self._correct) / self._count if self._count else float("nan")


@dataclass(frozen=True)
class ImageClassification(ABC):
    """A task whose inputs are pictures and whose targets are class numbers.

    A subclass says what its data are (`load`) and how they are treated (the class attributes). Its fields
    are settings and go into its identity.

    Attributes:
        validation_fraction: share of the training data set aside as "validation", in [0, 1).
        split_seed: draws which ones.
        train_fraction: share of the rest that is trained on, in (0, 1], always the same pictures.
    """

    validation_fraction: float = 0.1
    split_seed: int = 0
    train_fraction: float = field(default=1.0, kw_only=True)

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raised whenever the same data would give other inputs
    higher_is_better: ClassVar[bool] = True
    sources: ClassVar[tuple[Source, ...]] = ()
    metric_name: ClassVar[str] = "accuracy in percent"
    white: ClassVar[int] = 255  # the pixel value that becomes 1
    mean: ClassVar[tuple[float, ...]]  # after that, by channel; one value stands for all channels
    std: ClassVar[tuple[float, ...]]
    crop_padding: ClassVar[int] = 0
    flip: ClassVar[bool] = False

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
        """(channels, height, width)."""

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Number of classes."""

    @abstractmethod
    def load(self) -> Images:
        """Return the pictures, as read-only arrays that a process reads once."""

    def is_present(self) -> bool:
        """Whether the data are on this machine; cheap, and asks no network."""
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

    def totals(self) -> tuple[int, int]:
        """Return how many pictures there are to train and validate on, and how many to test on."""
        data = self.load()
        return len(data.train_labels), len(data.test_labels)

    def count(self, split: Split) -> int:
        """Return how many items a split has."""
        total, tests = self.totals()
        trained, kept = self._cuts(total)
        self._check_trained(trained, total)
        return {"train": trained, "validation": total - kept, "test": tests}[split]

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, targets) once through `split`; see `archsieve.task.Task.batches`.

        Order and augmentation are drawn from `rng` in this call, on the CPU and for the whole split: the
        stream of items depends neither on the batch size nor on the device, and is the same if the
        caller stops early. Inputs are float32 (n, C, H, W), targets int64 (n,).

        Raises:
            SettingError: an unknown split, a batch size below 1, or augmentation without `rng`.
        """
        check_whole("batch_size", batch_size, least=1)
        if augment and rng is None:
            raise SettingError("Augmentation is random, so `augment=True` needs an `rng`, but got rng=None.")
        images, labels, order = self._part(split)
        if augment and images.ndim != 4:
            raise SettingError(f"Only pictures can be augmented, but an item has the shape {images.shape[1:]}.")
        moves = None
        if rng is not None:
            order = rng.permutation(order)
            if augment:
                moves = _draw_moves(len(order), self.crop_padding, self.flip, rng)
        return self._stream(images, labels, order, moves, batch_size, device)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy of outputs (n, classes) and targets (n,)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, targets)

    def metric(self) -> Accuracy:
        """Return a new `Accuracy`."""
        return Accuracy()

    def _part(self, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """Return the pictures and labels that hold `split`, and the indices that belong to it."""
        if split not in SPLITS:
            raise SettingError(f"There is no split {split!r}.{near_miss(str(split), SPLITS)}")
        data = self.load()
        if split == "test":
            return data.test_images, data.test_labels, np.arange(len(data.test_labels))
        total = len(data.train_labels)
        trained, kept = self._cuts(total)
        self._check_trained(trained, total)
        order = generator(self.split_seed, "split").permutation(total)
        return data.train_images, data.train_labels, order[:trained] if split == "train" else order[kept:]

    def _check_trained(self, trained: int, total: int) -> None:
        if trained == 0:
            raise SettingError(
                f"validation_fraction={self.validation_fraction} and train_fraction={self.train_fraction} leave none "
                f"of the {total} training images of {self.name!r} for training."
            )

    def _cuts(self, total: int) -> tuple[int, int]:
        """Return how many of `total` are trained on, and where those to validate on begin."""
        # Over the decimals that the user wrote: in floats, (1 - 0.9) * 10 is just below 1.
        kept = (1 - Fraction(repr(float(self.validation_fraction)))) * total
        return int(int(kept) * Fraction(repr(float(self.train_fraction)))), int(kept)

    def _stream(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        order: NDArray[np.int64],
        moves: NDArray[np.int64] | None,
        batch_size: int,
        device: str,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        channels = (-1,) + (1,) * (images.ndim - 2)
        mean, std = (torch.tensor(v, device=device).view(channels) for v in (self.mean, self.std))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            pixels = torch.from_numpy(images[chosen]).to(device)
            if moves is not None:
                move = torch.from_numpy(moves[start : start + batch_size]).to(device)
                pixels = _moved(pixels, move, self.crop_padding)
            inputs = pixels.to(torch.float32).div_(self.white).sub_(mean).div_(std)
            yield inputs, torch.from_numpy(labels[chosen]).to(device)


def check_whole(name: str, value: object, *, least: int | None = None) -> None:
    """Refuse a setting that is no whole number, or is below `least`.

    Raises:
        SettingError: naming the setting, the rule and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise SettingError(f"`{name}` must be a whole number, but got {value!r}.")
    if least is not None and value < least:
        raise SettingError(f"`{name} >= {least}` must hold, but got {value}.")


def read_only(images: Images) -> Images:
    """Return the same arrays, locked: a process shares them between all who ask."""
    for array in images:
        array.flags.writeable = False
    return images


def _draw_moves(count: int, padding: int, flip: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (count, 3): first row and first column of the crop in the padded picture, and flip or not."""
    ends = [2 * padding + 1, 2 * padding + 1, 2 if flip else 1]
    return rng.integers(0, ends, size=(count, 3))


def _moved(pixels: Tensor, moves: Tensor, padding: int) -> Tensor:
    """Return crops of the pictures padded with black, each of the old size, mirrored where `moves` says so.

    Black pixels, and not the mean: padding comes before normalising, as in the usual CIFAR recipe.
    """
    import torch
    from torch.nn.functional import pad

    count, channels, height, width = pixels.shape
    across = torch.arange(width, device=pixels.device)
    mirrored = (moves[:, 2] == 1).view(-1, 1)
    columns = torch.where(mirrored, across.flip(0), across) + moves[:, 1:2]
    rows = torch.arange(height, device=pixels.device) + moves[:, 0:1]
    item = torch.arange(count, device=pixels.device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=pixels.device).view(1, -1, 1, 1)
    padded = pad(pixels, (padding,) * 4)
    return padded[item, channel, rows.view(count, 1, height, 1), columns.view(count, 1, 1, width)]
