"""The pictures: those of CIFAR-10 where they are, else synthetic ones of their shape and number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve import TASKS

if TYPE_CHECKING:
    from device_parts.setting import Setting


def pictures(setting: Setting, **changes: Any) -> Any:
    """Return the task; `changes` are those of its settings."""
    if not setting.tiny and (setting.cifar or TASKS["cifar10"]().is_present()):
        return TASKS["cifar10"](source=setting.cifar, **changes)
    count, shape = setting.pictures, (3, 16, 16) if setting.tiny else (3, 32, 32)
    return TASKS["synthetic"](shape=shape, images=count, test_images=max(8, count // 5), signal=0.5, **changes)


def noise(shape: tuple[int, ...], count: int, classes: int = 10) -> Any:
    """Return a task of pictures that teach nothing."""
    return TASKS["synthetic"](shape=shape, images=count, test_images=8, num_outputs=classes)
