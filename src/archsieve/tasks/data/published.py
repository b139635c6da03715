"""Published data sets: the possible locations of a copy, its identity, and its arrays.

Two copies are the same if they hold the same pixels and labels in the same order, whatever files hold them.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from archsieve.errors import DataError, MissingDataError
from archsieve.sources import sha256_of
from archsieve.tasks.data import array_cache
from archsieve.tasks.data import decoding as reading
from archsieve.tasks.data.images import Images
from archsieve.tasks.data.parquet_trial import try_parquet
from archsieve.values import path_in

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.sources import Source


@dataclass(frozen=True)
class Copy:
    """One copy of a data set. `where` is its folder or hub id; paths are files, or folders of classes."""

    kind: Literal["parquet", "folder", "hub"]
    where: str
    train: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


@dataclass(frozen=True)
class KnownCopy:
    """A copy with results from before copies were identified by their pixels; it keeps its old name.

    Attributes:
        content: its name: the hash of its files. These files need no decoding to be recognised.
        pixels: the hash of what they hold, as Pillow with libjpeg-turbo decodes them.
        words: what a person calls the pictures.
    """

    content: str
    pixels: str
    words: str


KNOWN = (
    KnownCopy(  # of CIFAR-10: the shipped score tables were made on it
        content="8061bec366e65122181e5af150deccd952405d9edb4f986f314a5c4f41076141",
        pixels="b9120c9ea75cc9b9ff427cdaf68fe1f0f83352bf3b85a84995cfcbd5637dbf61",
        words="JPEG pictures",
    ),
)


def words_of(content: str) -> str:
    """Return the name of a data set's copy for messages.

    >>> words_of("uoft-cs/cifar10")
    'uoft-cs/cifar10 of the Hugging Face hub'
    """
    if "/" in content:
        return f"{content} of the Hugging Face hub"
    words = next((f"{copy.words}, " for copy in KNOWN if copy.content == content), "")
    return f"{words}content {content[:8]}"


@dataclass(frozen=True)
class Published:
    """A published data set: its name, its Hugging Face hub id, and the required contents of a copy.

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
        """Return the copy that `source` names, without reading or downloading.

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
        folder = path_in(source).expanduser().absolute()
        if folder.is_dir():
            return self._in_folder(folder)
        if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source) and not folder.exists():
            return Copy("hub", source)
        raise MissingDataError(
            f"There is no folder {source!r}: `source` must be a folder of parquet files or images, or an "
            f"id of the Hugging Face hub such as {self.hub_id!r}."
        )

    def is_present(self, source: str = "") -> bool:
        """Whether the copy is on this machine; for the hub, once it has been decoded here."""
        try:
            copy = self.find(source)
        except (MissingDataError, DataError):
            return False
        return copy.kind != "hub" or array_cache.is_kept(self.name, copy.where)

    def content(self, source: str = "") -> str:
        """Return the identity of this copy: the hash of pixels, labels and order, or the hub id.

        Pictures are decoded once and kept, and so is the hash. The files of a known copy need no decoding. A hub id is
        a public name, the same before and after the download, so that asking costs none.

        Raises:
            MissingDataError: the copy is not there.
            DataError: the copy is damaged, or is not this data set.
        """
        copy = self.find(source)
        return copy.where if copy.kind == "hub" else _content(self, copy, array_cache.cache_folder())

    def former_contents(self, source: str = "") -> tuple[str, ...]:
        """Return this copy's identities in run folders of earlier versions: the hash of its files."""
        copy = self.find(source)
        return () if copy.kind == "hub" else (_hash_of_files(copy),)

    def load(self, source: str = "") -> Images:
        """Return the pictures, opened once per process; the data must not change meanwhile.

        Raises:
            MissingDataError: the copy is not there, or the hub cannot be reached.
            DataError: the copy is damaged, or is not this data set.
        """
        return _load(self, self.find(source), array_cache.cache_folder())

    def _in_folder(self, folder: Path) -> Copy:
        paths = {split: folder / f"{self.name}-{split}.parquet" for split in ("train", "test")}
        if all(path.is_file() for path in paths.values()):
            return Copy("parquet", str(folder), (paths["train"],), (paths["test"],))
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return Copy("folder", str(folder), (folder / "train",), (folder / "test",))
        # A clone of the hub's repository: shards in the folder, or in one below it.
        for below in (folder, *sorted(p for p in folder.iterdir() if p.is_dir())):
            train, test = (tuple(sorted(below.glob(f"{split}-*.parquet"))) for split in ("train", "test"))
            if train and test:
                return Copy("parquet", str(folder), train, test)
        raise DataError(
            f"The folder {folder} must hold {paths['train'].name} and {paths['test'].name}, or folders "
            "train/ and test/ with a folder of images for each class, but holds neither."
        )


@functools.cache
def _content(published: Published, copy: Copy, cache: Path) -> str:
    # `cache` is a key only: another cache folder is another place to look.
    files = _hash_of_files(copy)
    if any(files == edition.content for edition in KNOWN):
        return files
    pixels = array_cache.noted(published.name, files, lambda: hash_of_pixels(_load(published, copy, cache)))
    return next((edition.content for edition in KNOWN if edition.pixels == pixels), pixels)


def hash_of_pixels(images: Images) -> str:
    """Return a hash of all pixels and labels in order, equal on every machine."""
    digest = hashlib.sha256()
    for array in images:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str} {plain.shape} ".encode())
        digest.update(plain.data)
    return digest.hexdigest()


@functools.cache
def _hash_of_files(copy: Copy) -> str:
    """Return the hash of a copy's files, or its hub id; it names the cache folder."""
    if copy.kind == "hub":
        return copy.where
    hashes = [[sha256_of(path) for path in paths] for paths in (copy.train, copy.test)]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


@functools.lru_cache(maxsize=2)
def _load(published: Published, copy: Copy, cache: Path) -> Images:
    return array_cache.kept(  # `cache` is a key only
        published.name,
        _hash_of_files(copy),
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
        try_parquet((*copy.train, *copy.test))
        parts = reading.parquet_items(copy.train, "train"), reading.parquet_items(copy.test, "test")
    train, test = (
        reading.decode(part, f"The {split} split of {copy.where}", published.shape, published.classes)
        for split, part in zip(("train", "test"), parts, strict=True)
    )
    return Images(*train, *test)
