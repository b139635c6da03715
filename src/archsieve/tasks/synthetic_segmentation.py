"""Synthetic scenes for segmentation: a pixel's class depends on its neighbourhood, not on its own value."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.tasks.data.scenes import IGNORED, Scene, Scenes
from archsieve.tasks.segmentation import Segmentation
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = 3
MARK = 48.0
"""How far the light and the dark pixels of a texture lie from the middle, in pixel values."""


@dataclass(frozen=True)
class SyntheticSegmentation(Segmentation):
    """Textured discs and rectangles on noise, in place of real scenes.

    Every pixel is lighter or darker than the middle, equally often whatever its class: 0, the background, at random;
    1 in rows of two pixels, 2 in columns, 3 in squares. So colours say nothing, and what a network learns of a pixel it
    has learnt of its neighbours. Pixels at a border are ignored.

    Attributes:
        side: of the pictures, in pixels, at least 16.
        images: number of training pictures, validation included.
        test_images: number of test pictures.
        noise: standard deviation of each pixel's noise, in pixel values.
        shuffle_masks: gives every training picture the labels of another one, so that there is nothing to learn; the
            test pictures keep theirs.
        data_seed: draws everything.

    >>> task = SyntheticSegmentation(side=32, images=10)
    >>> task.load().train[0].picture.shape, task.load().train[0].labels.shape
    ((3, 32, 32), (32, 32))
    """

    side: int = 64
    images: int = 200
    test_images: int = 50
    noise: float = 16.0
    shuffle_masks: bool = False
    data_seed: int = 0

    name: ClassVar[str] = "synthetic-segmentation"
    num_outputs: ClassVar[int] = 4
    mean: ClassVar[tuple[float, ...]] = (0.5,) * CHANNELS
    std: ClassVar[tuple[float, ...]] = (0.15,) * CHANNELS
    scales: ClassVar[tuple[float, float]] = (0.8, 1.25)  # a texture of two pixels does not outlive half its size
    is_made_up: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("side", self.side, least=16)
        for name in ("images", "test_images"):
            check_whole(name, getattr(self, name), least=2 if self.shuffle_masks else 1)
        check_whole("data_seed", self.data_seed)
        if not isinstance(self.noise, int | float) or not 0 <= self.noise < math.inf:
            raise SettingError(f"`0 <= noise < inf` must hold, but got {self.noise!r}.")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(3, side, side)."""
        return CHANNELS, self.side, self.side

    def load(self) -> Scenes:
        """Return the scenes, generated in each process; equal settings give equal pixels."""
        return _draw(self.side, self.images, self.test_images, float(self.noise), self.data_seed, self.shuffle_masks)

    def totals(self) -> tuple[int, int]:
        """Return the number of scenes for training and validation, and for testing."""
        return self.images, self.test_images

    def identity(self) -> dict[str, object]:
        """Return name, version and settings; 16 and 16.0 are the same noise."""
        return {**super().identity(), "noise": float(self.noise)}


@functools.lru_cache(maxsize=4)
def _draw(side: int, train: int, test: int, noise: float, seed: int, shuffle: bool) -> Scenes:
    def draw(part: str, count: int) -> tuple[Scene, ...]:
        # A generator for each part: how many pictures one has does not change the other.
        rng = generator(seed, "sample", "synthetic-segmentation", part)
        return tuple(_scene(side, noise, rng) for _ in range(count))

    trained = draw("train", train)
    if shuffle:
        order = generator(seed, "sample", "synthetic-segmentation", "shuffle").permutation(train).tolist()
        donors = dict(zip(order, [*order[1:], order[0]], strict=True))  # one cycle: no scene keeps its own
        trained = tuple(Scene(scene.picture, trained[donors[i]].labels) for i, scene in enumerate(trained))
    return Scenes(trained, draw("test", test))


def _scene(side: int, noise: float, rng: np.random.Generator) -> Scene:
    """Return noise with two to four overlapping shapes on it."""
    rows, columns = np.indices((side, side))
    signs, labels = rng.integers(2, size=(side, side)), np.zeros((side, side), dtype=np.uint8)
    for _ in range(rng.integers(2, 5)):
        label, down, across = int(rng.integers(1, 4)), *rng.integers(4, size=2)
        up_and_down, left_and_right = (rows + down) // 2, (columns + across) // 2
        texture = (up_and_down, left_and_right, up_and_down + left_and_right)[label - 1] % 2
        inside = _shape(rows, columns, side, rng)
        signs, labels = np.where(inside, texture, signs), np.where(inside, np.uint8(label), labels)
    colour = rng.uniform(0.5, 1, size=(CHANNELS, 1, 1)) * rng.choice((-1, 1), size=(CHANNELS, 1, 1))
    pixels = 127.5 + MARK * colour * (2 * signs - 1) + noise * rng.standard_normal((CHANNELS, side, side))
    picture = np.rint(pixels).clip(0, 255).astype(np.uint8)
    labels[_borders(labels)] = IGNORED
    for array in (picture, labels):
        array.flags.writeable = False  # a process shares them between all who ask
    return Scene(picture, labels)


def _shape(
    rows: NDArray[np.int64], columns: NDArray[np.int64], side: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return the pixels of a disc or a rectangle, a quarter to a half of the picture wide."""
    middle, reach = rng.integers(side, size=2), rng.uniform(side / 8, side / 4, size=2)
    down, across = np.abs(rows - middle[0]), np.abs(columns - middle[1])
    if rng.random() < 0.5:
        inside: NDArray[np.bool_] = np.hypot(down, across) <= reach[0]
    else:
        inside = (down <= reach[0]) & (across <= reach[1])
    return inside


def _borders(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels with a vertical or horizontal neighbour of another class."""
    differs = np.zeros(labels.shape, dtype=bool)
    for axis in (0, 1):
        step = np.diff(labels.astype(np.int64), axis=axis) != 0
        before, after = ([slice(None), slice(None)] for _ in range(2))
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        differs[tuple(before)] |= step
        differs[tuple(after)] |= step
    return differs
