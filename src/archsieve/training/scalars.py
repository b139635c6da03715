"""Training figures for TensorBoard."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from archsieve.errors import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


@contextmanager
def scalars(folder: Path | None) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Yield a function that writes an epoch's figures to TensorBoard's folder, or nowhere.

    Raises:
        MissingPackageError: tensorboard is not installed.
    """
    if folder is None:
        yield lambda epoch, figures: None
        return
    require("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def write(epoch: int, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

        yield write
