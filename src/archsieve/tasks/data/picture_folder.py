"""A folder of the user's pictures, one folder per class: its contents, and each picture's pixels as displayed.

How a picture becomes pixels: it is turned as its EXIF tag says; 16 bits become 8; transparent parts become white; CMYK
and palettes become colours; of an animation the first frame is taken.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import DataError, MissingDataError, require
from archsieve.registry import near_miss
from archsieve.tasks.data.decoding import first_line
from archsieve.tasks.data.splits import POOL, TEST, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from archsieve.tasks.data.decoding import Picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
MOST_PIXELS = 64_000_000
"""Of a picture before it is resized; a larger one is refused before it is decoded."""

_LARGE = 16_000_000  # pixels of a picture that is decoded alone, whatever the threads
_ALONE = threading.Lock()
_SPLITS = {"train": POOL, "training": POOL, "val": VALIDATION, "validation": VALIDATION, "valid": VALIDATION}
_SPLITS |= {"test": TEST}


@dataclass(frozen=True, eq=False)
class Found:
    """The pictures of a folder: files by class and name, class of each, class names, and splits.

    `names` are relative to the folder, with "/" between folders on every machine. Where a table lists the pictures,
    `raw` is what it says of each, and `classes` are the names of numbers, or empty.
    """

    folder: Path
    names: tuple[str, ...] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]
    given: NDArray[np.int8] | None
    raw: NDArray[Any] | None = field(default=None, repr=False)


def find_pictures(folder: Path) -> Found:
    """List the pictures of `folder/<class>/`, or of `folder/train/<class>/` with validation and test beside it.

    Raises:
        MissingDataError: there is no such folder.
        DataError: it has no folders of pictures, one class only, a class without pictures, or other classes in one of
            the splits.
    """
    if not folder.is_dir():
        beside = folder.parent if folder.parent.is_dir() else None
        names = [p.name for p in beside.iterdir() if p.is_dir()] if beside else []
        raise MissingDataError(f"There is no folder {folder}.{near_miss(folder.name, names[:20]) if names else ''}")
    below = _folders(folder)
    splits = {name: path for name, path in below.items() if name.lower() in _SPLITS}
    is_split = any(_SPLITS[name.lower()] == POOL for name in splits) and any(map(_folders, splits.values()))
    if not is_split:
        return _found(folder, [(POOL, below)])
    parts = [(_SPLITS[name.lower()], _folders(path)) for name, path in splits.items()]
    return _found(folder, sorted(parts, key=lambda part: part[0]))


def _folders(folder: Path) -> dict[str, Path]:
    """Return the visible folders in a folder by name, normalised in Unicode."""
    return {
        unicodedata.normalize("NFC", path.name): path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith((".", "__"))
    }


def _found(folder: Path, parts: list[tuple[int, dict[str, Path]]]) -> Found:
    classes = sorted(parts[0][1])
    if not classes:
        loose = sum(path.suffix.lower() in SUFFIXES for path in folder.iterdir())
        what = f"it holds {loose} pictures side by side" if loose else "it holds none"
        raise DataError(f"The folder {folder} must hold a folder of pictures for each class, but {what}.")
    for code, by_class in parts[1:]:
        if odd := sorted(set(by_class) ^ set(classes)):
            split = {POOL: "train", VALIDATION: "validation", TEST: "test"}[code]
            where = f"in {split!r} only" if odd[0] in by_class else f"missing in {split!r}"
            hint = near_miss(odd[0], classes if odd[0] in by_class else list(by_class))
            raise DataError(f"The splits of {folder} must have the same classes, but {odd[0]!r} is {where}.{hint}")
    if len(classes) == 1:
        raise DataError(f"The folder {folder} has one class only, {classes[0]!r}: there is nothing to tell apart.")
    names: list[str] = []
    labels: list[int] = []
    given: list[int] = []
    for code, by_class in parts:
        for label, name in enumerate(classes):
            files = sorted(_pictures_below(by_class[name], folder))
            if not files:
                raise DataError(f"The folder {by_class[name]} holds no pictures ({', '.join(SUFFIXES)}).")
            names += files
            labels += [label] * len(files)
            given += [code] * len(files)
    codes = np.array(given, dtype=np.int8)
    return Found(folder, tuple(names), np.array(labels, dtype=np.int64), tuple(classes), codes if codes.any() else None)


def _pictures_below(folder: Path, base: Path) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield (Path(where) / name).relative_to(base).as_posix()


def seen(path: Path, channels: int) -> Picture:
    """Return a picture in colour (3 channels) or grey (1) as displayed; see the module docstring.

    Raises:
        DataError: it cannot be read, is no picture, too large, or has numbers that are no pixels.
    """
    require("PIL", "data")
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():  # a pipe might never end
        raise DataError(f"Cannot read {path}: it is not a file, or it is a broken link.")
    try:
        with Image.open(path) as image:
            _check_size(image, path)
            with _ALONE if image.width * image.height > _LARGE else nullcontext():
                turned = ImageOps.exif_transpose(_in_eight_bits(image, path))
                return _opaque(turned).convert("RGB" if channels == 3 else "L")
    except DataError:
        raise
    except Exception as error:  # Pillow lets through whatever the parser of a format stumbles over
        is_empty = path.is_file() and not path.stat().st_size
        is_none = isinstance(error, UnidentifiedImageError)
        reason = "it is empty" if is_empty else "it is no picture" if is_none else first_line(error).rstrip(".")
        raise DataError(f"Cannot read {path}: {reason}.") from error


def _check_size(image: Picture, path: Path) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{path} has {image.width} x {image.height} pixels, and at most {MOST_PIXELS:,} are read: make it smaller."
        )


def _in_eight_bits(image: Picture, path: Path) -> Picture:
    """Return an integer picture with 8 bits per channel; 16-bit values are divided by 257."""
    from PIL import Image

    if not image.mode.startswith(("I", "F")):
        return image
    if image.mode == "F":
        raise DataError(f"{path} has floating-point numbers for pixels: give them as arrays (the task 'arrays').")
    numbers = np.asarray(image)
    if numbers.min() < 0 or numbers.max() > 65535:
        raise DataError(f"{path} has pixels of more than 16 bits: give them as arrays (the task 'arrays').")
    plain = Image.fromarray(((numbers.astype(np.uint32) + 128) // 257).astype(np.uint8))
    plain.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return plain


def _opaque(image: Picture) -> Picture:
    """Return a picture with transparent parts on white."""
    from PIL import Image

    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        return image
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)


def fitted(picture: Picture, size: tuple[int, int], fit: str) -> Picture:
    """Return a picture at the size (height, width): its centre, stretched, or padded with black."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    wanted = size[1], size[0]
    if picture.size == wanted:
        return picture
    if fit == "stretch":
        return picture.resize(wanted, Resampling.BILINEAR)
    change: Any = ImageOps.fit if fit == "crop" else ImageOps.pad
    return change(picture, wanted, method=Resampling.BILINEAR)


def broken(errors: Iterable[tuple[str, DataError]], count: int) -> DataError:
    """Return one error for all unreadable pictures: how many of `count`, and the first ones."""
    listed = list(errors)
    if len(listed) == 1:
        return DataError(f"{str(listed[0][1]).rstrip('.')}. Remove or repair it.")
    shown = "; ".join(str(error).rstrip(".") for _, error in listed[:3])
    more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
    return DataError(f"{len(listed)} of {count:,} pictures cannot be used: {shown}{more}. Remove or repair them.")
