"""ImageNet (ILSVRC 2012): a thousand classes of photographs of any size, read on demand."""

from __future__ import annotations

import functools
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import DataError, MissingDataError, SettingError, require
from archsieve.sources import Source
from archsieve.tasks.classification import Classification
from archsieve.tasks.data.decoding import class_names, opened, pixels_of
from archsieve.tasks.data.parquet_trial import try_parquet
from archsieve.tasks.data.photographs import augmented, centred
from archsieve.tasks.data.picture_index import folder_pictures, table_pictures
from archsieve.tasks.data.published import Copy
from archsieve.tasks.read_later import ReadLater, in_parts
from archsieve.values import check_whole, path_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.data.batching import Pending
    from archsieve.tasks.data.picture_index import Pictures
    from archsieve.tasks.read_later import Request

HUB_ID = "ILSVRC/imagenet-1k"
CLASSES, TOTALS = 1000, (1_281_167, 50_000)
_TEST_FOLDERS = ("val", "validation")


@dataclass(frozen=True)
class ImageNet(ReadLater, Classification):
    """A thousand classes of photographs, or those of another folder; the published validation set is the test set.

    To train, a random part of each picture is resized, mirrored and its colours changed; to score, the middle is taken.

    Attributes:
        source: a folder (`train/<class>/*.JPEG`, `val/<class>/*.JPEG`, or the hub's parquet files) or an id of the
            Hugging Face hub; empty for the folder `imagenet` in `ARCHSIEVE_DATA` and, where there is none, the hub. It
            is not part of the identity; names and sizes of what it holds are.
        num_outputs: classes.
        size: side of an input in pixels.
        resize: what the shorter side is resized to before the middle is taken, in pixels.
        colour_jitter: of brightness, contrast, saturation and hue; see `archsieve.tasks.data.photographs.coloured`.
        threads: that read pictures; no part of the identity.

    >>> ImageNet().input_shape, ImageNet().num_outputs
    ((3, 224, 224), 1000)
    """

    source: str = ""
    num_outputs: int = CLASSES
    size: int = 224
    resize: int = 256
    colour_jitter: tuple[float, ...] = (0.4, 0.4, 0.4, 0.2)
    threads: int = 4

    name: ClassVar[str] = "imagenet"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            file="imagenet",
            origin=f"https://huggingface.co/datasets/{HUB_ID}",
            licence="non-commercial research and education, after agreeing to its terms",
            citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, 2015, arXiv 1409.0575",
        ),
    )
    mean: ClassVar[tuple[float, ...]] = (0.485, 0.456, 0.406)
    std: ClassVar[tuple[float, ...]] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        for name, least in (("num_outputs", 2), ("size", 1), ("resize", 1), ("threads", 1)):
            check_whole(name, getattr(self, name), least=least)
        if self.resize < self.size:
            raise SettingError(f"`size <= resize` must hold, but got size={self.size} and resize={self.resize}.")
        object.__setattr__(self, "colour_jitter", tuple(map(float, self.colour_jitter)))  # a list, as files have it
        if len(self.colour_jitter) != 4 or not all(j >= 0 for j in self.colour_jitter) or self.colour_jitter[3] > 0.5:
            raise SettingError(
                "`colour_jitter` must be four numbers, brightness, contrast, saturation at least 0 and hue in 0..0.5, "
                f"but got {self.colour_jitter}."
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Three colour channels of a square."""
        return 3, self.size, self.size

    def totals(self) -> tuple[int, int]:
        """Return the number of pictures for training and validation, and for testing."""
        if not self.source and not self.is_present():
            return TOTALS
        train, test = (_pictures(self._copy(), part, self.num_outputs) for part in ("train", "test"))
        return len(train.labels), len(test.labels)

    def is_present(self) -> bool:
        """Whether the data are in a local folder; a quick check that ignores the hub's cache."""
        try:
            return self._copy().kind != "hub"
        except (MissingDataError, DataError):
            return False

    def identity(self) -> dict[str, Any]:
        """Return name, version, settings and the identity of the source."""
        settings = super().identity()
        del settings["source"], settings["threads"]
        return {**settings, "content": _content(self._copy(), self.num_outputs)}

    def answer(self, request: Request) -> Iterator[Pending]:
        """Return the batches; the order and one seed are drawn, from which each picture derives its own."""
        require("PIL", "data")
        train, test = (_pictures(self._copy(), part, self.num_outputs) for part in ("train", "test"))
        order, seed = self.members(request.split, len(train.labels), len(test.labels)), None
        if request.rng is not None:
            order = request.rng.permutation(order)
            seed = int(request.rng.integers(2**63)) if request.augment else None
        pictures = test if request.split == "test" else train
        return in_parts(len(order), request.batch_size, partial(self._batch, pictures, order, seed, request.device))

    def _batch(
        self, pictures: Pictures, order: NDArray[np.int64], seed: int | None, device: str, part: slice
    ) -> tuple[Tensor, Tensor]:
        import torch

        from archsieve.tasks.data.moving import constant, sent

        indices = order[part]
        with ThreadPoolExecutor(self.threads) as threads:
            decode = partial(self._pixels, pictures, seed)
            pixels = np.stack(list(threads.map(decode, indices.tolist(), range(part.start, part.stop))))
        mean, std = (constant(v, device).view(-1, 1, 1) for v in (self.mean, self.std))
        inputs = sent(torch.from_numpy(pixels), device).to(torch.float32).div_(255).sub_(mean).div_(std)
        return inputs, sent(torch.from_numpy(pictures.labels[indices]), device)

    def _pixels(self, pictures: Pictures, seed: int | None, index: int, place: int) -> NDArray[np.uint8]:
        item = pictures.item(index)
        picture = opened(item.encoded, f"the image in {item.where}")
        if seed is None:
            return pixels_of(centred(picture, self.size, self.resize))
        rng = np.random.default_rng([seed, place])
        return pixels_of(augmented(picture, self.size, self.colour_jitter, rng))

    def _copy(self) -> Copy:
        """Return the copy that `source` names.

        Raises:
            MissingDataError: there is no such folder.
            DataError: the folder holds neither folders of classes nor parquet files.
        """
        if not self.source:
            path = self.sources[0].find()
            return Copy("hub", HUB_ID) if path is None else _in_folder(path.absolute())
        folder = path_in(self.source).expanduser().absolute()
        if folder.is_dir():
            return _in_folder(folder)
        if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", self.source) and not folder.exists():
            return Copy("hub", self.source)
        raise MissingDataError(
            f"There is no folder {self.source!r}: `source` must be a folder with train/ and val/, or of parquet files, "
            f"or an id of the Hugging Face hub such as {HUB_ID!r}."
        )


def _in_folder(folder: Path) -> Copy:
    for name in _TEST_FOLDERS:
        if (folder / "train").is_dir() and (folder / name).is_dir():
            return Copy("folder", str(folder), (folder / "train",), (folder / name,))
    for below in (folder, folder / "data"):
        train, test = (tuple(sorted(below.glob(f"{split}-*.parquet"))) for split in ("train", "validation"))
        if train and test:
            return Copy("parquet", str(folder), train, test)
    raise DataError(
        f"The folder {folder} must hold folders train/ and val/ with a folder of images for each class, or files "
        "train-*.parquet and validation-*.parquet, but holds neither."
    )


@functools.lru_cache(maxsize=4)
def _pictures(copy: Copy, part: str, classes: int) -> Pictures:
    paths = copy.train if part == "train" else copy.test
    if copy.kind == "folder":
        return folder_pictures(paths[0], class_names([copy.train[0], copy.test[0]], classes))
    split = "train" if part == "train" else "validation"
    if copy.kind == "parquet":
        try_parquet(paths)
    return table_pictures(copy.where if copy.kind == "hub" else paths, split, classes)


def _content(copy: Copy, classes: int) -> str:
    """Return the identity of this copy: names and sizes of its files, or its hub id."""
    if copy.kind == "hub":
        return copy.where
    if copy.kind == "folder":
        return " ".join(_pictures(copy, part, classes).content for part in ("train", "test"))
    sizes = "".join(f"{path.name} {path.stat().st_size}\n" for path in (*copy.train, *copy.test))
    return hashlib.sha256(sizes.encode()).hexdigest()
