"""Scenes: pictures with a label for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


IGNORED = 255
"""The label of a pixel that is neither trained nor scored on."""


class Scene(NamedTuple):
    """A picture, uint8 (C, H, W), and the label of each of its pixels, uint8 (H, W)."""

    picture: NDArray[np.uint8]
    labels: NDArray[np.uint8]


class Part(Protocol):
    """Scenes by number, which may differ in size; any thread may ask."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, index: int, /) -> Scene:
        """Return one scene."""


class Scenes(NamedTuple):
    """All scenes of a task: those to train and validate on, and those to test on."""

    train: Part
    test: Part


class Look(NamedTuple):
    """How pictures are normalised, and within which bounds they are augmented."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scales: tuple[float, float]
    distort: bool
