"""Classification of pictures that fit into memory: batches and augmentation; a task adds its data."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.errors import SettingError
from archsieve.tasks.classification import Classification
from archsieve.tasks.contract import check_batch
from archsieve.tasks.data.augmentation import cut_out, draw_holes, draw_moves, moved
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.contract import Split
    from archsieve.tasks.data.images import Images


@dataclass(frozen=True)
class ImageClassification(Classification):
    """A task whose inputs are pictures and whose targets are class numbers.

    A subclass says what its data are (`load`) and how they are treated (the class attributes).

    Attributes:
        cutout: side of the square that is cut out of each picture to augment it, in pixels; 0 for none.
    """

    cutout: int = field(default=0, kw_only=True)

    white: ClassVar[int] = 255  # the pixel value that becomes 1
    mean: ClassVar[tuple[float, ...]]  # after that, by channel; one value stands for all channels
    std: ClassVar[tuple[float, ...]]
    crop_padding: ClassVar[int] = 0
    flip: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("cutout", self.cutout, least=0)

    @abstractmethod
    def load(self) -> Images:
        """Return the pictures as read-only arrays, read once per process."""

    def identity(self) -> dict[str, Any]:
        """Return what results depend on: name, version and settings."""
        settings = super().identity()
        if self.cutout == 0:  # identities from before there was such a setting stay true
            del settings["cutout"]
        return settings

    def totals(self) -> tuple[int, int]:
        """Return the number of pictures for training and validation, and for testing."""
        data = self.load()
        return len(data.train_labels), len(data.test_labels)

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, targets) once through `split`; see `archsieve.tasks.contract.Task.batches`.

        Order and augmentation are drawn from `rng` in this call, on the CPU and for the whole split: the
        stream of items depends neither on the batch size nor on the device, and is the same if the
        caller stops early. Inputs are float32 (n, C, H, W), targets int64 (n,).

        Raises:
            SettingError: an unknown split, a batch size below 1, or augmentation without `rng`.
        """
        check_batch(batch_size, rng, augment)
        data = self.load()
        order = self.members(split, len(data.train_labels), len(data.test_labels))
        test = split == "test"
        images, labels = (data.test_images, data.test_labels) if test else (data.train_images, data.train_labels)
        if augment and images.ndim != 4:
            raise SettingError(f"Only pictures can be augmented, but an item has the shape {images.shape[1:]}.")
        moves = holes = None
        if rng is not None:
            order = rng.permutation(order)
            if augment:
                moves = draw_moves(len(order), self.crop_padding, self.flip, rng)
                if self.cutout:
                    holes = draw_holes(len(order), images.shape[2], images.shape[3], rng)
        return self._stream(images, labels, order, moves, holes, batch_size, device)

    def _stream(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        order: NDArray[np.int64],
        moves: NDArray[np.int64] | None,
        holes: NDArray[np.int64] | None,
        batch_size: int,
        device: str,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        from archsieve.tasks.data.moving import constant, sent

        channels = (-1,) + (1,) * (images.ndim - 2)
        mean, std = (constant(tuple(v), device).view(channels) for v in (self.mean, self.std))
        take = _taker(images, labels, order, device)
        moved_by, gaps = (None if draws is None else sent(torch.from_numpy(draws), device) for draws in (moves, holes))
        for start in range(0, len(order), batch_size):
            part = slice(start, start + batch_size)
            pixels, targets = take(part)
            if moved_by is not None:
                pixels = moved(pixels, moved_by[part], self.crop_padding)
            inputs = pixels.to(torch.float32).div_(self.white).sub_(mean).div_(std)
            if gaps is not None:
                inputs = cut_out(inputs, gaps[part], self.cutout)
            yield inputs, targets


def _taker(
    images: NDArray[np.uint8], labels: NDArray[np.int64], order: NDArray[np.int64], device: str
) -> Callable[[slice], tuple[Tensor, Tensor]]:
    """Return a function that gives the pixels and labels of a part of the order, on the device.

    On an accelerator all pictures are stored on the device and selected there, so that no batch waits for a copy.
    """
    import torch

    from archsieve.tasks.data.moving import is_resident, resident, sent

    if is_resident(images, device):
        pixels, targets = resident(images, device), resident(labels, device)
        places = sent(torch.from_numpy(order), device)
        return lambda part: (pixels[places[part]], targets[places[part]])
    arrays: tuple[NDArray[Any], ...] = images, labels

    def take(part: slice) -> tuple[Tensor, Tensor]:
        pixels, targets = (sent(torch.from_numpy(array[order[part]]), device) for array in arrays)
        return pixels, targets

    return take
