"""Decoding of pictures to arrays, from parquet files, image folders and the Hugging Face hub."""

from __future__ import annotations

import contextlib
import glob
import io
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from archsieve._reading import LARGEST_PICTURE, quoted, read_bytes
from archsieve.errors import DataError, MissingDataError, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Picture: TypeAlias = Any
"""A picture of Pillow, which has no types here."""

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
HUB_SECONDS = 5.0
"""How long the hub may take to say that it is there."""


class Item(NamedTuple):
    """One encoded picture; `where` is its name in messages."""

    where: str
    encoded: bytes | None
    label: object


def decode(
    items: Iterable[Item], name: str, shape: tuple[int, ...], classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pixels (n, C, H, W) and labels (n,); `name` names the collection in messages.

    Raises:
        DataError: no picture at all, one that cannot be read or has another size, or a label that is not in
            [0, classes).
    """
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for item in items:
        label = item.label
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < classes:
            raise DataError(f"The label of {item.where} must be in 0 to {classes - 1}, but is {label!r}.")
        pixels.append(_pixels(item, shape))
        labels.append(label)
    if not pixels:
        raise DataError(f"{name} holds no images.")
    return np.stack(pixels), np.array(labels, dtype=np.int64)


def opened(encoded: bytes | None, what: str, mode: str | None = "RGB", size: tuple[int, int] | None = None) -> Picture:
    """Return an encoded picture in the colour mode `mode`, or in its own mode if that is None.

    A picture must have `size`, (width, height), where it is given. That is looked at before the picture is decoded, so
    that one of a gigapixel is refused and not unpacked. `what` is what a message calls the picture.

    Raises:
        DataError: there is none, it cannot be read, or has another size.
    """
    require("PIL", "data")
    from PIL import Image, UnidentifiedImageError

    if not encoded:
        raise DataError(f"{what[0].upper()}{what[1:]} is empty.")
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if size is None or image.size == size:
                return image.convert(mode) if mode else image.copy()
            actual = image.size
    except Exception as error:  # Pillow lets through whatever the parser of a format stumbles over
        reason = "it is no picture" if isinstance(error, UnidentifiedImageError) else first_line(error)
        raise DataError(f"Cannot read {what}: {reason}.") from error
    raise DataError(
        f"{what[0].upper()}{what[1:]} must be {size[0]} x {size[1]} pixels, but is {actual[0]} x {actual[1]}."
    )


def pixels_of(picture: Picture) -> NDArray[Any]:
    """Return the pixels of a picture, shape (channels, height, width), or (height, width) without channels."""
    array = np.asarray(picture)
    return np.ascontiguousarray(array.transpose(2, 0, 1) if array.ndim == 3 else array)


def _pixels(item: Item, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    channels, height, width = shape
    mode = "RGB" if channels == 3 else "L"
    return pixels_of(opened(item.encoded, f"the image in {item.where}", mode, (width, height))).reshape(shape)


def folder_items(folder: Path, classes: Sequence[str]) -> Iterator[Item]:
    """Yield the pictures of `folder/<class>/`, class by class, sorted by file name.

    Raises:
        DataError: a class without pictures, or a file that cannot be opened.
    """
    for label, name in enumerate(classes):
        files = sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise DataError(f"The folder {folder / name} holds no images ({', '.join(IMAGE_SUFFIXES)}).")
        for file in files:
            try:
                encoded = read_bytes(file, LARGEST_PICTURE)
            except OSError as error:
                raise DataError(f"Cannot read {file}: {error.strerror}.") from error
            yield Item(f"the file {file}", encoded, label)


def class_names(folders: Sequence[Path], count: int) -> list[str]:
    """Return the sorted folder names in each of `folders`; their positions are the labels.

    Raises:
        DataError: there are not `count` of them, or they differ.
    """
    first, *others = (sorted(p.name for p in f.glob("[!.]*") if p.is_dir()) for f in folders)
    if len(first) != count:
        raise DataError(
            f"There must be {count} folders, one for each class, in {folders[0]}, but there are {len(first)}."
        )
    for folder, names in zip(folders[1:], others, strict=True):
        if names != first:
            odd = sorted(set(first) ^ set(names))[0]
            raise DataError(f"{folders[0]} and {folder} must hold the same classes, but {odd!r} is in one only.")
    return first


def parquet_items(files: Sequence[Path], split: str) -> Iterator[Item]:
    """Return the rows of parquet files in the hub's layout, read by `datasets` without leaving a cache.

    Raises:
        DataError: a file is no parquet, is cut short, or has no column of pictures or labels.
    """
    require("datasets", "data")
    import datasets
    import pyarrow as arrow
    from pyarrow import parquet

    filled = []  # `datasets` stumbles over a file without rows
    for file in files:
        try:
            if parquet.read_metadata(file).num_rows:
                filled.append(glob.escape(str(file)))
        except (arrow.ArrowException, OSError) as error:
            raise DataError(f"{file} is not a complete parquet file: {first_line(error)}") from error
    names = ", ".join(str(file) for file in files)
    if not filled:
        raise DataError(f"There are no rows in {names}.")
    try:
        with tempfile.TemporaryDirectory(prefix="archsieve-") as scratch, _quiet():
            table = datasets.load_dataset(
                "parquet",
                data_files={split: filled},
                split=split,
                cache_dir=scratch,
                keep_in_memory=True,
            )
    except (datasets.exceptions.DatasetsError, arrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"Cannot read {names}: {first_line(error.__cause__ or error)}") from error
    return _rows(table, names)


def hub_items(hub_id: str) -> tuple[Iterator[Item], Iterator[Item]]:
    """Return the rows of the splits "train" and "test" of a data set on the hub.

    It is downloaded to the cache of `datasets` (HF_HOME), which other programs share.

    Raises:
        MissingDataError: the hub cannot be reached or does not have it.
        DataError: it cannot be read, or lacks a split or a column.
    """
    require("datasets", "data")
    import datasets

    _check_reachable(hub_id)
    try:
        with _quiet():
            table = datasets.load_dataset(hub_id)
    except (ConnectionError, FileNotFoundError) as error:
        raise MissingDataError(_unreachable(hub_id, error)) from error
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise DataError(f"Cannot read {hub_id!r} of the Hugging Face hub: {first_line(error)}") from error
    missing = [split for split in ("train", "test") if split not in table]
    if missing:
        raise DataError(f"{hub_id!r} of the Hugging Face hub must have a split {missing[0]!r}: {list(table)}.")
    train, test = (_rows(table[split], f"the {split} split of {hub_id}") for split in ("train", "test"))
    return train, test


def _check_reachable(hub_id: str) -> None:
    """Contact the hub once with a short timeout, because `datasets` retries for half a minute."""
    import datasets
    from huggingface_hub import HfApi

    if datasets.config.HF_HUB_OFFLINE:
        return
    try:
        HfApi(endpoint=datasets.config.HF_ENDPOINT).dataset_info(hub_id, timeout=HUB_SECONDS)
    except Exception as error:  # which one depends on the HTTP client that huggingface_hub is built on
        raise MissingDataError(_unreachable(hub_id, error)) from error


def _unreachable(hub_id: str, error: BaseException) -> str:
    return (
        f"Cannot get {hub_id!r} from the Hugging Face hub ({first_line(error).rstrip('.')}): put the "
        "parquet files into the folder ARCHSIEVE_DATA, name a folder as `source`, or set HF_HUB_OFFLINE=1 "
        "to use a copy downloaded before."
    )


def _rows(table: Any, name: str) -> Iterator[Item]:
    """Return the rows of a `datasets.Dataset` with encoded pictures, so that messages can name a broken one."""
    import datasets
    import pyarrow as arrow

    image, label = (column(table, names, name) for names in (IMAGE_COLUMNS, LABEL_COLUMNS))
    try:
        table = table.select_columns([image, label]).cast_column(image, datasets.Image(decode=False))
    except (arrow.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"The column {image!r} of {name} holds no images: {first_line(error)}") from error
    # A row may name a file instead of holding one: that is not followed, a data file does not choose what
    # is read from this machine.
    return (
        Item(f"row {index} of {name}", row[image]["bytes"] if row[image] else None, row[label])
        for index, row in enumerate(table)
    )


def column(table: Any, names: Sequence[str], where: str) -> str:
    """Return the first of the names that is a column of a `datasets` table.

    Raises:
        DataError: none; `where` is what the message calls the table.
    """
    for name in names:
        if name in table.column_names:
            return name
    wanted, has = " or ".join(map(repr, names)), ", ".join(table.column_names)
    raise DataError(f"The column {wanted} is missing in {where}; it has: {quoted(has)}.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress terminal output of `datasets`; errors are reported once, by archsieve."""
    import datasets

    logging = datasets.utils.logging
    shown, verbosity = datasets.is_progress_bar_enabled(), logging.get_verbosity()
    datasets.disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            datasets.enable_progress_bars()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
