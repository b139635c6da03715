"""Handwritten digits of 8 x 8 pixels from scikit-learn, available on every machine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from archsieve.errors import SettingError, require
from archsieve.randomness import generator
from archsieve.tasks.data.images import Images, read_only
from archsieve.tasks.image_classification import ImageClassification
from archsieve.values import check_whole

IMAGES = 1797


@dataclass(frozen=True)
class Digits(ImageClassification):
    """1,797 pictures (1, 8, 8) of the digits 0 to 9, divided into test items and the rest.

    The pictures are the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, UCI
    Machine Learning Repository, 1998, CC BY 4.0), as shipped with scikit-learn. It has no published split:
    the test images are drawn once for all, by a fixed seed; a fifth unless more or fewer are asked for.

    Attributes:
        test_images: how many test, in 1..1796.

    >>> Digits().input_shape, Digits().num_outputs
    ((1, 8, 8), 10)
    """

    test_images: int = 359

    name: ClassVar[str] = "digits"
    input_shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
    num_outputs: ClassVar[int] = 10
    white: ClassVar[int] = 16
    mean: ClassVar[tuple[float, ...]] = (0.305,)
    std: ClassVar[tuple[float, ...]] = (0.376,)
    crop_padding: ClassVar[int] = 1  # no flip: a mirrored digit is another sign

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        check_whole("test_images", self.test_images, least=1)
        if self.test_images >= IMAGES:
            raise SettingError(
                f"`test_images < {IMAGES}` must hold, but got {self.test_images}: no image is left for training."
            )

    def load(self) -> Images:
        """Return the pictures, with pixel values 0 to 16.

        Raises:
            MissingPackageError: scikit-learn is not installed.
        """
        return _load(self.test_images)

    def identity(self) -> dict[str, Any]:
        """Return what results depend on; identities from before `test_images` existed stay valid."""
        settings = super().identity()
        if self.test_images == Digits.test_images:
            del settings["test_images"]
        return settings


@functools.cache
def _load(test_images: int) -> Images:
    require("sklearn", "data")
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, np.newaxis]
    labels = digits.target.astype(np.int64)
    order = generator(0, "split", "digits", "test").permutation(len(labels))
    test, train = order[:test_images], order[test_images:]
    return read_only(Images(images[train], labels[train], images[test], labels[test]))
