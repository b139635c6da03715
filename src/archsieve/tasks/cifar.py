"""CIFAR-10 and CIFAR-100: 50,000 + 10,000 photographs of 32 x 32 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.sources import Source
from archsieve.tasks.data.published import Published
from archsieve.tasks.image_classification import ImageClassification

if TYPE_CHECKING:
    from archsieve.tasks.data.images import Images

TOTALS = (50_000, 10_000)


def _published(name: str, classes: int) -> Published:
    hub_id = f"uoft-cs/{name}"
    train, test = (
        Source(
            file=f"{name}-{split}.parquet",
            origin=f"https://huggingface.co/datasets/{hub_id}",
            licence="none stated",
            citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        )
        for split in ("train", "test")
    )
    return Published(name, hub_id, (train, test), shape=(3, 32, 32), classes=classes)


@dataclass(frozen=True)
class _CIFAR(ImageClassification):
    """Common part of both tasks.

    Attributes:
        source: where the data are; see `archsieve.tasks.data.published.Published.find`. It is not part of the
            identity, the hash of the pixels and labels it holds is.
    """

    source: str = ""

    published: ClassVar[Published]
    crop_padding: ClassVar[int] = 4
    flip: ClassVar[bool] = True

    def load(self) -> Images:
        """Return the pictures; see `Published.load`."""
        return self.published.load(self.source)

    def totals(self) -> tuple[int, int]:
        """Return the number of pictures for training and validation, and for testing.

        The published ones are not read for it; a copy in `source` may have fewer.
        """
        return super().totals() if self.source and self.is_present() else TOTALS

    def is_present(self) -> bool:
        """Whether the data are on this machine; a quick check without network access."""
        return self.published.is_present(self.source)

    def identity(self) -> dict[str, Any]:
        """Return name, version, settings and content; see `Published.content`."""
        return {**self._settings(), "content": self.published.content(self.source)}

    def former_identities(self) -> list[dict[str, Any]]:
        """Return the identities of the same data in earlier versions, which run folders may hold."""
        return [{**self._settings(), "content": former} for former in self.published.former_contents(self.source)]

    def _settings(self) -> dict[str, Any]:
        return {name: value for name, value in super().identity().items() if name != "source"}


@dataclass(frozen=True)
class CIFAR10(_CIFAR):
    """Ten classes of photographs (3, 32, 32); augmented by random crops after padding by 4, and by mirroring.

    >>> CIFAR10().input_shape, CIFAR10().num_outputs
    ((3, 32, 32), 10)
    """

    name: ClassVar[str] = "cifar10"
    published: ClassVar[Published] = _published("cifar10", 10)
    sources: ClassVar[tuple[Source, ...]] = published.sources
    input_shape: ClassVar[tuple[int, ...]] = published.shape
    num_outputs: ClassVar[int] = published.classes
    mean: ClassVar[tuple[float, ...]] = (0.49139968, 0.48215827, 0.44653124)
    std: ClassVar[tuple[float, ...]] = (0.24703233, 0.24348505, 0.26158768)


@dataclass(frozen=True)
class CIFAR100(_CIFAR):
    """A hundred classes (the fine labels) of photographs; otherwise as `CIFAR10`.

    >>> CIFAR100().input_shape, CIFAR100().num_outputs
    ((3, 32, 32), 100)
    """

    name: ClassVar[str] = "cifar100"
    published: ClassVar[Published] = _published("cifar100", 100)
    sources: ClassVar[tuple[Source, ...]] = published.sources
    input_shape: ClassVar[tuple[int, ...]] = published.shape
    num_outputs: ClassVar[int] = published.classes
    mean: ClassVar[tuple[float, ...]] = (0.5071, 0.4865, 0.4409)
    std: ClassVar[tuple[float, ...]] = (0.2673, 0.2564, 0.2762)
