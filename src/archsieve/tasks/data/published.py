"""Published data sets: where a copy may be, what tells one copy from another, and the arrays it holds."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archsieve.errors import DataError, MissingDataError
from archsieve.sources import sha256_of
from archsieve.tasks.data import array_cache
from archsieve.tasks.data import decoding as reading
from archsieve.tasks.data.images import Images

if TYPE_CHECKING:
    from archsieve.sources import Source


@dataclass(frozen=True)
class Copy:
    """One copy of a data set. `where` is its folder or hub id; the paths are files, or folders of classes."""

    kind: Literal["parquet", "folder", "hub"]
    where: str
    train: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Published:
    """A data set as published: its name, its place on the Hugging Face hub, and what a copy must hold.

    Attributes:
        name: copies are called `<name>-train.parquet` and `<name>-test.parquet`.
        hub_id: where it is on the hub.
        sources: those two files in `ARCHSIEVE_DATA`, training first.
        shape: (C, H, W) of every picture.
        classes: number of labels.
    """

    name: str
    hub_id: str
    sources: tuple[Source, Source]
    shape: tuple[int, int, int]
    classes: int

    def find(self, source: str = "") -> Copy:
        """Return the copy that `source` names; nothing is read or downloaded yet.

        Args:
            source: empty for `ARCHSIEVE_DATA` and, where that has none, the hub; else a folder of parquet
                files, an image folder (`train/<class>/*.png`, `test/<class>/*.png`), or a hub id.

        Raises:
            MissingDataError: no such folder, or only one of the two files.
            DataError: a folder that holds neither.
        """
        if not source:
            if all(s.find() is None for s in self.sources):
                return Copy("hub", self.hub_id)
            train, test = (s.require().absolute() for s in self.sources)
            return Copy("parquet", str(train.parent), (train,), (test,))
        folder = Path(source).expanduser().absolute()
        if folder.is_dir():
            return self._in_folder(folder)
        if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source) and not folder.exists():
            return Copy("hub", source)
        raise MissingDataError(
            f"There is no folder {source!r}: `source` must be a folder of parquet files or images, or an "
            f"id of the Hugging Face hub such as {self.hub_id!r}."
        )

    def is_present(self, source: str = "") -> bool:
        """Whether the copy is on this machine; the hub's is, once it has been decoded here."""
        try:
            copy = self.find(source)
        except (MissingDataError, DataError):
            return False
        return copy.kind != "hub" or array_cache.is_kept(self.name, copy.where)

    def content(self, source: str = "") -> str:
        """Return what tells this copy from others: the hash of its files, or its id on the hub.

        A hub id is a public name, the same before and after the download, so that asking costs none.
        """
        return _content(self.find(source))

    def load(self, source: str = "") -> Images:
        """Return the pictures; a process opens them once, and data are taken not to change while it lives.

        Raises:
            MissingDataError: the copy is not there, or the hub cannot be reached.
            DataError: the copy is damaged, or is not this data set.
        """
        return _load(self, self.find(source), array_cache.cache_folder())

    def _in_folder(self, folder: Path) -> Copy:
        named = {split: folder / f"{self.name}-{split}.parquet" for split in ("train", "test")}
        if all(path.is_file() for path in named.values()):
            return Copy("parquet", str(folder), (named["train"],), (named["test"],))
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return Copy("folder", str(folder), (folder / "train",), (folder / "test",))
        # A clone of the hub's repository: shards in the folder, or in one below it.
        for below in (folder, *sorted(p for p in folder.iterdir() if p.is_dir())):
            train, test = (tuple(sorted(below.glob(f"{split}-*.parquet"))) for split in ("train", "test"))
            if train and test:
                return Copy("parquet", str(folder), train, test)
        raise DataError(
            f"The folder {folder} must hold {named['train'].name} and {named['test'].name}, or folders "
            "train/ and test/ with a folder of images for each class, but holds neither."
        )


@functools.cache
def _content(copy: Copy) -> str:
    if copy.kind == "hub":
        return copy.where
    hashes = [[sha256_of(path) for path in paths] for paths in (copy.train, copy.test)]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


@functools.lru_cache(maxsize=2)
def _load(published: Published, copy: Copy, cache: Path) -> Images:
    # `cache` is a key only: another cache folder is another place to look.
    return array_cache.kept(
        published.name,
        _content(copy),
        lambda: _decoded(published, copy),
        shape=published.shape,
        classes=published.classes,
    )


def _decoded(published: Published, copy: Copy) -> Images:
    if copy.kind == "hub":
        parts = reading.hub_items(copy.where)
    elif copy.kind == "folder":
        folders = copy.train[0], copy.test[0]
        names = reading.class_names(folders, published.classes)
        parts = reading.folder_items(folders[0], names), reading.folder_items(folders[1], names)
    else:
        parts = reading.parquet_items(copy.train, "train"), reading.parquet_items(copy.test, "test")
    train, test = (
        reading.decode(part, f"The {split} split of {copy.where}", published.shape, published.classes)
        for split, part in zip(("train", "test"), parts, strict=True)
    )
    return Images(*train, *test)
