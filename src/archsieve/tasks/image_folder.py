"""Tasks of pictures in a user's folder, one folder per class; of any size, read on demand."""

from __future__ import annotations

import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import DataError, SettingError
from archsieve.tasks.data.picture_cache import Learnt, Size, learn, pixels_in
from archsieve.tasks.data.picture_folder import Found, find_pictures
from archsieve.tasks.data.targets import Place, Targets, targets_of
from archsieve.tasks.in_memory import absolute
from archsieve.tasks.own_data import PLACE, Known, OwnData
from archsieve.tasks.read_later import ReadLater, in_parts
from archsieve.values import check_whole, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.data.batching import Pending
    from archsieve.tasks.read_later import Request

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, white is 1
_LISTED = ("multi-label", "regression")  # kinds for which folders cannot say what is predicted
_FITS = ("crop", "stretch", "pad")


@dataclass(frozen=True, kw_only=True)
class ImageFolder(ReadLater, OwnData):
    """Pictures of a folder: `<class>/*.jpg`, or `train/<class>/*.jpg` with `validation/` and `test/` beside it.

    The classes are the names of the folders, sorted. With `labels`, a table names the pictures and what to say of each.
    Each picture is decoded once when the folder is first used, which names all that are broken; hashes and small sets
    of pixels are kept in the cache folder. What is trained on is augmented by `shift` and `flip`, and by nothing else.

    Attributes:
        folder: of the pictures.
        labels: a .csv, .tsv or .parquet file with a row for each picture; empty: the classes are folders.
        file_column: its column of names, relative to the folder.
        target: its column to predict; several for regression and multi-label.
        split_column: its column that says train, validation or test; empty: there is none.
        size: side of an input in pixels, or (height, width).
        channels: 3 for colours, 1 for grey.
        fit: "crop" takes the middle, "stretch" takes all, "pad" takes all and fills up with black.
        shift: of a picture to train on, in pixels, in both directions.
        flip: whether pictures to train on are mirrored at random.
        mean: of the pixels by channel, white is 1; empty: those of ImageNet.
        std: deviation of the pixels by channel.
        duplicates: "refuse" or "keep" a picture that is in two splits, or in two classes.
        threads: that decode.
        keep: whether pixels in this size are kept on the disk, up to 1 GiB of them; files are read each time if not.

    >>> ImageFolder(folder="pictures", size=32).input_shape
    (3, 32, 32)
    """

    folder: str = field(metadata=PLACE)
    labels: str = field(default="", metadata=PLACE)
    file_column: str = field(default="file", metadata=PLACE)
    target: tuple[str, ...] | str = field(default=(), metadata=PLACE)
    split_column: str = field(default="", metadata=PLACE)
    size: int | tuple[int, ...] = 224
    channels: int = 3
    fit: str = "crop"
    shift: int = 0
    flip: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    duplicates: str = "refuse"
    threads: int = field(default=4, metadata=PLACE)
    keep: bool = field(default=True, metadata=PLACE)

    name: ClassVar[str] = "images"
    kinds: ClassVar[tuple[str, ...]] = ("classification", "binary", "multi-label", "regression")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("folder", "labels"):
            object.__setattr__(self, name, absolute(getattr(self, name)))
        object.__setattr__(self, "target", (self.target,) if isinstance(self.target, str) else tuple(self.target))
        self._check_listing()
        sides: Any = (self.size,) * 2 if is_whole(self.size) else self.size
        if not isinstance(sides, tuple | list) or len(sides) != 2 or not all(is_whole(s) and s >= 1 for s in sides):
            raise SettingError(f"`size` must be a whole number from 1 on, or (height, width), but got {self.size!r}.")
        object.__setattr__(self, "size", tuple(sides))
        if self.channels not in (1, 3):
            raise SettingError(f"`channels` must be 3 for colours or 1 for grey, but got {self.channels!r}.")
        for name, allowed in (("fit", _FITS), ("duplicates", ("refuse", "keep"))):
            if getattr(self, name) not in allowed:
                raise SettingError(f"`{name}` must be one of {', '.join(allowed)}, but got {getattr(self, name)!r}.")
        check_whole("shift", self.shift, least=0)
        check_whole("threads", self.threads, least=1)
        grey = self.channels == 1
        for name, usual in (("mean", _MEAN), ("std", _STD)):
            values = tuple(map(float, getattr(self, name))) or ((float(np.mean(usual)),) if grey else usual)
            if len(values) != self.channels or (name == "std" and min(values) <= 0):
                raise SettingError(
                    f"`{name}` must be {self.channels} numbers{' above 0' * (name == 'std')}, but got {values}."
                )
            object.__setattr__(self, name, values)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return self._size.shape

    @property
    def num_outputs(self) -> int:
        """Number of classes, labels or values; 1 for a binary task. No picture is read."""
        return 1 if self.kind == "binary" else len(_targets(self._found(), self.kind, self.positive).names)

    @property
    def facts(self) -> dict[str, Any]:
        """What a user needs to run a network of this task elsewhere, including how pictures become inputs."""
        return super().facts | {"fit": self.fit, "pixel_mean": list(self.mean), "pixel_deviation": list(self.std)}

    def is_present(self) -> bool:
        """Whether the folder exists; no picture is read."""
        return Path(self.folder).is_dir()

    def known(self) -> Known:
        """Return the data of all pictures; each is decoded on the first use of its folder.

        Raises:
            MissingDataError: there is no such folder.
            DataError: it has no classes, or pictures that cannot be read or are in two splits.
        """
        found, learnt = self._learnt()
        return _known(found, learnt, self.kind, self.positive, self.duplicates == "refuse")

    def answer(self, request: Request) -> Iterator[Pending]:
        """Return the batches; order and augmentation are drawn for the whole split in advance."""
        from archsieve.tasks.data.augmentation import draw_moves

        order, moves = self.members(request.split), None
        if request.rng is not None:
            order = request.rng.permutation(order)
            if request.augment and (self.shift or self.flip):
                moves = draw_moves(len(order), self.shift, self.flip, request.rng)
        return in_parts(len(order), request.batch_size, partial(self._batch, order, moves, request.device))

    @property
    def _size(self) -> Size:
        sides: Any = self.size  # two of them, as __post_init__ left it
        height, width = sides
        return Size(self.channels, height, width, self.fit)

    def _check_listing(self) -> None:
        if not self.labels and (self.target or self.split_column or self.kind in _LISTED):
            what = "`target`" if self.target else "`split_column`" if self.split_column else f"kind = {self.kind!r}"
            raise SettingError(f"{what} needs `labels`, a table with a row for each picture.")
        if self.labels and not self.target:
            raise SettingError(f"`target` must name the column of {self.labels} to predict.")
        if len(self.target) > 1 and self.kind not in _LISTED:
            raise SettingError(f"The kind {self.kind!r} has one target, but `target` names {len(self.target)} columns.")

    def _found(self) -> Found:
        listing = (self.labels, self.file_column, self.target, self.split_column) if self.labels else None
        return _found(self.folder, listing, self.kind in _LISTED)

    def _learnt(self) -> tuple[Found, Learnt]:
        found = self._found()
        return found, _learnt(found, self._size, self.threads, self.keep)

    def _batch(
        self, order: NDArray[np.int64], moves: NDArray[np.int64] | None, device: str, part: slice
    ) -> tuple[Tensor, Tensor]:
        import torch

        from archsieve.tasks.data.augmentation import moved
        from archsieve.tasks.data.moving import constant, sent

        places = order[part]
        pixels = sent(torch.from_numpy(self._pixels(places)), device)
        if moves is not None:
            pixels = moved(pixels, sent(torch.from_numpy(moves[part]), device), self.shift)
        mean, std = (constant(values, device).view(-1, 1, 1) for values in (self.mean, self.std))
        inputs = pixels.to(torch.float32).div_(255).sub_(mean).div_(std)
        return inputs, sent(torch.from_numpy(self.answers(places)), device)

    def _pixels(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        found, learnt = self._learnt()
        if learnt.pixels is not None:
            return learnt.pixels[places]
        paths = [found.folder / found.names[place] for place in places.tolist()]
        with ThreadPoolExecutor(self.threads) as threads:
            return np.stack(list(threads.map(partial(pixels_in, size=self._size), paths)))


@functools.lru_cache(maxsize=4)
def _found(folder: str, listing: tuple[Any, ...] | None, are_numbers: bool) -> Found:
    if listing is None:
        return find_pictures(Path(folder))
    from archsieve.tasks.data.picture_list import listed_pictures

    table, files, target, splits = listing
    return listed_pictures(
        Path(folder), Path(table), file_column=files, target=target, split_column=splits, are_numbers=are_numbers
    )


@functools.lru_cache(maxsize=4)
def _targets(found: Found, kind: str, positive: str) -> Targets:
    raw, place = found.raw, Place(f"The folder {found.folder}", lambda index: found.names[index])
    if raw is None:
        if kind == "classification":
            return Targets(found.labels, found.classes)
        return targets_of(np.array(found.classes)[found.labels], kind, place, positive=positive)
    targets = targets_of(raw, kind, place, positive=positive)
    return targets._replace(names=found.classes or targets.names)


@functools.lru_cache(maxsize=4)
def _learnt(found: Found, size: Size, threads: int, keep: bool) -> Learnt:
    """Return the data of a folder, read once per process; the files must not change meanwhile."""
    return learn(found, size, threads, keep)


@functools.lru_cache(maxsize=4)
def _known(found: Found, learnt: Learnt, kind: str, positive: str, refuse: bool) -> Known:
    groups = np.unique(np.array(learnt.hashes), return_inverse=True)[1].reshape(-1)
    if refuse:
        _refuse_duplicates(found, groups)
    targets = _targets(found, kind, positive)
    digest = hashlib.sha256("\n".join(found.classes or targets.names).encode())
    digest.update("".join(learnt.hashes).encode() + found.labels.astype("<i8").tobytes())
    digest.update(b"" if found.given is None else found.given.tobytes())
    digest.update(b"" if found.raw is None else targets.values.tobytes())
    what = str(found.folder)
    return Known(digest.hexdigest(), targets.values, targets.names, found.given, what, groups, len(found.names))


def _refuse_duplicates(found: Found, groups: NDArray[np.int64]) -> None:
    """Raise an error for a picture in two splits or in two classes.

    Raises:
        DataError: there is one; names it and says how many there are.
    """
    order = np.argsort(groups, kind="stable")
    same = np.flatnonzero(groups[order][1:] == groups[order][:-1])
    pairs = list(zip(order[same].tolist(), order[same + 1].tolist(), strict=True))
    given = np.zeros(len(groups), np.int8) if found.given is None else found.given
    for values, what in ((found.labels, "classes" if found.raw is None else "rows that differ"), (given, "splits")):
        odd = [(first, second) for first, second in pairs if values[first] != values[second]]
        if odd:
            first, second = (found.names[place] for place in odd[0])
            more = f", and {len(odd) - 1} more" if len(odd) > 1 else ""
            raise DataError(
                f"A picture of {found.folder} is in two {what}: {first} and {second}{more}. Remove one of each, or "
                f"set duplicates = 'keep'."
            )
