"""Picture collections too large for memory: index, labels, and encoded pictures one at a time."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from archsieve._reading import LARGEST_PICTURE, read_bytes
from archsieve.errors import DataError, MissingDataError, require
from archsieve.tasks.data.decoding import IMAGE_COLUMNS, IMAGE_SUFFIXES, LABEL_COLUMNS, Item, column, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Pictures(Protocol):
    """The pictures of a split, by index."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The labels, shape (n,)."""

    @property
    def content(self) -> str:
        """The text that identifies the collection."""

    def item(self, index: int) -> Item:
        """Return one encoded picture; thread-safe."""


@dataclass(frozen=True)
class FolderPictures:
    """Files `folder/<class>/<file>`, class by class, sorted by file name."""

    files: tuple[str, ...] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    content: str = ""

    def item(self, index: int) -> Item:
        """Return one encoded picture.

        Raises:
            DataError: the file cannot be opened.
        """
        path = self.files[index]
        try:
            return Item(f"the file {path}", read_bytes(Path(path), LARGEST_PICTURE), int(self.labels[index]))
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}.") from error


@dataclass(frozen=True)
class TablePictures:
    """Rows of a `datasets` table with encoded pictures."""

    table: Any = field(repr=False)
    image: str
    labels: NDArray[np.int64] = field(repr=False)
    content: str = ""

    def item(self, index: int) -> Item:
        """Return one encoded picture."""
        cell = self.table[index][self.image]
        return Item(f"row {index} of {self.content}", cell["bytes"] if cell else None, int(self.labels[index]))


def folder_pictures(folder: Path, names: Sequence[str]) -> FolderPictures:
    """Return the pictures of `folder/<name>/` for each class name; a class's position is its label.

    Names and sizes of the files identify them: reading all of ImageNet to hash it takes an hour.

    Raises:
        DataError: a class has no pictures.
    """
    files: list[str] = []
    labels: list[int] = []
    digest = hashlib.sha256()
    for label, name in enumerate(names):
        with os.scandir(folder / name) as entries:
            images = sorted((e.name, e.stat().st_size) for e in entries if e.name.lower().endswith(IMAGE_SUFFIXES))
        if not images:
            raise DataError(f"The folder {folder / name} holds no images ({', '.join(IMAGE_SUFFIXES)}).")
        for file, size in images:
            digest.update(f"{name}/{file} {size}\n".encode())
            files.append(str(folder / name / file))
            labels.append(label)
    return FolderPictures(tuple(files), np.array(labels, dtype=np.int64), digest.hexdigest())


def table_pictures(source: str | Sequence[Path], split: str, classes: int) -> TablePictures:
    """Return the pictures of a data set on the hub, or of parquet files in the hub's layout.

    `datasets` keeps a copy in its cache (HF_HOME), which other programs share.

    Raises:
        MissingDataError: the hub does not give it.
        DataError: it cannot be read, lacks a column, or has a label that is not in [0, classes).
    """
    require("datasets", "data")
    import datasets

    try:
        if isinstance(source, str):
            name, table = f"the {split} split of {source}", datasets.load_dataset(source, split=split)
        else:
            files = [str(file) for file in source]
            name = f"the {split} files {Path(files[0]).parent}"
            table = datasets.load_dataset("parquet", data_files={split: files}, split=split)
    except (ConnectionError, FileNotFoundError) as error:
        raise MissingDataError(f"Cannot get {source!r} from the Hugging Face hub: {first_line(error)}") from error
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise DataError(f"Cannot read {source!r}: {first_line(error.__cause__ or error)}") from error
    image, label = (column(table, wanted, name) for wanted in (IMAGE_COLUMNS, LABEL_COLUMNS))
    table = table.select_columns([image, label]).cast_column(image, datasets.Image(decode=False))
    labels = np.asarray(table[label][:], dtype=np.int64)
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"The labels of {name} must be in 0 to {classes - 1}, and there must be some.")
    return TablePictures(table, image, labels, name)
