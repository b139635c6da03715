"""The pictures: those of CIFAR-10 where they are, else synthetic ones of their shape and number."""

from __future__ import annotations

import itertools
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from archsieve import TASKS
from archsieve.tasks.data import decoding as reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from device_parts.setting import Setting

COLUMNS = (reading.IMAGE_COLUMNS, reading.LABEL_COLUMNS)


def pictures(setting: Setting, **changes: Any) -> Any:
    """Return the task; `changes` are those of its settings."""
    if find_spec("datasets") is None:
        reading.parquet_items = _items  # so that pyarrow and Pillow will do
    if not setting.tiny and (setting.cifar or TASKS["cifar10"]().is_present()):
        return TASKS["cifar10"](source=setting.cifar, **changes)
    count, shape = setting.pictures, (3, 16, 16) if setting.tiny else (3, 32, 32)
    return TASKS["synthetic"](shape=shape, images=count, test_images=max(8, count // 5), signal=0.5, **changes)


def _items(files: Sequence[Path], split: str) -> Iterator[reading.Item]:
    """Yield the rows of parquet files in the hub's layout."""
    from pyarrow import parquet

    for file in files:
        rows = parquet.read_table(file).to_pylist()
        for i, row in enumerate(rows):
            image, label = (next(row[name] for name in names if name in row) for names in COLUMNS)
            yield reading.Item(f"row {i} of {file}", image["bytes"], label)


def noise(shape: tuple[int, ...], count: int, classes: int = 10) -> Any:
    """Return a task of pictures that teach nothing."""
    return TASKS["synthetic"](shape=shape, images=count, test_images=8, num_outputs=classes)


class Repeated:
    """A task that gives one batch of another, which lies on the device, again and again: no reading is timed."""

    def __init__(self, task: Any, times: int) -> None:
        self._task, self._times = task, times

    def __getattr__(self, name: str) -> Any:
        """Return what the task has."""
        return getattr(self._task, name)

    def batches(self, split: Any, *, batch_size: int, device: str = "cpu", **_: Any) -> Iterator[Any]:
        """Yield the first batch, un-augmented, so many times."""
        batch = next(iter(self._task.batches(split, batch_size=batch_size, device=device)))
        return itertools.repeat(batch, self._times)
