"""Pictures of one size as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Images(NamedTuple):
    """All pictures of a task: uint8 pixels of shape (n, C, H, W) and int64 labels of shape (n,)."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def read_only(images: Images) -> Images:
    """Return the same arrays, write-protected, because a process shares them."""
    for array in images:
        array.flags.writeable = False
    return images
