"""Scenes: pictures with a label for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


IGNORED = 255
"""The label of a pixel that is neither trained nor scored on."""


class Scene(NamedTuple):
    """A picture, uint8 (C, H, W), and its pixel labels, uint8 (H, W)."""

    picture: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class Part(Protocol):
    """Scenes by index, of possibly different sizes; thread-safe."""

    def __len__(self) -> int:
        """Return the number of scenes."""

    def __getitem__(self, index: int, /) -> Scene:
        """Return one scene."""


class Scenes(NamedTuple):
    """All scenes of a task: those for training and validation, and those for testing."""

    train: Part
    test: Part


class Look(NamedTuple):
    """The normalisation of pictures, and the bounds of their augmentation."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scales: tuple[float, float]
    distort: bool
