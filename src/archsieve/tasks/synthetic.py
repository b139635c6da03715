"""Synthetic pictures, series or vectors: noise of any shape, with or without class structure."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.tasks.data.images import Images, read_only
from archsieve.tasks.image_classification import ImageClassification
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATCH = 4
"""Pixels along a side of the even patches of a prototype: large, so that a crop does not destroy it."""


@dataclass(frozen=True)
class Synthetic(ImageClassification):
    """Normal noise around a prototype per class, in place of real pictures.

    Normalised inputs are close to standard normal where `signal` is 0. Classes are of equal size, give or
    take one picture, and training and test pictures share their prototypes.

    Attributes:
        shape: (channels, height, width), (channels, length) or (features,).
        num_outputs: number of classes.
        images: number of training pictures, validation included.
        test_images: number of test pictures.
        signal: size of the prototypes in standard deviations of the noise; 0 is noise alone.
        data_seed: draws prototypes and noise.

    >>> Synthetic(shape=(3, 16, 16), num_outputs=4).load().train_images.shape
    (1000, 3, 16, 16)
    """

    shape: tuple[int, ...] = (3, 32, 32)
    num_outputs: int = 10
    images: int = 1000
    test_images: int = 200
    signal: float = 0.0
    data_seed: int = 0

    name: ClassVar[str] = "synthetic"
    mean: ClassVar[tuple[float, ...]] = (0.5,)
    std: ClassVar[tuple[float, ...]] = (0.25,)
    crop_padding: ClassVar[int] = 4
    flip: ClassVar[bool] = True
    is_made_up: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.shape, tuple | list) or not 1 <= len(self.shape) <= 3:
            raise SettingError(
                f"`shape` must be (channels, height, width), (channels, length) or (features,), but got {self.shape!r}."
            )
        for place, size in enumerate(self.shape):
            check_whole(f"shape[{place}]", size, least=1)
        # A list, as plan files have it, is no key of a cache.
        object.__setattr__(self, "shape", tuple(self.shape))
        for name in ("num_outputs", "images", "test_images"):
            check_whole(name, getattr(self, name), least=1)
        check_whole("data_seed", self.data_seed)
        if not isinstance(self.signal, int | float) or not 0 <= self.signal < math.inf:
            raise SettingError(f"`0 <= signal < inf` must hold, but got {self.signal!r}.")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The setting `shape`."""
        return self.shape

    def totals(self) -> tuple[int, int]:
        """Return the number of pictures for training and validation, and for testing; none is generated."""
        return self.images, self.test_images

    def load(self) -> Images:
        """Return the pictures, generated in each process; equal settings give equal pixels."""
        signal = float(self.signal)
        return _draw(self.shape, self.num_outputs, self.images, self.test_images, signal, self.data_seed)

    def identity(self) -> dict[str, object]:
        """Return name, version and settings; 0 and 0.0 are the same signal."""
        return {**super().identity(), "signal": float(self.signal)}


@functools.lru_cache(maxsize=4)
def _draw(shape: tuple[int, ...], classes: int, train: int, test: int, signal: float, seed: int) -> Images:
    prototypes = _prototypes(shape, classes, seed) * np.float32(signal) if signal else None

    def draw(part: str, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        # A generator for each part: how many pictures one has does not change the other.
        rng = generator(seed, "sample", "synthetic", part)
        labels = rng.permutation(np.arange(count, dtype=np.int64) % classes)
        noise = rng.standard_normal((count, *shape), dtype=np.float32)
        if prototypes is not None:
            noise += prototypes[labels]
        return np.rint(255 * (0.5 + 0.25 * noise)).clip(0, 255).astype(np.uint8), labels

    return read_only(Images(*draw("train", train), *draw("test", test)))


def _prototypes(shape: tuple[int, ...], classes: int, seed: int) -> NDArray[np.float32]:
    """Return a prototype of coloured patches per class, (classes, *shape)."""
    channels, *sides = shape
    coarse = (classes, channels, *(math.ceil(side / PATCH) for side in sides))
    prototypes = generator(seed, "sample", "synthetic", "prototypes").standard_normal(coarse, dtype=np.float32)
    for axis, side in enumerate(sides, 2):
        prototypes = prototypes.repeat(PATCH, axis=axis).take(range(side), axis=axis)
    return prototypes
