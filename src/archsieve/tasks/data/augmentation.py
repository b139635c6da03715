"""Batch augmentation of pictures of one size, with random numbers drawn in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def draw_moves(count: int, padding: int, flip: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (count, 3): first row and column of the crop in the padded picture, and whether to mirror."""
    ends = [2 * padding + 1, 2 * padding + 1, 2 if flip else 1]
    return rng.integers(0, ends, size=(count, 3))


def moved(pixels: Tensor, moves: Tensor, padding: int) -> Tensor:
    """Return crops of the zero-padded pictures at the original size, mirrored where `moves` says so.

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


def draw_holes(count: int, height: int, width: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (count, 2): row and column of the centre pixel of the hole in `cut_out`."""
    return rng.integers(0, [height, width], size=(count, 2))


def cut_out(inputs: Tensor, holes: Tensor, side: int) -> Tensor:
    """Return normalised pictures with a square of `side` pixels set to 0, the mean (cutout, arXiv 1708.04552).

    Where the square reaches over the border, less is cut out. Of an even side, one pixel more lies above and to the
    left of the middle than below and to the right.
    """
    import torch

    height, width = inputs.shape[-2:]
    rows = _within(torch.arange(height, device=inputs.device), holes[:, 0:1], side)
    columns = _within(torch.arange(width, device=inputs.device), holes[:, 1:2], side)
    return inputs.masked_fill((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0.0)


def _within(places: Tensor, middle: Tensor, side: int) -> Tensor:
    """Return which positions, (n, positions), are less than half a side from the centre."""
    first = middle - side // 2
    return (places >= first) & (places < first + side)
