"""Augmentation of single photographs of any size: cropping and colour changes, thread-safe, with a given generator.

Steps and their order are those of the usual ImageNet recipe, on Pillow's pictures: Pillow lets other threads work.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from archsieve.tasks.data.decoding import Picture

_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def augmented(picture: Picture, side: int, jitter: tuple[float, ...], rng: np.random.Generator) -> Picture:
    """Return a random crop of a picture as a square, randomly mirrored and with changed colours.

    Args:
        picture: of any size.
        side: of the square, in pixels.
        jitter: how far brightness, contrast, saturation and hue may change, 0 for not at all.
        rng: draws.
    """
    from PIL.Image import Resampling, Transpose

    part = picture.resize((side, side), Resampling.BILINEAR, box=random_box(picture.width, picture.height, rng))
    if rng.random() < 0.5:
        part = part.transpose(Transpose.FLIP_LEFT_RIGHT)
    return coloured(part, jitter, rng)


def random_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return left, upper, right, lower of a random crop: 8 to 100 % of the area, 3:4 to 4:3 (arXiv 1409.4842).

    Where ten draws do not fit, it is the greatest part of allowed ratio, centred.
    """
    for _ in range(_ATTEMPTS):
        area = width * height * rng.uniform(*_AREA)
        ratio = math.exp(rng.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, upper = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
            return left, upper, left + across, upper + down
    across, down = min(width, max(1, round(height * _RATIO[1]))), min(height, max(1, round(width / _RATIO[0])))
    left, upper = (width - across) // 2, (height - down) // 2
    return left, upper, left + across, upper + down


def coloured(picture: Picture, jitter: tuple[float, ...], rng: np.random.Generator) -> Picture:
    """Return a picture with brightness, contrast, saturation and hue changed in random order.

    The first three are multiplied by a factor in [1 - j, 1 + j], at least 0; the hue turns by a share of the circle in
    [-j, j].
    """
    changes = (_brightness, _contrast, _saturation, _hue)
    for which in rng.permutation(len(changes)).tolist():
        if jitter[which]:
            middle = 0.0 if changes[which] is _hue else 1.0
            low = middle - jitter[which]
            amount = rng.uniform(max(0.0, low) if middle else low, middle + jitter[which])
            picture = changes[which](picture, amount)
    return picture


def centred(picture: Picture, side: int, shorter: int) -> Picture:
    """Return the central square of a picture after resizing its shorter side to `shorter` pixels."""
    from PIL.Image import Resampling

    width, height = picture.size
    scale = shorter / min(width, height)
    # The longer side is cut to whole pixels, as is usual.
    size = (shorter, int(height * scale)) if width <= height else (int(width * scale), shorter)
    left, upper = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return picture.resize(size, Resampling.BILINEAR).crop((left, upper, left + side, upper + side))


def _brightness(picture: Picture, factor: float) -> Picture:
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(picture).enhance(factor)


def _contrast(picture: Picture, factor: float) -> Picture:
    from PIL import ImageEnhance

    return ImageEnhance.Contrast(picture).enhance(factor)


def _saturation(picture: Picture, factor: float) -> Picture:
    from PIL import ImageEnhance

    return ImageEnhance.Color(picture).enhance(factor)


def _hue(picture: Picture, turn: float) -> Picture:
    from PIL import Image

    hue, saturation, value = picture.convert("HSV").split()
    steps = round(turn * 256)
    turned = hue.point([(level + steps) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")
