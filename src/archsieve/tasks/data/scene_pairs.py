"""Conversion of scenes to network inputs: scaling, cropping, mirroring, colour changes and normalisation.

Each scene is treated on the CPU with its own generator, so that neither threads nor the rest of the batch matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from archsieve.tasks.data.moving import constant, sent
from archsieve.tasks.data.scenes import IGNORED, Look, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

BRIGHTNESS = 32.0
FACTORS = (0.5, 1.5)
"""Of contrast and saturation."""
TURN = 0.1
"""Of the hue, as a share of the circle."""


class Pair(NamedTuple):
    """An input (C, h, w) and its pixel labels (H, W)."""

    inputs: Tensor
    labels: Tensor

    @property
    def shape(self) -> tuple[torch.Size, torch.Size]:
        """Both sizes, equal for all pairs of a batch."""
        return self.inputs.shape, self.labels.shape


def stacked(pairs: Sequence[Pair], device: str) -> tuple[Tensor, Tensor]:
    """Return the batch of pairs of equal size."""
    inputs, labels = torch.stack([p.inputs for p in pairs]), torch.stack([p.labels for p in pairs])
    return sent(inputs, device), sent(labels, device).long()


def whole(scene: Scene, size: Sequence[int], look: Look) -> Pair:
    """Return the whole picture scaled to just cover `size`, and the labels unchanged."""
    picture, labels = _tensors(scene)
    return Pair(_normalised(_scaled(picture, _covering(picture, size)), look), labels)


def cropped(scene: Scene, size: Sequence[int], look: Look) -> Pair:
    """Return the central crop of the scene, scaled to just cover `size`."""
    picture, labels = _tensors(scene)
    sides = _covering(picture, size)
    top, left = ((side - wanted) // 2 for side, wanted in zip(sides, size, strict=True))
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    picture, labels = _scaled(picture, sides), _scaled_labels(labels, sides)
    return Pair(_normalised(picture[:, rows, columns], look), labels[rows, columns])


def augmented(scene: Scene, size: Sequence[int], look: Look, rng: np.random.Generator) -> Pair:
    """Return a random crop of the scene at a random scale, randomly mirrored and with changed colours.

    The scale is relative to that at which the scene just covers `size`. Where the scene ends, at the bottom and at the
    right, are zeros (the mean) and ignored pixels.
    """
    picture, labels = _tensors(scene)
    scale = rng.uniform(*look.scales)
    sides = [max(1, round(side * scale)) for side in _covering(picture, size)]
    top, left = (int(rng.integers(max(0, s - w) + 1)) for s, w in zip(sides, size, strict=True))
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    picture, labels = _scaled(picture, sides)[:, rows, columns], _scaled_labels(labels, sides)[rows, columns]
    if rng.random() < 0.5:
        picture, labels = picture.flip(-1), labels.flip(-1)
    if look.distort:
        picture = distorted(picture, rng)
    missing = (0, size[1] - labels.shape[1], 0, size[0] - labels.shape[0])
    return Pair(pad(_normalised(picture, look), missing), pad(labels, missing, value=IGNORED))


def distorted(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a picture (C, H, W) of pixels 0 to 255 with brightness, contrast, saturation and hue changed.

    Each with probability a half: brightness by up to 32, contrast by a factor in [0.5, 1.5], before or after the
    colours; of three channels, saturation by such a factor and hue by up to a tenth of the circle.
    """
    brighter, contrasted, early, saturated, turned = rng.random(5) < 0.5
    shift, turn = rng.uniform(-BRIGHTNESS, BRIGHTNESS), rng.uniform(-TURN, TURN)
    contrast, saturation = rng.uniform(*FACTORS, size=2)
    if brighter:
        picture = (picture + shift).clamp(0, 255)
    if contrasted and early:
        picture = (picture * contrast).clamp(0, 255)
    if len(picture) == 3 and (saturated or turned):
        picture = _recoloured(picture, saturation if saturated else 1.0, turn if turned else 0.0)
    if contrasted and not early:
        picture = (picture * contrast).clamp(0, 255)
    return picture


def _recoloured(picture: Tensor, saturation: float, turn: float) -> Tensor:
    """Return the picture with its saturation multiplied and its hue rotated in HSV."""
    red, green, blue = picture
    value, least = picture.amax(0), picture.amin(0)
    spread = value - least
    sixth = torch.where(spread > 0, spread, 1.0)  # a sixth of the circle in the units of the differences
    hue = torch.where(
        value == red,
        (green - blue) / sixth,
        torch.where(value == green, (blue - red) / sixth + 2, (red - green) / sixth + 4),
    )
    chroma = value * (spread / value.clamp(min=1e-6) * saturation).clamp(max=1)
    channels = []
    for offset in (5, 3, 1):
        place = (offset + hue + 6 * turn) % 6
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp(0, 1))
    return torch.stack(channels)


def _tensors(scene: Scene) -> tuple[Tensor, Tensor]:
    return torch.tensor(scene.picture, dtype=torch.float32), torch.tensor(scene.labels)


def _covering(picture: Tensor, size: Sequence[int]) -> list[int]:
    """Return the sides of the smallest picture with the same aspect ratio that covers `size`."""
    height, width = picture.shape[1:]
    scale = max(size[0] / height, size[1] / width)
    return [max(wanted, round(side * scale)) for side, wanted in zip((height, width), size, strict=True)]


def _scaled(picture: Tensor, sides: Sequence[int]) -> Tensor:
    if list(picture.shape[1:]) == list(sides):
        return picture
    return interpolate(picture[None], size=list(sides), mode="bilinear", align_corners=False)[0]


def _scaled_labels(labels: Tensor, sides: Sequence[int]) -> Tensor:
    """Return the labels resized by nearest neighbour, because class numbers cannot be interpolated."""
    if list(labels.shape) == list(sides):
        return labels
    return interpolate(labels[None, None], size=list(sides), mode="nearest-exact")[0, 0]


def _normalised(picture: Tensor, look: Look) -> Tensor:
    mean, std = (constant(tuple(values), "cpu").view(-1, 1, 1) for values in (look.mean, look.std))
    return (picture / 255 - mean) / std
